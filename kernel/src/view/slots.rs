//! Where the fields of a message stand, and which of them somebody changed.

use super::edits::Edits;
use crate::wire::Field;

/// What the ops of a program look at, so that the rest is not decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The attributes of spans.
    pub attributes: bool,
    /// The events of spans, with their attributes.
    pub events: bool,
    /// The links of spans, with their attributes.
    pub links: bool,
    /// The resource: its attributes and schema URL.
    pub resource: bool,
    /// The scope: name, version, attributes and schema URL.
    pub scope: bool,
}

impl Needs {
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            attributes: self.attributes || other.attributes,
            events: self.events || other.events,
            links: self.links || other.links,
            resource: self.resource || other.resource,
            scope: self.scope || other.scope,
        }
    }
}

/// Where each field of a message stands, as byte ranges inside its body.
///
/// A repeated field has one range for all its occurrences: in the normal form they stand together.
#[derive(Clone, Debug)]
pub(super) struct Slots<const N: usize> {
    /// Meaningful for the fields in `seen` only, so that forgetting a span costs nothing.
    ranges: [(u32, u32); N],
    seen: u32,
    touched: u32,
}

impl<const N: usize> Default for Slots<N> {
    fn default() -> Self {
        Self { ranges: [(0, 0); N], seen: 0, touched: 0 }
    }
}

impl<const N: usize> Slots<N> {
    pub(super) fn reset(&mut self) {
        self.seen = 0;
        self.touched = 0;
    }

    #[inline(always)]
    pub(super) fn note(&mut self, field: &Field<'_>) {
        if let Some(range) = self.ranges.get_mut(field.number as usize) {
            let bit = 1 << field.number;
            if self.seen & bit == 0 {
                self.seen |= bit;
                range.0 = field.start as u32;
            }
            range.1 = field.end as u32;
        }
    }

    pub(super) fn touch(&mut self, number: u32) {
        self.touched |= 1 << number;
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched != 0
    }

    /// Replaces every touched field by what `encode` writes for it. New fields go to the end of the body.
    ///
    /// `base` is where the body begins in the chunk, `length` how long it is.
    pub(super) fn write(
        &self,
        base: usize,
        length: usize,
        edits: &mut Edits,
        mut encode: impl FnMut(u32, &mut Vec<u8>),
    ) {
        let mut rest = self.touched;
        // Edits go from left to right. There are few: picking the leftmost each time beats sorting.
        while rest != 0 {
            let mut leftmost = (usize::MAX, usize::MAX, 0);
            for number in (0..N as u32).filter(|number| rest & 1 << number != 0) {
                let (start, end) = match self.ranges[number as usize] {
                    (start, end) if self.seen & 1 << number != 0 => (start as usize, end as usize),
                    _ => (length, length),
                };
                if start < leftmost.0 {
                    leftmost = (start, end, number);
                }
            }
            let (start, end, number) = leftmost;
            rest &= !(1 << number);
            edits.replace(base + start, base + end, |out| encode(number, out));
        }
    }
}
