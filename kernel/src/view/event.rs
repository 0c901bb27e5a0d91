//! A span event.

use std::borrow::Cow;

use super::map::Map;
use super::slots::Slots;
use crate::wire::{self, fields};

const TIME: u32 = 1;
const NAME: u32 = 2;
const ATTRIBUTES: u32 = 3;
const DROPPED_ATTRIBUTES: u32 = 4;

#[derive(Clone, Debug, Default)]
pub struct EventView<'a> {
    body: &'a [u8],
    slots: Slots<5>,
    time_unix_nano: u64,
    name: Cow<'a, [u8]>,
    attributes: Map<'a>,
    dropped_attributes_count: u32,
}

impl<'a> EventView<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Self {
        let mut event = Self { body, ..Self::default() };
        for field in fields(body) {
            event.slots.note(&field);
            match field.number {
                TIME => event.time_unix_nano = field.scalar,
                NAME => event.name = Cow::Borrowed(field.bytes),
                ATTRIBUTES => event.attributes.load(field.bytes),
                DROPPED_ATTRIBUTES => event.dropped_attributes_count = field.scalar as u32,
                _ => {}
            }
        }
        event
    }

    pub fn time_unix_nano(&self) -> u64 {
        self.time_unix_nano
    }

    pub fn name(&self) -> &[u8] {
        &self.name
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

    pub fn set_time_unix_nano(&mut self, time: u64) {
        self.time_unix_nano = time;
        self.slots.touch(TIME);
    }

    pub fn set_name(&mut self, name: Cow<'a, [u8]>) {
        self.name = name;
        self.slots.touch(NAME);
    }

    pub fn set_dropped_attributes_count(&mut self, count: u32) {
        self.dropped_attributes_count = count;
        self.slots.touch(DROPPED_ATTRIBUTES);
    }

    pub fn is_changed(&self) -> bool {
        self.slots.is_touched() || self.attributes.is_changed()
    }

    /// Appends the body of the event: known fields as they are now, unknown ones as they came.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_changed() {
            out.extend_from_slice(self.body);
            return;
        }
        if self.time_unix_nano != 0 {
            wire::put_fixed64(out, TIME, self.time_unix_nano);
        }
        if !self.name.is_empty() {
            wire::put_bytes(out, NAME, &self.name);
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
