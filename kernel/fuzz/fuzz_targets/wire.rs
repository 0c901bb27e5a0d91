//! Any bytes as a request: refused, or in the normal form from then on, whatever is done with them.

#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::{Value, json};
use spanmill_kernel::metrics::SpanMetrics;
use spanmill_kernel::program::Program;
use spanmill_kernel::rope::SpanBatch;
use spanmill_kernel::route::{Key, Router};
use spanmill_kernel::scan::scan;
use spanmill_kernel::split::Bounds;
use spanmill_kernel::{json, ops};

/// Ops that look at every level and change or drop some of everything.
static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let op = |kind: &str, settings: Value| ops::build(kind, settings).unwrap();
    let conditions = ["name == \"drop\"", "attributes[\"level\"] > 3", "IsMatch(name, \"^GET /health\")"];
    Program::new(vec![
        op(
            "filter",
            json!({"conditions": [
                {"option": "span", "context": "span", "conditions": conditions},
                {"option": "spanevent", "context": "spanevent", "conditions": ["name == \"e\"", "Len(attributes) > 1"]},
                {"option": "resource", "context": "resource", "conditions": ["attributes[\"drop\"] == true"]},
            ]}),
        ),
        op(
            "attributes",
            json!({"actions": [
                {"key": "a", "action": "delete"},
                {"key": "b", "action": "hash"},
                {"key": "c", "action": "upsert", "from_attribute": "d"},
                {"key": "d", "action": "extract", "pattern": "^(?P<first>.)(?P<second>.*)$"},
                {"key": "e", "action": "convert", "converted_type": "string"},
                {"key": "f", "action": "insert", "value": {"list": [1, "two", 3.0], "map": {"key": null}}},
            ]}),
        ),
        op(
            "resource",
            json!({"attributes": [
                {"key": "a", "action": "upsert", "value": "b"},
                {"key": "b", "action": "delete"},
            ]}),
        ),
    ])
});

/// Three backends, with every kind of key.
static ROUTERS: LazyLock<Vec<Router>> = LazyLock::new(|| {
    let names: Vec<_> = ["a:4317", "b:4317", "c:4317"].map(str::to_owned).into_iter().zip(0..).collect();
    let keys =
        [&["a"][..], &["span.kind", "b", "span.name"]].map(|names| names.iter().map(ToString::to_string).collect());
    let keys = keys.into_iter().map(Key::Attributes).chain([Key::TraceId]);
    keys.map(|key| Router::new(&names, key).unwrap()).collect()
});

/// Everything that there is to count, in little memory.
fn count(batch: &SpanBatch) {
    let settings = json!({
        "namespace": "x", "instance": "i", "resources": 2, "exemplars": 1, "max_bytes": 20_000, "sampling_method": true,
        "dimensions": [{"name": "a", "default": "b"}, {"glob": "c.*"}], "event_dimensions": [{"name": "d"}],
        "scopes": ["s"], "cardinality": 3,
        "histogram": {"unit": "ms", "buckets": {"exponential": 4}, "dimensions": [{"name": "e"}]},
        "gen_ai": {"input_tokens": ["f"], "output_tokens": ["g"], "time_to_first_chunk": ["h"],
                   "first_chunk_events": ["e"], "cost": "i"},
    });
    let mut metrics = SpanMetrics::new(serde_json::from_value(settings).unwrap()).ok().unwrap();
    metrics.consume(batch, 1);
    let counts = metrics.counts();
    assert_eq!(counts.counted + counts.unnamed + counts.homeless, batch.len() as u64);
    for family in 0..metrics.families().len() {
        assert!(std::str::from_utf8(&metrics.exposition(family)).is_ok());
    }
    let whole: u64 = metrics.flush(2, usize::MAX).iter().map(|request| request.points).sum();
    let parts: u64 = metrics.flush(2, 500).iter().map(|request| request.points).sum();
    assert!(parts <= whole);
}

/// What every batch keeps to: its bytes are in the normal form and hold the spans it says.
fn check(batch: &SpanBatch) {
    let bytes = batch.encode();
    let found = scan(&bytes).expect("a batch is a request");
    assert!(found.normal);
    assert_eq!((found.spans, bytes.len()), (batch.len(), batch.size()));
    assert!(batch.pinned() >= batch.size());
}

fuzz_target!(|data: &[u8]| {
    let Ok(batch) = SpanBatch::decode(Bytes::copy_from_slice(data), None) else { return };
    check(&batch);
    count(&batch);

    let outcome = PROGRAM.run(&batch);
    check(&outcome.batch);
    assert_eq!(outcome.counts[0].incoming, batch.len() as u64);
    assert_eq!(outcome.batch.len() as u64, batch.len() as u64 - outcome.counts[0].dropped);

    let text = json::encode(&batch);
    let mut reader = serde_json::Deserializer::from_slice(&text);
    reader.disable_recursion_limit();
    Value::deserialize(&mut reader).expect("JSON is JSON");

    let bounds = Bounds::new(data.len() % 4, data.len() / 2);
    let parts = batch.split(bounds);
    assert_eq!(parts.iter().map(SpanBatch::len).sum::<usize>(), batch.len());
    for part in &parts {
        check(part);
        assert!(bounds.fit(part.len(), part.size()) || part.len() == 1);
    }

    for router in ROUTERS.iter() {
        let parts = router.route(&batch, &[data.len() % 4]);
        assert_eq!(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), batch.len());
        parts.iter().for_each(|(_, part)| check(part));
    }
});
