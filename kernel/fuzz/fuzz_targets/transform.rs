//! Any text as the statements of `transform`, a line each, in every context: refused, or run, and what comes out is well
//! formed and has as many spans as before.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use spanmill_kernel::ops::{TransformOp, TransformSettings};
use spanmill_kernel::program::Program;
use spanmill_kernel::rope::SpanBatch;
use spanmill_kernel::scan::scan;
use spanmill_kernel::wire::{put_bytes, put_fixed64, put_message, put_varint_field};

/// Longer texts find nothing that shorter ones do not.
const MAX_LENGTH: usize = 2048;

fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &[u8]) {
    put_message(out, field, |out| {
        put_bytes(out, 1, key.as_bytes());
        put_bytes(out, 2, value);
    });
}

fn span(out: &mut Vec<u8>, name: &str) {
    put_bytes(out, 1, &[7; 16]);
    put_bytes(out, 2, &[8; 8]);
    put_bytes(out, 3, b"a=b,c=d");
    put_bytes(out, 5, name.as_bytes());
    put_varint_field(out, 6, 2);
    put_fixed64(out, 7, 1_700_000_000_000_000_000);
    put_fixed64(out, 8, u64::MAX);
    attribute(out, 9, "text", b"\x0a\x0242");
    attribute(out, 9, "int", b"\x18\x07");
    attribute(out, 9, "list", b"\x2a\x06\x0a\x04\x0a\x02xy");
    attribute(out, 9, "map", b"\x32\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v");
    attribute(out, 9, "nothing", b"");
    put_message(out, 11, |out| {
        put_bytes(out, 2, b"event");
        attribute(out, 3, "text", b"\x0a\x03{}\n");
    });
}

fn request() -> SpanBatch {
    let mut out = Vec::new();
    put_message(&mut out, 1, |out| {
        put_message(out, 1, |out| attribute(out, 1, "service.name", b"\x0a\x03svc"));
        put_message(out, 2, |out| {
            put_message(out, 1, |out| put_bytes(out, 1, b"lib"));
            for name in ["GET /u/42", ""] {
                put_message(out, 2, |out| span(out, name));
            }
            put_bytes(out, 3, b"url");
        });
    });
    SpanBatch::decode(out.into(), None).expect("a well-formed request")
}

fuzz_target!(|text: &str| {
    if text.len() > MAX_LENGTH {
        return;
    }
    let batch = request();
    let statements: Vec<String> = text.lines().map(str::to_owned).collect();
    for context in [None, Some("resource"), Some("scope"), Some("span"), Some("spanevent")] {
        let settings = TransformSettings {
            option: "trace_statements[0]".to_owned(),
            context: context.map(str::to_owned),
            statements: statements.clone(),
            ..TransformSettings::default()
        };
        let Ok(op) = TransformOp::new(settings) else { continue };
        let outcome = Program::new(vec![Arc::new(op)]).run(&batch);
        assert_eq!(outcome.batch.len(), batch.len());
        let encoded = outcome.batch.encode();
        assert!(scan(&encoded).is_ok(), "{statements:?} in {context:?} make {encoded:02x?}");
    }
});
