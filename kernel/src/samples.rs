//! Small requests for tests.

use crate::rope::{Chunk, SpanBatch};
use crate::view::{Needs, ResourceView, ScopeView, SpanView, Value};
use crate::wire::{fields, put_bytes, put_message};

/// One attribute as a `KeyValue` field of this number.
pub fn put_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &Value<'_>) {
    put_message(out, number, |out| {
        put_bytes(out, 1, key.as_bytes());
        put_message(out, 2, |out| value.encode(out));
    });
}

/// A span with a name, text attributes and, behind them, a field that nobody knows.
pub fn span(name: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &[7; 16]);
    put_bytes(&mut out, 2, &[8; 8]);
    put_bytes(&mut out, 5, name.as_bytes());
    for (key, value) in attributes {
        put_attribute(&mut out, 9, key, &Value::text(value.as_bytes().to_vec()));
    }
    put_bytes(&mut out, 99, b"unknown");
    out
}

/// One scope of a resource with its spans.
pub fn resource_spans(service: &str, scopes: &[&[Vec<u8>]]) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, 1, |out| {
        put_message(out, 1, |out| {
            put_attribute(out, 1, "service.name", &Value::text(service.as_bytes().to_vec()));
        });
        for spans in scopes {
            put_message(out, 2, |out| {
                put_message(out, 1, |out| put_bytes(out, 1, b"scope"));
                for span in *spans {
                    put_bytes(out, 2, span);
                }
            });
        }
        put_bytes(out, 3, b"https://schema");
    });
    out
}

/// A batch of one chunk.
pub fn batch(request: Vec<u8>) -> SpanBatch {
    let spans = visit(&request, |_, _, _| {});
    SpanBatch::from_chunks(vec![Chunk::new(request, spans)])
}

/// Shows every span with what encloses it, and counts them.
pub fn visit(request: &[u8], mut show: impl FnMut(&ResourceView<'_>, &ScopeView<'_>, &SpanView<'_>)) -> usize {
    let everything = Needs { attributes: true, events: true, links: true, resource: true, scope: true };
    let mut count = 0;
    for resource_spans in fields(request).filter(|field| field.number == 1) {
        let body = |number| {
            fields(resource_spans.bytes).find(|field| field.number == number).map_or(&[][..], |field| field.bytes)
        };
        let resource = ResourceView::decode(body(1), body(3));
        for scope_spans in fields(resource_spans.bytes).filter(|field| field.number == 2) {
            let body = |number| {
                fields(scope_spans.bytes).find(|field| field.number == number).map_or(&[][..], |field| field.bytes)
            };
            let scope = ScopeView::decode(body(1), body(3));
            for field in fields(scope_spans.bytes).filter(|field| field.number == 2) {
                let mut span = SpanView::default();
                span.load(field.bytes, everything);
                show(&resource, &scope, &span);
                count += 1;
            }
        }
    }
    count
}

/// `service/span{key=value,…}` for every span, text attributes only.
pub fn lines(batch: &SpanBatch) -> Vec<String> {
    let mut lines = Vec::new();
    visit(&batch.encode(), |resource, _, span| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = |value: &Value<'_>| value.as_text().map_or_else(|| format!("{value:?}"), text);
        let attributes: Vec<String> = span
            .attributes()
            .entries()
            .iter()
            .map(|entry| format!("{}={}", text(&entry.key), shown(entry.value())))
            .collect();
        let service = resource.attributes().get(b"service.name").map_or_else(String::new, shown);
        lines.push(format!("{service}/{}{{{}}}", text(span.name()), attributes.join(",")));
    });
    lines
}
