//! What the messages of a trace request look like: one table each, for [`crate::scan`] and [`crate::normalize`].
//!
//! After `opentelemetry/proto/collector/trace/v1/trace_service.proto` and what it imports, as of OTLP 1.10.
//! Fields that are not listed are unknown: they are kept, and nobody looks into them.

use crate::camel::Camel;
use crate::wire::{MAX_FIELD_NUMBER, WireType};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    /// A number that has a name: the one at its place.
    Enum(&'static [&'static str]),
    Fixed64,
    Fixed32,
    Double,
    /// UTF-8.
    Text,
    Bytes,
    /// Bytes: none, or exactly this many.
    Id(u8),
    Message(&'static Shape),
    /// A `KeyValue`. Most messages of a request are.
    Pair,
}

impl Kind {
    const fn wire_type(self) -> WireType {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Enum(_) => WireType::Varint,
            Self::Fixed64 | Self::Double => WireType::Fixed64,
            Self::Fixed32 => WireType::Fixed32,
            Self::Text | Self::Bytes | Self::Id(_) | Self::Message(_) | Self::Pair => WireType::Len,
        }
    }

    const fn check(self) -> Check {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Enum(_) => Check::Varint,
            Self::Fixed64 | Self::Double => Check::Fixed64,
            Self::Fixed32 => Check::Fixed32,
            Self::Text => Check::Text,
            Self::Bytes => Check::Bytes,
            Self::Id(length) => Check::Id(length),
            Self::Message(shape) => Check::Message(shape),
            Self::Pair => Check::Pair,
        }
    }

    /// The shape of what is inside, if it is a message.
    pub fn message(self) -> Option<&'static Shape> {
        match self {
            Self::Message(shape) => Some(shape),
            Self::Pair => Some(&KEY_VALUE),
            _ => None,
        }
    }
}

/// A field that the schema names.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub number: u32,
    pub name: &'static str,
    /// Its name in JSON.
    pub camel: Camel,
    pub kind: Kind,
    pub repeated: bool,
}

/// How what stands behind a tag is checked.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
    Text,
    Id(u8),
    Message(&'static Shape),
    Pair,
    /// The tag itself is wrong.
    Nothing(&'static str),
}

/// How to treat a tag, and what the normal form says about it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub check: Check,
    pub repeated: bool,
    /// The field as a bit by its number; 0 for unknown ones.
    pub bit: u32,
    /// Fields that do not stand before this one, as bits. A repeated field may stand right behind itself.
    pub forbids: u32,
}

impl Rule {
    /// What is done with unknown fields.
    const fn unknown(wire_type: u64) -> Self {
        let check = match wire_type {
            0 => Check::Varint,
            1 => Check::Fixed64,
            2 => Check::Bytes,
            5 => Check::Fixed32,
            3 | 4 => Check::Nothing("group tag"),
            _ => Check::Nothing("unknown wire type"),
        };
        Self { check, repeated: false, bit: 0, forbids: 0 }
    }
}

/// By wire type, what is done with unknown fields.
static UNKNOWN: [Rule; 8] = {
    let mut rules = [Rule::unknown(0); 8];
    let mut wire_type = 1;
    while wire_type < 8 {
        rules[wire_type] = Rule::unknown(wire_type as u64);
        wire_type += 1;
    }
    rules
};

/// All known fields have a tag below this.
const TAGS: usize = 17 << 3;

/// A message type.
#[derive(Debug)]
pub struct Shape {
    pub fields: &'static [Known],
    /// Fields of which at most one is set, as bits.
    pub oneof: u32,
    rules: [Rule; TAGS],
}

impl Shape {
    const fn new(fields: &'static [Known]) -> Self {
        let mut rules = [Rule::unknown(0); TAGS];
        let mut tag = 0;
        while tag < TAGS {
            rules[tag] = Rule::unknown(tag as u64 & 7);
            if tag < 8 {
                rules[tag].check = Check::Nothing("field number 0");
            }
            tag += 1;
        }
        let mut index = 0;
        while index < fields.len() {
            let field = fields[index];
            let base = (field.number << 3) as usize;
            let right = base | field.kind.wire_type() as usize;
            let mut tag = base;
            while tag < base + 8 {
                if tag == right {
                    let bit = 1 << field.number;
                    rules[tag] = Rule { check: field.kind.check(), repeated: field.repeated, bit, forbids: bit };
                } else if !matches!(rules[tag].check, Check::Nothing(_)) {
                    rules[tag].check = Check::Nothing("wrong wire type");
                }
                tag += 1;
            }
            index += 1;
        }
        Self { fields, oneof: 0, rules }
    }

    /// The same message, of whose fields at most one is set.
    const fn one_of_all(mut self) -> Self {
        let mut tag = 0;
        while tag < TAGS {
            self.oneof |= self.rules[tag].bit;
            tag += 1;
        }
        let mut tag = 0;
        while tag < TAGS {
            if self.rules[tag].bit != 0 {
                self.rules[tag].forbids = self.oneof;
            }
            tag += 1;
        }
        self
    }

    /// The same message, with field 1, which says what field 2 belongs to, in front of it, and field 3 behind.
    const fn with_header(mut self) -> Self {
        self.rules[1 << 3 | WireType::Len as usize].forbids |= 1 << 2 | 1 << 3;
        self.rules[2 << 3 | WireType::Len as usize].forbids |= 1 << 3;
        self
    }

    /// The field of this number, unless it is unknown.
    pub fn field(&self, number: u32) -> Option<&'static Known> {
        self.fields.iter().find(|field| field.number == number)
    }

    /// The field that JSON calls so, in its own spelling or in that of the schema, and its place among all.
    /// Members mostly come in order: the search begins at the place `from`.
    #[inline]
    pub fn named(&self, key: &[u8], from: usize) -> Option<(usize, &'static Known)> {
        let is_it = |known: &Known| known.camel.as_bytes() == key || known.name.as_bytes() == key;
        let places = (from..self.fields.len()).chain(0..from.min(self.fields.len()));
        places.map(|place| (place, &self.fields[place])).find(|(_, known)| is_it(known))
    }

    /// What to do with a tag.
    #[inline(always)]
    pub fn rule(&'static self, tag: u64) -> Result<&'static Rule, &'static str> {
        match self.rules.get(tag as usize) {
            Some(rule) => Ok(rule),
            None if tag >> 3 > MAX_FIELD_NUMBER => Err("field number out of range"),
            None => Ok(&UNKNOWN[(tag & 7) as usize]),
        }
    }
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Known {
    Known { number, name, camel: Camel::of(name), kind, repeated: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Known {
    Known { number, name, camel: Camel::of(name), kind, repeated: true }
}

/// `ExportTraceServiceRequest`
pub static REQUEST: Shape = Shape::new(&[many(1, "resource_spans", Kind::Message(&RESOURCE_SPANS))]);

pub static RESOURCE_SPANS: Shape = Shape::new(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scope_spans", Kind::Message(&SCOPE_SPANS)),
    one(3, "schema_url", Kind::Text),
])
.with_header();

static RESOURCE: Shape = Shape::new(&[
    many(1, "attributes", Kind::Pair),
    one(2, "dropped_attributes_count", Kind::Uint32),
    many(3, "entity_refs", Kind::Message(&ENTITY_REF)),
]);

static ENTITY_REF: Shape = Shape::new(&[
    one(1, "schema_url", Kind::Text),
    one(2, "type", Kind::Text),
    many(3, "id_keys", Kind::Text),
    many(4, "description_keys", Kind::Text),
]);

static SCOPE_SPANS: Shape = Shape::new(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "spans", Kind::Message(&SPAN)),
    one(3, "schema_url", Kind::Text),
])
.with_header();

/// `InstrumentationScope`
static SCOPE: Shape = Shape::new(&[
    one(1, "name", Kind::Text),
    one(2, "version", Kind::Text),
    many(3, "attributes", Kind::Pair),
    one(4, "dropped_attributes_count", Kind::Uint32),
]);

static SPAN_KIND: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

pub static SPAN: Shape = Shape::new(&[
    one(1, "trace_id", Kind::Id(16)),
    one(2, "span_id", Kind::Id(8)),
    one(3, "trace_state", Kind::Text),
    one(4, "parent_span_id", Kind::Id(8)),
    one(5, "name", Kind::Text),
    one(6, "kind", Kind::Enum(&SPAN_KIND)),
    one(7, "start_time_unix_nano", Kind::Fixed64),
    one(8, "end_time_unix_nano", Kind::Fixed64),
    many(9, "attributes", Kind::Pair),
    one(10, "dropped_attributes_count", Kind::Uint32),
    many(11, "events", Kind::Message(&EVENT)),
    one(12, "dropped_events_count", Kind::Uint32),
    many(13, "links", Kind::Message(&LINK)),
    one(14, "dropped_links_count", Kind::Uint32),
    one(15, "status", Kind::Message(&STATUS)),
    one(16, "flags", Kind::Fixed32),
]);

static EVENT: Shape = Shape::new(&[
    one(1, "time_unix_nano", Kind::Fixed64),
    one(2, "name", Kind::Text),
    many(3, "attributes", Kind::Pair),
    one(4, "dropped_attributes_count", Kind::Uint32),
]);

static LINK: Shape = Shape::new(&[
    one(1, "trace_id", Kind::Id(16)),
    one(2, "span_id", Kind::Id(8)),
    one(3, "trace_state", Kind::Text),
    many(4, "attributes", Kind::Pair),
    one(5, "dropped_attributes_count", Kind::Uint32),
    one(6, "flags", Kind::Fixed32),
]);

static STATUS_CODE: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

static STATUS: Shape = Shape::new(&[one(2, "message", Kind::Text), one(3, "code", Kind::Enum(&STATUS_CODE))]);

pub static KEY_VALUE: Shape = Shape::new(&[
    one(1, "key", Kind::Text),
    one(2, "value", Kind::Message(&ANY_VALUE)),
    one(3, "key_strindex", Kind::Int32),
]);

pub static ANY_VALUE: Shape = Shape::new(&[
    one(1, "string_value", Kind::Text),
    one(2, "bool_value", Kind::Bool),
    one(3, "int_value", Kind::Int64),
    one(4, "double_value", Kind::Double),
    one(5, "array_value", Kind::Message(&ARRAY_VALUE)),
    one(6, "kvlist_value", Kind::Message(&KEY_VALUE_LIST)),
    one(7, "bytes_value", Kind::Bytes),
    one(8, "string_value_strindex", Kind::Int32),
])
.one_of_all();

static ARRAY_VALUE: Shape = Shape::new(&[many(1, "values", Kind::Message(&ANY_VALUE))]);

static KEY_VALUE_LIST: Shape = Shape::new(&[many(1, "values", Kind::Pair)]);
