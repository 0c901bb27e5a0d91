//! What one series of one metric has come to.

use std::sync::Arc;

use super::exponential::Exponential;

/// How values of a metric are added up.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Spans.
    Count,
    /// A sum of values.
    Amount,
    /// Buckets whose upper bounds are inclusive, ascending.
    Explicit(Arc<[f64]>),
    /// So many buckets at most.
    Exponential(usize),
}

impl Shape {
    /// Bytes that a point of this shape takes, at most.
    pub fn size(&self) -> usize {
        match self {
            Self::Count | Self::Amount => 0,
            Self::Explicit(bounds) => 8 * (bounds.len() + 1),
            Self::Exponential(max_size) => size_of::<Exponential>() + 8 * max_size,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Aggregate {
    /// The observations themselves.
    Count,
    Amount(f64),
    Explicit {
        counts: Box<[u64]>,
        sum: f64,
    },
    Exponential(Box<Exponential>),
}

/// A span that is shown as an example of what was counted.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub value: f64,
    pub time: u64,
}

#[derive(Clone, Debug)]
pub struct Point {
    pub aggregate: Aggregate,
    /// Observations, each counted as often as it weighs. 0: the metric has nothing to say in this series.
    pub count: u64,
    pub exemplars: Vec<Exemplar>,
}

impl Point {
    pub fn new(shape: &Shape) -> Self {
        let aggregate = match shape {
            Shape::Count => Aggregate::Count,
            Shape::Amount => Aggregate::Amount(0.0),
            Shape::Explicit(bounds) => Aggregate::Explicit { counts: vec![0; bounds.len() + 1].into(), sum: 0.0 },
            Shape::Exponential(max_size) => Aggregate::Exponential(Box::new(Exponential::new(*max_size))),
        };
        Self { aggregate, count: 0, exemplars: Vec::new() }
    }

    /// Adds a value that is not negative, as often as `times` says.
    #[inline]
    pub fn observe(&mut self, shape: &Shape, value: f64, times: u64) {
        self.count = self.count.saturating_add(times);
        match (&mut self.aggregate, shape) {
            (Aggregate::Count, _) => {}
            (Aggregate::Amount(amount), _) => *amount += value * times as f64,
            (Aggregate::Explicit { counts, sum }, Shape::Explicit(bounds)) => {
                *sum += value * times as f64;
                let index = bounds.partition_point(|bound| *bound < value);
                counts[index] = counts[index].saturating_add(times);
            }
            (Aggregate::Exponential(histogram), _) => histogram.observe(value, times),
            (Aggregate::Explicit { .. }, _) => {}
        }
    }

    /// Takes an example, if there is room for one more.
    pub fn exemplify(&mut self, exemplar: Exemplar, most: usize) {
        if self.exemplars.len() < most {
            self.exemplars.push(exemplar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below() {
        let shape = Shape::Explicit([2.0, 4.0].into());
        let mut point = Point::new(&shape);
        for value in [0.0, 2.0, 2.1, 4.0, 4.1] {
            point.observe(&shape, value, 1);
        }
        let Aggregate::Explicit { counts, sum } = point.aggregate else { panic!() };
        assert_eq!((&counts[..], sum, point.count), (&[2, 2, 1][..], 12.2, 5));
    }
}
