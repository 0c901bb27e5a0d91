//! Compressed bodies: what they are called, making them, and inflating them within a bound.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{Read, Write};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use libdeflater::{CompressionError, CompressionLvl, Compressor};

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

/// Where nobody says how hard to compress. On spans, higher levels of gzip work twice as long for a twentieth fewer bytes.
const USUAL_GZIP: i32 = 1;
/// On spans, higher ones gain nothing before 5, which is three times the work.
const USUAL_ZSTD: i32 = 1;

/// Compresses the pieces of one body. Levels beyond those of an encoding are its nearest.
pub fn compress<'d>(encoding: Encoding, level: Option<i32>, chunks: impl Iterator<Item = &'d [u8]>) -> Vec<u8> {
    match encoding {
        Encoding::Identity => join(chunks).into_owned(),
        Encoding::Gzip => deflate(level, &join(chunks), Compressor::gzip_compress_bound, Compressor::gzip_compress),
        Encoding::Deflate => deflate(level, &join(chunks), Compressor::zlib_compress_bound, Compressor::zlib_compress),
        Encoding::Zstd => {
            let level = level.map_or(USUAL_ZSTD, |level| level.clamp(*zstd::compression_level_range().start(), 22));
            let chunks: Vec<_> = chunks.collect();
            let size = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            let compressed = zstd::stream::write::Encoder::new(Vec::new(), level).and_then(|mut out| {
                // With the size at hand it looks back no further than there is, which readers have to provide for.
                out.set_pledged_src_size(Some(size))?;
                chunks.iter().try_for_each(|chunk| out.write_all(chunk))?;
                out.finish()
            });
            // Memory takes all that is written to it.
            compressed.unwrap_or_default()
        }
    }
}

/// The pieces as one; a single one is not copied.
fn join<'d>(mut chunks: impl Iterator<Item = &'d [u8]>) -> Cow<'d, [u8]> {
    let first = chunks.next().unwrap_or_default();
    match chunks.next() {
        None => Cow::Borrowed(first),
        Some(second) => Cow::Owned([first, second].into_iter().chain(chunks).collect::<Vec<_>>().concat()),
    }
}

thread_local! {
    /// Making a compressor costs more than compressing a small body.
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

fn deflate(
    level: Option<i32>,
    data: &[u8],
    bound: impl FnOnce(&mut Compressor, usize) -> usize,
    run: impl FnOnce(&mut Compressor, &[u8], &mut [u8]) -> Result<usize, CompressionError>,
) -> Vec<u8> {
    let level = level.unwrap_or(USUAL_GZIP).clamp(0, 9);
    COMPRESSOR.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|(of, _)| *of != level) {
            *kept = Some((level, Compressor::new(CompressionLvl::new(level).unwrap_or_default())));
        }
        let Some((_, compressor)) = kept else { return Vec::new() };
        let mut out = vec![0; bound(compressor, data.len())];
        // There is room for whatever comes out.
        let length = run(compressor, data, &mut out).unwrap_or_default();
        out.truncate(length);
        out
    })
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
