//! What policies ask of spans. Each question is asked of a span once, when it arrives, for however many policies.

use std::collections::HashSet;

use super::facts::{Facts, Total};
use crate::ops::ErrorMode;
use crate::ottl::{Predicate, Subject};
use crate::pattern::Pattern;
use crate::traces::arrivals::Watch;
use crate::tracestate;
use crate::view::{Map, Needs, ResourceView, ScopeView, SpanView, Value};

/// Which texts are meant.
#[derive(Debug)]
pub enum Texts {
    Exact(HashSet<Vec<u8>>),
    Patterns(Vec<Pattern>),
}

impl Texts {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(texts) => texts.contains(text),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

/// Conditions of which any may be true.
#[derive(Debug)]
pub struct Conditions {
    pub span: Vec<Predicate>,
    pub event: Vec<Predicate>,
    pub error_mode: ErrorMode,
}

/// A question that is answered by any span, or by any resource, for which it is true.
#[derive(Debug)]
pub enum Probe {
    /// An integer attribute in a range, bounds included. What is no integer counts as 0.
    Integer {
        key: Vec<u8>,
        min: i64,
        max: i64,
    },
    Text {
        key: Vec<u8>,
        texts: Texts,
    },
    Bool {
        key: Vec<u8>,
        value: bool,
    },
    /// A bit for each status code.
    Status(u8),
    TraceState {
        key: Vec<u8>,
        values: HashSet<Vec<u8>>,
    },
    /// The sampled flag of the trace context.
    Flagged,
    Conditions(Conditions),
    /// How long the trace has taken after one of its spans: more than `above`, and at most `at_most` milliseconds.
    Duration {
        above: i64,
        at_most: Option<i64>,
    },
}

/// All questions of a list of policies, and the attributes whose values are added up.
#[derive(Debug, Default)]
pub struct Probes {
    probes: Vec<Probe>,
    totals: Vec<Vec<u8>>,
    needs: Needs,
    has_resource_probes: bool,
    has_durations: bool,
}

impl Probes {
    /// Adds a question and gives its number.
    pub fn add(&mut self, probe: Probe) -> usize {
        let needs = match &probe {
            Probe::Integer { .. } | Probe::Text { .. } | Probe::Bool { .. } => {
                self.has_resource_probes = true;
                Needs { attributes: true, resource: true, ..Needs::default() }
            }
            Probe::Conditions(conditions) => {
                let all = conditions.span.iter().chain(&conditions.event);
                let needs = all.fold(Needs::default(), |needs, predicate| needs.union(predicate.needs()));
                Needs { events: needs.events || !conditions.event.is_empty(), ..needs }
            }
            Probe::Duration { .. } => {
                self.has_durations = true;
                Needs::default()
            }
            Probe::Status(_) | Probe::TraceState { .. } | Probe::Flagged => Needs::default(),
        };
        self.needs = self.needs.union(needs);
        self.probes.push(probe);
        self.probes.len() - 1
    }

    /// Has the values of an attribute added up, and gives the number of their total.
    pub fn total(&mut self, key: &str) -> usize {
        self.needs.attributes = true;
        let known = self.totals.iter().position(|other| other == key.as_bytes());
        known.unwrap_or_else(|| {
            self.totals.push(key.as_bytes().to_vec());
            self.totals.len() - 1
        })
    }

    /// How many questions there are.
    pub fn count(&self) -> usize {
        self.probes.len()
    }

    /// Asks what a trace has taken, which has changed.
    pub fn durations(&self, facts: &mut Facts) {
        for (number, probe) in self.probes.iter().enumerate() {
            if let Probe::Duration { above, at_most } = probe {
                let duration = facts.duration_ms();
                if duration > *above && at_most.is_none_or(|most| duration <= most) {
                    facts.found.add(number);
                }
            }
        }
    }
}

impl Watch for Probes {
    type Facts = Facts;

    fn needs(&self) -> Option<Needs> {
        (!self.probes.is_empty() || !self.totals.is_empty()).then_some(self.needs)
    }

    fn resource(&self, facts: &mut Facts, resource: &ResourceView<'_>) {
        if !self.has_resource_probes {
            return;
        }
        for (number, probe) in self.probes.iter().enumerate() {
            if probe.holds_for(resource.attributes(), true) == Some(true) {
                facts.found.add(number);
            }
        }
    }

    fn span(&self, facts: &mut Facts, span: &SpanView<'_>, scope: &ScopeView<'_>, resource: &ResourceView<'_>) {
        if self.has_durations {
            facts.times.push((span.start_time_unix_nano(), span.end_time_unix_nano()));
        }
        for (number, probe) in self.probes.iter().enumerate() {
            if facts.found.has(number) || facts.failed.has(number) {
                continue;
            }
            let holds = match probe {
                Probe::Integer { .. } | Probe::Text { .. } | Probe::Bool { .. } => {
                    probe.holds_for(span.attributes(), false) == Some(true)
                }
                Probe::Status(codes) => matches!(span.status().code, code @ 0..8 if codes >> code & 1 == 1),
                Probe::TraceState { key, values } => {
                    !span.trace_state().is_empty()
                        && tracestate::member(span.trace_state(), key).is_some_and(|value| values.contains(value))
                }
                Probe::Flagged => span.flags() & 1 == 1,
                Probe::Duration { .. } => false,
                Probe::Conditions(conditions) => match conditions.hold_for(span, scope, resource) {
                    Some(holds) => holds,
                    None => {
                        facts.failed.add(number);
                        false
                    }
                },
            };
            if holds {
                facts.found.add(number);
            }
        }
        if !self.totals.is_empty() {
            self.add_up(facts, span);
        }
    }
}

impl Probes {
    fn add_up(&self, facts: &mut Facts, span: &SpanView<'_>) {
        if facts.totals.is_empty() {
            facts.totals = vec![Total::default(); self.totals.len()].into_boxed_slice();
        }
        for (key, total) in self.totals.iter().zip(&mut facts.totals) {
            let value = match span.attributes().get(key) {
                Some(Value::Int(value)) => *value as f64,
                Some(Value::Double(value)) if value.is_finite() => *value,
                _ => continue,
            };
            total.count += 1;
            total.sum += value;
            total.max = total.max.max(value);
        }
    }
}

impl Probe {
    /// Whether attributes have what is looked for. `None` if this asks for something else.
    fn holds_for(&self, attributes: &Map<'_>, of_resource: bool) -> Option<bool> {
        Some(match self {
            Self::Integer { key, min, max } => attributes.get(key).is_some_and(|value| {
                let value = if let Value::Int(value) = value { *value } else { 0 };
                (*min..=*max).contains(&value)
            }),
            // An empty text on a span never counts; on a resource a pattern may match it, as in the Go collector.
            Self::Text { key, texts } => attributes.get(key).is_some_and(|value| {
                let text = value.as_text().unwrap_or_default();
                (of_resource || !text.is_empty()) && texts.matches(text)
            }),
            Self::Bool { key, value: wanted } => {
                attributes.get(key).is_some_and(|value| matches!(value, Value::Bool(true)) == *wanted)
            }
            _ => return None,
        })
    }
}

impl Conditions {
    /// Whether one of them is true, or `None` if one could not be evaluated before.
    fn hold_for<'v>(
        &'v self,
        span: &'v SpanView<'v>,
        scope: &'v ScopeView<'v>,
        resource: &'v ResourceView<'v>,
    ) -> Option<bool> {
        let subject = Subject::of_span(span, scope, resource);
        if self.any(&self.span, &subject)? {
            return Some(true);
        }
        if !self.event.is_empty() {
            for event in span.events() {
                if self.any(&self.event, &subject.with_event(event))? {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    fn any<'v>(&'v self, conditions: &'v [Predicate], subject: &Subject<'v>) -> Option<bool> {
        for condition in conditions {
            match condition.test(subject) {
                Ok(true) => return Some(true),
                Ok(false) => {}
                Err(_) if self.error_mode == ErrorMode::Propagate => return None,
                Err(_) => {}
            }
        }
        Some(false)
    }
}
