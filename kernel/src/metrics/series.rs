//! The series of one group of metrics in one resource, by their keys.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::dimensions::put_attribute;
use super::point::{Point, Shape};
use crate::view::Value;

const OVERFLOW: &[u8] = b"otel.metric.overflow";

/// Hashes keys with a seed of its own, so that nobody can send keys that collide.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub u64);

pub struct KeyHasher(u64);

impl BuildHasher for Seed {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(self.0)
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length of a key, which the hash of the key covers.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

pub type Keys = HashMap<Box<[u8]>, u32, Seed>;

pub struct Series {
    /// `KeyValue`s, each in a field of number 1.
    pub attributes: Vec<u8>,
    /// One for each metric of the group.
    pub points: Box<[Point]>,
    /// Known beyond the series itself, for delta.
    pub id: u64,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub last_seen: u64,
    pub is_overflow: bool,
    size: usize,
}

/// Memory that is used, and how much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub used: usize,
    pub most: usize,
}

impl Budget {
    pub fn has_room(&self, size: usize) -> bool {
        self.most == 0 || self.used.saturating_add(size) <= self.most
    }
}

/// What a new series is made of.
pub struct Blank<'b> {
    pub shapes: &'b [Shape],
    /// Bytes without the key and the attributes.
    pub size: usize,
    /// Series there may be; 0 is no limit.
    pub limit: usize,
    pub own: Birth,
    /// The same for the series of all that have no place.
    pub overflow: Birth,
    pub now: u64,
}

/// Where a series begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Birth {
    pub id: u64,
    pub start: u64,
}

pub struct Table {
    keys: Keys,
    series: Vec<Series>,
    overflow: Option<u32>,
}

impl Table {
    pub fn new(seed: Seed) -> Self {
        Self { keys: Keys::with_hasher(seed), series: Vec::new(), overflow: None }
    }

    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The series of this key, if it is known.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Option<&mut Series> {
        let index = *self.keys.get(key)?;
        self.series.get_mut(index as usize)
    }

    /// The series for a key that is not known: a new one, or the one for all that have no place.
    pub fn add(&mut self, key: &[u8], attributes: Vec<u8>, blank: &Blank<'_>, budget: &mut Budget) -> &mut Series {
        let size = blank.size + key.len() + attributes.len();
        let is_full = blank.limit > 0 && self.keys.len() >= blank.limit;
        let index = match self.overflow {
            _ if !is_full && budget.has_room(size) => {
                let index = self.push(attributes, blank, size, false);
                self.keys.insert(key.into(), index);
                budget.used += size;
                index
            }
            Some(index) => index,
            None => {
                let mut attributes = Vec::new();
                put_attribute(&mut attributes, OVERFLOW, &Value::Bool(true));
                let size = blank.size + attributes.len();
                let index = self.push(attributes, blank, size, true);
                self.overflow = Some(index);
                budget.used += size;
                index
            }
        };
        &mut self.series[index as usize]
    }

    fn push(&mut self, attributes: Vec<u8>, blank: &Blank<'_>, size: usize, is_overflow: bool) -> u32 {
        let points = blank.shapes.iter().map(Point::new).collect();
        let Birth { id, start } = if is_overflow { blank.overflow } else { blank.own };
        let last_seen = blank.now;
        self.series.push(Series { attributes, points, id, start, last_seen, is_overflow, size });
        self.series.len() as u32 - 1
    }

    pub fn clear_exemplars(&mut self) {
        self.series.iter_mut().flat_map(|series| &mut series.points).for_each(|point| point.exemplars = Vec::new());
    }

    /// Forgets series, and gives back what they took.
    pub fn retain(&mut self, keep: impl Fn(&Series) -> bool, budget: &mut Budget) {
        if self.series.iter().all(&keep) {
            return;
        }
        let mut moved = Vec::with_capacity(self.series.len());
        let mut kept = Vec::new();
        for series in self.series.drain(..) {
            if keep(&series) {
                moved.push(Some(kept.len() as u32));
                kept.push(series);
            } else {
                moved.push(None);
                budget.used = budget.used.saturating_sub(series.size);
            }
        }
        self.series = kept;
        let place = |index: u32| moved.get(index as usize).copied().flatten();
        self.overflow = self.overflow.and_then(place);
        self.keys.retain(|_, index| match place(*index) {
            Some(new) => {
                *index = new;
                true
            }
            None => false,
        });
        self.keys.shrink_to_fit();
    }

    /// Bytes of all its series.
    pub fn size(&self) -> usize {
        self.series.iter().map(|series| series.size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_place_is_counted_together() {
        let mut table = Table::new(Seed(1));
        let mut budget = Budget { used: 0, most: 0 };
        let blank = Blank {
            shapes: &[Shape::Count],
            size: 10,
            limit: 2,
            own: Birth::default(),
            overflow: Birth::default(),
            now: 1,
        };
        for key in [b"a", b"b", b"c", b"d"] {
            let series = table.add(key, Vec::new(), &blank, &mut budget);
            series.points[0].observe(&Shape::Count, 0.0, 1);
        }
        let counts: Vec<_> = table.series().iter().map(|series| (series.points[0].count, series.is_overflow)).collect();
        assert_eq!(counts, [(1, false), (1, false), (2, true)]);
        assert_eq!(budget.used, table.size());
    }

    #[test]
    fn forgotten_series_give_their_place_back() {
        let mut table = Table::new(Seed(1));
        let mut budget = Budget { used: 0, most: 0 };
        for (now, key) in [b"a", b"b", b"c"].into_iter().enumerate() {
            let (own, overflow) = (Birth::default(), Birth::default());
            let blank = Blank { shapes: &[Shape::Count], size: 10, limit: 0, own, overflow, now: now as u64 };
            table.add(key, Vec::new(), &blank, &mut budget);
        }
        table.retain(|series| series.last_seen != 1, &mut budget);

        assert!(table.get(b"b").is_none());
        assert_eq!(table.get(b"c").map(|series| series.last_seen), Some(2));
        assert_eq!((table.series().len(), budget.used), (2, table.size()));
    }
}
