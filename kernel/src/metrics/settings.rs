//! What `span_metrics` is told.

use serde::Deserialize;

/// One attribute that tells series apart: by its name, or all that a glob matches.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DimensionSettings {
    #[serde(default)]
    pub name: String,
    /// Stands for the value where there is none. Without it the series does not have the attribute then.
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub glob: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buckets {
    /// Upper bounds in seconds, ascending.
    Explicit(Vec<f64>),
    /// So many buckets at most.
    Exponential(usize),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }

    pub fn nanoseconds(self) -> f64 {
        match self {
            Self::Milliseconds => 1e6,
            Self::Seconds => 1e9,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct HistogramSettings {
    pub unit: Unit,
    pub buckets: Buckets,
    #[serde(default)]
    pub dimensions: Vec<DimensionSettings>,
}

/// Metrics of calls of language models. Attributes are tried in order; the first one that a span has counts.
#[derive(Clone, Debug, Deserialize)]
pub struct GenAiSettings {
    #[serde(default)]
    pub dimensions: Vec<DimensionSettings>,
    pub input_tokens: Vec<String>,
    pub output_tokens: Vec<String>,
    /// Seconds to the first piece of an answer.
    pub time_to_first_chunk: Vec<String>,
    /// Names of events; the first one tells the same where no attribute does.
    pub first_chunk_events: Vec<String>,
    pub cost: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    pub namespace: String,
    /// The value of `collector.instance.id`.
    pub instance: String,
    /// The value of the label `connector` on a page for Prometheus; none if it is empty.
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub dimensions: Vec<DimensionSettings>,
    #[serde(default)]
    pub calls_dimensions: Vec<DimensionSettings>,
    /// Events are counted if this is there.
    #[serde(default)]
    pub event_dimensions: Option<Vec<DimensionSettings>>,
    #[serde(default)]
    pub exclude_dimensions: Vec<String>,
    /// Names of scopes whose series tell them.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Durations are measured if this is there.
    #[serde(default)]
    pub histogram: Option<HistogramSettings>,
    #[serde(default)]
    pub delta: bool,
    /// Seconds without spans after which a resource is forgotten; 0 is never.
    #[serde(default)]
    pub metrics_expiration: f64,
    /// The same for a series.
    #[serde(default)]
    pub series_expiration: f64,
    /// Series whose last flush is remembered, for delta.
    #[serde(default)]
    pub start_times: usize,
    /// Resources that are kept from one interval to the next.
    pub resources: usize,
    /// Attributes that a resource is known by; all if there are none.
    #[serde(default)]
    pub resource_key: Vec<String>,
    /// Exemplars of a data point; 0 is none.
    #[serde(default)]
    pub exemplars: usize,
    /// Series of a metric and resource; 0 is no limit.
    #[serde(default)]
    pub cardinality: usize,
    /// Bytes of memory, roughly; 0 is no bound.
    #[serde(default)]
    pub max_bytes: usize,
    /// Whether series say if they are counted or extrapolated.
    #[serde(default)]
    pub sampling_method: bool,
    /// An attribute that says how many spans a span stands for, besides the tracestate; none if it is empty.
    #[serde(default)]
    pub weight_attribute: String,
    #[serde(default)]
    pub gen_ai: Option<GenAiSettings>,
}
