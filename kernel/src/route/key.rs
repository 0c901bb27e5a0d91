//! What spans are routed by, and who owns what has that key.
//!
//! Attributes are looked for in the resource, then in the scope, then in the span. Those that are not found there
//! count as empty, so every span has an owner. Where it takes a look into spans, the first span of a trace in its
//! scope speaks for all of that trace there.

use std::borrow::Cow;
use std::collections::HashMap;

use super::ring::Ring;
use crate::text::text;
use crate::view::{Map, ResourceView, ScopeView, Value};
use crate::wire::{Cursor, fields};

/// What a span without a trace id is routed by.
const NO_TRACE: [u8; 16] = [0; 16];

/// What spans are routed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    TraceId,
    /// `name=value|` for each of these names, as text.
    Attributes(Vec<String>),
}

/// Values found so far, by their place among the names.
type Found<'a> = Vec<Option<Cow<'a, [u8]>>>;

/// Says who owns what, going down from resources to spans. What is above must have been asked about before.
pub struct Owners<'a> {
    key: &'a Key,
    ring: &'a Ring,
    away: &'a [usize],
    resource: Found<'static>,
    scope: Found<'static>,
    /// Of the traces of this scope.
    by_trace: HashMap<&'a [u8], usize>,
    /// The latest trace: mostly the next span is of the same one.
    last: (&'a [u8], usize),
    text: Vec<u8>,
}

impl<'a> Owners<'a> {
    pub fn new(key: &'a Key, ring: &'a Ring, away: &'a [usize]) -> Self {
        let mut owners = Self {
            key,
            ring,
            away,
            resource: Vec::new(),
            scope: Vec::new(),
            by_trace: HashMap::new(),
            last: (&NO_TRACE, 0),
            text: Vec::new(),
        };
        owners.last.1 = owners.of(&NO_TRACE);
        owners
    }

    /// Who owns this key.
    fn of(&self, key: &[u8]) -> usize {
        // A router is never without names.
        self.ring.owner(key, self.away).unwrap_or_default()
    }

    /// Who owns all of a `ResourceSpans`, if that is clear from what stands before its scopes.
    pub fn resource(&mut self, before: &'a [u8]) -> Option<usize> {
        let Key::Attributes(names) = self.key else { return None };
        let resource = ResourceView::decode(header(before), &[]);
        self.resource.clear();
        self.resource.extend(names.iter().map(|name| look(resource.attributes(), name)));
        self.whole(&self.resource, names)
    }

    /// Who owns all of a `ScopeSpans`, if that is clear from what stands before its spans.
    pub fn scope(&mut self, before: &'a [u8]) -> Option<usize> {
        let Key::Attributes(names) = self.key else { return None };
        let scope = ScopeView::decode(header(before), &[]);
        self.by_trace.clear();
        self.scope.clone_from(&self.resource);
        for (found, name) in self.scope.iter_mut().zip(names) {
            *found = found.take().or_else(|| look(scope.attributes(), name));
        }
        self.whole(&self.scope, names)
    }

    /// Who owns a span, or its trace.
    pub fn span(&mut self, body: &'a [u8]) -> usize {
        let id = fields(body).find(|field| field.number == 1).map_or(&[][..], |field| field.bytes);
        let id = if id.is_empty() { &NO_TRACE } else { id };
        match self.key {
            Key::TraceId if id == self.last.0 => {}
            Key::TraceId => self.last = (id, self.of(id)),
            Key::Attributes(names) => return self.by_attributes(id, body, names),
        }
        self.last.1
    }

    fn by_attributes(&mut self, id: &'a [u8], body: &'a [u8], names: &[String]) -> usize {
        *self.by_trace.entry(id).or_insert_with(|| {
            self.text.clear();
            for (found, name) in self.scope.iter().zip(names) {
                match found {
                    Some(value) => put(&mut self.text, name, value),
                    None => put_from_span(&mut self.text, name, body),
                }
            }
            self.ring.owner(&self.text, self.away).unwrap_or_default()
        })
    }

    /// Who owns what has these values, if there is one for each name.
    fn whole(&self, found: &Found<'_>, names: &[String]) -> Option<usize> {
        let mut key = Vec::new();
        for (found, name) in found.iter().zip(names) {
            put(&mut key, name, found.as_deref()?);
        }
        Some(self.of(&key))
    }
}

fn header(before: &[u8]) -> &[u8] {
    fields(before).find(|field| field.number == 1).map_or(&[], |field| field.bytes)
}

fn look(attributes: &Map<'_>, name: &str) -> Option<Cow<'static, [u8]>> {
    attributes.get(name.as_bytes()).map(|value| Cow::Owned(text(value).into_owned()))
}

/// Reads no more of a span than it takes: this is done for the first span of each trace.
fn put_from_span(key: &mut Vec<u8>, name: &str, span: &[u8]) {
    let field = |number| fields(span).find(|field| field.number == number);
    match name {
        "span.kind" => put(key, name, kind(field(6).map_or(0, |field| field.scalar as i32))),
        "span.name" => put(key, name, field(5).map_or(&[], |field| field.bytes)),
        _ => put(key, name, &text(&attribute(span, name.as_bytes()))),
    }
}

/// How an attribute begins on the wire: number 9, length-delimited.
const ATTRIBUTE_TAG: u8 = 0x4a;

/// The first attribute of this name; an empty value if there is none, which has the same text.
fn attribute<'s>(span: &'s [u8], name: &[u8]) -> Value<'s> {
    let mut rest = Cursor::new(span);
    loop {
        let field = match rest.next_short(ATTRIBUTE_TAG) {
            Some(field) => field,
            None => match rest.next_field() {
                Ok(Some(field)) => field,
                _ => return Value::Empty,
            },
        };
        if field.number == 9 && has_key(field.bytes, name) {
            let value = fields(field.bytes).find(|field| field.number == 2);
            return value.map_or(Value::Empty, |field| Value::decode(field.bytes));
        }
    }
}

/// Whether a `KeyValue` has this key. Mostly the key is short and stands first.
fn has_key(pair: &[u8], name: &[u8]) -> bool {
    match pair {
        [0x0a, length @ 0..0x80, rest @ ..] => rest.get(..usize::from(*length)) == Some(name),
        _ => fields(pair).find(|field| field.number == 1).map_or(&[][..], |field| field.bytes) == name,
    }
}

/// A `SpanKind` as the Go collector calls it.
fn kind(number: i32) -> &'static [u8] {
    match number {
        0 => b"Unspecified",
        1 => b"Internal",
        2 => b"Server",
        3 => b"Client",
        4 => b"Producer",
        5 => b"Consumer",
        _ => b"",
    }
}

fn put(key: &mut Vec<u8>, name: &str, value: &[u8]) {
    key.extend_from_slice(name.as_bytes());
    key.push(b'=');
    key.extend_from_slice(value);
    key.push(b'|');
}
