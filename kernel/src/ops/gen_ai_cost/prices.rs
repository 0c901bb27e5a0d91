//! What tokens cost, by the model.

use std::collections::HashMap;

use serde::Deserialize;

use super::usage::Usage;
use crate::error::OptionError;
use crate::glob::glob;
use crate::pattern::Pattern;

const MILLION: f64 = 1e6;

/// In units of some currency for a million tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSettings {
    /// A name, in which `*` stands for any characters.
    pub model: String,
    pub input: f64,
    pub output: f64,
    /// That of the input, if it is absent.
    #[serde(default)]
    pub cached_input: Option<f64>,
    #[serde(default)]
    pub cache_write: Option<f64>,
    /// That of the output, if it is absent.
    #[serde(default)]
    pub reasoning: Option<f64>,
}

/// Prices of all kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    input: f64,
    output: f64,
    cached_input: f64,
    cache_write: f64,
    reasoning: f64,
}

impl Price {
    fn new(settings: &PriceSettings) -> Result<Self, OptionError> {
        let checked = |option: &str, price: f64| {
            if price.is_finite() && price >= 0.0 {
                return Ok(price);
            }
            let path = format!("prices::{}::{option}", settings.model);
            Err(OptionError::new(path, format!("must be a price from 0, got {price}")))
        };
        let (input, output) = (settings.input, settings.output);
        Ok(Self {
            input: checked("input", input)?,
            output: checked("output", output)?,
            cached_input: checked("cached_input", settings.cached_input.unwrap_or(input))?,
            cache_write: checked("cache_write", settings.cache_write.unwrap_or(input))?,
            reasoning: checked("reasoning", settings.reasoning.unwrap_or(output))?,
        })
    }

    /// What this usage costs.
    ///
    /// A part that is larger than the whole is no part of it: some instrumentations count what was cached, or what was
    /// reasoned, beside the rest. It is charged beside it then.
    pub fn of(&self, usage: &Usage) -> f64 {
        let tokens = |count: Option<f64>| count.unwrap_or(0.0);
        let rest = |whole: f64, parts: f64| if parts <= whole { whole - parts } else { whole };
        let (cached, written, reasoning) =
            (tokens(usage.cached_input), tokens(usage.cache_write), tokens(usage.reasoning));
        let sum = rest(tokens(usage.input), cached + written) * self.input
            + cached * self.cached_input
            + written * self.cache_write
            + rest(tokens(usage.output), reasoning) * self.output
            + reasoning * self.reasoning;
        sum / MILLION
    }
}

/// The price of each model: of its name, or else of the longest pattern that it matches.
#[derive(Debug, Default)]
pub struct Prices {
    names: HashMap<Vec<u8>, Price>,
    /// The longest first.
    patterns: Vec<(Pattern, Price)>,
}

impl Prices {
    pub fn new(settings: Vec<PriceSettings>) -> Result<Self, OptionError> {
        let mut made = Self::default();
        let (patterns, names): (Vec<_>, Vec<_>) = settings.into_iter().partition(|price| price.model.contains('*'));
        for price in names {
            made.names.insert(price.model.clone().into_bytes(), Price::new(&price)?);
        }
        let mut patterns: Vec<_> = patterns.into_iter().map(|price| (length(&price.model), price)).collect();
        patterns.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        for (_, price) in patterns {
            let pattern = glob(&escaped(&price.model))
                .map_err(|why| OptionError::new(format!("prices::{}", price.model), format!("is no pattern: {why}")))?;
            made.patterns.push((pattern, Price::new(&price)?));
        }
        Ok(made)
    }

    /// What tokens of this model cost.
    pub fn of(&self, model: &[u8]) -> Option<&Price> {
        let by_pattern = || self.patterns.iter().find(|(pattern, _)| pattern.is_match(model)).map(|(_, price)| price);
        self.names.get(model).or_else(by_pattern)
    }
}

/// How much of a name a pattern says.
fn length(pattern: &str) -> usize {
    pattern.chars().filter(|c| *c != '*').count()
}

/// The pattern with `*` alone left special: names of models have brackets in them.
fn escaped(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if "?[]{},\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(model: &str, input: f64) -> PriceSettings {
        let (cached_input, cache_write, reasoning) = (None, None, None);
        PriceSettings { model: model.to_owned(), input, output: 10.0, cached_input, cache_write, reasoning }
    }

    #[test]
    fn the_longest_pattern_counts_and_a_name_before_all() {
        let models = ["*", "gpt-4o*", "*gpt-4o-mini*", "gpt-4o-mini-2024", "a[1m]", "b[1m]*", "*x"];
        let prices = models.iter().zip(1u8..).map(|(model, input)| settings(model, f64::from(input)));
        let prices = Prices::new(prices.collect()).unwrap();
        for (model, input) in [
            ("gpt-4o", 2.0),
            ("gpt-4o-mini", 3.0),
            ("openai/gpt-4o-mini", 3.0),
            ("gpt-4o-mini-2024", 4.0),
            ("gpt-4o-mini-2025", 3.0),
            ("a[1m]", 5.0),
            ("a1", 1.0),
            ("b[1m]-large", 6.0),
            ("b1-large", 1.0),
            ("xx", 7.0),
        ] {
            assert_eq!(prices.of(model.as_bytes()).unwrap().input, input, "{model}");
        }
        assert!(Prices::new(vec![settings("gpt-4o*", 1.0)]).unwrap().of(b"gpt-4").is_none());
    }

    #[test]
    fn parts_of_input_and_output_have_prices_of_their_own() {
        let mut given = settings("m", 2.0);
        let usage = |input, cached, written, output, reasoning| Usage {
            input: Some(input),
            cached_input: Some(cached),
            cache_write: Some(written),
            output: Some(output),
            reasoning: Some(reasoning),
        };
        let whole = usage(1e6, 4e5, 1e5, 2e6, 5e5);
        assert_eq!(Price::new(&given).unwrap().of(&whole), 22.0);
        (given.cached_input, given.cache_write, given.reasoning) = (Some(0.5), Some(4.0), Some(20.0));
        let price = Price::new(&given).unwrap();
        assert_eq!(price.of(&whole), 1.0 + 0.2 + 0.4 + 15.0 + 10.0);
        // Neither is a part of the whole here.
        assert_eq!(price.of(&usage(1e6, 2e6, 0.0, 1e6, 2e6)), 2.0 + 1.0 + 10.0 + 40.0);
        assert_eq!(price.of(&Usage { cached_input: Some(1e6), ..Usage::default() }), 0.5);
        assert_eq!(price.of(&Usage::default()), 0.0);
    }

    #[test]
    fn a_price_is_a_number_from_0() {
        for input in [-1.0, f64::NAN, f64::INFINITY] {
            let error = Prices::new(vec![settings("m*", input)]).unwrap_err();
            assert!(format!("{error:?}").contains("prices::m*::input"), "{error:?}");
        }
    }
}
