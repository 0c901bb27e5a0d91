//! Metrics of calls of language models, from spans by the semantic conventions for generative AI.
//!
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>

use super::config::Instrument;
use super::dimensions::{Dimensions, put_attribute, put_key_text, put_text_attribute};
use super::point::Shape;
use super::settings::GenAiSettings;
use crate::view::{Map, SpanView, Value};
use crate::wire::fields;

const OPERATION: &[u8] = b"gen_ai.operation.name";
const PROVIDER: &[u8] = b"gen_ai.provider.name";
/// What the provider was called before.
const SYSTEM: &[u8] = b"gen_ai.system";
const MODEL: &[u8] = b"gen_ai.request.model";
const ERROR: &[u8] = b"error.type";
const TOKEN_TYPE: &[u8] = b"gen_ai.token.type";

const EVENTS: u32 = 11;
const EVENT_TIME: u32 = 1;
const EVENT_NAME: u32 = 2;

const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const DURATIONS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_CHUNKS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

type Names = Vec<Box<[u8]>>;

pub struct GenAi {
    dimensions: Dimensions,
    input_tokens: Names,
    output_tokens: Names,
    first_chunk: Names,
    first_chunk_events: Names,
    cost: Names,
}

/// What a call says of itself. Values are not negative.
pub struct Call {
    /// In seconds: the duration and the time to the first piece of the answer; and the cost.
    pub values: [Option<f64>; 3],
    /// Tokens, each with what they are.
    pub tokens: [(&'static [u8], Option<f64>); 2],
}

impl GenAi {
    pub fn new(settings: &GenAiSettings, dimensions: Dimensions) -> Self {
        let names = |names: &[String]| names.iter().map(|name| name.as_bytes().into()).collect();
        Self {
            dimensions,
            input_tokens: names(&settings.input_tokens),
            output_tokens: names(&settings.output_tokens),
            first_chunk: names(&settings.time_to_first_chunk),
            first_chunk_events: names(&settings.first_chunk_events),
            cost: names(std::slice::from_ref(&settings.cost)),
        }
    }

    /// The metrics of operations, in the order of [`Call::values`], and those of tokens.
    pub fn instruments() -> (Vec<Instrument>, Vec<Instrument>) {
        let metric = |name: &str, unit, help, shape| Instrument { name: name.to_owned(), unit, help, shape };
        let buckets = |bounds: &[f64]| Shape::Explicit(bounds.into());
        let operations = vec![
            metric("gen_ai.client.operation.duration", "s", "How long calls of models took.", buckets(&DURATIONS)),
            metric(
                "gen_ai.client.operation.time_to_first_chunk",
                "s",
                "How long the first piece of an answer took.",
                buckets(&FIRST_CHUNKS),
            ),
            metric("gen_ai.client.cost", "", "What calls of models cost, as their spans say.", Shape::Amount),
        ];
        let help = "Tokens that calls of models used, by their type.";
        (operations, vec![metric("gen_ai.client.token.usage", "{token}", help, buckets(&TOKENS))])
    }

    /// Whether a span is the call of a model, or of what stands before one.
    pub fn is_call(&self, attributes: &Map<'_>) -> bool {
        attributes.entries().iter().any(|entry| {
            entry.key.starts_with(b"gen_ai.") && [OPERATION, PROVIDER, SYSTEM, MODEL].contains(&&*entry.key)
        })
    }

    /// Reads a call; `body` are the bytes of its span.
    pub fn read(&self, span: &SpanView<'_>, body: &[u8]) -> Call {
        let attributes = span.attributes();
        let nanoseconds = span.end_time_unix_nano().saturating_sub(span.start_time_unix_nano());
        let first = number(attributes, &self.first_chunk).or_else(|| self.first_event(span, body));
        Call {
            values: [Some(nanoseconds as f64 / 1e9), first, number(attributes, &self.cost)],
            tokens: [
                (b"input", number(attributes, &self.input_tokens)),
                (b"output", number(attributes, &self.output_tokens)),
            ],
        }
    }

    /// Seconds from the start to the first event that tells of the answer. A span may have hundreds of events, which
    /// are not decoded for that.
    fn first_event(&self, span: &SpanView<'_>, body: &[u8]) -> Option<f64> {
        if self.first_chunk_events.is_empty() {
            return None;
        }
        let times = fields(body).filter(|field| field.number == EVENTS).filter_map(|event| {
            let (mut time, mut matches) = (0, false);
            for field in fields(event.bytes) {
                match field.number {
                    EVENT_TIME => time = field.scalar,
                    EVENT_NAME => matches = self.first_chunk_events.iter().any(|name| **name == *field.bytes),
                    _ => {}
                }
            }
            matches.then_some(time)
        });
        let first = times.min()?;
        (first >= span.start_time_unix_nano()).then(|| (first - span.start_time_unix_nano()) as f64 / 1e9)
    }

    /// Appends what tells calls apart. `token_type` is empty for what is no matter of tokens.
    pub fn put_key(&self, sources: &[&Map<'_>], token_type: &[u8], key: &mut Vec<u8>) {
        let attributes = sources[0];
        for value in [attributes.get(OPERATION), provider(attributes), attributes.get(MODEL)] {
            put_value(key, value);
        }
        if token_type.is_empty() {
            put_value(key, attributes.get(ERROR));
        }
        put_key_text(key, token_type);
        self.dimensions.put_key(sources, key);
    }

    /// Appends the same as attributes.
    pub fn put_attributes(&self, sources: &[&Map<'_>], token_type: &[u8], names: &mut Vec<Vec<u8>>, out: &mut Vec<u8>) {
        let attributes = sources[0];
        let mut put = |name: &[u8], value: Option<&Value<'_>>| {
            if let Some(value) = value {
                names.push(name.to_vec());
                put_attribute(out, name, value);
            }
        };
        put(OPERATION, attributes.get(OPERATION));
        put(PROVIDER, provider(attributes));
        put(MODEL, attributes.get(MODEL));
        if token_type.is_empty() {
            put(ERROR, attributes.get(ERROR));
        } else {
            names.push(TOKEN_TYPE.to_vec());
            put_text_attribute(out, TOKEN_TYPE, token_type);
        }
        self.dimensions.put_attributes(sources, names, out);
    }
}

fn provider<'m, 'a>(attributes: &'m Map<'a>) -> Option<&'m Value<'a>> {
    attributes.get(PROVIDER).or_else(|| attributes.get(SYSTEM))
}

fn put_value(key: &mut Vec<u8>, value: Option<&Value<'_>>) {
    key.push(u8::from(value.is_some()));
    if let Some(value) = value {
        value.encode(key);
    }
}

/// The first of the attributes that is there and is a number which can be counted.
fn number(attributes: &Map<'_>, names: &Names) -> Option<f64> {
    let value = match names.iter().find_map(|name| attributes.get(name))? {
        Value::Int(value) => *value as f64,
        Value::Double(value) => *value,
        _ => return None,
    };
    (value.is_finite() && value >= 0.0).then_some(value)
}
