//! Attribute values: their texts, and those inside lists and maps.

use std::borrow::Cow;

use super::Detectors;
use super::clean::Mask;
use crate::view::{Map, Value};

/// A whole number of fewer digits is nothing that anybody looks for.
const SMALLEST: u64 = 1_000_000;

impl Detectors {
    /// Puts masks in place of what is found in a value, and gives the number of findings. A whole number becomes a string if it
    /// is one. Recurses as deep as values nest, which arrival bounds.
    pub fn clean_value(&self, value: &mut Value<'_>, mask: &mut Mask<'_>) -> usize {
        self.clean_value_named(b"", value, mask)
    }

    /// The same for the value of an attribute of this name: some secrets are known by that only.
    pub fn clean_value_named(&self, name: &[u8], value: &mut Value<'_>, mask: &mut Mask<'_>) -> usize {
        match value {
            Value::Str(text) => {
                let mut count = 0;
                if let Some(cleaned) = self.clean_named(name, text, &mut counting(mask, &mut count)) {
                    *text = Cow::Owned(cleaned);
                }
                count
            }
            Value::Int(number) if number.unsigned_abs() >= SMALLEST => {
                let mut count = 0;
                let digits = number.to_string();
                if let Some(cleaned) = self.clean_named(name, digits.as_bytes(), &mut counting(mask, &mut count)) {
                    *value = Value::text(cleaned);
                }
                count
            }
            Value::List(items) => items.iter_mut().map(|item| self.clean_value_named(name, item, mask)).sum(),
            Value::Map(map) => self.clean_map(map, mask),
            // Most lists and maps stay as they came: they are opened beside the value.
            Value::RawList(_) | Value::RawMap(_) => {
                let mut opened = value.clone().unfold();
                let count = self.clean_value_named(name, &mut opened, mask);
                if count > 0 {
                    *value = opened;
                }
                count
            }
            Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Bytes(_) => 0,
        }
    }

    fn clean_map(&self, map: &mut Map<'_>, mask: &mut Mask<'_>) -> usize {
        let mut total = 0;
        for index in 0..map.len() {
            let entry = &map.entries()[index];
            let mut value = entry.value().clone();
            let mut count = self.clean_value_named(&entry.key, &mut value, mask);
            if count > 0 {
                map.set_at(index, value);
                total += count;
            }
            count = 0;
            let key = self.clean(&map.entries()[index].key, &mut counting(mask, &mut count));
            if let Some(key) = key {
                map.rename_at(index, Cow::Owned(key));
                total += count;
            }
        }
        total
    }
}

fn counting<'m>(mask: &'m mut Mask<'_>, count: &'m mut usize) -> impl FnMut(&'static str, &[u8]) -> Vec<u8> + 'm {
    move |detector, found| {
        *count += 1;
        mask(detector, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::all;
    use super::*;

    fn clean(value: &mut Value<'_>) -> usize {
        all().clean_value(value, &mut |name, _| format!("<{name}>").into_bytes())
    }

    fn text(text: &str) -> Value<'static> {
        Value::text(text.as_bytes().to_vec())
    }

    #[test]
    fn texts_and_whole_numbers_are_cleaned() {
        let mut value = text("jo@example.com and 10.1.2.3");
        assert_eq!(clean(&mut value), 2);
        assert_eq!(value, text("<email> and <ip>"));
        let mut value = Value::Int(4_111_111_111_111_111);
        assert_eq!(clean(&mut value), 1);
        assert_eq!(value, text("<credit_card>"));
    }

    #[test]
    fn other_values_stay() {
        for value in
            [Value::Empty, Value::Bool(true), Value::Int(-5), Value::Int(i64::MIN), Value::Double(4.1), text("plain")]
        {
            let mut cleaned = value.clone();
            assert_eq!(clean(&mut cleaned), 0);
            assert_eq!(cleaned, value);
        }
    }

    #[test]
    fn lists_and_maps_are_cleaned_in_values_and_keys() {
        let mut inner = Map::default();
        inner.push(&b"jo@example.com"[..], Value::List(vec![Value::Int(1), text("al@example.com")]));
        inner.push(&b"n"[..], Value::Bool(true));
        let mut bytes = Vec::new();
        Value::List(vec![Value::Map(inner), text("x")]).encode(&mut bytes);

        let mut value = Value::decode(&bytes);
        assert_eq!(clean(&mut value), 2);

        let mut expected = Map::default();
        expected.push(&b"<email>"[..], Value::List(vec![Value::Int(1), text("<email>")]));
        expected.push(&b"n"[..], Value::Bool(true));
        assert_eq!(value, Value::List(vec![Value::Map(expected), text("x")]));
    }

    #[test]
    fn what_holds_nothing_stays_as_it_came() {
        let mut bytes = Vec::new();
        Value::List(vec![text("x"), Value::Int(2)]).encode(&mut bytes);
        let mut value = Value::decode(&bytes);
        assert_eq!(clean(&mut value), 0);
        assert!(matches!(value, Value::RawList(_)));
    }
}
