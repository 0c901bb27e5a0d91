//! Any text as a document, and any as a path into it: every function on XML gives a text or fails, in bounded time.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use spanmill_kernel::ops::{ErrorMode, TransformOp, TransformSettings};
use spanmill_kernel::program::Program;
use spanmill_kernel::rope::SpanBatch;
use spanmill_kernel::scan::scan;
use spanmill_kernel::wire::{put_bytes, put_message};

/// Longer texts find nothing that shorter ones do not.
const MAX_LENGTH: usize = 4096;

/// A span with one attribute.
fn request(document: &str) -> SpanBatch {
    let mut out = Vec::new();
    put_message(&mut out, 1, |out| {
        put_message(out, 2, |out| {
            put_message(out, 2, |out| {
                put_message(out, 9, |out| {
                    put_bytes(out, 1, b"doc");
                    put_message(out, 2, |out| put_bytes(out, 1, document.as_bytes()));
                });
            });
        });
    });
    SpanBatch::decode(out.into(), None).expect("a well-formed request")
}

fuzz_target!(|given: (&str, &str)| {
    let (path, document) = given;
    if document.len() > MAX_LENGTH {
        return;
    }
    let batch = request(document);
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    for call in [
        "ParseXML(attributes[\"doc\"])".to_owned(),
        "ParseSimplifiedXML(attributes[\"doc\"])".to_owned(),
        format!("GetXML(attributes[\"doc\"], \"{path}\")"),
        format!("RemoveXML(attributes[\"doc\"], \"{path}\")"),
        format!("InsertXML(attributes[\"doc\"], \"{path}\", attributes[\"doc\"])"),
        format!("ConvertAttributesToElementsXML(attributes[\"doc\"], \"{path}\")"),
        format!("ConvertTextToElementsXML(attributes[\"doc\"], \"{path}\")"),
    ] {
        let settings = TransformSettings {
            option: "trace_statements[0]".to_owned(),
            error_mode: ErrorMode::Ignore,
            context: Some("span".to_owned()),
            statements: vec![format!("set(attributes[\"o\"], {call})")],
            ..TransformSettings::default()
        };
        let Ok(op) = TransformOp::new(settings) else { continue };
        let outcome = Program::new(vec![Arc::new(op)]).run(&batch);
        assert!(scan(&outcome.batch.encode()).is_ok(), "{call}");
    }
});
