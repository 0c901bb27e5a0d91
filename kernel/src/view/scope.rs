//! The instrumentation scope of a `ScopeSpans`, with its schema URL.

use super::map::Map;
use crate::wire::fields;

/// What all spans of a `ScopeSpans` share. Nothing changes a scope yet, so it cannot be changed.
#[derive(Clone, Debug, Default)]
pub struct ScopeView<'a> {
    name: &'a [u8],
    version: &'a [u8],
    attributes: Map<'a>,
    dropped_attributes_count: u32,
    schema_url: &'a [u8],
}

impl<'a> ScopeView<'a> {
    /// Reads the body of the `InstrumentationScope` message, and the schema URL that stands beside it.
    pub fn decode(scope: &'a [u8], schema_url: &'a [u8]) -> Self {
        let mut view = Self { schema_url, ..Self::default() };
        for field in fields(scope) {
            match field.number {
                1 => view.name = field.bytes,
                2 => view.version = field.bytes,
                3 => view.attributes.load(field.bytes),
                4 => view.dropped_attributes_count = field.scalar as u32,
                _ => {}
            }
        }
        view
    }

    pub fn name(&self) -> &[u8] {
        self.name
    }

    pub fn version(&self) -> &[u8] {
        self.version
    }

    pub fn attributes(&self) -> &Map<'a> {
        &self.attributes
    }

    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes_count
    }

    pub fn schema_url(&self) -> &[u8] {
        self.schema_url
    }
}
