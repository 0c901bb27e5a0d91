//! Attributes, and maps inside values: keys with values, in order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::{iter, mem};

use super::value::Value;
use crate::wire::{self, WireType, fields};

/// One key with its value.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub key: Cow<'a, [u8]>,
    value: Value<'a>,
    /// The body of the `KeyValue` as it came, while it still says the same.
    raw: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    pub fn value(&self) -> &Value<'a> {
        &self.value
    }

    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        match (self.raw, &self.value) {
            (Some(raw), _) => wire::put_bytes(out, number, raw),
            // Most of what ops write is short text under a short key, of which all lengths are known beforehand.
            (None, Value::Str(text)) if !self.key.is_empty() && self.key.len() + text.len() < 0x80 - 6 => {
                let (key, text_length) = (self.key.len() as u8, text.len() as u8);
                wire::put_tag(out, number, WireType::Len);
                out.extend_from_slice(&[key + text_length + 6, 0x0a, key]);
                out.extend_from_slice(&self.key);
                out.extend_from_slice(&[0x12, text_length + 2, 0x0a, text_length]);
                out.extend_from_slice(text);
            }
            (None, _) => wire::put_message(out, number, |out| {
                if !self.key.is_empty() {
                    wire::put_bytes(out, 1, &self.key);
                }
                wire::put_message(out, 2, |out| self.value.encode(out));
            }),
        }
    }
}

/// Keys with values, in the order of the wire.
///
/// Where a key stands more than once, reading and writing mean the first one, as in the Go collector.
#[derive(Clone, Debug, Default)]
pub struct Map<'a> {
    entries: Vec<Entry<'a>>,
    changed: bool,
}

impl<'a> Map<'a> {
    /// Reads the body of a `KeyValueList`.
    pub fn decode(body: &'a [u8]) -> Self {
        let mut map = Self::default();
        for field in fields(body).filter(|field| field.number == 1) {
            map.load(field.bytes);
        }
        map
    }

    /// Appends one `KeyValue` as it stands on the wire.
    ///
    /// Most of a pass is spent here. So the layout that every SDK writes, key then value and both under 128
    /// bytes, is known, and an entry is made in its place: `push` would build it on the stack and stall on
    /// moving it, which costs more than reading it.
    #[inline]
    pub(super) fn load(&mut self, body: &'a [u8]) {
        let Some((key, value)) = short_key_value(body) else { return self.load_any(body) };
        let value = match value {
            [0x0a, length @ 0..0x80, text @ ..] if text.len() == usize::from(*length) => Short::Text(text),
            [0x18, value @ 0..0x80] => Short::Int(i64::from(*value)),
            [0x18, low @ 0x80..=0xff, high @ 0..0x80] => Short::Int(i64::from(low & 0x7f) | i64::from(*high) << 7),
            [0x10, value @ 0..=1] => Short::Bool(*value == 1),
            _ => return self.load_any(body),
        };
        self.entries.extend(iter::once_with(|| Entry {
            key: Cow::Borrowed(key),
            value: match value {
                Short::Text(text) => Value::Str(Cow::Borrowed(text)),
                Short::Int(value) => Value::Int(value),
                Short::Bool(value) => Value::Bool(value),
            },
            raw: Some(body),
        }));
    }

    #[inline(never)]
    fn load_any(&mut self, body: &'a [u8]) {
        let mut key: &[u8] = &[];
        let mut value = Value::Empty;
        for field in fields(body) {
            match field.number {
                1 => key = field.bytes,
                2 => value = Value::decode(field.bytes),
                _ => {}
            }
        }
        self.entries.push(Entry { key: Cow::Borrowed(key), value, raw: Some(body) });
    }

    /// Takes over the entries of another map.
    pub fn replace(&mut self, other: Map<'a>) {
        self.changed = true;
        self.entries = other.entries;
    }

    /// Renames entries. One that comes to a key that was there before takes the place of that entry. Tells whether
    /// anything changed.
    pub fn rekey(&mut self, mut rename: impl FnMut(&[u8]) -> Rename<'a>) -> bool {
        let renames: Vec<Rename<'a>> = self.entries.iter().map(|entry| rename(&entry.key)).collect();
        if renames.iter().all(|rename| matches!(rename, Rename::Keep)) {
            return false;
        }
        let mut renamed = Self::default();
        let mut upserts = Upserts::new(&mut renamed);
        for (mut entry, rename) in mem::take(&mut self.entries).into_iter().zip(renames) {
            match rename {
                Rename::Keep => {}
                Rename::Drop => continue,
                Rename::To(key) => {
                    entry.key = key;
                    entry.raw = None;
                }
            }
            upserts.put(entry);
        }
        self.entries = renamed.entries;
        self.changed = true;
        true
    }

    /// Copies the entries of another map, and tells whether it had any that count.
    pub fn merge(&mut self, other: Map<'a>, strategy: Merge) -> bool {
        let mut upserts = Upserts::new(self);
        let mut merged = false;
        for entry in other.entries {
            let wanted = match strategy {
                Merge::Insert => !upserts.contains(&entry.key),
                Merge::Update => upserts.contains(&entry.key),
                Merge::Upsert => true,
            };
            if wanted {
                merged = true;
                upserts.upsert(entry.key, entry.value);
            }
        }
        merged
    }

    /// Forgets everything, for the next span. Capacity stays.
    pub(super) fn reset(&mut self) {
        self.entries.clear();
        self.changed = false;
    }

    /// Whether the map differs from the bytes it was read from.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    pub fn position(&self, key: &[u8]) -> Option<usize> {
        self.entries.iter().position(|entry| *entry.key == *key)
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.position(key).is_some()
    }

    pub fn get(&self, key: &[u8]) -> Option<&Value<'a>> {
        self.position(key).map(|index| &self.entries[index].value)
    }

    /// The value for change, opened one level if it is a list or map.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut Value<'a>> {
        let index = self.position(key)?;
        Some(self.value_mut(index))
    }

    /// The value of the entry at `index` for change; panics if there is none.
    pub fn value_mut(&mut self, index: usize) -> &mut Value<'a> {
        self.changed = true;
        let entry = &mut self.entries[index];
        entry.raw = None;
        entry.value.unfold_mut()
    }

    /// Sets the value of the entry at `index`; panics if there is none.
    pub fn set_at(&mut self, index: usize, value: Value<'a>) {
        self.changed = true;
        let entry = &mut self.entries[index];
        entry.raw = None;
        entry.value = value;
    }

    /// Renames the entry at `index`; panics if there is none.
    pub fn rename_at(&mut self, index: usize, key: Cow<'a, [u8]>) {
        self.changed = true;
        let entry = &mut self.entries[index];
        entry.raw = None;
        entry.key = key;
    }

    /// Appends an entry, whether or not the key is there already.
    pub fn push(&mut self, key: impl Into<Cow<'a, [u8]>>, value: Value<'a>) {
        self.changed = true;
        self.entries.push(Entry { key: key.into(), value, raw: None });
    }

    /// Sets the value of `key`, at its place if it has one, at the end otherwise.
    pub fn upsert(&mut self, key: impl Into<Cow<'a, [u8]>>, value: Value<'a>) {
        let key = key.into();
        match self.position(&key) {
            Some(index) => self.set_at(index, value),
            None => self.push(key, value),
        }
    }

    /// Removes `key` and tells whether it was there. The last entry moves into the gap, as in the Go
    /// collector: dashboards and tests of its users see that order.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some(index) = self.position(key) else { return false };
        self.changed = true;
        self.entries.swap_remove(index);
        true
    }

    /// Keeps the entries for which `keep` says so, in their order, and tells how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &Value<'a>) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| keep(&entry.key, &entry.value));
        let gone = before - self.entries.len();
        self.changed |= gone > 0;
        gone
    }

    pub fn clear(&mut self) {
        self.changed |= !self.entries.is_empty();
        self.entries.clear();
    }

    pub fn into_owned(self) -> Map<'static> {
        Map {
            entries: self
                .entries
                .into_iter()
                .map(|entry| Entry {
                    key: Cow::Owned(entry.key.into_owned()),
                    value: entry.value.into_owned(),
                    raw: None,
                })
                .collect(),
            changed: self.changed,
        }
    }

    /// Appends every entry as a `KeyValue` field of this number; unchanged ones as they came.
    pub fn encode(&self, number: u32, out: &mut Vec<u8>) {
        self.encode_from(&[], number, out);
    }

    /// The same, for entries that mostly stand in `source` under this number: what still stands there side by
    /// side is copied in one piece.
    pub(super) fn encode_from(&self, source: &[u8], number: u32, out: &mut Vec<u8>) {
        let mut run = 0..0;
        for entry in &self.entries {
            match entry.raw.and_then(|raw| short_field(source, raw, number)) {
                Some(range) if range.start == run.end => run.end = range.end,
                Some(range) => out.extend_from_slice(&source[mem::replace(&mut run, range)]),
                None => {
                    out.extend_from_slice(&source[mem::take(&mut run)]);
                    entry.encode(number, out);
                }
            }
        }
        out.extend_from_slice(&source[run]);
    }
}

/// What becomes of the key of an entry.
pub enum Rename<'a> {
    Keep,
    To(Cow<'a, [u8]>),
    /// The entry goes.
    Drop,
}

/// Which entries of another map count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// Those whose keys are new.
    Insert,
    /// Those whose keys are there.
    Update,
    #[default]
    Upsert,
}

/// Writes many entries into a map. From some size on it remembers where the keys are, so that a request with a hundred
/// thousand attributes does not take their square.
pub struct Upserts<'m, 'a> {
    map: &'m mut Map<'a>,
    places: Option<HashMap<Vec<u8>, usize>>,
}

impl<'m, 'a> Upserts<'m, 'a> {
    const FEW: usize = 64;

    pub fn new(map: &'m mut Map<'a>) -> Self {
        let mut upserts = Self { map, places: None };
        upserts.grow();
        upserts
    }

    fn grow(&mut self) {
        if self.places.is_none() && self.map.len() > Self::FEW {
            // The first of equal keys counts.
            let entries = self.map.entries.iter().enumerate().rev();
            self.places = Some(entries.map(|(index, entry)| (entry.key.to_vec(), index)).collect());
        }
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(key).copied(),
            None => self.map.position(key),
        }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.position(key).is_some()
    }

    /// Sets the value of `key`, at its place if it has one, at the end otherwise.
    pub fn upsert(&mut self, key: Cow<'a, [u8]>, value: Value<'a>) {
        self.put(Entry { key, value, raw: None });
    }

    fn put(&mut self, entry: Entry<'a>) {
        self.map.changed = true;
        match self.position(&entry.key) {
            Some(index) => self.map.entries[index] = entry,
            None => {
                if let Some(places) = &mut self.places {
                    places.insert(entry.key.to_vec(), self.map.entries.len());
                }
                self.map.entries.push(entry);
                self.grow();
            }
        }
    }
}

/// Where the field with this body stands in `source`, if it does, with a tag and a length of one byte each.
#[inline]
fn short_field(source: &[u8], body: &[u8], number: u32) -> Option<Range<usize>> {
    // The body was borrowed from these very bytes if it lies within them.
    let start = (body.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize).wrapping_sub(2);
    let end = start.checked_add(2 + body.len())?;
    let header = source.get(start..end)?.first_chunk()?;
    let expected = [number << 3 | WireType::Len as u32, body.len() as u32];
    (header.map(u32::from) == expected && body.len() < 0x80).then_some(start..end)
}

/// A value that needs no second look.
enum Short<'a> {
    Text(&'a [u8]),
    Int(i64),
    Bool(bool),
}

/// The key and the body of the value, if the `KeyValue` is laid out as every SDK does it.
#[inline(always)]
fn short_key_value(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_length @ 0..0x80, rest @ ..] = body else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*key_length))?;
    let [0x12, value_length @ 0..0x80, value @ ..] = rest else { return None };
    (value.len() == usize::from(*value_length)).then_some((key, value))
}

/// The same keys with equal values, in any order.
impl PartialEq for Map<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.entries.iter().all(|entry| other.get(&entry.key).is_some_and(|value| *value == entry.value))
    }
}
