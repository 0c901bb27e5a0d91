//! Passwords as Apache's htpasswd writes them down.

use md5::{Digest, Md5};
use sha1::Sha1;

use crate::base64;

/// What is known of a password.
pub enum Secret {
    Bcrypt(String),
    /// A digest, and the salt that stands behind the password.
    Sha1 {
        digest: Vec<u8>,
        salt: Vec<u8>,
    },
    /// Apache's variant of MD5: the salt, and the digest in the digits of crypt(3).
    Apr1 {
        salt: Vec<u8>,
        digest: Vec<u8>,
    },
    Plain(Vec<u8>),
}

impl Secret {
    /// Reads what stands behind the colon, or says why it is of no use.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sha1 = |encoded: &str| {
            let mut bytes = Vec::new();
            let is_whole = base64::decode(encoded.as_bytes(), &mut bytes) && bytes.len() >= 20;
            let salt = if is_whole { bytes.split_off(20) } else { Vec::new() };
            is_whole.then_some(Self::Sha1 { digest: bytes, salt })
        };
        if let Some(encoded) = text.strip_prefix("{SHA}").or_else(|| text.strip_prefix("{SSHA}")) {
            return sha1(encoded).ok_or_else(|| "a digest that is no base64".to_owned());
        }
        if let Some(rest) = text.strip_prefix("$apr1$") {
            let (salt, digest) = rest.split_once('$').ok_or("a digest without its salt")?;
            return Ok(Self::Apr1 { salt: salt.as_bytes().to_vec(), digest: digest.as_bytes().to_vec() });
        }
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            // Its form is looked at before anybody asks: whatever the password, it has to be one.
            return match bcrypt::verify("", text) {
                Ok(_) => Ok(Self::Bcrypt(text.to_owned())),
                Err(error) => Err(format!("a digest of bcrypt that cannot be read: {error}")),
            };
        }
        match text.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
            Some((kind, _)) => {
                Err(format!("a digest of kind ${kind}$, which is not known here: make one with htpasswd -B"))
            }
            None => Ok(Self::Plain(text.as_bytes().to_vec())),
        }
    }

    /// Whether this is the password. Takes long on purpose for some kinds.
    pub fn is(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Sha1 { digest, salt } => {
                Sha1::new().chain_update(password).chain_update(salt).finalize().as_slice() == digest
            }
            Self::Apr1 { salt, digest } => apr1(password, salt) == *digest,
            // Digests are compared, so that time tells nothing.
            Self::Plain(known) => Sha1::digest(known) == Sha1::digest(password),
        }
    }
}

/// Apache's variant of the MD5 of crypt(3): a thousand rounds, and 22 digits.
fn apr1(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let salt = &salt[..salt.len().min(8)];
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut hash = Md5::new().chain_update(password).chain_update(b"$apr1$").chain_update(salt);
    for chunk in password.chunks(16) {
        hash.update(&inner[..chunk.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        hash.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest = hash.finalize();
    for round in 0..1000 {
        let mut hash = Md5::new();
        let (first, last): (&[u8], &[u8]) = if round & 1 == 1 { (password, &digest) } else { (&digest, password) };
        hash.update(first);
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(last);
        digest = hash.finalize();
    }
    const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = Vec::with_capacity(22);
    let mut put = |mut value: usize, digits: usize| {
        for _ in 0..digits {
            out.push(DIGITS[value & 63]);
            value >>= 6;
        }
    };
    for (a, b, c) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        put(usize::from(digest[a]) << 16 | usize::from(digest[b]) << 8 | usize::from(digest[c]), 4);
    }
    put(usize::from(digest[11]), 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_passwords_by_what_htpasswd_wrote() {
        for written in [
            "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=",
            "{SSHA}9DgilxbKtDVpSW86NjCzcnUkuBtzYWx0",
            "$apr1$saltsalt$NBMPZFGR7yazCdGvlWJji1",
            "test",
        ] {
            let secret = Secret::parse(written).unwrap();
            assert!(secret.is(b"test"), "{written}");
            assert!(!secret.is(b"Test") && !secret.is(b""), "{written}");
        }
        let secret = Secret::parse("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap();
        assert!(secret.is(b"U*U") && !secret.is(b"test"));
    }

    #[test]
    fn says_what_it_cannot_read() {
        for written in ["{SHA}x", "$apr1$salt", "$2y$05$short", "$6$salt$digest", "$1$salt$digest"] {
            assert!(Secret::parse(written).is_err(), "{written}");
        }
    }
}
