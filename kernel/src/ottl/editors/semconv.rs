//! `set_semconv_span_name`: a name of low cardinality, by the semantic conventions of what the span describes.
//!
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name>, and the same for RPC, databases and messaging.
//! Attributes are read by their names in the conventions and by those they had before.

use std::borrow::Cow;

use super::Editor;
use crate::ottl::context::Context;
use crate::ottl::datum::Datum;
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Complaint, Kind, needed, optional};
use crate::text::text;
use crate::view::{Map, Needs, SpanView, Value};

/// The versions of the conventions that ask for these names: 1.37 to 1.43.
const VERSIONS: std::ops::RangeInclusive<u32> = 37..=43;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

pub(super) static EDITORS: &[Editor] = &[Editor {
    context: Some(Context::Span),
    needs: Needs { attributes: true, events: false, links: false, resource: false, scope: false },
    check: |arguments| match arguments.first() {
        Some(Argument::Value(Expression::Constant(Datum::Text(version)))) if !is_known(version) => Err(Complaint {
            index: 0,
            text: format!(
                "unsupported semconv version {:?}: must be between 1.37.0 and 1.43.0",
                String::from_utf8_lossy(version)
            ),
        }),
        _ => Ok(()),
    },
    ..Editor::new(
        "set_semconv_span_name",
        &[needed("semconv_version", Kind::LiteralText), optional("original_span_name_attribute", Kind::LiteralText)],
        |given, item| {
            let keep = if given.is_given(1) { Some(given.text(1, item)?) } else { None };
            let span = item.span()?;
            let Some(name) = name_of(span).filter(|name| *name != span.name()) else { return Ok(false) };
            if let Some(key) = keep {
                let old = Value::text(span.name().to_vec());
                span.attributes_mut().upsert(key, old);
            }
            span.set_name(Cow::Owned(name));
            Ok(true)
        },
    )
}];

fn is_known(version: &[u8]) -> bool {
    let mut parts = version.split(|byte| *byte == b'.');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok();
    matches!((number(), number(), number()), (Some(1), Some(minor), Some(_)) if VERSIONS.contains(&minor))
        && parts.next().is_none()
}

fn name_of(span: &SpanView<'_>) -> Option<Vec<u8>> {
    let attributes = Attributes(span.attributes());
    match span.kind() {
        SERVER => attributes.http("http.route").or_else(|| attributes.rpc()).or_else(|| attributes.messaging()),
        CLIENT => attributes
            .http("url.template")
            .or_else(|| attributes.rpc())
            .or_else(|| attributes.database())
            .or_else(|| attributes.messaging()),
        PRODUCER | CONSUMER => attributes.messaging(),
        _ => None,
    }
    .filter(|name| !name.is_empty())
}

struct Attributes<'v, 'a>(&'v Map<'a>);

impl<'v> Attributes<'v, '_> {
    /// The text of the first of these attributes that is there.
    fn first(&self, keys: &[&str]) -> Option<Cow<'v, [u8]>> {
        keys.iter().find_map(|key| self.0.get(key.as_bytes())).map(text)
    }

    fn is_true(&self, key: &str) -> bool {
        matches!(self.0.get(key.as_bytes()), Some(Value::Bool(true)))
    }

    fn http(&self, target: &str) -> Option<Vec<u8>> {
        let method = self.first(&["http.request.method", "http.method"])?;
        Some(joined(&method, b" ", self.first(&[target])))
    }

    fn rpc(&self) -> Option<Vec<u8>> {
        let system = self.first(&["rpc.system.name", "rpc.system"])?;
        let method = self.first(&["rpc.method", "rpc.grpc.method"]);
        Some(match (self.first(&["rpc.service", "rpc.grpc.service"]), method) {
            (Some(service), None) => [&*service, b"/*"].concat(),
            (Some(service), method) => joined(&service, b"/", method),
            (None, Some(method)) => method.into_owned(),
            (None, None) => system.into_owned(),
        })
    }

    fn database(&self) -> Option<Vec<u8>> {
        let system = self.first(&["db.system.name", "db.system"])?;
        if let Some(summary) = self.first(&["db.query.summary"]) {
            return Some(summary.into_owned());
        }
        let present = |text: Option<Vec<u8>>| text.filter(|text| !text.is_empty());
        let operation = present(self.first(&["db.operation.name", "db.operation"]).map(Cow::into_owned));
        match (operation, present(self.database_target())) {
            (Some(operation), target) => Some(joined(&operation, b" ", target.map(Cow::Owned))),
            (None, Some(target)) => Some(target),
            (None, None) => Some(system.into_owned()),
        }
    }

    fn database_target(&self) -> Option<Vec<u8>> {
        let namespace = self.first(&["db.namespace", "db.name"]).filter(|name| !name.is_empty());
        match (namespace, self.first(&["db.collection.name", "db.stored_procedure.name"])) {
            (Some(namespace), inner) => Some(joined(&namespace, b".", inner)),
            (None, Some(inner)) => Some(inner.into_owned()),
            (None, None) => self.server(),
        }
    }

    fn messaging(&self) -> Option<Vec<u8>> {
        let system = self.first(&["messaging.system"])?;
        let operation = self.first(&["messaging.operation.name", "messaging.operation"]);
        let destination = self.destination().filter(|destination| !destination.is_empty());
        Some(match (operation, destination) {
            (Some(operation), destination) => joined(&operation, b" ", destination.map(Cow::Owned)),
            (None, Some(destination)) => destination,
            (None, None) => system.into_owned(),
        })
    }

    fn destination(&self) -> Option<Vec<u8>> {
        if self.is_true("messaging.destination.temporary") {
            return Some(b"(temporary)".to_vec());
        }
        if self.is_true("messaging.destination.anonymous") {
            return Some(b"(anonymous)".to_vec());
        }
        let names = ["messaging.destination.template", "messaging.destination.name", "messaging.destination"];
        self.first(&names).map(Cow::into_owned).or_else(|| self.server())
    }

    fn server(&self) -> Option<Vec<u8>> {
        Some(joined(&self.first(&["server.address"])?, b":", self.first(&["server.port"])))
    }
}

/// Both texts with the separator between them, or the first one alone.
fn joined(first: &[u8], separator: &[u8], second: Option<Cow<'_, [u8]>>) -> Vec<u8> {
    second.map_or_else(|| first.to_vec(), |second| [first, separator, &second].concat())
}
