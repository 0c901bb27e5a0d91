//! The protobuf wire format: varints, tags, and a cursor that cannot leave its bytes.
//!
//! <https://protobuf.dev/programming-guides/encoding/>. Groups (wire types 3 and 4) do not occur in OTLP
//! and are refused.

/// How a field's value is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Len = 2,
    Fixed32 = 5,
}

/// Why bytes are not a sequence of protobuf fields. Offsets are relative to the slice that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    pub what: &'static str,
    pub offset: usize,
}

/// One field as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub number: u32,
    pub wire_type: WireType,
    /// Varint and fixed values; 0 for length-delimited ones.
    pub scalar: u64,
    /// The value of a length-delimited field; empty otherwise.
    pub bytes: &'a [u8],
    /// Where the field's tag begins, in bytes from the start of the message.
    pub start: usize,
    /// Where the value begins: behind the tag and, if there is one, the length.
    pub body: usize,
    /// Where the field ends.
    pub end: usize,
}

/// Reads the fields of one message, in order, without ever leaving its slice.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

pub const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let start = self.at;
        let mut value = 0u64;
        for index in 0..10 {
            let Some(&byte) = self.bytes.get(start + index) else {
                return Err(WireError { what: "truncated varint", offset: start });
            };
            // The tenth byte carries one bit; protobuf drops what lies above 64 bits.
            value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
            if byte < 0x80 {
                self.at = start + index + 1;
                return Ok(value);
            }
        }
        Err(WireError { what: "varint longer than 10 bytes", offset: start })
    }

    #[inline(always)]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let end = self.at + N;
        match self.bytes.get(self.at..end) {
            Some(slice) => {
                self.at = end;
                let mut value = [0; N];
                value.copy_from_slice(slice);
                Ok(value)
            }
            None => Err(WireError { what: "truncated fixed-width value", offset: self.at }),
        }
    }

    /// The next field, or `None` at the end of the message.
    #[inline(always)]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 {
            return Err(WireError { what: "field number 0", offset: start });
        }
        if number > MAX_FIELD_NUMBER {
            return Err(WireError { what: "field number out of range", offset: start });
        }
        let (wire_type, scalar, bytes, body): (_, u64, &'a [u8], usize) = match tag & 7 {
            2 => {
                let length = self.varint()?;
                let body = self.at;
                let Some(bytes) = usize::try_from(length)
                    .ok()
                    .and_then(|length| body.checked_add(length))
                    .and_then(|end| self.bytes.get(body..end))
                else {
                    return Err(WireError { what: "length runs past the end of the message", offset: start });
                };
                self.at = body + bytes.len();
                (WireType::Len, 0, bytes, body)
            }
            0 => {
                let body = self.at;
                (WireType::Varint, self.varint()?, &[], body)
            }
            1 => {
                let body = self.at;
                (WireType::Fixed64, u64::from_le_bytes(self.fixed()?), &[], body)
            }
            5 => {
                let body = self.at;
                (WireType::Fixed32, u64::from(u32::from_le_bytes(self.fixed()?)), &[], body)
            }
            3 | 4 => return Err(WireError { what: "group tag", offset: start }),
            _ => return Err(WireError { what: "unknown wire type", offset: start }),
        };
        Ok(Some(Field { number: number as u32, wire_type, scalar, bytes, start, body, end: self.at }))
    }
}

impl<'a> Cursor<'a> {
    /// The next field, if it has this tag and a length that both take one byte. What repeats in a message is
    /// mostly so, and a loop over this is free of the jumps that telling fields apart costs.
    #[inline(always)]
    pub fn next_short(&mut self, tag: u8) -> Option<Field<'a>> {
        let start = self.at;
        let [found, length @ 0..0x80, rest @ ..] = self.bytes.get(start..)? else { return None };
        let bytes = rest.get(..usize::from(*length)).filter(|_| *found == tag)?;
        let body = start + 2;
        self.at = body + bytes.len();
        let number = u32::from(tag >> 3);
        Some(Field { number, wire_type: WireType::Len, scalar: 0, bytes, start, body, end: self.at })
    }
}

/// The fields of bytes that were checked before: stops silently where they would not decode.
pub struct Fields<'a>(Cursor<'a>);

/// Iterates over the fields of a message that passed [`crate::scan`].
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields(Cursor::new(bytes))
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Field<'a>> {
        self.0.next_field().ok().flatten()
    }
}

/// Bytes that `value` takes as a varint.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // ceil(bits / 7), and 1 for zero
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    out.reserve(10);
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(number) << 3 | wire_type as u64);
}

/// A length-delimited field: string, bytes or message.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_tag(out, number, WireType::Len);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

pub fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, WireType::Varint);
    put_varint(out, value);
}

pub fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, WireType::Fixed64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_tag(out, number, WireType::Fixed32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A message field whose content `write` appends.
pub fn put_message(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let mark = begin_message(out, number);
    write(out);
    end_message(out, mark);
}

/// Begins a field with a length. What it holds is to be appended; [`end_message`] needs the mark.
#[inline]
pub fn begin_message(out: &mut Vec<u8>, number: u32) -> usize {
    put_tag(out, number, WireType::Len);
    // Room for the length of most messages.
    out.push(0);
    out.len()
}

/// Writes the length of the field that begins at `mark`, and makes room for one that takes more than a byte.
#[inline]
pub fn end_message(out: &mut Vec<u8>, mark: usize) {
    let length = out.len() - mark;
    if length < 0x80 {
        out[mark - 1] = length as u8;
    } else {
        put_long_length(out, mark, length);
    }
}

fn put_long_length(out: &mut Vec<u8>, mark: usize, length: usize) {
    let width = varint_len(length as u64);
    out.resize(mark + width - 1 + length, 0);
    out.copy_within(mark..mark + length, mark + width - 1);
    let mut rest = length as u64;
    for slot in &mut out[mark - 1..mark + width - 1] {
        *slot = rest as u8 & 0x7f | 0x80;
        rest >>= 7;
    }
    out[mark + width - 2] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_comes_back_as_it_was_put() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value));
            assert_eq!(Cursor::new(&out).varint(), Ok(value));
        }
    }

    #[test]
    fn a_message_gets_its_length_in_front() {
        for size in [0, 1, 127, 128, 20_000] {
            let mut out = vec![0xff];
            put_message(&mut out, 3, |out| out.extend(std::iter::repeat_n(7, size)));
            let field = fields(&out[1..]).next().unwrap();
            assert_eq!((field.number, field.bytes.len(), field.end), (3, size, out.len() - 1));
        }
    }

    #[test]
    fn what_is_no_field_is_named() {
        let what = |bytes: &[u8]| Cursor::new(bytes).next_field().unwrap_err().what;
        assert_eq!(what(&[0x80]), "truncated varint");
        assert_eq!(what(&[0xff; 11]), "varint longer than 10 bytes");
        assert_eq!(what(&[0x02, 0x00]), "field number 0");
        assert_eq!(what(&[0x0b]), "group tag");
        assert_eq!(what(&[0x0e]), "unknown wire type");
        assert_eq!(what(&[0x0a, 0x05, 1]), "length runs past the end of the message");
        assert_eq!(what(&[0x09, 0x05, 1]), "truncated fixed-width value");
        assert_eq!(
            what(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            "length runs past the end of the message"
        );
    }
}
