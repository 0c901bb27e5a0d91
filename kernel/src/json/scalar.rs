//! Members that hold one thing: ids, bytes and numbers.

use super::decode::Decoder;
use super::fault::{Checked, Fault, quoted};
use super::number::whole;
use crate::shape::Kind;
use crate::{base64, hex, number, wire};

impl Decoder<'_> {
    /// Appends an id, if it is not empty.
    pub(super) fn id(&mut self, number: u32, length: usize) -> Checked<()> {
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

    /// Appends what stands in base64. Only values have that, and there nothing is something, too.
    pub(super) fn bytes(&mut self, number: u32) -> Checked<()> {
        let at = self.reader.position();
        let text = self.reader.string(&mut self.spare)?;
        let mark = wire::begin_message(&mut self.out, number);
        if !base64::decode(text, &mut self.out) {
            return Err(Fault::new(format!("must be base64, got {}", quoted(text)), at));
        }
        wire::end_message(&mut self.out, mark);
        Ok(())
    }

    /// A number with a fraction, or one of those that are none.
    pub(super) fn double(&mut self) -> Checked<f64> {
        let at = self.reader.position();
        let (text, is_quoted) = self.digits()?;
        number::parse_double(text).map_err(|_| {
            Fault::new(format!("must be a 64-bit floating-point number, got {}", shown(text, is_quoted)), at)
        })
    }

    /// An integer or an enum, as it is in a varint or in fixed bytes.
    pub(super) fn whole(&mut self, kind: Kind) -> Checked<u64> {
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
