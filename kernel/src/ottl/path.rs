//! The paths that expressions can read, one line each.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::context::{Context, Subject};
use super::datum::{Datum, Failure};
use crate::hex;
use crate::view::{Map, Needs};

/// The prefix of request metadata.
pub(super) const REQUEST: &str = "otelcol";

type Read = for<'v> fn(&Subject<'v>) -> Result<Datum<'v>, Failure>;

/// What may stand in brackets behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// A key of the map, then whatever leads further in.
    Map,
    /// The key of a W3C trace state.
    TraceState,
}

/// One readable path, without the name of its context.
pub(super) struct Entry {
    pub name: &'static str,
    pub keys: Keys,
    /// Whether it belongs to the context that runs and can be addressed from no other.
    pub own: bool,
    pub read: Read,
    needs: Needs,
}

const NOTHING: Needs = Needs { attributes: false, events: false, resource: false, scope: false };
const RESOURCE: Needs = Needs { resource: true, ..NOTHING };
const SCOPE: Needs = Needs { scope: true, ..NOTHING };
const ATTRIBUTES: Needs = Needs { attributes: true, ..NOTHING };
const EVENTS: Needs = Needs { events: true, ..NOTHING };

const fn entry(name: &'static str, needs: Needs, read: Read) -> Entry {
    Entry { name, keys: Keys::None, own: false, read, needs }
}

const fn map(name: &'static str, needs: Needs, read: Read) -> Entry {
    Entry { keys: Keys::Map, ..entry(name, needs, read) }
}

const CACHE: Entry = Entry { own: true, ..map("cache", NOTHING, cache) };

impl Entry {
    /// What must be decoded to read it.
    pub(super) fn needs(&self) -> Needs {
        self.needs
    }
}

/// The readable paths of a context.
pub(super) fn entries(context: Context) -> &'static [Entry] {
    match context {
        Context::Resource => RESOURCE_PATHS,
        Context::Scope => SCOPE_PATHS,
        Context::Span => SPAN_PATHS,
        Context::SpanEvent => EVENT_PATHS,
    }
}

static RESOURCE_PATHS: &[Entry] = &[
    map("attributes", RESOURCE, |subject| Ok(Datum::Attributes(subject.resource()?.attributes()))),
    entry("dropped_attributes_count", RESOURCE, |subject| count(subject.resource()?.dropped_attributes_count())),
    entry("schema_url", RESOURCE, |subject| text(subject.resource()?.schema_url())),
    CACHE,
];

static SCOPE_PATHS: &[Entry] = &[
    entry("name", SCOPE, |subject| text(subject.scope()?.name())),
    entry("version", SCOPE, |subject| text(subject.scope()?.version())),
    map("attributes", SCOPE, |subject| Ok(Datum::Attributes(subject.scope()?.attributes()))),
    entry("dropped_attributes_count", SCOPE, |subject| count(subject.scope()?.dropped_attributes_count())),
    entry("schema_url", SCOPE, |subject| text(subject.scope()?.schema_url())),
    CACHE,
];

static SPAN_PATHS: &[Entry] = &[
    entry("trace_id", NOTHING, |subject| Ok(Datum::TraceId(id(subject.span()?.trace_id())))),
    entry("trace_id.string", NOTHING, |subject| hex_text(id::<16>(subject.span()?.trace_id()))),
    entry("span_id", NOTHING, |subject| Ok(Datum::SpanId(id(subject.span()?.span_id())))),
    entry("span_id.string", NOTHING, |subject| hex_text(id::<8>(subject.span()?.span_id()))),
    entry("parent_span_id", NOTHING, |subject| Ok(Datum::SpanId(id(subject.span()?.parent_span_id())))),
    entry("parent_span_id.string", NOTHING, |subject| hex_text(id::<8>(subject.span()?.parent_span_id()))),
    Entry { keys: Keys::TraceState, ..entry("trace_state", NOTHING, |subject| text(subject.span()?.trace_state())) },
    entry("name", NOTHING, |subject| text(subject.span()?.name())),
    entry("kind", NOTHING, |subject| Ok(Datum::Int(i64::from(subject.span()?.kind())))),
    entry("kind.string", NOTHING, |subject| kind_name(subject.span()?.kind(), &KINDS)),
    entry("kind.deprecated_string", NOTHING, |subject| kind_name(subject.span()?.kind(), &DEPRECATED_KINDS)),
    entry("start_time_unix_nano", NOTHING, |subject| nanoseconds(subject.span()?.start_time_unix_nano())),
    entry("start_time", NOTHING, |subject| instant(subject.span()?.start_time_unix_nano())),
    entry("end_time_unix_nano", NOTHING, |subject| nanoseconds(subject.span()?.end_time_unix_nano())),
    entry("end_time", NOTHING, |subject| instant(subject.span()?.end_time_unix_nano())),
    map("attributes", ATTRIBUTES, |subject| Ok(Datum::Attributes(subject.span()?.attributes()))),
    entry("dropped_attributes_count", NOTHING, |subject| count(subject.span()?.dropped_attributes_count())),
    entry("dropped_events_count", NOTHING, |subject| count(subject.span()?.dropped_events_count())),
    entry("dropped_links_count", NOTHING, |subject| count(subject.span()?.dropped_links_count())),
    entry("events", EVENTS, |subject| Ok(Datum::Events(subject.span()?.events()))),
    entry("links", NOTHING, |subject| Ok(Datum::Links(subject.span()?.link_count()))),
    entry("status", NOTHING, |subject| Ok(Datum::Status(subject.span()?.status()))),
    entry("status.code", NOTHING, |subject| Ok(Datum::Int(i64::from(subject.span()?.status().code)))),
    entry("status.message", NOTHING, |subject| text(&subject.span()?.status().message)),
    entry("flags", NOTHING, |subject| count(subject.span()?.flags())),
    CACHE,
];

static EVENT_PATHS: &[Entry] = &[
    entry("name", EVENTS, |subject| text(subject.event()?.name())),
    entry("time_unix_nano", EVENTS, |subject| nanoseconds(subject.event()?.time_unix_nano())),
    entry("time", EVENTS, |subject| instant(subject.event()?.time_unix_nano())),
    map("attributes", EVENTS, |subject| Ok(Datum::Attributes(subject.event()?.attributes()))),
    entry("dropped_attributes_count", EVENTS, |subject| count(subject.event()?.dropped_attributes_count())),
    // The filter and transform processors of the Go collector know the path and never give it a value.
    entry("event_index", EVENTS, |_| Err(Failure::new("no 'event_index' property has been set"))),
    CACHE,
];

const KINDS: [&str; 6] = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
const DEPRECATED_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// The names that stand for integers in the contexts of spans and events.
pub(super) const ENUMS: [(&str, i64); 9] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
    ("STATUS_CODE_UNSET", 0),
    ("STATUS_CODE_OK", 1),
    ("STATUS_CODE_ERROR", 2),
];

/// Scratch space is empty when a condition begins, and conditions do not write.
fn cache<'v>(_: &Subject<'v>) -> Result<Datum<'v>, Failure> {
    static EMPTY: LazyLock<Map<'static>> = LazyLock::new(Map::default);
    Ok(Datum::Attributes(&EMPTY))
}

fn text(text: &[u8]) -> Result<Datum<'_>, Failure> {
    Ok(Datum::Text(Cow::Borrowed(text)))
}

fn count<'v>(count: u32) -> Result<Datum<'v>, Failure> {
    Ok(Datum::Int(i64::from(count)))
}

fn nanoseconds<'v>(value: u64) -> Result<Datum<'v>, Failure> {
    Ok(Datum::Int(value as i64))
}

fn instant<'v>(value: u64) -> Result<Datum<'v>, Failure> {
    Ok(Datum::Time(i128::from(value as i64)))
}

/// An id as it stands on the wire; a missing one is all zeros.
fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

fn hex_text<'v, const N: usize>(id: [u8; N]) -> Result<Datum<'v>, Failure> {
    Ok(Datum::Text(Cow::Owned(hex::encode(&id))))
}

fn kind_name<'v>(kind: i32, names: &'static [&'static str; 6]) -> Result<Datum<'v>, Failure> {
    let name = usize::try_from(kind).ok().and_then(|kind| names.get(kind)).copied().unwrap_or("");
    Ok(Datum::Text(Cow::Borrowed(name.as_bytes())))
}

/// The member `key` of a W3C trace state: empty text if it has none, nil if that is no trace state.
/// <https://www.w3.org/TR/trace-context/#tracestate-header>
pub(super) fn trace_state_member<'v>(state: &'v [u8], key: &[u8]) -> Datum<'v> {
    let mut found: &[u8] = &[];
    for member in state.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
        let Some(equals) = member.iter().position(|byte| *byte == b'=') else { return Datum::Nil };
        let (name, value) = (&member[..equals], &member[equals + 1..]);
        let is_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
        let is_value = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'=';
        if name.is_empty() || !name.iter().all(is_name) || value.is_empty() || !value.iter().all(is_value) {
            return Datum::Nil;
        }
        if name == key {
            found = value;
        }
    }
    Datum::Text(Cow::Borrowed(found))
}
