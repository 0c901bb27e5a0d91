//! The resources whose spans were counted, with their series.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::config::Config;
use super::dimensions::{put_attribute, put_key_text};
use super::series::{Budget, Keys, Seed, Table};
use crate::view::{Entry, ResourceView};

/// Ways to write the attributes of resources that are remembered, for each resource that may be kept.
const SPELLINGS: usize = 4;
/// Bytes of those. Who has larger ones can afford a closer look.
const LONGEST: usize = 4096;

pub struct Resource {
    /// Known beyond the resource itself, for delta.
    pub id: u64,
    /// `KeyValue`s, each in a field of number 1, as in the body of a `Resource`.
    pub attributes: Vec<u8>,
    /// One for each group of metrics.
    pub tables: Box<[Table]>,
    /// When the last span came, in nanoseconds since 1970.
    pub last_seen: u64,
    /// Its place among the resources by their last use.
    used: u64,
    size: usize,
}

pub struct Resources {
    pub list: Vec<Resource>,
    pub budget: Budget,
    by_key: Keys,
    /// By the bytes of the message, so that most need not be read.
    by_bytes: Keys,
    seed: Seed,
    uses: u64,
    /// Resources that were forgotten since there were too many.
    pub evicted: u64,
}

impl Resources {
    pub fn new(seed: Seed, max_bytes: usize) -> Self {
        Self {
            list: Vec::new(),
            budget: Budget { used: 0, most: max_bytes },
            by_key: Keys::with_hasher(seed),
            by_bytes: Keys::with_hasher(seed),
            seed,
            uses: 0,
            evicted: 0,
        }
    }

    /// Finds or makes the place of a resource. `None` if there is no memory for another one.
    pub fn find(&mut self, body: &[u8], view: &ResourceView<'_>, config: &Config, now: u64) -> Option<usize> {
        self.uses += 1;
        let index = match self.by_bytes.get(body) {
            Some(index) => *index as usize,
            None => self.look_closer(body, view, config)?,
        };
        let resource = &mut self.list[index];
        (resource.used, resource.last_seen) = (self.uses, now);
        Some(index)
    }

    fn look_closer(&mut self, body: &[u8], view: &ResourceView<'_>, config: &Config) -> Option<usize> {
        let key = key(view, config);
        let index = match self.by_key.get(&key[..]) {
            Some(index) => *index,
            None => self.add(key, view, config)?,
        };
        if body.len() <= LONGEST {
            if self.by_bytes.len() >= SPELLINGS * config.resources {
                self.by_bytes.clear();
            }
            self.by_bytes.insert(body.into(), index);
        }
        Some(index as usize)
    }

    fn add(&mut self, key: Vec<u8>, view: &ResourceView<'_>, config: &Config) -> Option<u32> {
        let mut attributes = Vec::new();
        view.attributes().entries().iter().for_each(|entry| put_attribute(&mut attributes, &entry.key, entry.value()));
        let tables: Box<[Table]> = config.groups.iter().map(|_| Table::new(self.seed)).collect();
        // The body as it came is remembered, too, and the key twice.
        let size = size_of::<Resource>() + size_of_val(&tables[..]) + 3 * attributes.len() + key.len();
        if !self.budget.has_room(size) {
            return None;
        }
        self.budget.used += size;
        let id = xxh3_64_with_seed(&key, self.seed.0);
        self.list.push(Resource { id, attributes, tables, last_seen: 0, used: 0, size });
        let index = self.list.len() as u32 - 1;
        self.by_key.insert(key.into(), index);
        Some(index)
    }

    /// Forgets those that were not used for the longest time until there are so many.
    pub fn evict(&mut self, most: usize) {
        if self.list.len() <= most {
            return;
        }
        let mut uses: Vec<u64> = self.list.iter().map(|resource| resource.used).collect();
        uses.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = uses[most.saturating_sub(1)];
        self.evicted += (self.list.len() - most) as u64;
        self.retain(|resource| resource.used >= oldest);
    }

    pub fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        if self.list.iter().all(&keep) {
            return;
        }
        let mut moved = Vec::with_capacity(self.list.len());
        let mut kept = Vec::new();
        for resource in self.list.drain(..) {
            if keep(&resource) {
                moved.push(Some(kept.len() as u32));
                kept.push(resource);
            } else {
                moved.push(None);
                let series: usize = resource.tables.iter().map(Table::size).sum();
                self.budget.used = self.budget.used.saturating_sub(resource.size + series);
            }
        }
        self.list = kept;
        self.by_bytes.clear();
        self.by_key.retain(|_, index| match moved.get(*index as usize).copied().flatten() {
            Some(new) => {
                *index = new;
                true
            }
            None => false,
        });
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.by_key.clear();
        self.by_bytes.clear();
        self.budget.used = 0;
    }
}

/// What a resource is known by: its attributes in the order of their names.
fn key(view: &ResourceView<'_>, config: &Config) -> Vec<u8> {
    let counts = |entry: &&Entry<'_>| {
        config.resource_key.is_empty() || config.resource_key.iter().any(|name| **name == *entry.key)
    };
    let mut entries: Vec<_> = view.attributes().entries().iter().filter(counts).collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries.dedup_by(|b, a| a.key == b.key);
    let mut key = Vec::new();
    for entry in entries {
        put_key_text(&mut key, &entry.key);
        let mut value = Vec::new();
        entry.value().encode(&mut value);
        put_key_text(&mut key, &value);
    }
    key
}
