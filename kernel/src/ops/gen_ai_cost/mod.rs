//! `gen_ai_cost`: what a call of a language model cost, from the tokens it used and a table of prices.
//!
//! The names of attributes are those of the semantic conventions, unless others are given.
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/>

mod prices;
mod usage;

use serde::Deserialize;

use self::prices::{PriceSettings, Prices};
use self::usage::{Keys, Usage};
use super::matching::{MatchSettings, SpanSelection};
use super::{Counts, Levels, Op, Place, Verdict};
use crate::error::OptionError;
use crate::view::{Map, Needs, SpanView, Value};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenAiCostSettings {
    pub prices: Vec<PriceSettings>,
    /// Where the cost is written.
    pub attribute: String,
    /// Whether a cost that is there already is replaced.
    pub overwrite: bool,
    /// Where the name of the model stands. The first that has a price counts.
    pub model_attributes: Vec<String>,
    /// Where counts of tokens stand. Of each kind the first that is a count.
    pub input_attributes: Vec<String>,
    pub output_attributes: Vec<String>,
    pub cached_input_attributes: Vec<String>,
    pub cache_write_attributes: Vec<String>,
    pub reasoning_attributes: Vec<String>,
    pub include: Option<MatchSettings>,
    pub exclude: Option<MatchSettings>,
}

/// What became of a span with counts of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tally {
    Priced,
    /// It had a cost already.
    Kept,
    UnknownModel,
    NoModel,
    /// None of its counts can be one.
    NoCount,
    /// Counts, and not spans, that were passed over.
    InvalidCounts,
}

const TALLIES: &[&str] = &["priced", "kept", "unknown_model", "no_model", "no_count", "invalid_counts"];

/// Names of models that a pass says are without a price.
const MOST_NAMES: usize = 8;
/// Characters of a name that are shown. It may be anything, since it comes from outside.
const SHOWN: usize = 80;

/// Writes the cost of a call into its span.
#[derive(Debug)]
pub struct GenAiCostOp {
    prices: Prices,
    attribute: Vec<u8>,
    overwrite: bool,
    models: Keys,
    input: Keys,
    output: Keys,
    cached_input: Keys,
    cache_write: Keys,
    reasoning: Keys,
    selection: SpanSelection,
}

impl GenAiCostOp {
    pub fn new(settings: GenAiCostSettings) -> Result<Self, OptionError> {
        Ok(Self {
            prices: Prices::new(settings.prices)?,
            attribute: settings.attribute.into_bytes(),
            overwrite: settings.overwrite,
            models: Keys::new(settings.model_attributes),
            input: Keys::new(settings.input_attributes),
            output: Keys::new(settings.output_attributes),
            cached_input: Keys::new(settings.cached_input_attributes),
            cache_write: Keys::new(settings.cache_write_attributes),
            reasoning: Keys::new(settings.reasoning_attributes),
            selection: SpanSelection::new(settings.include, settings.exclude)?,
        })
    }

    /// The counts of a span, and how many of its counts can be none.
    fn usage(&self, attributes: &Map<'_>) -> (Usage, u64) {
        let mut invalid = 0;
        let usage = Usage {
            input: self.input.tokens(attributes, &mut invalid),
            output: self.output.tokens(attributes, &mut invalid),
            cached_input: self.cached_input.tokens(attributes, &mut invalid),
            cache_write: self.cache_write.tokens(attributes, &mut invalid),
            reasoning: self.reasoning.tokens(attributes, &mut invalid),
        };
        (usage, invalid)
    }

    /// The cost of this usage, or why there is none.
    fn cost(&self, usage: &Usage, attributes: &Map<'_>, counts: &mut Counts) -> Result<f64, Tally> {
        if !usage.is_known() {
            return Err(Tally::NoCount);
        }
        if !self.overwrite && attributes.contains(&self.attribute) {
            return Err(Tally::Kept);
        }
        match self.models.texts(attributes).find_map(|model| self.prices.of(model)) {
            Some(price) => Ok(price.of(usage)),
            None => match self.models.texts(attributes).next() {
                Some(model) => {
                    note(model, counts);
                    Err(Tally::UnknownModel)
                }
                None => Err(Tally::NoModel),
            },
        }
    }
}

/// Books a span whose model has no price, with the name of the model for the log.
fn note(model: &[u8], counts: &mut Counts) {
    counts.failed += 1;
    let names = counts.first_failure.get_or_insert_default();
    let known = if names.is_empty() { 0 } else { names.split(", ").count() };
    if known < MOST_NAMES {
        let name: String = String::from_utf8_lossy(model).chars().take(SHOWN).collect();
        let shown = format!("{name:?}");
        if !names.split(", ").any(|other| other == shown) {
            names.push_str(if known == 0 { "" } else { ", " });
            names.push_str(&shown);
        }
    }
}

impl Op for GenAiCostOp {
    fn needs(&self) -> Needs {
        self.selection.needs().union(Needs { attributes: true, ..Needs::default() })
    }

    fn levels(&self) -> Levels {
        Levels { span: true, ..Levels::default() }
    }

    fn tallies(&self) -> Vec<String> {
        TALLIES.iter().map(|name| (*name).to_owned()).collect()
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, place: &mut Place<'_, 'a>, counts: &mut Counts) -> Verdict {
        let (usage, invalid) = self.usage(span.attributes());
        if !usage.is_known() && invalid == 0 {
            return Verdict::Keep;
        }
        if !self.selection.selects(span, place) {
            return Verdict::Keep;
        }
        counts.tallies[Tally::InvalidCounts as usize] += invalid;
        match self.cost(&usage, span.attributes(), counts) {
            Ok(cost) => {
                span.attributes_mut().upsert(self.attribute.as_slice(), Value::Double(cost));
                counts.tallies[Tally::Priced as usize] += 1;
                Verdict::Changed
            }
            Err(tally) => {
                counts.tallies[tally as usize] += 1;
                Verdict::Keep
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_are_listed_once_and_shortened() {
        let mut counts = Counts::default();
        note(b"a", &mut counts);
        note(b"a", &mut counts);
        note("\u{fc}\n".as_bytes(), &mut counts);
        note(&[b'x'; 500], &mut counts);
        note(b"\xff", &mut counts);
        assert_eq!(
            counts.first_failure.as_ref().unwrap().len(),
            "\"a\", \"\u{fc}\\n\", \"\u{fffd}\", ".len() + SHOWN + 2
        );
        for number in 0..50 {
            note(format!("model {number}").as_bytes(), &mut counts);
        }
        assert_eq!(counts.failed, 55);
        assert_eq!(counts.first_failure.unwrap().split(", ").count(), MOST_NAMES);
    }
}
