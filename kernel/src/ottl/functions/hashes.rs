//! Digests of texts, in hexadecimal digits.

use std::borrow::Cow;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Arguments, Function, Kind, Parameter, needed};
use crate::hex;
use crate::ottl::datum::{Datum, Failure};

const TARGET: &[Parameter] = &[needed("target", Kind::Text)];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("SHA1", TARGET, |args| digest(args, |text| Sha1::digest(text).to_vec())),
    Function::new("SHA256", TARGET, |args| digest(args, |text| Sha256::digest(text).to_vec())),
    Function::new("SHA512", TARGET, |args| digest(args, |text| Sha512::digest(text).to_vec())),
    Function::new("MD5", TARGET, |args| digest(args, |text| Md5::digest(text).to_vec())),
    Function::new("FNV", TARGET, |args| Ok(Datum::Int(fnv(&args.text(0)?)))),
    // The Go collector writes the words of these two in the order of its memory.
    Function::new("Murmur3Hash", TARGET, |args| {
        let hash = murmur3::murmur3_32(&mut &*args.text(0)?, 0).map_err(unread)?;
        Ok(hexadecimal(&hash.to_le_bytes()))
    }),
    Function::new("Murmur3Hash128", TARGET, |args| {
        let hash = murmur3::murmur3_x64_128(&mut &*args.text(0)?, 0).map_err(unread)?;
        Ok(hexadecimal(&hash.to_le_bytes()))
    }),
    Function::new("XXH3", TARGET, |args| Ok(hexadecimal(&xxh3_64(&args.text(0)?).to_be_bytes()))),
    Function::new("XXH128", TARGET, |args| Ok(hexadecimal(&xxh3_128(&args.text(0)?).to_be_bytes()))),
];

fn digest<'v>(args: &Arguments<'_, 'v>, digest: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Datum<'v>, Failure> {
    Ok(hexadecimal(&digest(&args.text(0)?)))
}

fn hexadecimal<'v>(bytes: &[u8]) -> Datum<'v> {
    Datum::Text(Cow::Owned(hex::encode(bytes)))
}

/// Reading from memory does not fail, but the crate's signature says it may.
fn unread(error: std::io::Error) -> Failure {
    Failure::new(error.to_string())
}

/// FNV-1a of 64 bits. <http://www.isthe.com/chongo/tech/comp/fnv/>
fn fnv(text: &[u8]) -> i64 {
    let hash = text
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash as i64
}
