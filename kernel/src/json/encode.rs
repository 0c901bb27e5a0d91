//! A batch as one object on one line, as the Go collector writes it: what has its default value is left out, but a
//! resource, a scope, a status and a value always stand there, if only as `{}`. Unknown fields have no names and are
//! left out.

use crate::base64;
use crate::hex;
use crate::rope::SpanBatch;
use crate::wire::{Field, fields};

/// The batch as one object, without a line end.
pub fn encode(batch: &SpanBatch) -> Vec<u8> {
    // JSON of spans is about three times their bytes.
    let mut json = Json { out: Vec::with_capacity(batch.size() * 3) };
    json.out.extend_from_slice(b"{\"resourceSpans\":");
    let chunks = batch.chunks().iter();
    json.array(chunks.flat_map(|chunk| fields(&chunk.data)).filter(|field| field.number == 1), Json::resource_spans);
    json.out.push(b'}');
    json.out
}

struct Json {
    out: Vec<u8>,
}

/// The values of a repeated field, of a message in the normal form.
fn repeated(body: &[u8], number: u32) -> impl Iterator<Item = Field<'_>> {
    fields(body).filter(move |field| field.number == number)
}

fn single(body: &[u8], number: u32) -> Option<Field<'_>> {
    fields(body).find(|field| field.number == number)
}

impl Json {
    fn resource_spans(&mut self, body: &[u8]) {
        self.object(|json| {
            json.key("resource");
            json.resource(single(body, 1).map_or(&[], |field| field.bytes));
            json.messages("scopeSpans", body, 2, Self::scope_spans);
            json.text("schemaUrl", body, 3);
        });
    }

    fn resource(&mut self, body: &[u8]) {
        self.object(|json| {
            json.messages("attributes", body, 1, Self::key_value);
            json.number("droppedAttributesCount", body, 2);
            json.messages("entityRefs", body, 3, Self::entity_ref);
        });
    }

    fn entity_ref(&mut self, body: &[u8]) {
        self.object(|json| {
            json.text("schemaUrl", body, 1);
            json.text("type", body, 2);
            json.messages("idKeys", body, 3, Self::string);
            json.messages("descriptionKeys", body, 4, Self::string);
        });
    }

    fn scope_spans(&mut self, body: &[u8]) {
        self.object(|json| {
            json.key("scope");
            json.scope(single(body, 1).map_or(&[], |field| field.bytes));
            json.messages("spans", body, 2, Self::span);
            json.text("schemaUrl", body, 3);
        });
    }

    fn scope(&mut self, body: &[u8]) {
        self.object(|json| {
            json.text("name", body, 1);
            json.text("version", body, 2);
            json.messages("attributes", body, 3, Self::key_value);
            json.number("droppedAttributesCount", body, 4);
        });
    }

    fn span(&mut self, body: &[u8]) {
        self.object(|json| {
            json.id("traceId", body, 1);
            json.id("spanId", body, 2);
            json.text("traceState", body, 3);
            json.id("parentSpanId", body, 4);
            json.number("flags", body, 16);
            json.text("name", body, 5);
            json.signed("kind", body, 6);
            json.time("startTimeUnixNano", body, 7);
            json.time("endTimeUnixNano", body, 8);
            json.messages("attributes", body, 9, Self::key_value);
            json.number("droppedAttributesCount", body, 10);
            json.messages("events", body, 11, Self::event);
            json.number("droppedEventsCount", body, 12);
            json.messages("links", body, 13, Self::link);
            json.number("droppedLinksCount", body, 14);
            json.key("status");
            json.status(single(body, 15).map_or(&[], |field| field.bytes));
        });
    }

    fn event(&mut self, body: &[u8]) {
        self.object(|json| {
            json.time("timeUnixNano", body, 1);
            json.text("name", body, 2);
            json.messages("attributes", body, 3, Self::key_value);
            json.number("droppedAttributesCount", body, 4);
        });
    }

    fn link(&mut self, body: &[u8]) {
        self.object(|json| {
            json.id("traceId", body, 1);
            json.id("spanId", body, 2);
            json.text("traceState", body, 3);
            json.messages("attributes", body, 4, Self::key_value);
            json.number("droppedAttributesCount", body, 5);
            json.number("flags", body, 6);
        });
    }

    fn status(&mut self, body: &[u8]) {
        self.object(|json| {
            json.text("message", body, 2);
            json.signed("code", body, 3);
        });
    }

    fn key_value(&mut self, body: &[u8]) {
        self.object(|json| {
            json.text("key", body, 1);
            json.key("value");
            json.any_value(single(body, 2).map_or(&[], |field| field.bytes));
            json.signed("keyStrindex", body, 3);
        });
    }

    /// At most one member is set, and is written even if it has its default value.
    fn any_value(&mut self, body: &[u8]) {
        self.object(|json| {
            let Some(field) = fields(body).find(|field| (1..=8).contains(&field.number)) else { return };
            match field.number {
                1 => {
                    json.key("stringValue");
                    json.string(field.bytes);
                }
                2 => {
                    json.key("boolValue");
                    json.out.extend_from_slice(if field.scalar == 0 { b"false" } else { b"true" });
                }
                3 => {
                    json.key("intValue");
                    json.raw(format_args!("\"{}\"", field.scalar as i64));
                }
                4 => {
                    json.key("doubleValue");
                    json.double(f64::from_bits(field.scalar));
                }
                5 => {
                    json.key("arrayValue");
                    json.object(|json| json.messages("values", field.bytes, 1, Self::any_value));
                }
                6 => {
                    json.key("kvlistValue");
                    json.object(|json| json.messages("values", field.bytes, 1, Self::key_value));
                }
                7 => {
                    json.key("bytesValue");
                    json.base64(field.bytes);
                }
                _ => {
                    json.key("stringValueStrindex");
                    json.raw(format_args!("{}", field.scalar as i32));
                }
            }
        });
    }

    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        members(self);
        self.out.push(b'}');
    }

    fn array<'b>(&mut self, items: impl Iterator<Item = Field<'b>>, mut write: impl FnMut(&mut Self, &'b [u8])) {
        self.out.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self, item.bytes);
        }
        self.out.push(b']');
    }

    fn key(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn raw(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = std::io::Write::write_fmt(&mut self.out, text);
    }

    fn messages<'b>(&mut self, name: &str, body: &'b [u8], number: u32, write: impl FnMut(&mut Self, &'b [u8])) {
        let mut items = repeated(body, number).peekable();
        if items.peek().is_some() {
            self.key(name);
            self.array(items, write);
        }
    }

    fn text(&mut self, name: &str, body: &[u8], number: u32) {
        if let Some(field) = single(body, number).filter(|field| !field.bytes.is_empty()) {
            self.key(name);
            self.string(field.bytes);
        }
    }

    fn id(&mut self, name: &str, body: &[u8], number: u32) {
        if let Some(field) = single(body, number).filter(|field| !field.bytes.is_empty()) {
            self.key(name);
            self.out.push(b'"');
            self.out.extend_from_slice(&hex::encode(field.bytes));
            self.out.push(b'"');
        }
    }

    /// A count, or flags.
    fn number(&mut self, name: &str, body: &[u8], number: u32) {
        if let Some(field) = single(body, number).filter(|field| field.scalar as u32 != 0) {
            self.key(name);
            self.raw(format_args!("{}", field.scalar as u32));
        }
    }

    /// An enum, or an index.
    fn signed(&mut self, name: &str, body: &[u8], number: u32) {
        if let Some(field) = single(body, number).filter(|field| field.scalar as i32 != 0) {
            self.key(name);
            self.raw(format_args!("{}", field.scalar as i32));
        }
    }

    /// 64 bits do not fit a number of JavaScript, so they are a string.
    fn time(&mut self, name: &str, body: &[u8], number: u32) {
        if let Some(field) = single(body, number).filter(|field| field.scalar != 0) {
            self.key(name);
            self.raw(format_args!("\"{}\"", field.scalar));
        }
    }

    /// The shortest digits that read back as the same double, with an exponent where that is shorter.
    fn double(&mut self, value: f64) {
        if value.is_nan() {
            self.out.extend_from_slice(b"\"NaN\"");
        } else if value.is_infinite() {
            self.out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        } else if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
            self.raw(format_args!("{value}"));
        } else {
            self.raw(format_args!("{value:e}"));
        }
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        let mut from = 0;
        for (index, &byte) in text.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..0x20 => b"",
                _ => continue,
            };
            self.out.extend_from_slice(&text[from..index]);
            if escape.is_empty() {
                self.raw(format_args!("\\u{byte:04x}"));
            } else {
                self.out.extend_from_slice(escape);
            }
            from = index + 1;
        }
        self.out.extend_from_slice(&text[from..]);
        self.out.push(b'"');
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(base64::encode(bytes).as_bytes());
        self.out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json { out: Vec::new() };
        write(&mut json);
        String::from_utf8(json.out).unwrap()
    }

    #[test]
    fn an_empty_batch_is_an_empty_list() {
        assert_eq!(encode(&SpanBatch::default()), b"{\"resourceSpans\":[]}");
    }

    #[test]
    fn what_is_missing_stands_there_empty_or_not_at_all() {
        assert_eq!(written(|json| json.span(&[])), r#"{"status":{}}"#);
        assert_eq!(written(|json| json.resource_spans(&[])), r#"{"resource":{}}"#);
        assert_eq!(written(|json| json.key_value(&[0x0a, 1, b'k'])), r#"{"key":"k","value":{}}"#);
    }

    #[test]
    fn text_is_escaped_where_json_wants_it() {
        assert_eq!(written(|json| json.string("a\"\\\n\u{1}\u{7f}é".as_bytes())), "\"a\\\"\\\\\\n\\u0001\u{7f}é\"");
    }

    #[test]
    fn bytes_are_base64() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xfe\xfdb", "//79Yg==")]
        {
            assert_eq!(written(|json| json.base64(bytes)), format!("\"{text}\""));
        }
    }

    #[test]
    fn doubles_are_short_and_read_back_the_same() {
        for value in [0.0, -0.0, 0.1, 5.0, 1e21, 1e300, 5e-324, -1.5e-7, f64::MAX, 123_456_789.125] {
            let text = written(|json| json.double(value));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            assert!(text.len() < 25);
        }
        assert_eq!(written(|json| json.double(f64::NEG_INFINITY)), "\"-Infinity\"");
    }
}
