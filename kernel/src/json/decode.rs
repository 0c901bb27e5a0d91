//! One `ExportTraceServiceRequest` in JSON becomes the bytes it has on the wire.
//!
//! The text is read once, and every member written as it comes; the length of a message is put in front of it when its
//! object ends. Members that do not come in the order of their numbers are put in order there.
//!
//! What is taken is what protobuf's own JSON and the Go collector take: names in either spelling, unknown members,
//! `null` for what is not there, numbers in quotes, names of enums. Of a name that stands more than once protobuf says
//! nothing, and it is treated like a field that does on the wire, which is nearly what Go does: of scalars and of the
//! members of a value the last one counts, lists go on, objects are merged. So no span is lost.

use super::fault::{Checked, Fault, JsonError};
use super::reader::Reader;
use crate::normalize::normalize;
use crate::scan::Depth;
use crate::shape::{KEY_VALUE, Kind, Known, REQUEST, Shape};
use crate::wire;

/// The same request in protobuf, in the normal form, the fields of every message in the order of their numbers.
pub fn decode(json: &[u8]) -> Result<Vec<u8>, JsonError> {
    // What protobuf's own parsers take at most.
    if json.len() > i32::MAX as usize {
        return Err(JsonError::of_document("larger than 2 GiB".to_owned()));
    }
    if let Err(error) = simdutf8::compat::from_utf8(json) {
        return Err(JsonError::new(*Fault::new("not UTF-8", error.valid_up_to()), json));
    }
    let mut decoder = Decoder {
        reader: Reader::new(json),
        // Spans are about a third of their JSON.
        out: Vec::with_capacity(json.len() / 2),
        spare: Vec::new(),
        pieces: Vec::new(),
        is_scattered: false,
    };
    match decoder.request() {
        Ok(()) => Ok(decoder.finish()),
        Err(fault) => Err(JsonError::new(*fault, json)),
    }
}

pub(super) struct Decoder<'j> {
    pub(super) reader: Reader<'j>,
    pub(super) out: Vec<u8>,
    /// For strings with escapes, and for a message that is put in order.
    pub(super) spare: Vec<u8>,
    /// What was written of the messages at hand, the innermost last.
    pieces: Vec<Piece>,
    /// Whether a message stands in parts.
    is_scattered: bool,
}

/// The output of one member.
#[derive(Clone, Copy)]
struct Piece {
    number: u32,
    start: u32,
    end: u32,
}

impl Decoder<'_> {
    fn request(&mut self) -> Checked<()> {
        self.message(&REQUEST, Depth::default())?;
        self.reader.end()
    }

    fn finish(self) -> Vec<u8> {
        let mut out = if self.is_scattered { normalize(&self.out) } else { self.out };
        out.shrink_to_fit();
        out
    }

    /// Appends the fields of a message, of which the object comes next.
    fn message(&mut self, shape: &'static Shape, depth: Depth) -> Checked<()> {
        let mark = self.pieces.len();
        let (mut last, mut in_order) = (0, true);
        let mut next = 0;
        let mut goes_on = self.reader.open(b'{')?;
        while goes_on {
            match shape.named(self.reader.key(&mut self.spare)?, next) {
                None => self.reader.skip(&mut self.spare)?,
                Some((place, known)) if !self.reader.null()? => {
                    next = place + 1;
                    let start = self.out.len();
                    self.member(shape, known, depth)?;
                    in_order &= known.number > last && (shape.oneof == 0 || last == 0);
                    last = known.number;
                    self.pieces.push(Piece { number: last, start: start as u32, end: self.out.len() as u32 });
                }
                Some(_) => {}
            }
            goes_on = self.reader.goes_on(b'{')?;
        }
        if !in_order {
            self.put_in_order(shape, mark);
        }
        self.pieces.truncate(mark);
        Ok(())
    }

    /// Sorts the pieces from `mark` on, which are the message at the end of the output, by their numbers, and leaves out
    /// those that do not count.
    #[cold]
    fn put_in_order(&mut self, shape: &'static Shape, mark: usize) {
        let pieces = &mut self.pieces[mark..];
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        let base = first.start as usize;
        if shape.oneof != 0 {
            self.out.drain(base..last.start as usize);
            return;
        }
        pieces.sort_by_key(|piece| piece.number);
        self.spare.clear();
        self.spare.extend_from_slice(&self.out[base..]);
        self.out.truncate(base);
        for (index, piece) in pieces.iter().enumerate() {
            let is_last = pieces.get(index + 1).is_none_or(|next| next.number != piece.number);
            if !is_last && let Some(known) = shape.field(piece.number).filter(|known| !known.repeated) {
                if known.kind.message().is_none() {
                    continue;
                }
                self.is_scattered = true;
            }
            self.out.extend_from_slice(&self.spare[piece.start as usize - base..piece.end as usize - base]);
        }
    }

    /// Appends a field. What is repeated stands in a list.
    fn member(&mut self, shape: &'static Shape, known: &'static Known, depth: Depth) -> Checked<()> {
        let step = |fault: Box<Fault>| fault.inside(known.camel.to_string());
        if !known.repeated {
            // What is left out is 0, but in a value, which says by it what type it has.
            return self.value(known, depth, shape.oneof != 0).map_err(step);
        }
        let mut index = 0;
        let mut goes_on = self.reader.open(b'[').map_err(step)?;
        while goes_on {
            self.value(known, depth, true).map_err(|fault| step(fault.inside(format!("[{index}]"))))?;
            index += 1;
            goes_on = self.reader.goes_on(b'[').map_err(step)?;
        }
        Ok(())
    }

    /// Appends one value, an empty one only if it `counts`.
    fn value(&mut self, known: &'static Known, depth: Depth, counts: bool) -> Checked<()> {
        let number = known.number;
        match known.kind {
            Kind::Pair => self.submessage(number, &KEY_VALUE, depth)?,
            Kind::Message(shape) => self.submessage(number, shape, depth)?,
            Kind::Text => {
                // As in Go, `null` in a list is an empty item.
                let text = if self.reader.null()? { b"" } else { self.reader.string(&mut self.spare)? };
                if counts || !text.is_empty() {
                    wire::put_bytes(&mut self.out, number, text);
                }
            }
            Kind::Id(length) => self.id(number, usize::from(length))?,
            Kind::Bytes => self.bytes(number)?,
            Kind::Bool => {
                let value = self.reader.boolean()?;
                if counts || value {
                    wire::put_varint_field(&mut self.out, number, value.into());
                }
            }
            Kind::Double => {
                let value = self.double()?;
                if counts || value.to_bits() != 0 {
                    wire::put_fixed64(&mut self.out, number, value.to_bits());
                }
            }
            Kind::Enum(_) | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Fixed64 | Kind::Fixed32 => {
                let value = self.whole(known.kind)?;
                if counts || value != 0 {
                    match known.kind {
                        Kind::Fixed64 => wire::put_fixed64(&mut self.out, number, value),
                        Kind::Fixed32 => wire::put_fixed32(&mut self.out, number, value as u32),
                        _ => wire::put_varint_field(&mut self.out, number, value),
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends a message with its length in front. `null`, which stands for one in a list only, is an empty one.
    fn submessage(&mut self, number: u32, shape: &'static Shape, depth: Depth) -> Checked<()> {
        let depth = depth.below(shape).map_err(|what| Fault::new(what, self.reader.position()))?;
        let mark = wire::begin_message(&mut self.out, number);
        if !self.reader.null()? {
            self.message(shape, depth)?;
        }
        wire::end_message(&mut self.out, mark);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::encode;
    use crate::rope::SpanBatch;
    use crate::samples;

    /// The bytes of a span that is written so.
    fn span(json: &str) -> Result<Vec<u8>, String> {
        let json = format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{json}]}}]}}]}}");
        let request = decode(json.as_bytes()).map_err(|error| error.to_string())?;
        let inside = |message: &[u8], number| {
            let field = wire::fields(message).find(|field| field.number == number).unwrap();
            field.bytes.to_vec()
        };
        Ok(inside(&inside(&inside(&request, 1), 2), 2))
    }

    fn name(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, 5, text);
        out
    }

    #[test]
    fn what_was_written_is_read_back() {
        let batch = samples::batch(samples::resource_spans("shop", &[&[samples::span("a", &[("k", "v")])]]));
        let once = decode(&encode(&batch)).unwrap();
        let again = SpanBatch::decode(once.clone().into(), None).unwrap();
        assert_eq!(encode(&again), encode(&batch));
        assert_eq!(decode(&encode(&again)).unwrap(), once);
    }

    #[test]
    fn members_come_out_in_the_order_of_their_numbers() {
        let in_order = span(r#"{"name":"n","kind":2,"attributes":[{"key":"k"}],"flags":1}"#).unwrap();
        let shuffled = span(r#"{"flags":1,"attributes":[{"key":"k"}],"kind":2,"name":"n"}"#).unwrap();
        assert_eq!(in_order, shuffled);
        let request = decode(br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{}],"scope":{}}],"resource":{}}]}"#);
        assert_eq!(request.unwrap(), b"\x0a\x08\x0a\x00\x12\x04\x0a\x00\x12\x00");
    }

    #[test]
    fn of_a_name_that_repeats_the_last_scalar_counts_and_lists_and_objects_go_on() {
        assert_eq!(span(r#"{"name":"a","kind":1,"name":"b","kind":0}"#).unwrap(), name(b"b"));
        assert_eq!(span(r#"{"name":"a","name":""}"#).unwrap(), b"");
        assert_eq!(span(r#"{"name":"a","name":null}"#).unwrap(), name(b"a"));
        assert_eq!(
            span(r#"{"attributes":[{"key":"a"}],"name":"n","attributes":[{"key":"b"}]}"#),
            span(r#"{"name":"n","attributes":[{"key":"a"},{"key":"b"}]}"#)
        );
        assert_eq!(
            span(r#"{"status":{"code":1,"message":"a"},"status":{"message":"b"}}"#),
            span(r#"{"status":{"message":"b","code":1}}"#)
        );
    }

    #[test]
    fn of_a_value_the_last_member_counts() {
        let value = |json: &str| span(&format!("{{\"attributes\":[{{\"value\":{json}}}]}}"));
        let list = r#"{"arrayValue":{"values":[{"intValue":1}]}}"#;
        assert_eq!(value(r#"{"stringValue":"a","arrayValue":{"values":[{"intValue":1}]}}"#), value(list));
        assert_eq!(value(r#"{"intValue":7,"stringValue":""}"#), value(r#"{"stringValue":""}"#));
        assert_eq!(value(r#"{"intValue":7,"stringValue":null}"#), value(r#"{"intValue":7}"#));
        assert_ne!(value(r#"{"stringValue":""}"#), value("{}"));
    }

    #[test]
    fn values_nest_as_deep_as_on_the_wire() {
        let nested = |depth: usize, begin: &str, end: &str| {
            let value = format!("{}{{}}{}", begin.repeat(depth - 1), end.repeat(depth - 1));
            span(&format!("{{\"attributes\":[{{\"value\":{value}}}]}}"))
                .map_err(|error| error.split(": ").last().unwrap().to_owned())
        };
        let list = |depth| nested(depth, r#"{"arrayValue":{"values":["#, "]}}");
        assert!(list(40).is_ok());
        assert_eq!(list(41).unwrap_err(), "value nested deeper than 40");
        let map = |depth| nested(depth, r#"{"kvlistValue":{"values":[{"value":"#, "}]}}");
        assert!(map(32).is_ok());
        assert_eq!(map(33).unwrap_err(), "message nested deeper than 100");
        let endless = r#"{"arrayValue":{"values":["#.repeat(100_000);
        assert!(span(&format!("{{\"attributes\":[{{\"value\":{endless}")).is_err());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let json = b"{\"resourceSpans\": [{\n  \"scopeSpans\": [{\"spans\": [{}, {\"traceId\": \"abc\"}]}]\n}]}";
        assert_eq!(
            decode(json).unwrap_err().to_string(),
            "invalid JSON at line 2 column 45 in resourceSpans[0].scopeSpans[0].spans[1].traceId: \
             must be 32 hexadecimal digits, got \"abc\""
        );
        assert_eq!(decode(b"{\"a\": \"\xff\"}").unwrap_err().to_string(), "invalid JSON at line 1 column 8: not UTF-8");
    }

    #[test]
    fn no_beginning_of_a_request_is_one() {
        let batch = samples::batch(samples::resource_spans("shop", &[&[samples::span("a", &[("k", "v\n")])]]));
        let json = encode(&batch);
        for end in 0..json.len() {
            assert!(decode(&json[..end]).is_err(), "{end}");
        }
    }
}
