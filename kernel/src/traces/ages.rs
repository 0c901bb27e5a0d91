//! How old something was, in buckets.

/// The upper bounds of ages, in seconds, as the Go collector has them.
pub const AGES: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// How many were how old.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ages {
    /// One for each bound, and one for what is older.
    pub counts: [u64; AGES.len() + 1],
    pub sum: f64,
}

impl Ages {
    pub fn observe(&mut self, seconds: f64) {
        let age = seconds.max(0.0).trunc();
        self.counts[AGES.partition_point(|bound| *bound < age)] += 1;
        self.sum += age;
    }
}
