//! A set of keys that is asked once for each entry of a map.

use super::datum::Datum;
use super::eval::Expression;

/// Keys by their length: most that are asked for have a length that none here has, or one or two.
#[derive(Debug, Default)]
pub struct KeySet {
    /// A bit for each length; the last one stands for all that are longer.
    lengths: u64,
    sorted: Vec<Box<[u8]>>,
}

impl KeySet {
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k [u8]>) -> Self {
        let mut sorted: Vec<Box<[u8]>> = keys.into_iter().map(Into::into).collect();
        sorted.sort_by_key(|key| key.len());
        Self { lengths: sorted.iter().fold(0, |bits, key| bits | bit(key)), sorted }
    }

    /// The keys of a list literal, if all of them are written there.
    pub(super) fn written(items: &[Expression]) -> Option<Self> {
        let texts = items.iter().map(|item| match item {
            Expression::Constant(Datum::Text(text)) => Some(&**text),
            _ => None,
        });
        texts.collect::<Option<Vec<_>>>().map(Self::new)
    }

    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        if self.lengths & bit(key) == 0 {
            return false;
        }
        let first = self.sorted.partition_point(|other| other.len() < key.len());
        self.sorted[first..].iter().take_while(|other| other.len() == key.len()).any(|other| **other == *key)
    }
}

fn bit(key: &[u8]) -> u64 {
    1 << key.len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_it_or_not() {
        let (long, longer) = ([b'a'; 63], [b'a'; 64]);
        let keys = KeySet::new([&b""[..], b"ab", b"cd", b"abc", &longer]);
        for key in [&b""[..], b"ab", b"cd", b"abc", &longer] {
            assert!(keys.contains(key), "{key:?}");
        }
        for key in [&b"a"[..], b"ac", b"abd", &long, &[b'b'; 64], &[b'a'; 65]] {
            assert!(!keys.contains(key), "{key:?}");
        }
        assert!(!KeySet::default().contains(b""));
    }
}
