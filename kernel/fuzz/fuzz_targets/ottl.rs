//! Any text as a condition or statement: understood or refused, and what is understood can be asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spanmill_kernel::ottl::{Context, Predicate, Subject, parse_statement};
use spanmill_kernel::view::{Needs, ResourceView, ScopeView, SpanView};
use spanmill_kernel::wire::{put_bytes, put_fixed64, put_message, put_varint_field};

/// A span with something at every path that conditions reach.
fn span() -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &[7; 16]);
    put_bytes(&mut out, 2, &[8; 8]);
    put_bytes(&mut out, 5, b"GET /u/42");
    put_varint_field(&mut out, 6, 2);
    put_fixed64(&mut out, 7, 1_700_000_000_000_000_000);
    put_fixed64(&mut out, 8, u64::MAX);
    for (key, value) in
        [("a", &b"\x0a\x0242"[..]), ("b", b"\x18\x07"), ("c", b"\x2a\x06\x0a\x04\x0a\x02xy"), ("d", b"")]
    {
        put_message(&mut out, 9, |out| {
            put_bytes(out, 1, key.as_bytes());
            put_bytes(out, 2, value);
        });
    }
    put_message(&mut out, 11, |out| put_bytes(out, 2, b"event"));
    out
}

fuzz_target!(|text: &str| {
    let _ = parse_statement(text);
    let bytes = span();
    let mut span = SpanView::default();
    span.load(&bytes, Needs { attributes: true, events: true, links: true, resource: true, scope: true });
    let resource = ResourceView::default();
    let scope = ScopeView::decode(b"\x0a\x03lib", b"url");
    let contexts = Context::ALL.into_iter().map(Some).chain([None]);
    for predicate in contexts.filter_map(|context| Predicate::parse(text, context).ok()) {
        let subject = match predicate.context() {
            Context::Resource => Subject::of_resource(&resource),
            Context::Scope => Subject::of_scope(&scope, &resource),
            Context::Span => Subject::of_span(&span, &scope, &resource),
            Context::SpanEvent => Subject::of_span(&span, &scope, &resource).with_event(&span.events()[0]),
        };
        let _ = predicate.test(&subject);
    }
});
