//! A token bucket, as a rate is held with bursts.

/// Seconds that many decisions share. A bucket that is full again within them is always full.
const RESOLUTION: f64 = 0.001;

/// Holds tokens that come at a rate, up to a capacity. It is full at first.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: f64,
    capacity: f64,
    tokens: f64,
    /// When it was last looked at, in seconds.
    at: f64,
}

impl Bucket {
    pub fn new(rate: f64, capacity: f64) -> Self {
        Self { rate, capacity, tokens: capacity, at: 0.0 }
    }

    /// Takes so many tokens if they are there.
    pub fn take(&mut self, tokens: f64, now: f64) -> bool {
        if self.rate * RESOLUTION >= self.capacity {
            self.tokens = self.capacity;
        } else if now > self.at {
            self.tokens = (self.tokens + (now - self.at) * self.rate).min(self.capacity);
            self.at = now;
        }
        // Parts of a second do not add up exactly.
        let enough = tokens <= self.tokens + 1e-6;
        if enough {
            self.tokens -= tokens;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut bucket = Bucket::new(10.0, 20.0);
        assert_eq!((0..30).filter(|_| bucket.take(1.0, 100.0)).count(), 20);
        assert_eq!((0..30).filter(|_| bucket.take(1.0, 101.0)).count(), 10);
        assert!(!bucket.take(21.0, 1000.0), "more than fits");
        assert!(bucket.take(20.0, 1000.0));
        assert!(!bucket.take(1.0, 5.0), "a clock that jumps back brings nothing");
        let mut fast = Bucket::new(1e9, 5.0);
        assert!((0..9).all(|_| fast.take(5.0, 1.0)) && !fast.take(6.0, 1.0));
    }
}
