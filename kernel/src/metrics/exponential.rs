//! Histograms with exponential buckets: bucket `i` of scale `s` holds what lies above 2^(i / 2^s) and not above
//! 2^((i + 1) / 2^s). The scale begins fine and is reduced whenever the values need more buckets than there may be.
//!
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>

const MAX_SCALE: i32 = 20;
const MIN_SCALE: i32 = -10;
/// Values below are as good as this one: the smallest number with all its digits.
const SMALLEST: f64 = f64::MIN_POSITIVE;
const SMALLEST_EXPONENT: i32 = -1022;
const LARGEST_EXPONENT: i32 = 1023;
const MANTISSA_BITS: u32 = 52;
const BIAS: i32 = 1023;

/// Buckets for values from 0 up.
#[derive(Clone, Debug)]
pub struct Exponential {
    scale: i32,
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    pub zeros: u64,
    /// The index of the first bucket.
    pub offset: i32,
    pub buckets: Vec<u64>,
    max_size: usize,
}

impl Exponential {
    pub fn new(max_size: usize) -> Self {
        Self {
            scale: MAX_SCALE,
            count: 0,
            sum: 0.0,
            min: 0.0,
            max: 0.0,
            zeros: 0,
            offset: 0,
            buckets: Vec::new(),
            max_size: max_size.max(2),
        }
    }

    /// The scale of the buckets; 0 while there are none.
    pub fn scale(&self) -> i32 {
        if self.buckets.is_empty() { 0 } else { self.scale }
    }

    /// Counts a value that is not negative, as often as `times` says.
    pub fn observe(&mut self, value: f64, times: u64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        } else {
            (self.min, self.max) = (self.min.min(value), self.max.max(value));
        }
        self.count = self.count.saturating_add(times);
        self.sum += value * times as f64;
        if value == 0.0 {
            self.zeros = self.zeros.saturating_add(times);
            return;
        }
        let mut index = index(value, self.scale);
        let (mut low, mut high) = (index, index);
        if let Some(last) = self.last() {
            (low, high) = (low.min(self.offset), high.max(last));
        }
        // 64 bits: the ends may lie further apart than an i32 reaches.
        while i64::from(high) - i64::from(low) >= self.max_size as i64 && self.scale > MIN_SCALE {
            self.halve();
            (low, high, index) = (low >> 1, high >> 1, index >> 1);
        }
        let slot = self.slot(index);
        self.buckets[slot] = self.buckets[slot].saturating_add(times);
    }

    fn last(&self) -> Option<i32> {
        (!self.buckets.is_empty()).then(|| self.offset + self.buckets.len() as i32 - 1)
    }

    /// Makes every two buckets one.
    fn halve(&mut self) {
        self.scale -= 1;
        let offset = self.offset >> 1;
        if let Some(last) = self.last() {
            let mut merged = vec![0u64; ((last >> 1) - offset + 1) as usize];
            for (index, count) in (self.offset..).zip(&self.buckets) {
                let slot = &mut merged[((index >> 1) - offset) as usize];
                *slot = slot.saturating_add(*count);
            }
            self.buckets = merged;
        }
        self.offset = offset;
    }

    /// Where the bucket of this index is, making room for it.
    fn slot(&mut self, index: i32) -> usize {
        if self.buckets.is_empty() {
            self.offset = index;
        }
        if index < self.offset {
            let missing = (self.offset - index) as usize;
            self.buckets.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        }
        let slot = (index - self.offset) as usize;
        if slot >= self.buckets.len() {
            self.buckets.resize(slot + 1, 0);
        }
        slot
    }
}

/// The index of the bucket of a value above 0.
fn index(value: f64, scale: i32) -> i32 {
    let (exponent, is_power) = if value <= SMALLEST {
        (SMALLEST_EXPONENT, true)
    } else if value.is_infinite() {
        (LARGEST_EXPONENT, false)
    } else {
        let bits = value.to_bits();
        ((bits >> MANTISSA_BITS) as i32 - BIAS, bits << 12 == 0)
    };
    if scale <= 0 {
        // The upper bound belongs to the bucket.
        return (exponent - i32::from(is_power)) >> -scale;
    }
    if is_power {
        return (exponent << scale) - 1;
    }
    let largest = ((LARGEST_EXPONENT + 1) << scale) - 1;
    let factor = std::f64::consts::LOG2_E * 2f64.powi(scale);
    ((value.ln() * factor).floor() as i32).min(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(max_size: usize, values: &[f64]) -> Exponential {
        let mut histogram = Exponential::new(max_size);
        values.iter().for_each(|value| histogram.observe(*value, 1));
        histogram
    }

    #[test]
    fn the_scale_is_reduced_until_all_fit() {
        let histogram = of(4, &[1.0, 2.0, 4.0, 8.0]);
        // (0.5, 1], (1, 2], (2, 4], (4, 8]
        assert_eq!((histogram.scale, histogram.offset, &histogram.buckets[..]), (0, -1, &[1, 1, 1, 1][..]));

        let histogram = of(2, &[1.0, 2.0, 4.0, 8.0]);
        assert_eq!((histogram.scale, histogram.offset, &histogram.buckets[..]), (-2, -1, &[1, 3][..]));
    }

    #[test]
    fn one_value_keeps_the_finest_scale() {
        let histogram = of(160, &[1.5; 3]);
        assert_eq!((histogram.scale, &histogram.buckets[..]), (20, &[3][..]));
        assert_eq!((histogram.count, histogram.sum, histogram.min, histogram.max), (3, 4.5, 1.5, 1.5));
    }

    #[test]
    fn nothing_and_the_extremes_have_their_places() {
        let histogram = of(160, &[0.0, f64::MIN_POSITIVE / 2.0, f64::MAX]);
        assert_eq!((histogram.zeros, histogram.buckets.iter().sum::<u64>(), histogram.count), (1, 2, 3));
        assert!(histogram.buckets.len() <= 160);
    }

    #[test]
    fn buckets_hold_what_their_bounds_say() {
        let values: Vec<f64> = (1..500).map(|n| f64::from(n) * 0.37).collect();
        let histogram = of(20, &values);
        let bound = |index: i32| 2f64.powf(f64::from(index) / 2f64.powi(histogram.scale));
        for (index, count) in (histogram.offset..).zip(&histogram.buckets) {
            let inside = values.iter().filter(|value| bound(index) < **value && **value <= bound(index + 1)).count();
            assert_eq!(*count, inside as u64, "bucket {index} of scale {}", histogram.scale);
        }
    }
}
