//! `otelcol.*`: who sent the request, and with which headers. Nobody can write these.

use std::borrow::Cow;

use super::{Entry, Keys, NOTHING, entry};
use crate::origin::Origin;
use crate::ottl::context::Subject;
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::{Map, Value};

/// The prefix of these paths.
pub(in crate::ottl) const REQUEST: &str = "otelcol";

pub(in crate::ottl) static REQUEST_PATHS: &[Entry] = &[
    entry("client.addr", NOTHING, |subject| Ok(address(subject)), |_, _| Err(read_only())),
    headers("client.metadata", all_headers),
    headers("grpc.metadata", all_headers),
    // Nobody authenticates clients yet.
    headers("client.auth.attributes", |_| Ok(map(Map::default()))),
];

const fn headers(name: &'static str, read: super::Read) -> Entry {
    Entry { keys: Keys::Header, ..entry(name, NOTHING, read, |_, _| Err(read_only())) }
}

fn read_only() -> Failure {
    Failure::new("a request cannot be changed")
}

/// Address and port, or nil if they are not known.
fn address<'v>(subject: &Subject<'v>) -> Datum<'v> {
    match subject.origin() {
        Some(Origin { peer, .. }) if !peer.is_empty() => Datum::Text(Cow::Borrowed(peer.as_bytes())),
        _ => Datum::Nil,
    }
}

fn all_headers<'v>(subject: &Subject<'v>) -> Result<Datum<'v>, Failure> {
    let mut all = Map::default();
    for (name, values) in subject.origin().map(|origin| origin.metadata.as_slice()).unwrap_or_default() {
        all.upsert(name.as_bytes(), list(values));
    }
    Ok(map(all))
}

/// All values of one header, or nil if the request has none of this name.
pub(in crate::ottl) fn header<'v>(path: &Entry, name: &[u8], subject: &Subject<'v>) -> Datum<'v> {
    let name = std::str::from_utf8(name).ok().filter(|_| path.name != "client.auth.attributes");
    match name.and_then(|name| subject.origin()?.header(name)) {
        Some(values) => Datum::Nested(Held::Owned(Box::new(list(values)))),
        None => Datum::Nil,
    }
}

fn list(values: &[String]) -> Value<'_> {
    Value::List(values.iter().map(|value| Value::Str(Cow::Borrowed(value.as_bytes()))).collect())
}

fn map(map: Map<'_>) -> Datum<'_> {
    Datum::Nested(Held::Owned(Box::new(Value::Map(map))))
}
