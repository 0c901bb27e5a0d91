//! gzip and zstd, at their fastest levels: what is measured is the collector.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use serde::Deserialize;

/// Of both. gzip's 0 would not compress at all.
const LEVEL: i32 = 1;
/// The most that a body may inflate to.
const LIMIT: usize = 256 << 20;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Its name in a header, unless nothing is compressed.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    pub fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("identity") => Some(Self::None),
            Some("gzip") => Some(Self::Gzip),
            Some("zstd") => Some(Self::Zstd),
            Some(_) => None,
        }
    }
}

/// Compresses bodies, one after the other.
pub struct Deflater {
    compression: Compression,
    gzip: Compressor,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Deflater {
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            gzip: Compressor::new(CompressionLvl::new(LEVEL).expect("1 to 12 are levels")),
            zstd: zstd::bulk::Compressor::new(LEVEL).expect("1 to 22 are levels"),
        }
    }

    /// The body compressed behind `prefix` bytes of room.
    pub fn deflate(&mut self, body: BytesMut, prefix: usize) -> BytesMut {
        let data = &body[prefix..];
        let mut out = BytesMut::zeroed(prefix);
        match self.compression {
            Compression::None => return body,
            Compression::Gzip => {
                out.resize(prefix + self.gzip.gzip_compress_bound(data.len()), 0);
                let length = self.gzip.gzip_compress(data, &mut out[prefix..]).expect("the bound is large enough");
                out.truncate(prefix + length);
            }
            Compression::Zstd => {
                out.extend_from_slice(&self.zstd.compress(data).expect("the bound is large enough"));
            }
        }
        out
    }
}

/// Inflates a body. A gzip body is one member, as gRPC writes them.
pub fn inflate(compression: Compression, body: Bytes) -> Result<Bytes, &'static str> {
    match compression {
        Compression::None => Ok(body),
        Compression::Gzip => {
            // The last four bytes of a member are its size.
            let size = body.last_chunk::<4>().map(|size| u32::from_le_bytes(*size) as usize);
            let size = size.filter(|&size| size <= LIMIT).ok_or("a gzip body that is too large")?;
            let mut out = vec![0; size];
            match Decompressor::new().gzip_decompress(&body, &mut out) {
                Ok(length) if length == size => Ok(out.into()),
                _ => Err("a broken gzip body"),
            }
        }
        Compression::Zstd => {
            let mut out = Vec::with_capacity(body.len() * 4);
            let decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(|_| "a broken zstd body")?;
            match decoder.take(LIMIT as u64).read_to_end(&mut out) {
                Ok(length) if length < LIMIT => Ok(out.into()),
                Ok(_) => Err("a zstd body that is too large"),
                Err(_) => Err("a broken zstd body"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_inflates_to_the_same() {
        let body = BytesMut::from([vec![0; 5], b"spans and spans ".repeat(400)].concat().as_slice());
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let out = Deflater::new(compression).deflate(body.clone(), 5).freeze();
            assert_eq!(inflate(compression, out.slice(5..)).unwrap(), body[5..], "{compression:?}");
            assert!(compression == Compression::None || out.len() < body.len() / 10);
        }
    }

    #[test]
    fn a_broken_body_is_an_error() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            assert!(inflate(compression, Bytes::from_static(b"not compressed")).is_err(), "{compression:?}");
        }
    }
}
