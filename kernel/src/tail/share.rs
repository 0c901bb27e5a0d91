//! A share of all traces, chosen by a hash of their ids.

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// FNV-1a of 64 bits. <https://datatracker.ietf.org/doc/html/rfc9923>
pub fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// The state after the salt.
pub fn salted(salt: &str) -> u64 {
    fnv1a(FNV_BASIS, salt.as_bytes())
}

/// The largest hash that is within a share, which is cut off at 0 and 1.
pub fn limit(percentage: f64) -> Option<u64> {
    // (2^64 - 1) * share, rounded down, without losing the lower bits: the share is a whole number times a power of 2.
    let share = percentage / 100.0;
    if share.is_nan() || share < 0.0 {
        return None;
    }
    if share >= 1.0 {
        return Some(u64::MAX);
    }
    let bits = share.to_bits();
    let exponent = (bits >> 52) as i32;
    let mantissa = if exponent == 0 { bits << 1 } else { bits & ((1 << 52) - 1) | 1 << 52 };
    let shift = 1075 - exponent;
    let product = u128::from(u64::MAX) * u128::from(mantissa);
    Some(if shift < 128 { (product >> shift) as u64 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_limits_as_in_the_go_collector() {
        for (percentage, expected) in [
            (1.0, 0x028f_5c28_f5c2_8f5f),
            (10.0, 0x1999_9999_9999_99ff),
            (25.0, 0x3fff_ffff_ffff_ffff),
            (50.0, 0x7fff_ffff_ffff_ffff),
            (100.0, u64::MAX),
            (150.0, u64::MAX),
            (0.0, 0),
        ] {
            assert_eq!(limit(percentage), Some(expected), "{percentage}");
        }
        assert_eq!(limit(-5.0), None);
        assert_eq!(limit(5e-324), Some(0));
    }

    #[test]
    fn the_hash_is_that_of_the_go_collector() {
        let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        assert_eq!(fnv1a(salted("default-hash-seed"), &id), 0xa545_33ba_2e49_70b5);
        assert_eq!(fnv1a(salted("x"), &id), 0xb25c_93ea_99b0_0c27);
    }
}
