//! A request built once, in which ids and times are set anew each time it is sent.
//!
//! Templates describe themselves. In them, big-endian, a trace id is the number of the trace in the request, a span
//! id is the number of the span plus one, and a parent's likewise, or all ones for a parent in another service. A
//! time is how many nanoseconds it lies before the moment of sending.
//!
//! The same request may be there in JSON, where hexadecimal ids have the same meaning behind a mark that JSON text has
//! nowhere else, and a time is 19 digits.

use std::collections::HashSet;

use bytes::{BufMut, BytesMut};

use crate::ids::{Key, SpanNumber};
use crate::wire::{Broken, Message, each_span};

/// What stands at a place of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Trace(u32),
    Span(u32),
    Foreign(u32),
    /// Nanoseconds before sending.
    Time(u64),
}

/// What goes onto the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

/// In front of a letter and digits: a trace id, a span id, the id of a parent in another service, or a time.
const MARK: &[u8] = b"\x7f";

/// The code of a status.
const ERROR: u64 = 2;

/// What is known of a span of a template.
#[derive(Clone, Copy, Debug)]
pub struct TemplateSpan {
    pub trace: u32,
    /// How long before the moment of sending it ended, in nanoseconds.
    pub ended_before: u64,
    /// Whether it is a probe that filters drop.
    pub health_check: bool,
    /// Whether it, or another span of its trace, ended with an error.
    pub failed: bool,
}

#[derive(Debug)]
pub struct Template {
    data: Vec<u8>,
    places: Vec<(u32, What)>,
    format: Format,
    pub spans: Vec<TemplateSpan>,
}

impl Template {
    pub fn new(data: Vec<u8>, health_checks: &[usize]) -> Result<Self, Broken> {
        let (mut places, mut spans) = (Vec::new(), Vec::new());
        each_span(&data, |mut span| {
            let mut found = TemplateSpan {
                trace: 0,
                ended_before: 0,
                health_check: health_checks.binary_search(&spans.len()).is_ok(),
                failed: false,
            };
            while let Some(field) = span.next()? {
                let mut note = |what| places.push((field.place as u32, what));
                match field.number {
                    1 => {
                        found.trace = index(field.bytes, 16)?;
                        note(What::Trace(found.trace));
                    }
                    2 => note(What::Span(spans.len() as u32)),
                    4 => note(other_span(field.bytes, spans.len())?),
                    7 => note(What::Time(time(field.bytes)?)),
                    8 => {
                        found.ended_before = time(field.bytes)?;
                        note(What::Time(found.ended_before));
                    }
                    11 => inside(field.message(), 1, |bytes, place| {
                        places.push((place, What::Time(time(bytes)?)));
                        Ok(())
                    })?,
                    13 => {
                        inside(field.message(), 1, |bytes, place| {
                            places.push((place, What::Trace(index(bytes, 16)?)));
                            Ok(())
                        })?;
                        inside(field.message(), 2, |bytes, place| {
                            places.push((place, other_span(bytes, spans.len())?));
                            Ok(())
                        })?;
                    }
                    15 => found.failed = field.message().find(3).is_some_and(|code| code.varint == ERROR),
                    _ => {}
                }
            }
            spans.push(found);
            Ok(())
        })?;
        let failed: HashSet<u32> = spans.iter().filter(|span| span.failed).map(|span| span.trace).collect();
        spans.iter_mut().for_each(|span| span.failed = failed.contains(&span.trace));
        Ok(Self { data, places, format: Format::Protobuf, spans })
    }

    /// Sends this text from now on, in which ids and times are marked: the letter `t`, `s`, `f` or `n`, and a number.
    pub fn say_in_json(&mut self, mut text: Vec<u8>) -> Result<(), Broken> {
        self.places.clear();
        let marks: Vec<usize> = memchr::memmem::find_iter(&text, MARK).collect();
        for place in marks {
            let value = &mut text[place..];
            let length = value.iter().position(|&byte| byte == b'"').ok_or("a mark outside of a string")?;
            let digits = value.get(2..length).and_then(|digits| str::from_utf8(digits).ok());
            let number: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or("a mark without a number")?;
            let (what, wanted) = match value[1] {
                b't' => (What::Trace(number as u32), 32),
                b's' => (What::Span(number as u32), 16),
                b'f' => (What::Foreign(number as u32), 16),
                b'n' => (What::Time(number), TIME_DIGITS),
                _ => return Err("a mark of nothing"),
            };
            if length != wanted {
                return Err("a mark that is not as long as what it stands for");
            }
            self.places.push((place as u32, what));
        }
        self.data = text;
        self.format = Format::Json;
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Appends the request whose first span has the number `first`, sent at `now` (nanoseconds since 1970).
    pub fn fill(&self, out: &mut BytesMut, key: Key, first: SpanNumber, now: u64) {
        let start = out.len();
        out.put_slice(&self.data);
        let out = &mut out[start..];
        let number = |index: u32| SpanNumber { sequence: first.sequence + u64::from(index), ..first };
        for &(place, what) in &self.places {
            let out = &mut out[place as usize..];
            if self.format == Format::Json {
                match what {
                    What::Trace(index) => hexadecimal(out, &key.trace_id(number(index))),
                    What::Span(index) => hexadecimal(out, &key.span_id(number(index))),
                    What::Foreign(index) => hexadecimal(out, &key.foreign_id(number(index))),
                    What::Time(before) => decimal(out, now - before),
                }
                continue;
            }
            match what {
                What::Trace(index) => out[..16].copy_from_slice(&key.trace_id(number(index))),
                What::Span(index) => out[..8].copy_from_slice(&key.span_id(number(index))),
                What::Foreign(index) => out[..8].copy_from_slice(&key.foreign_id(number(index))),
                What::Time(before) => out[..8].copy_from_slice(&(now - before).to_le_bytes()),
            }
        }
    }
}

/// Digits of a time in nanoseconds since 1970, until the year 2286.
const TIME_DIGITS: usize = 19;

fn decimal(out: &mut [u8], mut time: u64) {
    for digit in out[..TIME_DIGITS].iter_mut().rev() {
        *digit = b'0' + (time % 10) as u8;
        time /= 10;
    }
}

fn hexadecimal(out: &mut [u8], id: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(id) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

fn inside(
    mut message: Message<'_>,
    number: u32,
    mut see: impl FnMut(&[u8], u32) -> Result<(), Broken>,
) -> Result<(), Broken> {
    while let Some(field) = message.next()? {
        if field.number == number {
            see(field.bytes, field.place as u32)?;
        }
    }
    Ok(())
}

fn index(id: &[u8], length: usize) -> Result<u32, Broken> {
    match id.split_last_chunk::<4>() {
        Some((zeros, index)) if id.len() == length && zeros.iter().all(|&byte| byte == 0) => {
            Ok(u32::from_be_bytes(*index))
        }
        _ => Err("an id of a template that is no small number"),
    }
}

fn other_span(id: &[u8], own: usize) -> Result<What, Broken> {
    if id == [0xff; 8] {
        return Ok(What::Foreign(own as u32));
    }
    Ok(What::Span(index(id, 8)?.checked_sub(1).ok_or("the id of a template's span is 0")?))
}

fn time(bytes: &[u8]) -> Result<u64, Broken> {
    Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| "a time that is not 8 bytes")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::request;

    #[test]
    fn a_filled_request_has_its_own_ids_and_times() {
        let template = Template::new(request(3), &[1]).unwrap();
        assert_eq!(template.spans.iter().map(|span| span.health_check).collect::<Vec<_>>(), [false, true, false]);
        let (key, first) = (Key::new(9), SpanNumber { sender: 2, sequence: 300 });
        let mut out = BytesMut::from(&b"prefix"[..]);
        template.fill(&mut out, key, first, 1_000_000);

        let mut seen = Vec::new();
        each_span(&out[6..], |mut span| {
            while let Some(field) = span.next()? {
                match field.number {
                    2 => seen.push(key.span_number(field.bytes.try_into().unwrap()).sequence),
                    4 => assert_eq!(key.span_number(field.bytes.try_into().unwrap()).sequence, 300),
                    8 => assert_eq!(field.bytes, (1_000_000u64 - 5).to_le_bytes()),
                    _ => {}
                }
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [300, 301, 302]);
        assert_eq!(out.len(), 6 + template.len());
    }

    #[test]
    fn json_has_the_same_ids_and_times() {
        let mut template = Template::new(request(1), &[]).unwrap();
        let text = format!("[\"{m}t{:030}\",\"{m}s{:014}\",\"{m}f{:014}\",\"{m}n{:017}\"]", 0, 0, 0, 7, m = '\x7f');
        template.say_in_json(text.into_bytes()).unwrap();
        let (key, first) = (Key::new(9), SpanNumber { sender: 2, sequence: 300 });
        let mut out = BytesMut::new();
        template.fill(&mut out, key, first, 1_700_000_000_000_000_007);
        let told: Vec<String> = serde_json::from_slice(&out).unwrap();
        let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            told,
            [
                hex(&key.trace_id(first)),
                hex(&key.span_id(first)),
                hex(&key.foreign_id(first)),
                "1700000000000000000".to_owned()
            ]
        );
        for wrong in ["\"\x7ft0\"", "\"\x7fx00\"", "\"\x7fs\"", "\x7fs"] {
            assert!(template.say_in_json(wrong.into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let mut data = request(1);
        let last = data.len() - 1;
        assert!(Template::new(data[..last].to_vec(), &[]).is_err());
        let id = data.windows(2).position(|pair| pair == [0x0a, 16]).unwrap() + 2;
        data[id] = 7;
        assert_eq!(Template::new(data, &[]).unwrap_err(), "an id of a template that is no small number");
    }
}
