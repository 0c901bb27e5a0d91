//! Values as they come from a configuration file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::view::{Map, Value};

/// A free-typed option: what stands beside `value:` in an attribute action.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    Nothing,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Setting>),
    Map(Vec<(String, Setting)>),
}

impl Setting {
    /// The attribute value it stands for.
    pub fn to_value(&self) -> Value<'static> {
        match self {
            Self::Nothing => Value::Empty,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Text(value) => Value::text(value.clone().into_bytes()),
            Self::List(items) => Value::List(items.iter().map(Self::to_value).collect()),
            Self::Map(items) => {
                let mut map = Map::default();
                for (key, value) in items {
                    map.upsert(key.clone().into_bytes(), value.to_value());
                }
                Value::Map(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingVisitor)
    }
}

struct SettingVisitor;

impl<'de> Visitor<'de> for SettingVisitor {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number, boolean, list or map")
    }

    fn visit_unit<E>(self) -> Result<Setting, E> {
        Ok(Setting::Nothing)
    }

    fn visit_none<E>(self) -> Result<Setting, E> {
        Ok(Setting::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Setting, E> {
        Ok(Setting::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Setting, E> {
        Ok(Setting::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Setting, E> {
        i64::try_from(value)
            .map(Setting::Int)
            .map_err(|_| E::custom(format!("{value} does not fit a signed 64-bit integer")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Setting, E> {
        Ok(Setting::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Setting, E> {
        Ok(Setting::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Setting, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Setting::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Setting, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = map.next_entry()? {
            items.push(item);
        }
        Ok(Setting::Map(items))
    }
}
