//! One pass over a text that finds the few places where a detector must look closer.
//!
//! Every detector names the three bytes, or sets of bytes, by which it is recognised: its anchors. Each has a bit in three
//! tables, one for each of its bytes, and where the bits of three bytes in a row have one in common an anchor may
//! stand. That is three loads a byte, for any number of detectors.

use super::text::Set;

/// Three sets of bytes in a row, and where what is looked for begins, in bytes from the first of them.
#[derive(Clone, Copy)]
pub struct Anchor {
    sets: [Set; 3],
    offset: isize,
}

impl Anchor {
    /// These sets, in the notation of [`Set::of`], in front of which `skipped` bytes belong to what is looked for.
    pub const fn of(sets: [&str; 3], skipped: isize) -> Self {
        Self::sets([Set::of(sets[0]), Set::of(sets[1]), Set::of(sets[2])], skipped)
    }

    pub const fn sets(sets: [Set; 3], skipped: isize) -> Self {
        Self { sets, offset: -skipped }
    }

    /// Three letters of a word in any case, beginning with the one at `skipped`.
    pub const fn word(word: &str, skipped: usize) -> Self {
        let Self { sets: [a, b, c], .. } = Self::literal(word, skipped);
        Self { sets: [a.any_case(), b.any_case(), c.any_case()], offset: -(skipped as isize) }
    }

    /// Three bytes of a literal, beginning with the one at `skipped`.
    pub const fn literal(literal: &str, skipped: usize) -> Self {
        let bytes = literal.as_bytes();
        let mut sets = [Set::of(""); 3];
        let mut index = 0;
        while index < 3 {
            sets[index] = Set::single(bytes[skipped + index]);
            index += 1;
        }
        Self { sets, offset: -(skipped as isize) }
    }

    /// A number that does not stand behind a letter or digit; it is what is looked for.
    pub const fn number(first: &str, second: &str) -> Self {
        Self { sets: [Set::of("A-Za-z0-9").not(), Set::of(first), Set::of(second)], offset: 1 }
    }

    /// In how many ways it can be written.
    fn size(&self) -> usize {
        self.sets.iter().map(Set::len).product()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.sets == other.sets
    }

    /// Whether it ends with the byte at `last`.
    fn stands_at(&self, text: &[u8], last: usize) -> bool {
        let bytes = [last.checked_sub(2).map_or(b' ', |at| text[at]), text[last.saturating_sub(1)], text[last]];
        last > 0 && self.sets.iter().zip(bytes).all(|(set, byte)| set.has(byte))
    }
}

#[derive(Clone, Copy, Default)]
struct Row {
    first: u64,
    second: u64,
    third: u64,
}

/// Who wants to be called at a place.
#[derive(Clone, Copy)]
struct Caller {
    index: usize,
    anchor: &'static Anchor,
}

/// What happens where the bits of an anchor are set.
#[derive(Default)]
struct Bit {
    callers: Vec<Caller>,
    /// Whether several anchors have it, so that it must be seen which it is.
    is_shared: bool,
}

pub struct Sieve {
    rows: Box<[Row; 256]>,
    bits: Vec<Bit>,
}

impl Sieve {
    /// A sieve for anchors, each with the index of its detector. When there are more than 64, those share bits that stand in
    /// the fewest places.
    pub fn new(anchors: &[(usize, &'static Anchor)]) -> Self {
        let mut sieve = Self { rows: Box::new([Row::default(); 256]), bits: Vec::new() };
        let mut anchors = anchors.to_vec();
        // Stable, so that of one anchor the detector named first is called first.
        anchors.sort_by_key(|(_, anchor)| std::cmp::Reverse(anchor.size()));
        let mut known: Vec<(&Anchor, usize)> = Vec::new();
        for (index, anchor) in anchors {
            let bit = match known.iter().find(|(other, _)| other.is_like(anchor)) {
                Some((_, bit)) => *bit,
                None => {
                    let bit = if known.len() < 64 { known.len() } else { 63 - known.len() % 32 };
                    known.push((anchor, bit));
                    bit
                }
            };
            if bit == sieve.bits.len() {
                sieve.bits.push(Bit::default());
            }
            let shared = &mut sieve.bits[bit];
            shared.is_shared |= shared.callers.first().is_some_and(|caller| !caller.anchor.is_like(anchor));
            shared.callers.push(Caller { index, anchor });
            for (byte, row) in sieve.rows.iter_mut().enumerate() {
                let has = |set: usize| u64::from(anchor.sets[set].has(byte as u8)) << bit;
                row.first |= has(0);
                row.second |= has(1);
                row.third |= has(2);
            }
        }
        sieve
    }

    /// Calls `look` with the index of a detector and the place where what it looks for would begin, in the order of the
    /// anchors. In front of the text a blank is imagined.
    #[inline]
    pub fn walk(&self, text: &[u8], mut look: impl FnMut(usize, usize)) {
        let (mut one, mut two) = (self.rows[usize::from(b' ')].first, 0);
        for (at, byte) in text.iter().enumerate() {
            let row = &self.rows[usize::from(*byte)];
            let hit = two & row.third;
            two = one & row.second;
            one = row.first;
            if hit != 0 {
                self.call(text, at, hit, &mut look);
            }
        }
    }

    /// Calls whoever looks for what ends at a place.
    #[inline(always)]
    fn call(&self, text: &[u8], at: usize, mut hit: u64, look: &mut impl FnMut(usize, usize)) {
        while hit != 0 {
            let bit = hit.trailing_zeros() as usize;
            hit &= hit - 1;
            let Bit { callers, is_shared } = &self.bits[bit];
            for Caller { index, anchor } in callers {
                if *is_shared && !anchor.stands_at(text, at) {
                    continue;
                }
                // The blank in front has the place -1.
                if let Ok(place) = usize::try_from(at as isize - 2 + anchor.offset) {
                    look(*index, place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(anchors: &[&'static Anchor], text: &str) -> Vec<(usize, usize)> {
        let anchors: Vec<_> = anchors.iter().copied().enumerate().collect();
        let mut calls = Vec::new();
        Sieve::new(&anchors).walk(text.as_bytes(), |index, at| calls.push((index, at)));
        calls
    }

    #[test]
    fn a_detector_is_called_where_what_it_looks_for_would_begin() {
        static WORD: Anchor = Anchor::word("secret", 1);
        static NUMBER: Anchor = Anchor::number("0-9", "0-9");
        assert_eq!(calls(&[&WORD], "a SeCret, a secre"), [(0, 2), (0, 12)]);
        assert_eq!(calls(&[&WORD], "ecr"), [], "there is no place in front of the text");
        assert_eq!(calls(&[&NUMBER], "12 a34 56"), [(0, 0), (0, 7)]);
        assert_eq!(calls(&[&NUMBER], ""), []);
    }

    #[test]
    fn anchors_that_are_alike_are_called_in_order() {
        static FIRST: Anchor = Anchor::literal("sk-", 0);
        static SECOND: Anchor = Anchor::literal("sk-ant-", 0);
        assert_eq!(calls(&[&FIRST, &SECOND], "sk-"), [(0, 0), (1, 0)]);
    }

    #[test]
    fn more_anchors_than_bits_are_told_apart() {
        let letters = |index: usize| [b'a' + (index / 26) as u8, b'a' + (index % 26) as u8, b'z'];
        let anchors: Vec<&'static Anchor> =
            (0..200).map(|index| &*Box::leak(Box::new(Anchor::sets(letters(index).map(Set::single), 0)))).collect();
        for index in 0..200 {
            let text = String::from_utf8(letters(index).to_vec()).unwrap();
            assert_eq!(calls(&anchors, &format!(" {text} ")), [(index, 1)], "{text}");
        }
    }
}
