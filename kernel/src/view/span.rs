//! A span. One view is reused for all spans of a pass.

use std::borrow::Cow;

use super::event::EventView;
use super::link::LinkView;
use super::map::Map;
use super::slots::{Needs, Slots};
use super::status::Status;
use crate::view::Edits;
use crate::wire::{self, Cursor};

const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const TRACE_STATE: u32 = 3;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START_TIME: u32 = 7;
const END_TIME: u32 = 8;
const ATTRIBUTES: u32 = 9;
const DROPPED_ATTRIBUTES: u32 = 10;
const EVENTS: u32 = 11;
const DROPPED_EVENTS: u32 = 12;
const LINKS: u32 = 13;
const DROPPED_LINKS: u32 = 14;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;

/// How an attribute begins on the wire: number 9, length-delimited.
const ATTRIBUTE_TAG: u8 = 0x4a;

/// A span as it stands on the wire, with what was changed since.
///
/// Attributes, events and links are empty unless the [`Needs`] it was loaded with name them.
#[derive(Debug, Default)]
pub struct SpanView<'a> {
    body: &'a [u8],
    slots: Slots<17>,
    trace_id: Cow<'a, [u8]>,
    span_id: Cow<'a, [u8]>,
    trace_state: Cow<'a, [u8]>,
    parent_span_id: Cow<'a, [u8]>,
    name: Cow<'a, [u8]>,
    kind: i32,
    start_time_unix_nano: u64,
    end_time_unix_nano: u64,
    attributes: Map<'a>,
    dropped_attributes_count: u32,
    events: Vec<EventView<'a>>,
    events_changed: bool,
    dropped_events_count: u32,
    /// Links that are left: all that came, or none. They are counted also where they are not loaded.
    link_count: usize,
    links: Vec<LinkView<'a>>,
    dropped_links_count: u32,
    status: Status<'a>,
    flags: u32,
}

impl<'a> SpanView<'a> {
    /// Reads the body of a `Span` message over what the view held before.
    pub fn load(&mut self, body: &'a [u8], needs: Needs) {
        self.reset();
        self.body = body;
        let mut rest = Cursor::new(body);
        loop {
            while let Some(field) = rest.next_short(ATTRIBUTE_TAG) {
                self.slots.note(&field);
                if needs.attributes {
                    self.attributes.load(field.bytes);
                }
            }
            let Ok(Some(field)) = rest.next_field() else { break };
            self.slots.note(&field);
            match field.number {
                TRACE_ID => self.trace_id = Cow::Borrowed(field.bytes),
                SPAN_ID => self.span_id = Cow::Borrowed(field.bytes),
                TRACE_STATE => self.trace_state = Cow::Borrowed(field.bytes),
                PARENT_SPAN_ID => self.parent_span_id = Cow::Borrowed(field.bytes),
                NAME => self.name = Cow::Borrowed(field.bytes),
                KIND => self.kind = field.scalar as i32,
                START_TIME => self.start_time_unix_nano = field.scalar,
                END_TIME => self.end_time_unix_nano = field.scalar,
                ATTRIBUTES if needs.attributes => self.attributes.load(field.bytes),
                DROPPED_ATTRIBUTES => self.dropped_attributes_count = field.scalar as u32,
                EVENTS if needs.events => self.events.push(EventView::decode(field.bytes)),
                DROPPED_EVENTS => self.dropped_events_count = field.scalar as u32,
                LINKS => {
                    self.link_count += 1;
                    if needs.links {
                        self.links.push(LinkView::decode(field.bytes));
                    }
                }
                DROPPED_LINKS => self.dropped_links_count = field.scalar as u32,
                STATUS => self.status = Status::decode(field.bytes),
                FLAGS => self.flags = field.scalar as u32,
                _ => {}
            }
        }
    }

    /// Forgets everything. Field by field: replacing the whole struct would copy half a kilobyte a span.
    fn reset(&mut self) {
        self.slots.reset();
        for text in
            [&mut self.trace_id, &mut self.span_id, &mut self.trace_state, &mut self.parent_span_id, &mut self.name]
        {
            *text = Cow::Borrowed(&[]);
        }
        self.kind = 0;
        self.start_time_unix_nano = 0;
        self.end_time_unix_nano = 0;
        self.attributes.reset();
        self.dropped_attributes_count = 0;
        self.events.clear();
        self.events_changed = false;
        self.dropped_events_count = 0;
        self.link_count = 0;
        self.links.clear();
        self.dropped_links_count = 0;
        self.status = Status::default();
        self.flags = 0;
    }

    /// 16 bytes, or none.
    pub fn trace_id(&self) -> &[u8] {
        &self.trace_id
    }

    /// 8 bytes, or none.
    pub fn span_id(&self) -> &[u8] {
        &self.span_id
    }

    /// 8 bytes, or none for a root span.
    pub fn parent_span_id(&self) -> &[u8] {
        &self.parent_span_id
    }

    pub fn trace_state(&self) -> &[u8] {
        &self.trace_state
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// `SpanKind` as a number.
    pub fn kind(&self) -> i32 {
        self.kind
    }

    pub fn start_time_unix_nano(&self) -> u64 {
        self.start_time_unix_nano
    }

    pub fn end_time_unix_nano(&self) -> u64 {
        self.end_time_unix_nano
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

    pub fn events(&self) -> &[EventView<'a>] {
        &self.events
    }

    /// The event at `index` for change; panics if there is none.
    pub fn event_mut(&mut self, index: usize) -> &mut EventView<'a> {
        &mut self.events[index]
    }

    /// Removes the events that `keep` refuses and tells how many went.
    pub fn retain_events(&mut self, keep: impl FnMut(&EventView<'a>) -> bool) -> usize {
        let before = self.events.len();
        self.events.retain(keep);
        let gone = before - self.events.len();
        self.events_changed |= gone > 0;
        gone
    }

    pub fn dropped_events_count(&self) -> u32 {
        self.dropped_events_count
    }

    pub fn link_count(&self) -> usize {
        self.link_count
    }

    pub fn links(&self) -> &[LinkView<'a>] {
        &self.links
    }

    /// The link at `index` for change; panics if there is none.
    pub fn link_mut(&mut self, index: usize) -> &mut LinkView<'a> {
        &mut self.links[index]
    }

    pub fn dropped_links_count(&self) -> u32 {
        self.dropped_links_count
    }

    pub fn status(&self) -> &Status<'a> {
        &self.status
    }

    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// 16 bytes, or none.
    pub fn set_trace_id(&mut self, trace_id: Cow<'a, [u8]>) {
        self.trace_id = trace_id;
        self.slots.touch(TRACE_ID);
    }

    /// 8 bytes, or none.
    pub fn set_span_id(&mut self, span_id: Cow<'a, [u8]>) {
        self.span_id = span_id;
        self.slots.touch(SPAN_ID);
    }

    pub fn set_trace_state(&mut self, trace_state: Cow<'a, [u8]>) {
        self.trace_state = trace_state;
        self.slots.touch(TRACE_STATE);
    }

    /// 8 bytes, or none.
    pub fn set_parent_span_id(&mut self, parent_span_id: Cow<'a, [u8]>) {
        self.parent_span_id = parent_span_id;
        self.slots.touch(PARENT_SPAN_ID);
    }

    pub fn set_name(&mut self, name: Cow<'a, [u8]>) {
        self.name = name;
        self.slots.touch(NAME);
    }

    pub fn set_kind(&mut self, kind: i32) {
        self.kind = kind;
        self.slots.touch(KIND);
    }

    pub fn set_start_time_unix_nano(&mut self, start_time_unix_nano: u64) {
        self.start_time_unix_nano = start_time_unix_nano;
        self.slots.touch(START_TIME);
    }

    pub fn set_end_time_unix_nano(&mut self, end_time_unix_nano: u64) {
        self.end_time_unix_nano = end_time_unix_nano;
        self.slots.touch(END_TIME);
    }

    pub fn set_dropped_attributes_count(&mut self, dropped_attributes_count: u32) {
        self.dropped_attributes_count = dropped_attributes_count;
        self.slots.touch(DROPPED_ATTRIBUTES);
    }

    pub fn set_dropped_events_count(&mut self, dropped_events_count: u32) {
        self.dropped_events_count = dropped_events_count;
        self.slots.touch(DROPPED_EVENTS);
    }

    pub fn set_dropped_links_count(&mut self, dropped_links_count: u32) {
        self.dropped_links_count = dropped_links_count;
        self.slots.touch(DROPPED_LINKS);
    }

    pub fn set_flags(&mut self, flags: u32) {
        self.flags = flags;
        self.slots.touch(FLAGS);
    }

    /// Removes all events.
    pub fn clear_events(&mut self) {
        self.events_changed |= !self.events.is_empty();
        self.events.clear();
    }

    /// Removes all links.
    pub fn clear_links(&mut self) {
        if self.link_count > 0 {
            self.link_count = 0;
            self.links.clear();
            self.slots.touch(LINKS);
        }
    }

    pub fn set_status(&mut self, status: Status<'a>) {
        self.status = status;
        self.slots.touch(STATUS);
    }

    /// Writes what changed. `base` is where the body of the span begins in the chunk.
    pub fn write(&mut self, base: usize, edits: &mut Edits) {
        if self.attributes.is_changed() {
            self.slots.touch(ATTRIBUTES);
        }
        if self.events_changed || self.events.iter().any(EventView::is_changed) {
            self.slots.touch(EVENTS);
        }
        if self.links.iter().any(LinkView::is_changed) {
            self.slots.touch(LINKS);
        }
        if self.slots.is_touched() {
            self.slots.write(base, self.body.len(), edits, |number, out| self.encode(number, out));
        }
    }

    /// Appends the field of this number as it is now; nothing if it is the default.
    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        match number {
            TRACE_ID => put_text(out, number, &self.trace_id),
            SPAN_ID => put_text(out, number, &self.span_id),
            TRACE_STATE => put_text(out, number, &self.trace_state),
            PARENT_SPAN_ID => put_text(out, number, &self.parent_span_id),
            NAME => put_text(out, number, &self.name),
            KIND => put_number(out, number, self.kind as i64 as u64),
            START_TIME if self.start_time_unix_nano != 0 => wire::put_fixed64(out, number, self.start_time_unix_nano),
            END_TIME if self.end_time_unix_nano != 0 => wire::put_fixed64(out, number, self.end_time_unix_nano),
            ATTRIBUTES => self.attributes.encode_from(self.body, ATTRIBUTES, out),
            DROPPED_ATTRIBUTES => put_number(out, number, u64::from(self.dropped_attributes_count)),
            EVENTS => {
                for event in &self.events {
                    wire::put_message(out, EVENTS, |out| event.encode(out));
                }
            }
            DROPPED_EVENTS => put_number(out, number, u64::from(self.dropped_events_count)),
            // Where they are not loaded they are touched when they all went.
            LINKS => {
                for link in &self.links {
                    wire::put_message(out, LINKS, |out| link.encode(out));
                }
            }
            DROPPED_LINKS => put_number(out, number, u64::from(self.dropped_links_count)),
            STATUS => wire::put_message(out, STATUS, |out| self.status.encode(out)),
            FLAGS if self.flags != 0 => wire::put_fixed32(out, number, self.flags),
            _ => {}
        }
    }
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &[u8]) {
    if !text.is_empty() {
        wire::put_bytes(out, number, text);
    }
}

fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        wire::put_varint_field(out, number, value);
    }
}
