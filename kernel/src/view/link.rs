//! A link from a span to another, of which the attributes can be changed.

use super::map::Map;
use crate::wire::fields;

const ATTRIBUTES: u32 = 4;

#[derive(Clone, Debug, Default)]
pub struct LinkView<'a> {
    body: &'a [u8],
    attributes: Map<'a>,
}

impl<'a> LinkView<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Self {
        let mut link = Self { body, ..Self::default() };
        for field in fields(body).filter(|field| field.number == ATTRIBUTES) {
            link.attributes.load(field.bytes);
        }
        link
    }

    pub fn attributes(&self) -> &Map<'a> {
        &self.attributes
    }

    pub fn attributes_mut(&mut self) -> &mut Map<'a> {
        &mut self.attributes
    }

    pub fn is_changed(&self) -> bool {
        self.attributes.is_changed()
    }

    /// Appends the body of the link: attributes as they are now, everything else as it came.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_changed() {
            out.extend_from_slice(self.body);
            return;
        }
        for field in fields(self.body).filter(|field| field.number != ATTRIBUTES) {
            out.extend_from_slice(&self.body[field.start..field.end]);
        }
        self.attributes.encode(ATTRIBUTES, out);
    }
}
