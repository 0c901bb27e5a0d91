//! Tokens that a call used, as its span has them.

use crate::number;
use crate::view::{Map, Value};

/// Tokens that no call has ever used: whoever says more counts something else.
const ABSURD: f64 = 1e9;

/// Names of attributes, of which the first that says something counts.
#[derive(Debug)]
pub struct Keys(Vec<Vec<u8>>);

impl Keys {
    pub fn new(keys: Vec<String>) -> Self {
        Self(keys.into_iter().map(String::into_bytes).collect())
    }

    /// The texts that stand there, without those that are empty.
    pub fn texts<'m>(&'m self, attributes: &'m Map<'_>) -> impl Iterator<Item = &'m [u8]> {
        self.0.iter().filter_map(|key| match attributes.get(key)? {
            Value::Str(text) if !text.is_empty() => Some(text.as_ref()),
            _ => None,
        })
    }

    /// The first count that is one. Those before it that are none are counted.
    pub fn tokens(&self, attributes: &Map<'_>, invalid: &mut u64) -> Option<f64> {
        for key in &self.0 {
            match attributes.get(key) {
                None | Some(Value::Empty) => {}
                Some(value) => match count(value) {
                    Some(count) => return Some(count),
                    None => *invalid += 1,
                },
            }
        }
        None
    }
}

/// A number of tokens, whatever its type.
fn count(value: &Value<'_>) -> Option<f64> {
    let number = match value {
        Value::Int(number) => *number as f64,
        Value::Double(number) => *number,
        Value::Str(text) => number::parse_double(text.trim_ascii()).ok()?,
        _ => return None,
    };
    (0.0..=ABSURD).contains(&number).then_some(number)
}

/// Tokens of each kind. Cached ones and those written to a cache are a part of the input, reasoning of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub input: Option<f64>,
    pub output: Option<f64>,
    pub cached_input: Option<f64>,
    pub cache_write: Option<f64>,
    pub reasoning: Option<f64>,
}

impl Usage {
    /// Whether there is any count.
    pub fn is_known(&self) -> bool {
        [self.input, self.output, self.cached_input, self.cache_write, self.reasoning].iter().any(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_of_any_type_that_can_be_one() {
        let text = |text: &str| Value::text(text.as_bytes().to_vec());
        for (value, expected) in [
            (Value::Int(12), Some(12.0)),
            (Value::Int(0), Some(0.0)),
            (Value::Int(-1), None),
            (Value::Int(1_000_000_000), Some(1e9)),
            (Value::Int(1_000_000_001), None),
            (Value::Int(i64::MAX), None),
            (Value::Double(12.5), Some(12.5)),
            (Value::Double(-0.0), Some(0.0)),
            (Value::Double(f64::NAN), None),
            (Value::Double(f64::INFINITY), None),
            (text("12"), Some(12.0)),
            (text(" 12\n"), Some(12.0)),
            (text("1e3"), Some(1000.0)),
            (text("-3"), None),
            (text("inf"), None),
            (text("many"), None),
            (text(""), None),
            (Value::Bool(true), None),
            (Value::List(vec![Value::Int(5)]), None),
        ] {
            assert_eq!(count(&value), expected, "{value:?}");
        }
    }
}
