//! What it takes to look for secrets in texts and to cut them: `cargo run --release --example detect`.
//!
//! Prompts of 8 KiB as text and as JSON, attributes as spans have them, and texts that are made to be slow: of those a text
//! four times as long may not take much more than four times as long. It stops if one does.

use std::hint::black_box;
use std::time::Instant;

use spanmill_kernel::detect::Detectors;
use spanmill_kernel::truncate::Truncation;

const PROSE: &str = "You are a helpful assistant for the support team of a web shop. Answer in the language of the customer, be brief, and \
never promise a date. Version 2.14.1 of the app was released on 2024-11-26; 3 of 120 orders are late (2.5 %). If a customer asks \
about an invoice, look at https://example.com/help/invoices?lang=en first - it explains most of it. Use the tool `orders.find` with \
the number of the order, e.g. 20241126-0042, and quote its state: paid, shipped, or returned.\nDon't guess: \"I don't know\" is fine. ";

const ATTRIBUTES: [&str; 10] = [
    "GET",
    "/api/v1/users/000042",
    "users.internal.example.org",
    "200",
    "chat gpt-4o-mini",
    "Mozilla/5.0 (X11; Linux x86_64) Gecko",
    "1.1",
    "postgresql",
    "worker-pool-3",
    "550e8400-e29b-41d4-a716-446655440000",
];

/// A text in JSON of about so many bytes.
type Shape = fn(usize) -> String;

/// Prints what `work` takes, in microseconds, as the best of several rounds, and gives that.
fn measure(what: &str, calls: u32, mut work: impl FnMut()) -> f64 {
    let round = |work: &mut dyn FnMut()| {
        let begin = Instant::now();
        (0..calls).for_each(|_| work());
        begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    let best = (0..7).map(|_| round(&mut work)).fold(f64::MAX, f64::min);
    println!("{what:44} {best:10.2} µs");
    best
}

fn messages(texts: impl Iterator<Item = String>) -> Vec<u8> {
    let messages = texts.map(|text| serde_json::json!({"role": "user", "parts": [{"type": "text", "content": text}]}));
    serde_json::to_vec(&messages.collect::<Vec<_>>()).unwrap()
}

fn main() {
    let names: Vec<String> = Detectors::names().map(|(name, _)| name.to_owned()).collect();
    let detectors = Detectors::new(&names).unwrap();
    let clean = |text: &[u8]| detectors.clean(text, &mut |_, _| b"****".to_vec());

    let prompt = PROSE.repeat(20)[..8192].to_owned();
    assert_eq!(clean(prompt.as_bytes()), None);
    measure("find in a prompt of 8 KiB", 2000, || assert!(detectors.find(black_box(prompt.as_bytes())).is_empty()));
    measure("clean it", 2000, || assert!(clean(black_box(prompt.as_bytes())).is_none()));
    let chat = messages(prompt.as_bytes().chunks(512).map(|chunk| String::from_utf8_lossy(chunk).into_owned()));
    println!("({} bytes of JSON)", chat.len());
    measure("clean it as messages in JSON", 2000, || assert!(clean(black_box(&chat)).is_none()));
    let found = prompt.replace("20241126-0042", "jo@example.com").replace("120 orders", "10.1.2.3");
    measure("clean 32 findings in it", 2000, || assert!(clean(black_box(found.as_bytes())).is_some()));
    measure("clean ten short attributes", 20_000, || {
        ATTRIBUTES.iter().for_each(|text| assert!(clean(black_box(text.as_bytes())).is_none()));
    });

    let long = messages((0..128).map(|index| format!("{index} {}", &prompt[..512])));
    let (truncation, large) = (Truncation::new(8192), messages(std::iter::repeat_n(prompt.clone(), 8)));
    println!("({} and {} bytes of JSON)", long.len(), large.len());
    measure("truncate 128 messages to 8 KiB", 500, || assert!(truncation.text(black_box(&long)).is_some()));
    measure("truncate 8 messages to 8 KiB", 500, || assert!(truncation.text(black_box(&large)).is_some()));

    for piece in [
        "1",
        "@",
        "a",
        "a@",
        "1 ",
        "1.",
        "4111 ",
        "+1",
        "a:",
        "00:",
        "sk-",
        "sk-ant-api03-",
        "eyJ.",
        "://a:",
        "secret_access_key=",
        "ya29.",
        "\\u0040",
        "\"",
        "-----BEGIN PRIVATE KEY-----",
        "AB12",
        "Bearer ",
        "glpat-",
        "xoxb-1",
        "phone: 1",
    ] {
        let texts = [1 << 18, 1 << 20].map(|size| piece.repeat(size / piece.len()) + "@");
        let [small, large] = texts.map(|text| {
            let what = format!("clean {} KiB of {piece:?}", text.len() >> 10);
            measure(&what, 1, || drop(clean(black_box(text.as_bytes()))))
        });
        assert!(large < 8.0 * small + 1000.0, "{piece:?} takes more than its share");
    }

    // Made to be slow for whoever cuts, as lists, as members, deep, and long.
    let shapes: [(&str, Shape); 7] = [
        ("numbers", |size| format!("[{}1]", "1,".repeat(size / 2))),
        ("short strings", |size| format!("[{}1]", "\"a\",".repeat(size / 4))),
        ("lists of two", |size| format!("[{}1]", "[1,2],".repeat(size / 6))),
        ("members with lists", |size| format!("{{{}\"b\":1}}", "\"a\":[1,2],".repeat(size / 10))),
        ("messages", |size| format!("[{}]", vec![r#"{"role":"user","content":"a"}"#; size / 30].join(","))),
        ("lists in lists", |size| "[".repeat(size / 2) + &"]".repeat(size / 2)),
        ("backslashes", |size| format!("[\"{}\"]", "\\\\".repeat(size / 2))),
    ];
    for (name, shape) in shapes {
        for truncation in [Truncation::new(100), Truncation::new(200_000)] {
            let [small, large] = [1 << 18, 1 << 20].map(|size| {
                let text = shape(size);
                measure(&format!("truncate {} KiB of {name}", text.len() >> 10), 1, || {
                    assert!(truncation.text(black_box(text.as_bytes())).is_some());
                })
            });
            // Besides n log n it costs that the larger one fits into no cache.
            assert!(large < 24.0 * small + 1000.0, "{name} take more than their share");
        }
    }
}
