//! Metrics of spans: how many there were, how long they took, and what calls of language models used.
//!
//! [`SpanMetrics`] takes batches and keeps one [`series`] for each combination of attributes and resource. What there is to
//! measure is in [`config`], what a series has come to in [`point`]. At a flush all of it is written by [`otlp`]; [`exposition`]
//! shows it to Prometheus at any time. A span costs one look into its bytes and a look-up for each group of metrics; only the
//! first span of a series allocates.

mod config;
mod dimensions;
mod exponential;
mod exposition;
mod gen_ai;
mod identity;
mod names;
mod otlp;
mod point;
mod resources;
mod series;
pub mod settings;
#[cfg(test)]
mod tests;
mod weight;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::config::{Config, Group, Observed};
use self::identity::{Spot, call_attributes, put_call_key, put_span_key, span_attributes};
pub use self::otlp::Request;
use self::point::{Exemplar, Shape};
use self::resources::{Resource, Resources};
use self::series::{Birth, Blank, Seed};
use self::settings::Settings;
use self::weight::Weights;
use crate::error::OptionError;
use crate::rope::SpanBatch;
use crate::view::{Map, ResourceView, ScopeView, SpanView};
use crate::wire::{Field, fields};

/// What became of spans, ever, and what is kept now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans that were counted, in whichever series.
    pub counted: u64,
    /// Spans whose resource has no `service.name`.
    pub unnamed: u64,
    /// Spans of resources for which there was no memory.
    pub homeless: u64,
    /// Spans among the counted that had no series of their own.
    pub overflowed: u64,
    /// Resources that were forgotten since there were too many.
    pub evicted: u64,
    pub resources: usize,
    pub series: usize,
    /// Memory, roughly.
    pub bytes: usize,
}

pub struct SpanMetrics {
    config: Config,
    /// For each group, the shapes of its metrics.
    shapes: Vec<Vec<Shape>>,
    resources: Resources,
    weights: Weights,
    /// When series were flushed last, for delta.
    flushed: HashMap<u64, u64>,
    counts: Counts,
    key: Vec<u8>,
}

/// Where spans stand.
struct Place<'p, 'a> {
    /// The number of the resource.
    resource: usize,
    /// Its attributes.
    outer: &'p Map<'a>,
    scope: &'p ScopeView<'a>,
    service: &'p [u8],
    now: u64,
}

impl SpanMetrics {
    pub fn new(settings: Settings) -> Result<Self, Vec<OptionError>> {
        let config = Config::new(settings)?;
        let random = RandomState::new();
        let shapes = |group: &Group| {
            config.instruments[group.instruments.clone()].iter().map(|metric| metric.shape.clone()).collect()
        };
        Ok(Self {
            shapes: config.groups.iter().map(shapes).collect(),
            resources: Resources::new(Seed(random.hash_one(1)), config.max_bytes),
            weights: Weights::new(random.hash_one(2)),
            flushed: HashMap::new(),
            counts: Counts::default(),
            key: Vec::new(),
            config,
        })
    }

    /// Counts the spans of a batch, at a time in nanoseconds since 1970.
    pub fn consume(&mut self, batch: &SpanBatch, now: u64) {
        for chunk in batch.chunks() {
            // One view for all spans of the chunk: its vectors keep their capacity.
            let mut span = SpanView::default();
            for field in fields(&chunk.data).filter(|field| field.number == 1) {
                self.resource_spans(field.bytes, now, &mut span);
            }
        }
    }

    fn resource_spans<'a>(&mut self, body: &'a [u8], now: u64, span: &mut SpanView<'a>) {
        if spans(body).next().is_none() {
            return; // A resource is known by its spans.
        }
        let message = header(body);
        let view = ResourceView::decode(message, &[]);
        let Some(service) = view.attributes().get(b"service.name") else {
            self.counts.unnamed += spans(body).count() as u64;
            return;
        };
        let service = service.as_text().unwrap_or_default();
        let Some(index) = self.resources.find(message, &view, &self.config, now) else {
            self.counts.homeless += spans(body).count() as u64;
            return;
        };
        for scope_spans in fields(body).filter(|field| field.number == 2) {
            let scope = match self.config.scopes.is_empty() {
                true => ScopeView::default(),
                false => ScopeView::decode(header(scope_spans.bytes), &[]),
            };
            for field in fields(scope_spans.bytes).filter(|field| field.number == 2) {
                span.load(field.bytes, self.config.needs);
                let place = Place { resource: index, outer: view.attributes(), scope: &scope, service, now };
                self.span(field.bytes, &place, span);
            }
        }
    }

    #[inline]
    fn span<'a>(&mut self, body: &'a [u8], place: &Place<'_, 'a>, span: &SpanView<'a>) {
        let Place { resource, outer, scope, service, now } = *place;
        let mut weight = self.weights.of(span.trace_state());
        if !self.config.weight_attribute.is_empty() {
            weight = self.weights.times(weight, span.attributes().get(&self.config.weight_attribute));
        }
        let duration =
            span.end_time_unix_nano().saturating_sub(span.start_time_unix_nano()) as f64 / self.config.duration_unit;
        let exemplar = if self.config.exemplars > 0 { exemplar(span, duration) } else { None };
        let spot = Spot { span, scope, service, weight, exemplar, now };
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        put_span_key(&self.config, &spot, &mut key);
        let of_span = key.len();
        self.config.dimensions.put_key(&[span.attributes(), outer], &mut key);
        let begun = key.len();
        let mut overflowed = false;
        for group in 0..self.config.groups.len() {
            let (observed, dimensions) = (self.config.groups[group].observed, &self.config.groups[group].dimensions);
            match observed {
                Observed::Spans => {
                    key.truncate(begun);
                    dimensions.put_key(&[span.attributes(), outer], &mut key);
                    let make = |config: &Config| span_attributes(config, group, &spot, &[span.attributes(), outer]);
                    overflowed |= self.observe(resource, group, &key, &spot, &[Some(duration); 2], make);
                }
                Observed::Events => {
                    for event in span.events() {
                        key.truncate(of_span);
                        let sources = [span.attributes(), event.attributes(), outer];
                        self.config.dimensions.put_key(&sources, &mut key);
                        self.config.groups[group].dimensions.put_key(&sources, &mut key);
                        let make = |config: &Config| span_attributes(config, group, &spot, &sources);
                        overflowed |= self.observe(resource, group, &key, &spot, &[Some(duration)], make);
                    }
                }
                // Both belong to a call, which is read once.
                Observed::Operations => overflowed |= self.call(body, resource, group, &spot, outer, &mut key),
                Observed::Tokens => {}
            }
        }
        self.counts.counted += 1;
        self.counts.overflowed += u64::from(overflowed);
        self.key = key;
    }

    /// Counts the call of a model. Says whether it had no series of its own.
    fn call(
        &mut self,
        body: &[u8],
        resource: usize,
        group: usize,
        spot: &Spot<'_, '_>,
        outer: &Map<'_>,
        key: &mut Vec<u8>,
    ) -> bool {
        let attributes = spot.span.attributes();
        let Some(gen_ai) = self.config.gen_ai.as_ref().filter(|gen_ai| gen_ai.is_call(attributes)) else {
            return false;
        };
        let call = gen_ai.read(spot.span, body);
        let mut overflowed = false;
        let observations = [(group, &b""[..], &call.values[..])].into_iter().chain(
            call.tokens
                .iter()
                .filter(|(_, tokens)| tokens.is_some())
                .map(|(token_type, tokens)| (group + 1, *token_type, std::slice::from_ref(tokens))),
        );
        for (group, token_type, values) in observations {
            let Some(gen_ai) = &self.config.gen_ai else { break };
            key.clear();
            put_call_key(&self.config, gen_ai, spot, &[attributes, outer], token_type, key);
            let make = |config: &Config| call_attributes(config, spot, &[attributes, outer], token_type);
            overflowed |= self.observe(resource, group, key, spot, values, make);
        }
        overflowed
    }

    /// Adds one value to each metric of a group, where there is one. Says whether there was no series for the key.
    #[inline]
    fn observe(
        &mut self,
        resource: usize,
        group: usize,
        key: &[u8],
        spot: &Spot<'_, '_>,
        values: &[Option<f64>],
        attributes: impl FnOnce(&Config) -> Vec<u8>,
    ) -> bool {
        let shapes = &self.shapes[group];
        let Resources { list, budget, .. } = &mut self.resources;
        let Resource { id, tables, .. } = &mut list[resource];
        let table = &mut tables[group];
        let series = match table.get(key) {
            Some(series) => series,
            // Borrowed anew: the first look-up would keep the table for the other arm.
            None => {
                let blank = blank(&self.config, group, shapes, *id, key, &self.flushed, spot.now);
                let attributes = attributes(&self.config);
                tables[group].add(key, attributes, &blank, budget)
            }
        };
        series.last_seen = spot.now;
        for ((point, shape), value) in series.points.iter_mut().zip(shapes).zip(values) {
            let Some(value) = value else { continue };
            point.observe(shape, *value, spot.weight.spans);
            if let (Some(exemplar), false) = (spot.exemplar, series.is_overflow) {
                point.exemplify(Exemplar { value: *value, ..exemplar }, self.config.exemplars);
            }
        }
        series.is_overflow
    }

    /// Writes all there is as requests of at most so many bytes, then forgets what is not kept for the next interval:
    /// with delta everything, otherwise exemplars and what has expired.
    pub fn flush(&mut self, now: u64, max_bytes: usize) -> Vec<Request> {
        let requests = otlp::requests(&self.config, &self.resources, now, max_bytes);
        if self.config.delta {
            self.note_flush(now);
            self.resources.clear();
        } else {
            self.forget(now);
        }
        requests
    }

    fn note_flush(&mut self, now: u64) {
        let tables = self.resources.list.iter().flat_map(|resource| &resource.tables);
        self.flushed.extend(tables.flat_map(|table| table.series()).map(|series| (series.id, now)));
        let most = self.config.start_times;
        if self.flushed.len() > most {
            let mut times: Vec<u64> = self.flushed.values().copied().collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            let oldest = times[most.min(times.len() - 1)];
            let mut room = most - times.iter().filter(|time| **time > oldest).count();
            self.flushed.retain(|_, time| {
                let fits = *time == oldest && room > 0;
                room -= usize::from(fits);
                *time > oldest || fits
            });
        }
    }

    fn forget(&mut self, now: u64) {
        let (expiration, of_series) = (self.config.metrics_expiration, self.config.series_expiration);
        if expiration > 0 {
            self.resources.retain(|resource| now.saturating_sub(resource.last_seen) < expiration);
        }
        self.resources.evict(self.config.resources);
        let Resources { list, budget, .. } = &mut self.resources;
        for table in list.iter_mut().flat_map(|resource| &mut resource.tables) {
            if of_series > 0 {
                table.retain(|series| now.saturating_sub(series.last_seen) < of_series, budget);
            }
            if self.config.exemplars > 0 {
                table.clear_exemplars();
            }
        }
    }

    pub fn counts(&self) -> Counts {
        let tables = self.resources.list.iter().flat_map(|resource| &resource.tables);
        Counts {
            evicted: self.resources.evicted,
            resources: self.resources.list.len(),
            series: tables.map(|table| table.series().len()).sum(),
            bytes: self.resources.budget.used,
            ..self.counts
        }
    }

    /// The metrics as Prometheus calls them, each with its kind and what it is.
    pub fn families(&self) -> Vec<exposition::Family> {
        exposition::families(&self.config)
    }

    /// The series of the family of this number, as lines of Prometheus' text format.
    pub fn exposition(&self, family: usize) -> Vec<u8> {
        exposition::series(&self.config, &self.resources, family)
    }
}

fn blank<'b>(
    config: &Config,
    group: usize,
    shapes: &'b [Shape],
    resource: u64,
    key: &[u8],
    flushed: &HashMap<u64, u64>,
    now: u64,
) -> Blank<'b> {
    let birth = |key: &[u8]| match config.delta {
        true => {
            let id = xxh3_64_with_seed(key, resource ^ group as u64);
            Birth { id, start: flushed.get(&id).copied().unwrap_or(now) }
        }
        false => Birth { id: 0, start: now },
    };
    let (size, limit) = (config.groups[group].size, config.cardinality);
    // No key is that short.
    Blank { shapes, size, limit, own: birth(key), overflow: birth(&[]), now }
}

fn exemplar(span: &SpanView<'_>, value: f64) -> Option<Exemplar> {
    let (trace_id, span_id) = (span.trace_id().try_into().ok()?, span.span_id().try_into().ok()?);
    (trace_id != [0; 16]).then_some(Exemplar { trace_id, span_id, value, time: span.end_time_unix_nano() })
}

/// The resource of a `ResourceSpans`, or the scope of a `ScopeSpans`.
fn header(body: &[u8]) -> &[u8] {
    fields(body).find(|field| field.number == 1).map_or(&[], |field| field.bytes)
}

/// The spans of a `ResourceSpans`.
fn spans(body: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let scopes = fields(body).filter(|field| field.number == 2);
    scopes.flat_map(|scope| fields(scope.bytes).filter(|field| field.number == 2))
}
