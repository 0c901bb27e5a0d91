//! Policies as a configuration has them.

use serde::Deserialize;

use crate::ops::ErrorMode;

/// One policy. Of the sections that go with types, the one of its own type counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub latency: Option<Latency>,
    pub numeric_attribute: Option<NumericAttribute>,
    pub probabilistic: Option<Probabilistic>,
    pub status_code: Option<StatusCode>,
    pub string_attribute: Option<StringAttribute>,
    pub trace_state: Option<TraceState>,
    pub rate_limiting: Option<RateLimiting>,
    pub bytes_limiting: Option<BytesLimiting>,
    pub span_count: Option<SpanCount>,
    pub boolean_attribute: Option<BooleanAttribute>,
    pub ottl_condition: Option<OttlCondition>,
    pub trace_sum: Option<TraceNumber>,
    pub trace_max: Option<TraceNumber>,
    pub trace_count: Option<TraceNumber>,
    pub and: Option<And>,
    pub not: Option<Not>,
    pub drop: Option<Drop>,
    pub composite: Option<Composite>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    pub threshold_ms: i64,
    pub upper_threshold_ms: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NumericAttribute {
    pub key: String,
    pub min_value: i64,
    pub max_value: i64,
    pub invert_match: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probabilistic {
    pub hash_salt: String,
    pub sampling_percentage: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusCode {
    pub status_codes: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StringAttribute {
    pub key: String,
    pub values: Vec<String>,
    pub enabled_regex_matching: bool,
    /// Without effect: asking the automaton costs less than asking a cache.
    pub cache_max_size: i64,
    pub invert_match: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceState {
    pub key: String,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimiting {
    pub spans_per_second: i64,
    pub burst_capacity: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BytesLimiting {
    pub bytes_per_second: i64,
    pub burst_capacity: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpanCount {
    pub min_spans: i64,
    pub max_spans: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BooleanAttribute {
    pub key: String,
    pub value: bool,
    pub invert_match: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OttlCondition {
    pub error_mode: Option<ErrorMode>,
    pub span: Vec<String>,
    pub spanevent: Vec<String>,
}

/// A number made of an attribute of all spans of a trace, and the range that it has to be in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceNumber {
    pub key: String,
    pub min_value: Option<f64>,
    pub max_value: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct And {
    pub and_sub_policy: Vec<PolicySettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Not {
    pub not_sub_policy: Option<Box<PolicySettings>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drop {
    pub drop_sub_policy: Vec<PolicySettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Composite {
    pub max_total_spans_per_second: i64,
    /// Without effect, as in the Go collector: the order is that of `composite_sub_policy`.
    pub policy_order: Vec<String>,
    pub composite_sub_policy: Vec<PolicySettings>,
    pub rate_allocation: Vec<RateAllocation>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateAllocation {
    pub policy: String,
    pub percent: i64,
}
