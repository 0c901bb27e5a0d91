//! The resource of a `ResourceSpans`, with its schema URL.

use super::map::Map;
use super::slots::Slots;
use crate::view::Edits;
use crate::wire::{self, Field, fields};

const ATTRIBUTES: u32 = 1;
const DROPPED_ATTRIBUTES: u32 = 2;

/// What all spans of a `ResourceSpans` share.
#[derive(Clone, Debug, Default)]
pub struct ResourceView<'a> {
    slots: Slots<3>,
    attributes: Map<'a>,
    dropped_attributes_count: u32,
    schema_url: &'a [u8],
}

impl<'a> ResourceView<'a> {
    /// Reads the body of the `Resource` message, and the schema URL that stands beside it.
    pub fn decode(resource: &'a [u8], schema_url: &'a [u8]) -> Self {
        let mut view = Self { schema_url, ..Self::default() };
        for field in fields(resource) {
            view.slots.note(&field);
            match field.number {
                ATTRIBUTES => view.attributes.load(field.bytes),
                DROPPED_ATTRIBUTES => view.dropped_attributes_count = field.scalar as u32,
                _ => {}
            }
        }
        view
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
        self.schema_url
    }

    pub fn is_changed(&self) -> bool {
        self.slots.is_touched() || self.attributes.is_changed()
    }

    /// Writes what changed. `field` is the resource as it stands in the message whose body begins at
    /// `base`; where there was none, a new one is put at `base`.
    pub fn write(&self, field: Option<&Field<'a>>, base: usize, edits: &mut Edits) {
        let mut slots = self.slots.clone();
        if self.attributes.is_changed() {
            slots.touch(ATTRIBUTES);
        }
        match field {
            Some(field) => {
                let mark = edits.open(base + field.start);
                slots.write(base + field.body, field.bytes.len(), edits, |number, out| self.encode(number, out));
                edits.close(&mark, 1, base + field.start, base + field.body, base + field.end);
            }
            None => edits.replace(base, base, |out| {
                wire::put_message(out, 1, |out| {
                    (ATTRIBUTES..=DROPPED_ATTRIBUTES).for_each(|number| self.encode(number, out))
                });
            }),
        }
    }

    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        match number {
            ATTRIBUTES => self.attributes.encode(ATTRIBUTES, out),
            _ if self.dropped_attributes_count != 0 => {
                wire::put_varint_field(out, DROPPED_ATTRIBUTES, u64::from(self.dropped_attributes_count));
            }
            _ => {}
        }
    }
}
