//! From settings to policies. What can never be satisfied, or always is by mistake, is an error here.

use std::collections::{HashMap, HashSet};

use super::bucket::Bucket;
use super::policy::{Composite, Cost, Number, Part, Policy};
use super::probes::{Conditions, Probe, Probes, Texts};
use super::settings::{self as given, PolicySettings};
use super::share::{limit, salted};
use crate::error::OptionError;
use crate::ops::ErrorMode;
use crate::ottl::{Context, Predicate};
use crate::pattern;

/// The salt of who gives none.
const DEFAULT_SALT: &str = "default-hash-seed";

/// A member of a trace state is shorter than this, key and value together.
const MAX_MEMBER: usize = 256;

/// What kind of policy may stand in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Top,
    /// Inside `and` and `drop`.
    And,
    Not,
    Composite,
}

impl Place {
    fn allows(self, kind: &str) -> bool {
        match kind {
            "and" => matches!(self, Self::Top | Self::Composite),
            "not" => matches!(self, Self::Top | Self::And),
            "drop" | "composite" => self == Self::Top,
            _ => true,
        }
    }
}

/// The types that stand anywhere.
const SIMPLE: [&str; 16] = [
    "always_sample",
    "latency",
    "numeric_attribute",
    "probabilistic",
    "status_code",
    "string_attribute",
    "trace_state",
    "trace_flags",
    "rate_limiting",
    "bytes_limiting",
    "span_count",
    "boolean_attribute",
    "ottl_condition",
    "trace_sum",
    "trace_max",
    "trace_count",
];

/// A policy of the list, with its name.
#[derive(Debug)]
pub struct Named {
    pub name: String,
    pub policy: Policy,
}

/// What a list of policies comes to.
#[derive(Debug, Default)]
pub struct Compiled {
    pub probes: Probes,
    /// Those that drop first, the others behind them, both in their order.
    pub policies: Vec<Named>,
    pub drops: usize,
}

/// Compiles a list of policies, or says what is wrong with each.
pub fn compile(list: Vec<PolicySettings>) -> Result<Compiled, Vec<OptionError>> {
    let mut compiled = Compiled::default();
    let mut errors = Vec::new();
    let mut names = HashSet::new();
    let mut others = Vec::new();
    for (index, settings) in list.into_iter().enumerate() {
        let place = format!("[{index}]");
        let name = settings.name.clone();
        if name.is_empty() {
            errors.push(OptionError::new(format!("{place}::name"), "must not be empty"));
        } else if !names.insert(name.clone()) {
            errors
                .push(OptionError::new(format!("{place}::name"), format!("another policy is called {name:?} already")));
        }
        match policy(settings, Place::Top, &mut compiled.probes) {
            Ok(policy @ Policy::Drop(_)) => compiled.policies.push(Named { name, policy }),
            Ok(policy) => others.push(Named { name, policy }),
            Err(wrong) => errors.extend(wrong.into_iter().map(|error| error.within(&place))),
        }
    }
    if compiled.policies.len() + others.len() > usize::from(u16::MAX) {
        errors.push(OptionError::new("", format!("at most {} policies", u16::MAX)));
    }
    compiled.drops = compiled.policies.len();
    compiled.policies.append(&mut others);
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

type Built = Result<Policy, Vec<OptionError>>;

fn wrong<T>(option: &str, message: impl Into<String>) -> Result<T, Vec<OptionError>> {
    Err(vec![OptionError::new(option, message)])
}

/// Builds one policy. Errors are within it.
fn policy(settings: PolicySettings, place: Place, probes: &mut Probes) -> Built {
    let kind = settings.kind.clone();
    let nested = ["and", "not", "drop", "composite"];
    if !SIMPLE.contains(&kind.as_str()) && !nested.contains(&kind.as_str()) {
        let known: Vec<&str> = SIMPLE.into_iter().chain(nested).filter(|kind| place.allows(kind)).collect();
        return wrong("type", format!("must be one of {}, got {kind:?}", known.join(", ")));
    }
    if !place.allows(&kind) {
        return wrong("type", format!("{kind} cannot stand inside another policy here"));
    }
    let built = match kind.as_str() {
        "always_sample" => Ok(Policy::Always),
        "trace_flags" => found(probes, Probe::Flagged, false),
        "latency" => latency(settings.latency.unwrap_or_default(), probes),
        "numeric_attribute" => integer(settings.numeric_attribute.unwrap_or_default(), probes),
        "probabilistic" => probabilistic(&settings.probabilistic.unwrap_or_default()),
        "status_code" => status(&settings.status_code.unwrap_or_default(), probes),
        "string_attribute" => text(settings.string_attribute.unwrap_or_default(), probes),
        "trace_state" => trace_state(settings.trace_state.unwrap_or_default(), probes),
        "rate_limiting" => {
            let given = settings.rate_limiting.unwrap_or_default();
            rate("spans_per_second", given.spans_per_second, given.burst_capacity, Cost::Spans)
        }
        "bytes_limiting" => {
            let given = settings.bytes_limiting.unwrap_or_default();
            rate("bytes_per_second", given.bytes_per_second, given.burst_capacity, Cost::Bytes)
        }
        "span_count" => span_count(&settings.span_count.unwrap_or_default()),
        "boolean_attribute" => boolean(settings.boolean_attribute.unwrap_or_default(), probes),
        "ottl_condition" => conditions(&settings.ottl_condition.unwrap_or_default(), probes),
        "trace_sum" => number(settings.trace_sum.unwrap_or_default(), Number::Sum, probes),
        "trace_max" => number(settings.trace_max.unwrap_or_default(), Number::Max, probes),
        "trace_count" => number(settings.trace_count.unwrap_or_default(), Number::Count, probes),
        "and" => {
            list(settings.and.unwrap_or_default().and_sub_policy, "and_sub_policy", Place::And, probes).map(Policy::And)
        }
        "drop" => list(settings.drop.unwrap_or_default().drop_sub_policy, "drop_sub_policy", Place::And, probes)
            .map(Policy::Drop),
        "not" => match settings.not.unwrap_or_default().not_sub_policy {
            Some(sub) => policy(*sub, Place::Not, probes)
                .map(|policy| Policy::Not(Box::new(policy)))
                .map_err(|errors| within(errors, "not_sub_policy")),
            None => wrong("not_sub_policy", "is required"),
        },
        _ => composite(settings.composite.unwrap_or_default(), probes),
    };
    built.map_err(|errors| within(errors, &kind))
}

fn within(errors: Vec<OptionError>, outer: &str) -> Vec<OptionError> {
    errors.into_iter().map(|error| error.within(outer)).collect()
}

fn list(
    list: Vec<PolicySettings>,
    option: &str,
    place: Place,
    probes: &mut Probes,
) -> Result<Vec<Policy>, Vec<OptionError>> {
    if list.is_empty() {
        return wrong(option, "needs at least one policy: none would be true of every trace");
    }
    let (mut policies, mut errors) = (Vec::new(), Vec::new());
    for (index, settings) in list.into_iter().enumerate() {
        match policy(settings, place, probes) {
            Ok(policy) => policies.push(policy),
            Err(wrong) => errors.extend(within(wrong, &format!("{option}[{index}]"))),
        }
    }
    if errors.is_empty() { Ok(policies) } else { Err(errors) }
}

fn found(probes: &mut Probes, probe: Probe, inverted: bool) -> Built {
    Ok(Policy::Found { probe: probes.add(probe), inverted, passes: false })
}

fn key(key: String) -> Result<Vec<u8>, Vec<OptionError>> {
    if key.is_empty() { wrong("key", "is required") } else { Ok(key.into_bytes()) }
}

fn latency(given: given::Latency, probes: &mut Probes) -> Built {
    let (above, most) = (given.threshold_ms, given.upper_threshold_ms);
    if most != 0 && most <= above {
        return wrong(
            "upper_threshold_ms",
            format!("must be more than threshold_ms {above}, or 0 for none, got {most}"),
        );
    }
    let probe = probes.add(Probe::Duration { above, at_most: (most != 0).then_some(most) });
    Ok(Policy::Found { probe, inverted: false, passes: most != 0 })
}

fn integer(given: given::NumericAttribute, probes: &mut Probes) -> Built {
    let key = key(given.key)?;
    // 0 is how the Go collector says that there is no bound.
    let (min, max) = (given.min_value, given.max_value);
    if min == 0 && max == 0 {
        return wrong("min_value", "this or max_value must be given, and not be 0, which means no bound");
    }
    let (min, max) = (if min == 0 { i64::MIN } else { min }, if max == 0 { i64::MAX } else { max });
    if min > max {
        return wrong("max_value", format!("must be at least min_value {min}, got {max}"));
    }
    found(probes, Probe::Integer { key, min, max }, given.invert_match)
}

fn probabilistic(given: &given::Probabilistic) -> Built {
    let percentage = given.sampling_percentage;
    if percentage.is_nan() || percentage < 0.0 {
        return wrong("sampling_percentage", format!("must be 0 or more, got {percentage}"));
    }
    let salt = if given.hash_salt.is_empty() { DEFAULT_SALT } else { &given.hash_salt };
    Ok(Policy::Probabilistic { state: salted(salt), limit: limit(percentage) })
}

fn status(given: &given::StatusCode, probes: &mut Probes) -> Built {
    if given.status_codes.is_empty() {
        return wrong("status_codes", "needs at least one of OK, ERROR and UNSET");
    }
    let mut codes = 0;
    for (index, name) in given.status_codes.iter().enumerate() {
        codes |= match name.as_str() {
            "UNSET" => 1,
            "OK" => 1 << 1,
            "ERROR" => 1 << 2,
            other => {
                return wrong(&format!("status_codes[{index}]"), format!("must be OK, ERROR or UNSET, got {other:?}"));
            }
        };
    }
    found(probes, Probe::Status(codes), false)
}

fn text(given: given::StringAttribute, probes: &mut Probes) -> Built {
    let key = key(given.key)?;
    let texts = if given.enabled_regex_matching {
        let compile = |(index, text): (usize, &String)| {
            pattern::compile(text).map_err(|reason| {
                let message = format!("must be a regular expression, got {text:?}: {reason}");
                vec![OptionError::new(format!("values[{index}]"), message)]
            })
        };
        let patterns = given.values.iter().enumerate().map(compile).collect::<Result<Vec<_>, _>>()?;
        (!patterns.is_empty()).then_some(Texts::Patterns(patterns))
    } else {
        let texts: HashSet<Vec<u8>> =
            given.values.into_iter().filter(|text| !text.is_empty()).map(String::into_bytes).collect();
        (!texts.is_empty()).then_some(Texts::Exact(texts))
    };
    match texts {
        Some(texts) => found(probes, Probe::Text { key, texts }, given.invert_match),
        None => wrong("values", "needs at least one value that is not empty"),
    }
}

fn trace_state(given: given::TraceState, probes: &mut Probes) -> Built {
    let key = key(given.key)?;
    let fits = |value: &String| !value.is_empty() && key.len() + value.len() < MAX_MEMBER;
    let values: HashSet<Vec<u8>> = given.values.into_iter().filter(fits).map(String::into_bytes).collect();
    if values.is_empty() {
        return wrong("values", format!("needs at least one value, with the key below {MAX_MEMBER} bytes"));
    }
    found(probes, Probe::TraceState { key, values }, false)
}

fn rate(option: &str, rate: i64, burst: i64, cost: Cost) -> Built {
    if rate <= 0 {
        return wrong(option, format!("must be more than 0, got {rate}"));
    }
    if burst < 0 {
        return wrong("burst_capacity", format!("must be 0, for twice the rate, or more, got {burst}"));
    }
    let rate = rate as f64;
    Ok(Policy::Limit { bucket: Bucket::new(rate, if burst == 0 { 2.0 * rate } else { burst as f64 }), cost })
}

fn span_count(given: &given::SpanCount) -> Built {
    let (min, max) = (given.min_spans, given.max_spans);
    if !(0..=i64::from(i32::MAX)).contains(&min) {
        return wrong("min_spans", format!("must be from 0 to {}, got {min}", i32::MAX));
    }
    if max > i64::from(i32::MAX) {
        return wrong("max_spans", format!("must be at most {}, got {max}", i32::MAX));
    }
    if max != 0 && max < min.max(1) {
        return wrong("max_spans", format!("must be at least min_spans {min}, or 0 for no maximum, got {max}"));
    }
    Ok(Policy::SpanCount { min: min as usize, max: (max != 0).then_some(max as usize) })
}

fn boolean(given: given::BooleanAttribute, probes: &mut Probes) -> Built {
    let key = key(given.key)?;
    found(probes, Probe::Bool { key, value: given.value }, given.invert_match)
}

fn conditions(given: &given::OttlCondition, probes: &mut Probes) -> Built {
    if given.span.is_empty() && given.spanevent.is_empty() {
        return wrong("span", "this or spanevent needs at least one condition");
    }
    let mut errors = Vec::new();
    let mut parse = |list: &[String], option: &str, context| {
        let mut predicates = Vec::new();
        for (index, condition) in list.iter().enumerate() {
            match Predicate::parse(condition, Some(context)) {
                Ok(predicate) => predicates.push(predicate),
                Err(problem) => errors.push(OptionError::new(format!("{option}[{index}]"), problem.to_string())),
            }
        }
        predicates
    };
    let span = parse(&given.span, "span", Context::Span);
    let event = parse(&given.spanevent, "spanevent", Context::SpanEvent);
    if !errors.is_empty() {
        return Err(errors);
    }
    if span.iter().chain(&event).any(Predicate::reads_origin) {
        return wrong("span", "cannot ask who sent a request: a trace comes in many");
    }
    let error_mode = given.error_mode.unwrap_or(ErrorMode::Silent);
    found(probes, Probe::Conditions(Conditions { span, event, error_mode }), false)
}

fn number(given: given::TraceNumber, number: Number, probes: &mut Probes) -> Built {
    if given.key.is_empty() {
        return wrong("key", "is required");
    }
    if given.min_value.is_none() && given.max_value.is_none() {
        return wrong("min_value", "this or max_value must be given");
    }
    let (min, max) = (given.min_value.unwrap_or(f64::NEG_INFINITY), given.max_value.unwrap_or(f64::INFINITY));
    if min.is_nan() || max.is_nan() || min > max {
        return wrong("max_value", format!("must be at least min_value {min}, got {max}"));
    }
    Ok(Policy::Number { total: probes.total(&given.key), number, min, max })
}

fn composite(given: given::Composite, probes: &mut Probes) -> Built {
    let total = given.max_total_spans_per_second;
    if total <= 0 {
        return wrong("max_total_spans_per_second", format!("must be more than 0, got {total}"));
    }
    let names: Vec<String> = given.composite_sub_policy.iter().map(|policy| policy.name.clone()).collect();
    let mut shares = HashMap::new();
    for (index, allocation) in given.rate_allocation.iter().enumerate() {
        if !names.contains(&allocation.policy) {
            let message = format!("there is no policy {:?} in composite_sub_policy", allocation.policy);
            return wrong(&format!("rate_allocation[{index}]::policy"), message);
        }
        if allocation.percent < 0 {
            let message = format!("must be 0, for an equal share, or more, got {}", allocation.percent);
            return wrong(&format!("rate_allocation[{index}]::percent"), message);
        }
        shares.insert(allocation.policy.as_str(), allocation.percent);
    }
    let policies = list(given.composite_sub_policy, "composite_sub_policy", Place::Composite, probes)?;
    let equal = total as f64 / policies.len() as f64;
    let parts = policies.into_iter().zip(&names).map(|(policy, name)| {
        let share = match shares.get(name.as_str()) {
            Some(percent) if *percent > 0 => *percent as f64 / 100.0 * total as f64,
            _ => equal,
        };
        // The Go collector rounds down.
        Part { policy, share: share.trunc(), spans: 0.0 }
    });
    Ok(Policy::Composite(Composite { max_total: total as f64, parts: parts.collect(), second: 0 }))
}
