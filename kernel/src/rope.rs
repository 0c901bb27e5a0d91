//! `SpanBatch`: spans on the wire, as a rope of shared chunks.
//!
//! A repeated protobuf field may be concatenated, so every chunk is a whole `ExportTraceServiceRequest`, and
//! so are all of them one after another. Joining batches joins their ropes.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Malformed;
use crate::origin::Origin;
use crate::split::{self, Bounds};
use crate::wire::fields;
use crate::{merge, normalize, scan};

/// Bytes of one or more `ResourceSpans` in the normal form, none of them cut.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub data: Bytes,
    /// Bytes of memory that `data` keeps alive: it may be a slice of something larger.
    pub pinned: usize,
    pub spans: usize,
}

impl Chunk {
    /// A chunk that owns its bytes.
    pub fn new(data: Vec<u8>, spans: usize) -> Self {
        Self { pinned: data.len(), data: Bytes::from(data), spans }
    }
}

/// Spans on the wire, immutable and cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SpanBatch {
    chunks: Arc<[Chunk]>,
    spans: usize,
    size: usize,
    pinned: usize,
    repaired: u64,
    origin: Option<Arc<Origin>>,
}

impl SpanBatch {
    /// Checks a request and takes it over: without a copy if it is in the normal form already.
    pub fn decode(data: Bytes, origin: Option<Arc<Origin>>) -> Result<Self, Malformed> {
        let found = scan::scan(&data)?;
        let chunk = if found.normal {
            Chunk { pinned: data.len(), data, spans: found.spans }
        } else {
            Chunk::new(normalize::normalize(&data), found.spans)
        };
        let mut batch = Self::from_chunks(vec![chunk]);
        batch.repaired = found.bad_strings;
        batch.origin = origin;
        Ok(batch)
    }

    /// A batch of chunks in the normal form. Chunks without spans are left out.
    pub fn from_chunks(mut chunks: Vec<Chunk>) -> Self {
        chunks.retain(|chunk| chunk.spans > 0);
        Self {
            spans: chunks.iter().map(|chunk| chunk.spans).sum(),
            size: chunks.iter().map(|chunk| chunk.data.len()).sum(),
            pinned: chunks.iter().map(|chunk| chunk.pinned).sum(),
            chunks: chunks.into(),
            repaired: 0,
            origin: None,
        }
    }

    /// All batches one behind the other, sharing their bytes. The origin stays if all have the same.
    pub fn join<'b>(batches: impl IntoIterator<Item = &'b Self> + Clone) -> Self {
        let mut joined =
            Self::from_chunks(batches.clone().into_iter().flat_map(|batch| batch.chunks.iter().cloned()).collect());
        let mut rest = batches.into_iter();
        if let Some(first) = rest.next() {
            joined.origin.clone_from(&first.origin);
            joined.repaired = first.repaired;
            for batch in rest {
                joined.repaired += batch.repaired;
                if batch.origin != joined.origin {
                    joined.origin = None;
                }
            }
        }
        joined
    }

    /// Other spans in place of these, from the same client.
    #[must_use]
    pub fn with_chunks(&self, chunks: Vec<Chunk>) -> Self {
        Self { repaired: self.repaired, origin: self.origin.clone(), ..Self::from_chunks(chunks) }
    }

    /// Cuts at span boundaries, in order, into parts within `bounds`. A span larger than that goes alone.
    pub fn split(&self, bounds: Bounds) -> Vec<Self> {
        self.split_after(bounds, bounds)
    }

    /// The same, with the first part within `first`: what is left of a batch begun before. It is empty where
    /// nothing fits.
    pub fn split_after(&self, first: Bounds, bounds: Bounds) -> Vec<Self> {
        let mut parts: Vec<Self> =
            split::split(&self.chunks, first, bounds).into_iter().map(|part| self.with_chunks(part)).collect();
        // Repaired strings are counted where they arrived, once.
        parts.iter_mut().skip(1).for_each(Self::forget_repairs);
        parts
    }

    /// Counts none of its strings as repaired: another batch counts them.
    pub fn forget_repairs(&mut self) {
        self.repaired = 0;
    }

    /// The same spans with each resource and scope written once, if that is worth a copy.
    #[must_use]
    pub fn merged(self) -> Self {
        match merge::merge(&self.chunks) {
            Some(chunk) => self.with_chunks(vec![chunk]),
            None => self,
        }
    }

    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub fn len(&self) -> usize {
        self.spans
    }

    pub fn is_empty(&self) -> bool {
        self.spans == 0
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn pinned(&self) -> usize {
        self.pinned
    }

    pub fn repaired(&self) -> u64 {
        self.repaired
    }

    pub fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    /// How many `ResourceSpans` it has.
    pub fn resource_spans(&self) -> usize {
        self.chunks.iter().map(|chunk| fields(&chunk.data).filter(|field| field.number == 1).count()).sum()
    }

    /// The whole batch as contiguous bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size);
        for chunk in self.chunks() {
            out.extend_from_slice(&chunk.data);
        }
        out
    }
}
