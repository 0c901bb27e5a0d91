//! `Status`: how the work that a span describes ended.

use std::borrow::Cow;

use crate::wire::{self, fields};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status<'a> {
    pub message: Cow<'a, [u8]>,
    /// 0 unset, 1 ok, 2 error; other numbers are kept as they came.
    pub code: i32,
}

impl<'a> Status<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Self {
        let mut status = Self::default();
        for field in fields(body) {
            match field.number {
                2 => status.message = Cow::Borrowed(field.bytes),
                3 => status.code = field.scalar as i32,
                _ => {}
            }
        }
        status
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if !self.message.is_empty() {
            wire::put_bytes(out, 2, &self.message);
        }
        if self.code != 0 {
            wire::put_varint_field(out, 3, self.code as i64 as u64);
        }
    }
}
