//! The fields of protobuf messages, with their places. Unknown ones are passed over, broken ones are an error.

use prost::encoding::{WireType, decode_key, decode_varint};

pub type Broken = &'static str;

/// One field. Values of fixed width come as their bytes; varints have no bytes.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub number: u32,
    pub varint: u64,
    pub bytes: &'a [u8],
    /// Where `bytes` begins, from the start of the outermost message.
    pub place: usize,
}

/// Reads fields one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    rest: &'a [u8],
    place: usize,
}

impl<'a> Message<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, place: 0 }
    }

    fn take(&mut self, length: usize) -> Result<(&'a [u8], usize), Broken> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("a length runs past the end")?;
        let place = self.place;
        self.rest = rest;
        self.place += length;
        Ok((taken, place))
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let before = self.rest.len();
        let value = decode_varint(&mut self.rest).map_err(|_| "a varint does not end")?;
        self.place += before - self.rest.len();
        Ok(value)
    }

    pub fn next(&mut self) -> Result<Option<Field<'a>>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let before = self.rest.len();
        let (number, wire_type) = decode_key(&mut self.rest).map_err(|_| "a tag that is none")?;
        self.place += before - self.rest.len();
        let (varint, (bytes, place)) = match wire_type {
            WireType::Varint => (self.varint()?, (&[][..], self.place)),
            WireType::SixtyFourBit => (0, self.take(8)?),
            WireType::ThirtyTwoBit => (0, self.take(4)?),
            WireType::LengthDelimited => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a length runs past the end")?;
                (0, self.take(length)?)
            }
            WireType::StartGroup | WireType::EndGroup => return Err("a group, which OTLP does not have"),
        };
        Ok(Some(Field { number, varint, bytes, place }))
    }
}

impl<'a> Message<'a> {
    /// The first field of this number, if the message is whole up to it.
    pub fn find(mut self, number: u32) -> Option<Field<'a>> {
        while let Ok(Some(field)) = self.next() {
            if field.number == number {
                return Some(field);
            }
        }
        None
    }
}

impl<'a> Field<'a> {
    /// The fields of this one, which is a message.
    pub fn message(self) -> Message<'a> {
        Message { rest: self.bytes, place: self.place }
    }
}

/// Calls `see` for each span of an `ExportTraceServiceRequest`, in the order they stand in.
pub fn each_span<'a>(request: &'a [u8], mut see: impl FnMut(Message<'a>) -> Result<(), Broken>) -> Result<(), Broken> {
    let mut request = Message::new(request);
    while let Some(resource_spans) = request.next()? {
        let mut inside = resource_spans.message();
        while resource_spans.number == 1
            && let Some(scope_spans) = inside.next()?
        {
            let mut inside = scope_spans.message();
            while scope_spans.number == 2
                && let Some(span) = inside.next()?
            {
                if span.number == 2 {
                    see(span.message())?;
                }
            }
        }
    }
    Ok(())
}
