//! Which metrics there are, and by what their series differ: made from the settings, once.

use std::ops::Range;

use super::dimensions::Dimensions;
use super::gen_ai::GenAi;
use super::point::{Exemplar, Point, Shape};
use super::series::Series;
use super::settings::{Buckets, DimensionSettings, Settings, Unit};
use crate::error::OptionError;
use crate::view::Needs;

/// Attributes that series have unless they are excluded.
pub const RESERVED: [&str; 5] = ["service.name", "span.name", "span.kind", "status.code", "collector.instance.id"];

/// What a series takes besides its points, its key and its attributes: lists grow by doubling, so they have room for as much
/// again, and allocations and entries of tables are larger than what is in them.
const OVERHEAD: usize = 2 * size_of::<Series>() + 128;

/// A metric.
pub struct Instrument {
    pub name: String,
    pub unit: &'static str,
    pub help: &'static str,
    pub shape: Shape,
}

/// What a group of metrics observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    Spans,
    Events,
    Operations,
    Tokens,
}

/// Metrics whose series are told apart by the same attributes, so that they are looked up once.
pub struct Group {
    pub observed: Observed,
    /// Its metrics, in the list of all.
    pub instruments: Range<usize>,
    /// What its series have beyond the dimensions of all.
    pub dimensions: Dimensions,
    /// Bytes of a series, without its key and attributes.
    pub size: usize,
}

pub struct Config {
    pub instruments: Vec<Instrument>,
    pub groups: Vec<Group>,
    pub dimensions: Dimensions,
    pub gen_ai: Option<GenAi>,
    pub has: Has,
    pub scopes: Vec<Vec<u8>>,
    pub resource_key: Vec<Vec<u8>>,
    pub instance: Vec<u8>,
    pub label: String,
    pub duration_unit: f64,
    pub delta: bool,
    pub metrics_expiration: u64,
    pub series_expiration: u64,
    pub start_times: usize,
    pub resources: usize,
    pub exemplars: usize,
    pub cardinality: usize,
    pub max_bytes: usize,
    pub sampling_method: bool,
    pub weight_attribute: Vec<u8>,
    pub needs: Needs,
}

/// Which of the usual attributes series have.
pub struct Has {
    pub service_name: bool,
    pub span_name: bool,
    pub span_kind: bool,
    pub status_code: bool,
    pub instance: bool,
}

impl Config {
    pub fn new(settings: Settings) -> Result<Self, Vec<OptionError>> {
        let mut errors = Vec::new();
        let mut read = |list: &[DimensionSettings], path: &str| Dimensions::new(list, path, &RESERVED, &mut errors);
        let dimensions = read(&settings.dimensions, "dimensions");
        let calls = read(&settings.calls_dimensions, "calls_dimensions");
        let histogram = settings.histogram.as_ref();
        let durations = read(histogram.map_or(&[], |histogram| &histogram.dimensions), "histogram::dimensions");
        let events = settings.event_dimensions.as_ref().map(|list| read(list, "events::dimensions"));
        let gen_ai = settings.gen_ai.as_ref().map(|gen_ai| (gen_ai, read(&gen_ai.dimensions, "gen_ai::dimensions")));
        if !errors.is_empty() {
            return Err(errors);
        }
        let name = |name: &str| match settings.namespace.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", settings.namespace),
        };
        let mut all = Catalogue { instruments: Vec::new(), groups: Vec::new(), exemplars: settings.exemplars };
        let counted = |name, help| Instrument { name, unit: "", help, shape: Shape::Count };
        let calls_metric = counted(name("calls"), "Spans, by what they are and how they ended.");
        let unit = histogram.map_or(Unit::Milliseconds, |histogram| histogram.unit);
        let duration_metric = histogram.map(|histogram| Instrument {
            name: name("duration"),
            unit: unit.name(),
            help: "How long spans took.",
            shape: shape(&histogram.buckets, unit),
        });
        match duration_metric {
            Some(duration) if calls.is_empty() && durations.is_empty() => {
                all.add(Observed::Spans, vec![calls_metric, duration], calls);
            }
            duration => {
                all.add(Observed::Spans, vec![calls_metric], calls);
                if let Some(duration) = duration {
                    all.add(Observed::Spans, vec![duration], durations);
                }
            }
        }
        let needs_events = events.is_some();
        if let Some(events) = events {
            all.add(Observed::Events, vec![counted(name("events"), "Events of spans.")], events);
        }
        let mut needs_attributes = !settings.weight_attribute.is_empty()
            || !settings.dimensions.is_empty()
            || all.groups.iter().any(|group| !group.dimensions.is_empty());
        let gen_ai = gen_ai.map(|(settings, dimensions)| {
            needs_attributes = true;
            let (operations, tokens) = GenAi::instruments();
            all.add(Observed::Operations, operations, Dimensions::default());
            all.add(Observed::Tokens, tokens, Dimensions::default());
            GenAi::new(settings, dimensions)
        });
        let has = |name: &str| !settings.exclude_dimensions.iter().any(|excluded| excluded == name);
        Ok(Self {
            has: Has {
                service_name: has("service.name"),
                span_name: has("span.name"),
                span_kind: has("span.kind"),
                status_code: has("status.code"),
                instance: has("collector.instance.id") && !settings.instance.is_empty(),
            },
            instruments: all.instruments,
            groups: all.groups,
            needs: Needs { attributes: needs_attributes, events: needs_events, ..Needs::default() },
            dimensions,
            gen_ai,
            scopes: settings.scopes.into_iter().filter(|name| !name.is_empty()).map(String::into_bytes).collect(),
            resource_key: settings.resource_key.into_iter().map(String::into_bytes).collect(),
            instance: settings.instance.into_bytes(),
            label: settings.label,
            duration_unit: unit.nanoseconds(),
            delta: settings.delta,
            metrics_expiration: nanoseconds(settings.metrics_expiration),
            series_expiration: nanoseconds(settings.series_expiration),
            start_times: settings.start_times,
            resources: settings.resources.max(1),
            exemplars: settings.exemplars,
            cardinality: settings.cardinality,
            max_bytes: settings.max_bytes,
            sampling_method: settings.sampling_method,
            weight_attribute: settings.weight_attribute.into_bytes(),
        })
    }
}

struct Catalogue {
    instruments: Vec<Instrument>,
    groups: Vec<Group>,
    exemplars: usize,
}

impl Catalogue {
    fn add(&mut self, observed: Observed, metrics: Vec<Instrument>, dimensions: Dimensions) {
        let examples = self.exemplars.saturating_mul(size_of::<Exemplar>());
        let points: usize = metrics.iter().map(|metric| size_of::<Point>() + metric.shape.size() + examples).sum();
        let first = self.instruments.len();
        self.instruments.extend(metrics);
        let instruments = first..self.instruments.len();
        self.groups.push(Group { observed, instruments, dimensions, size: OVERHEAD + points });
    }
}

fn shape(buckets: &Buckets, unit: Unit) -> Shape {
    match buckets {
        Buckets::Exponential(max_size) => Shape::Exponential(*max_size),
        // By way of nanoseconds: 0.002 s must be exactly 2 ms.
        Buckets::Explicit(bounds) => {
            Shape::Explicit(bounds.iter().map(|bound| (bound * 1e9).round() / unit.nanoseconds()).collect())
        }
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
