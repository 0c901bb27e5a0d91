//! The instrumentation scope of a `ScopeSpans`, with its schema URL.

use std::borrow::Cow;

use super::map::Map;
use crate::wire::{self, fields};

const NAME: u32 = 1;
const VERSION: u32 = 2;
const ATTRIBUTES: u32 = 3;
const DROPPED_ATTRIBUTES: u32 = 4;

/// What all spans of a `ScopeSpans` share.
#[derive(Clone, Debug, Default)]
pub struct ScopeView<'a> {
    body: &'a [u8],
    name: Cow<'a, [u8]>,
    version: Cow<'a, [u8]>,
    attributes: Map<'a>,
    dropped_attributes_count: u32,
    changed: bool,
    schema_url: Cow<'a, [u8]>,
    schema_url_changed: bool,
}

impl<'a> ScopeView<'a> {
    /// Reads the body of the `InstrumentationScope` message, and the schema URL that stands beside it.
    pub fn decode(scope: &'a [u8], schema_url: &'a [u8]) -> Self {
        let mut view = Self { body: scope, schema_url: Cow::Borrowed(schema_url), ..Self::default() };
        for field in fields(scope) {
            match field.number {
                NAME => view.name = Cow::Borrowed(field.bytes),
                VERSION => view.version = Cow::Borrowed(field.bytes),
                ATTRIBUTES => view.attributes.load(field.bytes),
                DROPPED_ATTRIBUTES => view.dropped_attributes_count = field.scalar as u32,
                _ => {}
            }
        }
        view
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn version(&self) -> &[u8] {
        &self.version
    }

    pub fn attributes(&self) -> &Map<'a> {
        &self.attributes
    }

    pub fn attributes_mut(&mut self) -> &mut Map<'a> {
        &mut self.attributes
    }

    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes_count
    }

    pub fn schema_url(&self) -> &[u8] {
        &self.schema_url
    }

    pub fn set_name(&mut self, name: Cow<'a, [u8]>) {
        self.name = name;
        self.changed = true;
    }

    pub fn set_version(&mut self, version: Cow<'a, [u8]>) {
        self.version = version;
        self.changed = true;
    }

    pub fn set_dropped_attributes_count(&mut self, count: u32) {
        self.dropped_attributes_count = count;
        self.changed = true;
    }

    pub fn set_schema_url(&mut self, url: Cow<'a, [u8]>) {
        self.schema_url = url;
        self.schema_url_changed = true;
    }

    /// Whether the `InstrumentationScope` message is another one now.
    pub fn is_changed(&self) -> bool {
        self.changed || self.attributes.is_changed()
    }

    /// Whether the schema URL beside it is another one now.
    pub fn has_new_schema_url(&self) -> bool {
        self.schema_url_changed
    }

    /// Appends the body of the `InstrumentationScope`: known fields as they are now, others as they came.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (number, text) in [(NAME, &self.name), (VERSION, &self.version)] {
            if !text.is_empty() {
                wire::put_bytes(out, number, text);
            }
        }
        self.attributes.encode(ATTRIBUTES, out);
        if self.dropped_attributes_count != 0 {
            wire::put_varint_field(out, DROPPED_ATTRIBUTES, u64::from(self.dropped_attributes_count));
        }
        for field in fields(self.body).filter(|field| field.number > DROPPED_ATTRIBUTES) {
            out.extend_from_slice(&self.body[field.start..field.end]);
        }
    }
}
