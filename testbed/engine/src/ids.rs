//! Ids that can be read back: every span id is a sender and a sequence number, mixed so that it looks random.
//!
//! Random-looking ids matter: collectors hash them, and sequential ones would compress far better than real ones.

/// Which span: its sender (a connection of the load generator) and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanNumber {
    pub sender: u16,
    pub sequence: u64,
}

/// What ids of one run are mixed with. The same key gives the same ids.
#[derive(Clone, Copy, Debug)]
pub struct Key(u64);

/// Senders are below this, which keeps the all-zero id, which is not allowed, out of reach.
pub const SENDERS: usize = 0xffff;
const SEQUENCE_BITS: u32 = 48;

impl Key {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed) | 0xffff << SEQUENCE_BITS)
    }

    pub fn span_id(self, span: SpanNumber) -> [u8; 8] {
        mix(number(span) ^ self.0).to_be_bytes()
    }

    /// The number behind an id, whatever id it is: others than ours give senders and sequences that were never sent.
    pub fn span_number(self, id: [u8; 8]) -> SpanNumber {
        let number = unmix(u64::from_be_bytes(id)) ^ self.0;
        SpanNumber { sender: (number >> SEQUENCE_BITS) as u16, sequence: number & ((1 << SEQUENCE_BITS) - 1) }
    }

    /// The id of the trace that is called by one of its numbers.
    pub fn trace_id(self, trace: SpanNumber) -> [u8; 16] {
        let number = number(trace) ^ self.0;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&mix(number ^ 0x7261_6365).to_be_bytes());
        id[8..].copy_from_slice(&mix(number ^ 0x6964_0000).to_be_bytes());
        id
    }

    /// The id of a span that another service has.
    pub fn foreign_id(self, span: SpanNumber) -> [u8; 8] {
        mix(number(span) ^ self.0 ^ 0x666f_7265).to_be_bytes()
    }
}

fn number(span: SpanNumber) -> u64 {
    u64::from(span.sender) << SEQUENCE_BITS | span.sequence
}

/// The finalizer of SplitMix64: every input has its own output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// The way back: shifts undone, and multiplied by the inverses modulo 2^64.
fn unmix(mut x: u64) -> u64 {
    x = (x ^ x >> 31 ^ x >> 62).wrapping_mul(0x3196_42b2_d24d_8ec3);
    x = (x ^ x >> 27 ^ x >> 54).wrapping_mul(0x96de_1b17_3f11_9089);
    x ^ x >> 30 ^ x >> 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_sender_and_number() {
        let key = Key::new(7);
        for sender in [0, 1, 499, SENDERS as u16 - 1] {
            for sequence in [0, 1, 2, 1 << 20, (1 << 48) - 1] {
                let span = SpanNumber { sender, sequence };
                let id = key.span_id(span);
                assert_eq!(key.span_number(id), span);
                assert_ne!(id, [0; 8]);
            }
        }
    }

    #[test]
    fn ids_of_neighbours_share_no_more_bits_than_chance_has_it() {
        let key = Key::new(1);
        let id = |sequence| u64::from_be_bytes(key.span_id(SpanNumber { sender: 3, sequence }));
        let bits: u32 = (0..1000).map(|at| (id(at) ^ id(at + 1)).count_ones()).sum();
        assert!((31_000..33_000).contains(&bits), "{bits} of 64,000 differ");
    }

    #[test]
    fn other_keys_give_other_ids() {
        let span = SpanNumber { sender: 0, sequence: 0 };
        assert_ne!(Key::new(1).span_id(span), Key::new(2).span_id(span));
        assert_ne!(Key::new(1).trace_id(span), Key::new(2).trace_id(span));
    }
}
