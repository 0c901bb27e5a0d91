#![allow(clippy::unit_arg)] // a setter in Ok() keeps a path to what it reads and what it writes

//! The paths that expressions can read and editors can write, one line each.

mod request;
mod trace_state;
mod write;

use std::borrow::Cow;
use std::sync::LazyLock;

pub(super) use request::{REQUEST, REQUEST_PATHS, header};
pub(super) use trace_state::{read_member, write_member};
use write::{count_of, id_bytes, id_of, int_of, kind_of, map_of, text_of, time_of, unsigned_of, unsupported};

use super::context::{Context, Subject};
use super::datum::{Datum, Failure};
use super::item::Item;
use crate::hex;
use crate::view::{Map, Needs, Status};

type Read = for<'v> fn(&Subject<'v>) -> Result<Datum<'v>, Failure>;
type Write = for<'a> fn(&mut Item<'_, 'a>, Datum<'a>) -> Result<(), Failure>;
type Attributes = for<'i, 'a> fn(&'i mut Item<'_, 'a>) -> Result<&'i mut Map<'a>, Failure>;

/// What may stand in brackets behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// A key of the map, then whatever leads further in.
    Map,
    /// The key of a W3C trace state.
    TraceState,
    /// The name of a header, in any case, then which of its values.
    Header,
}

/// One path, without the name of its context.
pub(super) struct Entry {
    pub name: &'static str,
    pub keys: Keys,
    /// Whether it belongs to the context that runs and can be addressed from no other.
    pub own: bool,
    pub read: Read,
    pub write: Write,
    /// The map behind a path that takes its keys.
    pub map: Attributes,
    needs: Needs,
}

const NOTHING: Needs = Needs { attributes: false, events: false, links: false, resource: false, scope: false };
const RESOURCE: Needs = Needs { resource: true, ..NOTHING };
const SCOPE: Needs = Needs { scope: true, ..NOTHING };
const ATTRIBUTES: Needs = Needs { attributes: true, ..NOTHING };
const EVENTS: Needs = Needs { events: true, ..NOTHING };

const fn entry(name: &'static str, needs: Needs, read: Read, write: Write) -> Entry {
    let map: Attributes = |_| Err(Failure::new("there is no map here"));
    Entry { name, keys: Keys::None, own: false, read, write, map, needs }
}

const fn map(name: &'static str, needs: Needs, read: Read, map: Attributes, write: Write) -> Entry {
    Entry { keys: Keys::Map, map, ..entry(name, needs, read, write) }
}

const CACHE: Entry = Entry {
    own: true,
    ..map(
        "cache",
        NOTHING,
        cache,
        |item| Ok(&mut *item.cache),
        |item, value| map_of(value).map(|map| *item.cache = map),
    )
};

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Entry {
    /// What must be decoded to read it.
    pub(super) fn needs(&self) -> Needs {
        self.needs
    }
}

/// The paths of a context.
pub(super) fn entries(context: Context) -> &'static [Entry] {
    match context {
        Context::Resource => RESOURCE_PATHS,
        Context::Scope => SCOPE_PATHS,
        Context::Span => SPAN_PATHS,
        Context::SpanEvent => EVENT_PATHS,
    }
}

static RESOURCE_PATHS: &[Entry] = &[
    map(
        "attributes",
        RESOURCE,
        |subject| Ok(Datum::Attributes(subject.resource()?.attributes())),
        |item| Ok(item.resource()?.attributes_mut()),
        |item, value| map_of(value).and_then(|map| Ok(item.resource()?.attributes_mut().replace(map))),
    ),
    entry(
        "dropped_attributes_count",
        RESOURCE,
        |subject| count(subject.resource()?.dropped_attributes_count()),
        |item, value| Ok(item.resource()?.set_dropped_attributes_count(count_of(&value)?)),
    ),
    entry(
        "schema_url",
        RESOURCE,
        |subject| text(subject.resource()?.schema_url()),
        |item, value| Ok(item.resource()?.set_schema_url(text_of(value)?)),
    ),
    CACHE,
];

static SCOPE_PATHS: &[Entry] = &[
    entry(
        "name",
        SCOPE,
        |subject| text(subject.scope()?.name()),
        |item, value| Ok(item.scope()?.set_name(text_of(value)?)),
    ),
    entry(
        "version",
        SCOPE,
        |subject| text(subject.scope()?.version()),
        |item, value| Ok(item.scope()?.set_version(text_of(value)?)),
    ),
    map(
        "attributes",
        SCOPE,
        |subject| Ok(Datum::Attributes(subject.scope()?.attributes())),
        |item| Ok(item.scope()?.attributes_mut()),
        |item, value| map_of(value).and_then(|map| Ok(item.scope()?.attributes_mut().replace(map))),
    ),
    entry(
        "dropped_attributes_count",
        SCOPE,
        |subject| count(subject.scope()?.dropped_attributes_count()),
        |item, value| Ok(item.scope()?.set_dropped_attributes_count(count_of(&value)?)),
    ),
    entry(
        "schema_url",
        SCOPE,
        |subject| text(subject.scope()?.schema_url()),
        |item, value| Ok(item.scope()?.set_schema_url(text_of(value)?)),
    ),
    CACHE,
];

static SPAN_PATHS: &[Entry] = &[
    entry(
        "trace_id",
        NOTHING,
        |subject| Ok(Datum::TraceId(id(subject.span()?.trace_id()))),
        |item, value| match value {
            Datum::TraceId(id) => Ok(item.span()?.set_trace_id(id_bytes(&id))),
            other => Err(unsupported("pcommon.TraceID", &other)),
        },
    ),
    entry(
        "trace_id.string",
        NOTHING,
        |subject| hex_text(id::<16>(subject.span()?.trace_id())),
        |item, value| Ok(item.span()?.set_trace_id(id_of::<16>(value, "trace ids")?)),
    ),
    entry(
        "span_id",
        NOTHING,
        |subject| Ok(Datum::SpanId(id(subject.span()?.span_id()))),
        |item, value| match value {
            Datum::SpanId(id) => Ok(item.span()?.set_span_id(id_bytes(&id))),
            other => Err(unsupported("pcommon.SpanID", &other)),
        },
    ),
    entry(
        "span_id.string",
        NOTHING,
        |subject| hex_text(id::<8>(subject.span()?.span_id())),
        |item, value| Ok(item.span()?.set_span_id(id_of::<8>(value, "span ids")?)),
    ),
    entry(
        "parent_span_id",
        NOTHING,
        |subject| Ok(Datum::SpanId(id(subject.span()?.parent_span_id()))),
        |item, value| match value {
            Datum::SpanId(id) => Ok(item.span()?.set_parent_span_id(id_bytes(&id))),
            other => Err(unsupported("pcommon.SpanID", &other)),
        },
    ),
    entry(
        "parent_span_id.string",
        NOTHING,
        |subject| hex_text(id::<8>(subject.span()?.parent_span_id())),
        |item, value| Ok(item.span()?.set_parent_span_id(id_of::<8>(value, "span ids")?)),
    ),
    Entry {
        keys: Keys::TraceState,
        ..entry(
            "trace_state",
            NOTHING,
            |subject| text(subject.span()?.trace_state()),
            |item, value| Ok(item.span()?.set_trace_state(text_of(value)?)),
        )
    },
    entry(
        "name",
        NOTHING,
        |subject| text(subject.span()?.name()),
        |item, value| Ok(item.span()?.set_name(text_of(value)?)),
    ),
    entry(
        "kind",
        NOTHING,
        |subject| Ok(Datum::Int(i64::from(subject.span()?.kind()))),
        |item, value| Ok(item.span()?.set_kind(int_of(&value)? as i32)),
    ),
    entry(
        "kind.string",
        NOTHING,
        |subject| kind_name(subject.span()?.kind(), &KINDS),
        |item, value| Ok(item.span()?.set_kind(kind_of(value, &KINDS, "kind string")?)),
    ),
    entry(
        "kind.deprecated_string",
        NOTHING,
        |subject| kind_name(subject.span()?.kind(), &DEPRECATED_KINDS),
        |item, value| Ok(item.span()?.set_kind(kind_of(value, &DEPRECATED_KINDS, "kind deprecated string")?)),
    ),
    entry(
        "start_time_unix_nano",
        NOTHING,
        |subject| nanoseconds(subject.span()?.start_time_unix_nano()),
        |item, value| Ok(item.span()?.set_start_time_unix_nano(int_of(&value)? as u64)),
    ),
    entry(
        "start_time",
        NOTHING,
        |subject| instant(subject.span()?.start_time_unix_nano()),
        |item, value| Ok(item.span()?.set_start_time_unix_nano(time_of(&value)?)),
    ),
    entry(
        "end_time_unix_nano",
        NOTHING,
        |subject| nanoseconds(subject.span()?.end_time_unix_nano()),
        |item, value| Ok(item.span()?.set_end_time_unix_nano(int_of(&value)? as u64)),
    ),
    entry(
        "end_time",
        NOTHING,
        |subject| instant(subject.span()?.end_time_unix_nano()),
        |item, value| Ok(item.span()?.set_end_time_unix_nano(time_of(&value)?)),
    ),
    map(
        "attributes",
        ATTRIBUTES,
        |subject| Ok(Datum::Attributes(subject.span()?.attributes())),
        |item| Ok(item.span()?.attributes_mut()),
        |item, value| map_of(value).and_then(|map| Ok(item.span()?.attributes_mut().replace(map))),
    ),
    entry(
        "dropped_attributes_count",
        NOTHING,
        |subject| count(subject.span()?.dropped_attributes_count()),
        |item, value| Ok(item.span()?.set_dropped_attributes_count(count_of(&value)?)),
    ),
    entry(
        "dropped_events_count",
        NOTHING,
        |subject| count(subject.span()?.dropped_events_count()),
        |item, value| Ok(item.span()?.set_dropped_events_count(count_of(&value)?)),
    ),
    entry(
        "dropped_links_count",
        NOTHING,
        |subject| count(subject.span()?.dropped_links_count()),
        |item, value| Ok(item.span()?.set_dropped_links_count(count_of(&value)?)),
    ),
    entry(
        "events",
        EVENTS,
        |subject| Ok(Datum::Events(subject.span()?.events())),
        |_, value| Err(unsupported("ptrace.SpanEventSlice", &value)),
    ),
    entry(
        "links",
        NOTHING,
        |subject| Ok(Datum::Links(subject.span()?.link_count())),
        |_, value| Err(unsupported("ptrace.SpanLinkSlice", &value)),
    ),
    entry(
        "status",
        NOTHING,
        |subject| Ok(Datum::Status(subject.span()?.status())),
        |_, value| Err(unsupported("ptrace.Status", &value)),
    ),
    entry(
        "status.code",
        NOTHING,
        |subject| Ok(Datum::Int(i64::from(subject.span()?.status().code))),
        |item, value| {
            let code = int_of(&value)? as i32;
            let span = item.span()?;
            Ok(span.set_status(Status { code, ..span.status().clone() }))
        },
    ),
    entry(
        "status.message",
        NOTHING,
        |subject| text(&subject.span()?.status().message),
        |item, value| {
            let message = text_of(value)?;
            let span = item.span()?;
            Ok(span.set_status(Status { message, ..span.status().clone() }))
        },
    ),
    entry(
        "flags",
        NOTHING,
        |subject| count(subject.span()?.flags()),
        |item, value| Ok(item.span()?.set_flags(unsigned_of(&value)?)),
    ),
    CACHE,
];

static EVENT_PATHS: &[Entry] = &[
    entry(
        "name",
        EVENTS,
        |subject| text(subject.event()?.name()),
        |item, value| Ok(item.event()?.set_name(text_of(value)?)),
    ),
    entry(
        "time_unix_nano",
        EVENTS,
        |subject| nanoseconds(subject.event()?.time_unix_nano()),
        |item, value| Ok(item.event()?.set_time_unix_nano(int_of(&value)? as u64)),
    ),
    entry(
        "time",
        EVENTS,
        |subject| instant(subject.event()?.time_unix_nano()),
        |item, value| Ok(item.event()?.set_time_unix_nano(time_of(&value)?)),
    ),
    map(
        "attributes",
        EVENTS,
        |subject| Ok(Datum::Attributes(subject.event()?.attributes())),
        |item| Ok(item.event()?.attributes_mut()),
        |item, value| map_of(value).and_then(|map| Ok(item.event()?.attributes_mut().replace(map))),
    ),
    entry(
        "dropped_attributes_count",
        EVENTS,
        |subject| count(subject.event()?.dropped_attributes_count()),
        |item, value| Ok(item.event()?.set_dropped_attributes_count(count_of(&value)?)),
    ),
    // The filter and transform processors of the Go collector know the path and never give it a value.
    entry(
        "event_index",
        EVENTS,
        |_| Err(Failure::new("no 'event_index' property has been set")),
        |_, _| Err(Failure::new("the 'event_index' path cannot be set")),
    ),
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

/// Scratch space. A condition that stands alone has none, and finds it empty.
fn cache<'v>(subject: &Subject<'v>) -> Result<Datum<'v>, Failure> {
    static EMPTY: LazyLock<Map<'static>> = LazyLock::new(Map::default);
    Ok(Datum::Attributes(subject.cache().unwrap_or(&EMPTY)))
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
