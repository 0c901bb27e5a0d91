//! One `ExportTraceServiceRequest` in JSON becomes the bytes it has on the wire.
//!
//! The text is read once, and every member written as it comes; the length of a message is put in front of it when its
//! object ends. Members that do not come in the order of their numbers are put in order there.
//!
//! What is taken is what protobuf's own JSON and the Go collector take: names in either spelling, unknown members,
//! `null` for what is not there, numbers in quotes, names of enums. Of a name that stands more than once protobuf says
//! nothing, and it is treated like a field that does on the wire, which is nearly what Go does: of scalars and of the
//! members of a value the last one counts, lists go on, objects are merged. So no span is lost.

use super::fault::{Checked, Fault, JsonError, quoted};
use super::number::whole;
use super::reader::Reader;
use crate::normalize::normalize;
use crate::scan::Depth;
use crate::shape::{KEY_VALUE, Kind, Known, REQUEST, Shape};
use crate::{base64, hex, number, wire};

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

struct Decoder<'j> {
    reader: Reader<'j>,
    out: Vec<u8>,
    /// For strings with escapes, and for a message that is put in order.
    spare: Vec<u8>,
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

    fn id(&mut self, number: u32, length: usize) -> Checked<()> {
        let at = self.reader.position();
        let text = self.reader.string(&mut self.spare)?;
        if text.is_empty() {
            return Ok(());
        }
        let mark = wire::begin_message(&mut self.out, number);
        if text.len() == 2 * length && hex::decode(text, &mut self.out) {
            wire::end_message(&mut self.out, mark);
            return Ok(());
        }
        // The mistake of clients that write JSON with protobuf's own library.
        let is_base64 = text.len() == length.div_ceil(3) * 4 && base64::decode(text, &mut self.out);
        let hint = if is_base64 { " (not base64)" } else { "" };
        Err(Fault::new(format!("must be {} hexadecimal digits{hint}, got {}", 2 * length, quoted(text)), at))
    }

    /// A member of a value, where nothing counts as well.
    fn bytes(&mut self, number: u32) -> Checked<()> {
        let at = self.reader.position();
        let text = self.reader.string(&mut self.spare)?;
        let mark = wire::begin_message(&mut self.out, number);
        if !base64::decode(text, &mut self.out) {
            return Err(Fault::new(format!("must be base64, got {}", quoted(text)), at));
        }
        wire::end_message(&mut self.out, mark);
        Ok(())
    }

    fn double(&mut self) -> Checked<f64> {
        let at = self.reader.position();
        let (text, is_quoted) = self.digits()?;
        number::parse_double(text).map_err(|_| {
            Fault::new(format!("must be a 64-bit floating-point number, got {}", shown(text, is_quoted)), at)
        })
    }

    /// An integer or an enum, as it is in a varint or in fixed bytes.
    fn whole(&mut self, kind: Kind) -> Checked<u64> {
        let (lowest, highest) = match kind {
            Kind::Fixed64 => (0, i128::from(u64::MAX)),
            Kind::Int64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
            Kind::Uint32 | Kind::Fixed32 => (0, i128::from(u32::MAX)),
            _ => (i128::from(i32::MIN), i128::from(i32::MAX)),
        };
        let at = self.reader.position();
        let (text, is_quoted) = self.digits()?;
        if let Some(value) = whole(text).filter(|value| (lowest..=highest).contains(value)) {
            // Negative numbers of any size take 64 bits on the wire.
            return Ok(value as u64);
        }
        let names: &[&str] = if let Kind::Enum(names) = kind { names } else { &[] };
        let named = names.iter().position(|name| is_quoted && name.as_bytes() == text);
        named.map(|value| value as u64).ok_or_else(|| {
            let or = if names.is_empty() { String::new() } else { format!(", or one of {}", names.join(", ")) };
            let got = shown(text, is_quoted);
            Fault::new(format!("must be a whole number from {lowest} to {highest}{or}, got {got}"), at)
        })
    }

    /// A number, and whether it stands in quotes.
    #[inline(always)]
    fn digits(&mut self) -> Checked<(&[u8], bool)> {
        match self.reader.peek() {
            Some(b'"') => Ok((self.reader.string(&mut self.spare)?, true)),
            Some(b'-' | b'0'..=b'9') => Ok((self.reader.number()?, false)),
            _ => Err(self.reader.unexpected("a number")),
        }
    }
}

/// A number for a message.
#[cold]
fn shown(text: &[u8], is_quoted: bool) -> String {
    let text = quoted(text);
    if is_quoted { text } else { text.replace('"', "") }
}
