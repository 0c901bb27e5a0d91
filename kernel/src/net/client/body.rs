//! The body of a request: a rope, never joined.

use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::super::grpc::PREFIX;
use crate::rope::SpanBatch;

/// What a body consists of. Cheap to clone, so that it can be sent again.
#[derive(Clone, Debug)]
pub enum Payload {
    Spans(SpanBatch),
    Whole(Bytes),
}

impl Payload {
    pub fn len(&self) -> usize {
        match self {
            Self::Spans(batch) => batch.size(),
            Self::Whole(data) => data.len(),
        }
    }

    fn piece(&self, index: usize) -> Option<&[u8]> {
        match self {
            Self::Spans(batch) => batch.chunks().get(index).map(|chunk| &chunk.data[..]),
            Self::Whole(data) => (index == 0).then_some(&data[..]),
        }
    }
}

/// A payload on its way, with what stands before it.
#[derive(Debug)]
pub struct Message {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that are gone.
    begun: usize,
    payload: Payload,
    /// Pieces that are gone, and bytes of the next one.
    pieces: usize,
    offset: usize,
    left: usize,
}

impl Message {
    /// A message of gRPC. One that does not fit into 4 GiB is none, and no server takes it anyway.
    pub fn framed(payload: Payload, compressed: bool) -> Self {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut prefix = [u8::from(compressed); PREFIX];
        prefix[1..].copy_from_slice(&length);
        Self { prefix, begun: 0, left: PREFIX + payload.len(), payload, pieces: 0, offset: 0 }
    }

    /// The payload and nothing else.
    pub fn bare(payload: Payload) -> Self {
        Self { prefix: [0; PREFIX], begun: PREFIX, left: payload.len(), payload, pieces: 0, offset: 0 }
    }
}

impl Buf for Message {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        if self.begun < PREFIX {
            return &self.prefix[self.begun..];
        }
        self.payload.piece(self.pieces).and_then(|piece| piece.get(self.offset..)).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let first = self.chunk();
        let (mut index, mut next) = (self.pieces + usize::from(self.begun == PREFIX), Some(first));
        while let (Some(piece), Some(slot)) = (next, out.get_mut(filled)) {
            if !piece.is_empty() {
                *slot = IoSlice::new(piece);
                filled += 1;
            }
            next = self.payload.piece(index);
            index += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        self.left = self.left.saturating_sub(count);
        let head = count.min(PREFIX - self.begun);
        self.begun += head;
        count -= head;
        while let Some(piece) = self.payload.piece(self.pieces) {
            let rest = piece.len() - self.offset;
            if count < rest {
                self.offset += count;
                return;
            }
            count -= rest;
            self.pieces += 1;
            self.offset = 0;
            if count == 0 {
                return;
            }
        }
    }
}

/// A message as the HTTP library wants it: one frame, which it cuts as the peer likes.
#[derive(Debug)]
pub struct Outgoing {
    message: Option<Message>,
    /// Its length, where that is told in front.
    length: Option<u64>,
}

impl Outgoing {
    pub fn new(message: Message, announced: bool) -> Self {
        Self { length: announced.then_some(message.remaining() as u64), message: Some(message) }
    }
}

impl Body for Outgoing {
    type Data = Message;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Message>, Infallible>>> {
        Poll::Ready(self.message.take().map(|message| Ok(Frame::data(message))))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope::Chunk;

    fn rope(pieces: &[&[u8]]) -> Payload {
        Payload::Spans(SpanBatch::from_chunks(pieces.iter().map(|piece| Chunk::new(piece.to_vec(), 1)).collect()))
    }

    #[test]
    fn a_rope_reads_as_its_bytes_however_it_is_cut() {
        let payload = rope(&[b"ab", b"c", b"defg"]);
        let whole = b"\x00\x00\x00\x00\x07abcdefg";
        for step in 1..=whole.len() {
            let mut message = Message::framed(payload.clone(), false);
            let mut read = Vec::new();
            while message.has_remaining() {
                let piece = message.copy_to_bytes(step.min(message.remaining()));
                read.extend_from_slice(&piece);
            }
            assert_eq!(read, whole, "{step} bytes at a time");
            assert!(message.chunk().is_empty());
        }
    }

    #[test]
    fn slices_are_what_is_left() {
        let mut message = Message::framed(rope(&[b"ab", b"cd"]), true);
        for gone in 0..9 {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = message.chunks_vectored(&mut slices);
            let seen: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert_eq!(seen, b"\x01\x00\x00\x00\x04abcd"[gone..]);
            message.advance(1);
        }
        assert_eq!(message.chunks_vectored(&mut [IoSlice::new(&[])]), 0);
    }

    #[test]
    fn a_bare_message_has_no_prefix() {
        let mut message = Message::bare(Payload::Whole(Bytes::from_static(b"abc")));
        assert_eq!(message.copy_to_bytes(3), "abc");
    }
}
