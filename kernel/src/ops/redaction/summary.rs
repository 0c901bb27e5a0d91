//! What was done to attributes, noted beside them.

use std::borrow::Cow;

use serde::Deserialize;

use crate::view::{Map, Value};

/// The option `summary`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Keys and counts.
    Debug,
    /// Counts.
    Info,
    #[default]
    Silent,
}

/// Attributes that may stand there although no list allows them: what an earlier redaction noted.
pub(super) const ALWAYS_ALLOWED: [&[u8]; 5] = [
    b"redaction.redacted.keys",
    b"redaction.redacted.count",
    b"redaction.masked.keys",
    b"redaction.masked.count",
    b"redaction.ignored.count",
];

/// Keys of attributes that share a fate.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub count: i64,
    /// Kept only where they will be written.
    names: Vec<Vec<u8>>,
}

impl Keys {
    #[inline]
    pub(super) fn note(&mut self, key: &[u8], verbosity: Verbosity) {
        self.count += 1;
        if verbosity == Verbosity::Debug {
            self.names.push(key.to_vec());
        }
    }

    /// Adds what is there to what an earlier redaction noted under the same names.
    pub(super) fn write<'a>(
        mut self,
        map: &mut Map<'a>,
        verbosity: Verbosity,
        keys: Option<&'static str>,
        count: &'static str,
    ) {
        if self.count == 0 || verbosity == Verbosity::Silent {
            return;
        }
        if let Some(keys) = keys.filter(|_| verbosity == Verbosity::Debug) {
            if let Some(Value::Str(earlier)) = map.get(keys.as_bytes())
                && !earlier.is_empty()
            {
                self.names.extend(earlier.split(|byte| *byte == b',').map(<[u8]>::to_vec));
            }
            self.names.sort_unstable();
            map.upsert(keys.as_bytes(), Value::Str(Cow::Owned(self.names.join(&b","[..]))));
        }
        let earlier = match map.get(count.as_bytes()) {
            Some(Value::Int(earlier)) => *earlier,
            _ => 0,
        };
        map.upsert(count.as_bytes(), Value::Int(self.count.wrapping_add(earlier)));
    }
}
