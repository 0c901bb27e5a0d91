//! Compressed bodies: what they are called, making them, and inflating them within a bound.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

/// How a body is compressed, by its name in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    /// zlib, as HTTP means by `deflate`.
    Deflate,
    Zstd,
}

/// The names of all encodings, as a server says what it takes.
pub const ACCEPTED: &str = "identity,gzip,deflate,zstd";

impl Encoding {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "identity" => Some(Self::Identity),
            "gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

/// Where nobody says how hard to compress. On spans, half the work of zlib's own 6 for a twentieth more bytes.
const USUAL_ZLIB: u32 = 2;
/// On spans, higher ones gain nothing before 5, which is three times the work.
const USUAL_ZSTD: i32 = 1;

/// Compresses the pieces of one body. Levels beyond those of an encoding are its nearest.
pub fn compress<'d>(encoding: Encoding, level: Option<i32>, chunks: impl Iterator<Item = &'d [u8]>) -> Vec<u8> {
    let zlib = Compression::new(level.map_or(USUAL_ZLIB, |level| level.clamp(0, 9) as u32));
    let zstd = level.map_or(USUAL_ZSTD, |level| level.clamp(*zstd::compression_level_range().start(), 22));
    let compressed = match encoding {
        Encoding::Identity => Ok(chunks.collect::<Vec<_>>().concat()),
        Encoding::Gzip => {
            let mut out = GzEncoder::new(Vec::new(), zlib);
            write(&mut out, chunks).and_then(|()| out.finish())
        }
        Encoding::Deflate => {
            let mut out = ZlibEncoder::new(Vec::new(), zlib);
            write(&mut out, chunks).and_then(|()| out.finish())
        }
        Encoding::Zstd => {
            let chunks: Vec<_> = chunks.collect();
            let size = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            zstd::stream::write::Encoder::new(Vec::new(), zstd).and_then(|mut out| {
                // With the size at hand it looks back no further than there is, which readers have to provide for.
                out.set_pledged_src_size(Some(size))?;
                write(&mut out, chunks.into_iter())?;
                out.finish()
            })
        }
    };
    // Memory takes all that is written to it.
    compressed.unwrap_or_default()
}

fn write<'d>(out: &mut impl Write, chunks: impl Iterator<Item = &'d [u8]>) -> io::Result<()> {
    for chunk in chunks {
        out.write_all(chunk)?;
    }
    Ok(())
}

/// Why a body could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is larger than the bound. How much larger nobody knows: it was read no further.
    TooLarge,
    Broken,
}

/// Inflates a body of at most `limit` bytes. Memory grows with what comes out, never beyond the bound.
pub fn inflate(encoding: Encoding, body: Bytes, limit: usize) -> Result<Bytes, InflateError> {
    match encoding {
        Encoding::Identity if body.len() > limit => Err(InflateError::TooLarge),
        Encoding::Identity => Ok(body),
        Encoding::Gzip => read(MultiGzDecoder::new(&body[..]), body.len(), limit),
        Encoding::Deflate => read(ZlibDecoder::new(&body[..]), body.len(), limit),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(|_| InflateError::Broken)?;
            // Memory for as much as a frame says it looks back: more than may come out is a lie, 8 MiB are usual.
            let window = usize::BITS - limit.leading_zeros();
            decoder.window_log_max(window.clamp(23, 27)).map_err(|_| InflateError::Broken)?;
            read(decoder, body.len(), limit)
        }
    }
}

fn read(decoder: impl Read, compressed: usize, limit: usize) -> Result<Bytes, InflateError> {
    // Spans shrink to a fourth or less: one allocation is mostly enough, and a bomb gets little in advance.
    let mut out = Vec::with_capacity(compressed.saturating_mul(4).min(limit));
    let bound = limit as u64 + 1;
    match decoder.take(bound).read_to_end(&mut out) {
        Ok(_) if out.len() > limit => Err(InflateError::TooLarge),
        Ok(_) => Ok(out.into()),
        Err(_) => Err(InflateError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        compress(Encoding::Gzip, Some(1), [data].into_iter())
    }

    fn deflated(encoding: Encoding, data: &[u8]) -> Bytes {
        compress(encoding, Some(1), data.chunks(1000)).into()
    }

    const ALL: [Encoding; 4] = [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    #[test]
    fn what_was_deflated_comes_back() {
        let data = b"spans and spans ".repeat(1000);
        for encoding in ALL {
            assert_eq!(inflate(encoding, deflated(encoding, &data), data.len()).unwrap(), data, "{encoding:?}");
        }
    }

    #[test]
    fn every_level_is_taken() {
        let data = b"spans and spans ".repeat(1000);
        for encoding in ALL {
            for level in [None, Some(i32::MIN), Some(0), Some(9), Some(22), Some(i32::MAX)] {
                let compressed = compress(encoding, level, data.chunks(777));
                assert_eq!(inflate(encoding, compressed.into(), data.len()).unwrap(), data, "{encoding:?} {level:?}");
            }
        }
    }

    #[test]
    fn one_byte_over_the_bound_is_too_large() {
        let data = vec![7; 5000];
        for encoding in ALL {
            let found = inflate(encoding, deflated(encoding, &data), data.len() - 1);
            assert_eq!(found, Err(InflateError::TooLarge), "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_takes_no_more_memory_than_the_bound() {
        let bomb = gzip(&vec![0; 4 << 20]);
        assert!(bomb.len() < 64 << 10);
        assert_eq!(inflate(Encoding::Gzip, bomb.into(), 64 << 10), Err(InflateError::TooLarge));
    }

    #[test]
    fn what_is_cut_or_garbled_is_broken() {
        let data = b"spans and spans ".repeat(100);
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd] {
            let whole = deflated(encoding, &data);
            assert_eq!(inflate(encoding, whole.slice(..whole.len() - 5), 1 << 20), Err(InflateError::Broken));
            assert_eq!(inflate(encoding, Bytes::from_static(b"no such thing"), 1 << 20), Err(InflateError::Broken));
        }
    }

    #[test]
    fn gzip_may_have_several_members() {
        let both = [gzip(b"first "), gzip(b"second")].concat();
        assert_eq!(inflate(Encoding::Gzip, both.into(), 100).unwrap(), "first second");
    }
}
