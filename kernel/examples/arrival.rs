//! What it takes to check requests, and to merge small ones: `cargo run --release --example arrival`.
//!
//! Spans of 459 bytes with 10 attributes; 8,192 in one request, then 10 in each of 820.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use spanmill_kernel::merge::merge;
use spanmill_kernel::rope::SpanBatch;
use spanmill_kernel::scan::scan;
use spanmill_kernel::wire;

fn text(out: &mut Vec<u8>, number: u32, key: &str, value: &str) {
    wire::put_message(out, number, |out| {
        wire::put_bytes(out, 1, key.as_bytes());
        wire::put_message(out, 2, |out| wire::put_bytes(out, 1, value.as_bytes()));
    });
}

fn int(out: &mut Vec<u8>, number: u32, key: &str, value: u64) {
    wire::put_message(out, number, |out| {
        wire::put_bytes(out, 1, key.as_bytes());
        wire::put_message(out, 2, |out| wire::put_varint_field(out, 3, value));
    });
}

fn span(out: &mut Vec<u8>, index: u64) {
    let id = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let trace_id = [id.to_be_bytes(), (!id).to_be_bytes()].concat();
    wire::put_bytes(out, 1, &trace_id);
    wire::put_bytes(out, 2, &id.to_le_bytes());
    wire::put_bytes(out, 4, &(id / 3).to_le_bytes());
    wire::put_bytes(out, 5, b"GET /api/v1/users/{id}");
    wire::put_varint_field(out, 6, 2);
    wire::put_fixed64(out, 7, 1_790_000_000_000_000_000 + index);
    wire::put_fixed64(out, 8, 1_790_000_000_005_000_000 + index);
    text(out, 9, "http.request.method", "GET");
    text(out, 9, "url.path", &format!("/api/v1/users/{index:06}"));
    text(out, 9, "server.address", "users.internal.example.org");
    int(out, 9, "server.port", 8443);
    int(out, 9, "http.response.status_code", 200);
    text(out, 9, "user.email", &format!("user{index:06}@example.org"));
    text(out, 9, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko");
    text(out, 9, "network.protocol.version", "1.1");
    text(out, 9, "db.system", "postgresql");
    text(out, 9, "thread.name", "worker-pool-3");
    wire::put_message(out, 15, |_| {});
    wire::put_fixed32(out, 16, 0x101);
}

fn request(first: u64, spans: u64) -> Vec<u8> {
    let mut request = Vec::new();
    wire::put_message(&mut request, 1, |out| {
        wire::put_message(out, 1, |out| {
            text(out, 1, "service.name", "checkout");
            text(out, 1, "service.version", "2.14.1");
            text(out, 1, "telemetry.sdk.name", "opentelemetry");
            text(out, 1, "telemetry.sdk.language", "python");
            text(out, 1, "host.name", "node-17.example.org");
        });
        wire::put_message(out, 2, |out| {
            wire::put_message(out, 1, |out| wire::put_bytes(out, 1, b"io.example.http"));
            (first..first + spans).for_each(|index| wire::put_message(out, 2, |out| span(out, index)));
        });
    });
    request
}

/// Runs `work` often and prints what it takes for each of `spans`.
fn measure(what: &str, spans: u64, mut work: impl FnMut()) {
    const ROUNDS: u32 = 200;
    for _ in 0..3 {
        let begin = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        println!("{what}: {:.1} ns a span", (begin.elapsed() / ROUNDS).as_nanos() as f64 / spans as f64);
    }
}

fn main() {
    let large = request(0, 8192);
    measure("check", 8192, || assert!(scan(black_box(&large)).unwrap().normal));
    let small: Vec<SpanBatch> =
        (0..820).map(|index| SpanBatch::decode(Bytes::from(request(index * 10, 10)), None).unwrap()).collect();
    let joined = SpanBatch::join(&small);
    measure("join 10 a request", 8200, || assert_eq!(SpanBatch::join(black_box(&small)).len(), 8200));
    measure("merge 10 a request", 8200, || assert!(merge(black_box(joined.chunks())).is_some()));
    measure("encode joined", 8200, || assert!(!black_box(&joined).encode().is_empty()));
    let one = merge(joined.chunks()).unwrap();
    println!("merged {} of {} bytes", one.data.len(), joined.size());
}
