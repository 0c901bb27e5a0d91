//! How long the check at arrival takes: `cargo run --release --example arrival`.
//!
//! One request of 512 spans, with 485 bytes and 10 attributes each, as the bench of the whole collector has it.

use std::hint::black_box;
use std::time::Instant;

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

fn main() {
    const SPANS: u64 = 512;
    let mut request = Vec::new();
    wire::put_message(&mut request, 1, |out| {
        wire::put_message(out, 1, |out| {
            text(out, 1, "service.name", "checkout");
            text(out, 1, "host.name", "node-17.example.org");
        });
        wire::put_message(out, 2, |out| {
            wire::put_message(out, 1, |out| wire::put_bytes(out, 1, b"io.example.http"));
            (0..SPANS).for_each(|index| wire::put_message(out, 2, |out| span(out, index)));
        });
    });
    println!("{} bytes a span", request.len() as u64 / SPANS);
    for _ in 0..5 {
        const ROUNDS: u32 = 2_000;
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            assert!(scan(black_box(&request)).unwrap().normal);
        }
        let each = begin.elapsed() / ROUNDS;
        println!("{:.1} ns a span", each.as_nanos() as f64 / SPANS as f64);
    }
}
