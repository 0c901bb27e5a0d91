//! Traces from their first span to what becomes of them.

use serde_json::{Value as Json, json};

use super::sampler::{Sampler, Settings};
use crate::rope::SpanBatch;
use crate::samples::{batch, lines, put_attribute, resource_spans};
use crate::view::Value;
use crate::wire::{put_bytes, put_fixed64, put_message, put_varint_field};

/// A span of a trace, a root unless it is told otherwise.
struct Span {
    trace: u8,
    name: &'static str,
    parent: bool,
    status: u64,
    times: (u64, u64),
    attributes: Vec<(&'static str, Value<'static>)>,
}

fn span(trace: u8, name: &'static str) -> Span {
    Span { trace, name, parent: false, status: 0, times: (0, 0), attributes: Vec::new() }
}

impl Span {
    fn child(self) -> Self {
        Self { parent: true, ..self }
    }

    fn failed(self) -> Self {
        Self { status: 2, ..self }
    }

    /// In milliseconds.
    fn took(self, start: u64, end: u64) -> Self {
        Self { times: (start * 1_000_000, end * 1_000_000), ..self }
    }

    fn with(mut self, key: &'static str, value: Value<'static>) -> Self {
        self.attributes.push((key, value));
        self
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, &[self.trace; 16]);
        put_bytes(&mut out, 2, &[8; 8]);
        if self.parent {
            put_bytes(&mut out, 4, &[9; 8]);
        }
        put_bytes(&mut out, 5, self.name.as_bytes());
        put_fixed64(&mut out, 7, self.times.0);
        put_fixed64(&mut out, 8, self.times.1);
        for (key, value) in &self.attributes {
            put_attribute(&mut out, 9, key, value);
        }
        put_message(&mut out, 15, |out| put_varint_field(out, 3, self.status));
        out
    }
}

fn spans(spans: &[Span]) -> SpanBatch {
    let encoded: Vec<Vec<u8>> = spans.iter().map(Span::encode).collect();
    batch(resource_spans("s", &[&encoded]))
}

/// A sampler with these settings over reasonable ones.
fn sampler(settings: Json) -> Sampler {
    let mut all = json!({
        "decision_wait": 10.0,
        "num_traces": 100,
        "max_bytes": 1 << 20,
        "remember": true,
        "policies": [{"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}],
    });
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings: Settings = serde_json::from_value(all).unwrap();
    Sampler::new(settings, Box::new(|| ())).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The names of the spans that leave.
fn left(sampler: &Sampler) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(batch) = sampler.next() {
        sampler.leaving(-(batch.pinned() as isize));
        names.extend(lines(&batch).into_iter().map(|line| line[2..line.find('{').unwrap()].to_owned()));
    }
    names
}

fn decide(sampler: &Sampler, now: f64) -> Vec<String> {
    while sampler.decide(now) {}
    left(sampler)
}

#[test]
fn a_trace_waits_and_is_decided_about_as_a_whole() {
    let sampler = sampler(json!({}));
    sampler.offer(&spans(&[span(1, "a"), span(2, "b"), span(1, "c").child()]), 100.0).unwrap();
    sampler.offer(&spans(&[span(1, "d").child().failed()]), 105.0).unwrap();
    assert!(decide(&sampler, 109.9).is_empty());
    assert_eq!((sampler.spans(), sampler.traces()), (4, 2));
    assert_eq!(decide(&sampler, 110.1), ["a", "c", "d"]);
    let (counts, _) = sampler.counts();
    assert_eq!((counts.sampled, counts.not_sampled, counts.spans_dropped), (1, 1, 1));
    assert_eq!((sampler.spans(), sampler.traces(), sampler.bytes()), (0, 0, 0));
}

#[test]
fn late_spans_go_the_way_of_their_trace() {
    let sampler = sampler(json!({}));
    sampler.offer(&spans(&[span(1, "a").failed(), span(2, "b")]), 100.0).unwrap();
    decide(&sampler, 111.0);
    sampler.offer(&spans(&[span(1, "c"), span(2, "d").failed()]), 112.0).unwrap();
    assert_eq!(left(&sampler), ["c"]);
    let (counts, _) = sampler.counts();
    assert_eq!((counts.late, counts.spans_dropped, counts.new_traces), (2, 2, 2));
    assert_eq!(counts.late_ages.counts[1], 2);
}

#[test]
fn a_cache_remembers_what_was_forgotten_beside_the_traces() {
    let sampler = sampler(json!({"num_traces": 1, "sampled_cache_size": 10}));
    sampler.offer(&spans(&[span(1, "a").failed()]), 0.0).unwrap();
    sampler.offer(&spans(&[span(2, "b")]), 1.0).unwrap();
    sampler.offer(&spans(&[span(3, "c")]), 2.0).unwrap();
    sampler.offer(&spans(&[span(1, "d"), span(2, "e").failed()]), 3.0).unwrap();
    assert_eq!(left(&sampler), ["a", "d"]);
    let (counts, _) = sampler.counts();
    assert_eq!((counts.cached_sampled, counts.early[0], counts.new_traces), (1, 3, 4));
    assert_eq!(decide(&sampler, 20.0), ["e"], "nobody remembers that it was not sampled");
}

#[test]
fn a_root_that_has_come_ends_the_wait() {
    let sampler = sampler(json!({"decision_wait_after_root_received": 2.0}));
    sampler.offer(&spans(&[span(1, "a").child().failed()]), 100.0).unwrap();
    assert!(decide(&sampler, 103.0).is_empty());
    sampler.offer(&spans(&[span(1, "b")]), 105.0).unwrap();
    assert!(decide(&sampler, 106.9).is_empty());
    assert_eq!(decide(&sampler, 107.1), ["a", "b"]);
}

#[test]
fn a_root_that_comes_late_does_not_lengthen_the_wait() {
    let sampler = sampler(json!({"decision_wait_after_root_received": 5.0}));
    sampler.offer(&spans(&[span(1, "a").child().failed()]), 100.0).unwrap();
    sampler.offer(&spans(&[span(1, "b")]), 109.0).unwrap();
    assert_eq!(decide(&sampler, 110.1), ["a", "b"]);
}

#[test]
fn a_trace_that_grows_waits_longer_and_not_for_ever() {
    let sampler = sampler(json!({"decision_wait_after_last_span": 5.0, "max_decision_wait": 20.0}));
    for second in 0..30 {
        sampler.offer(&spans(&[span(1, "a").child().failed()]), f64::from(second)).unwrap();
        assert_eq!(decide(&sampler, f64::from(second) + 0.5).is_empty(), second < 20, "{second}");
    }
    sampler.offer(&spans(&[span(2, "b").failed()]), 100.0).unwrap();
    sampler.offer(&spans(&[span(2, "c")]), 108.0).unwrap();
    assert!(decide(&sampler, 112.9).is_empty());
    assert_eq!(decide(&sampler, 113.1), ["b", "c"]);
}

#[test]
fn what_cannot_change_any_more_is_decided_at_once() {
    let policies = json!([
        {"name": "drop", "type": "drop", "drop": {"drop_sub_policy": [
            {"type": "string_attribute", "string_attribute": {"key": "path", "values": ["/health"]}}]}},
        {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
    ]);
    let early = |policies| sampler(json!({"decide_early": true, "policies": policies}));
    let sampler = early(json!([policies[1]]));
    sampler.offer(&spans(&[span(1, "a"), span(2, "b")]), 0.0).unwrap();
    assert!(left(&sampler).is_empty());
    sampler.offer(&spans(&[span(1, "c").failed()]), 1.0).unwrap();
    assert_eq!(left(&sampler), ["a", "c"]);
    sampler.offer(&spans(&[span(1, "d")]), 2.0).unwrap();
    assert_eq!(left(&sampler), ["d"]);
    // A policy that drops may still come to it.
    let sampler = early(policies);
    sampler.offer(&spans(&[span(1, "a").failed(), span(2, "b").failed()]), 0.0).unwrap();
    assert!(left(&sampler).is_empty());
    sampler.offer(&spans(&[span(1, "c").with("path", Value::text(b"/health".to_vec()))]), 1.0).unwrap();
    assert_eq!((sampler.traces(), sampler.counts().0.dropped), (1, 1));
    assert_eq!(decide(&sampler, 11.0), ["b"]);
}

#[test]
fn the_oldest_are_decided_about_where_there_are_too_many() {
    let sampler = sampler(json!({"num_traces": 3}));
    for trace in 1..=5 {
        sampler.offer(&spans(&[span(trace, "a").failed()]), f64::from(trace)).unwrap();
    }
    assert_eq!((left(&sampler).len(), sampler.traces()), (2, 3));
    assert_eq!(sampler.counts().0.early, [2, 0, 0, 0]);
}

#[test]
fn new_traces_are_refused_where_that_is_asked_for() {
    let sampler = sampler(json!({"num_traces": 2, "block_on_overflow": true}));
    sampler.offer(&spans(&[span(1, "a").failed(), span(2, "b")]), 0.0).unwrap();
    assert!(sampler.offer(&spans(&[span(2, "c"), span(3, "d")]), 1.0).is_err());
    sampler.offer(&spans(&[span(2, "c")]), 1.0).unwrap();
    assert_eq!(decide(&sampler, 11.0), ["a"]);
    sampler.offer(&spans(&[span(3, "d")]), 12.0).unwrap();
    assert_eq!((sampler.traces(), sampler.counts().0.early), (1, [0; 4]));
}

#[test]
fn memory_is_bounded_and_the_oldest_make_room() {
    let sampler = sampler(json!({"max_bytes": 20_000}));
    for trace in 0..200u8 {
        sampler.offer(&spans(&[span(trace, "a"), span(trace, "b").child()]), f64::from(trace) / 100.0).unwrap();
        assert!(sampler.bytes() <= 20_000);
    }
    let counts = sampler.counts().0;
    assert_eq!(counts.early[0] + counts.early[1] + sampler.traces() as u64, 200);
    assert!(counts.early[1] > 100);
    // Decisions are remembered in what is left, and in an eighth where nothing is.
    let remembered = (sampler.on_memory() - sampler.traces()) * 104;
    assert!(sampler.bytes() + remembered <= 20_000 && remembered > 2000, "{remembered}");
}

#[test]
fn what_the_next_stage_does_not_take_keeps_new_spans_out() {
    let sampler = sampler(json!({"max_bytes": 20_000}));
    let mut offered = 0;
    while sampler.offer(&spans(&[span(offered, "a").failed()]), f64::from(offered) * 20.0).is_ok() {
        while sampler.decide(f64::from(offered) * 20.0) {}
        offered += 1;
        assert!(offered < 250 && sampler.bytes() <= 21_000);
    }
    assert!(!sampler.decide(1e9), "what waits stays while there is no room for it");
    let taken = sampler.next().unwrap();
    assert!(sampler.offer(&spans(&[span(251, "b")]), 1e9).is_err());
    sampler.leaving(-(taken.pinned() as isize));
    assert!(sampler.offer(&spans(&[span(251, "b")]), 1e9).is_ok());
}

#[test]
fn a_trace_that_grows_too_large_is_not_sampled_and_its_memory_is_free() {
    let sampler = sampler(json!({"maximum_trace_size_bytes": 1000}));
    for _ in 0..30 {
        sampler.offer(&spans(&[span(1, "a").failed()]), 1.0).unwrap();
    }
    let counts = sampler.counts().0;
    assert_eq!((counts.too_large, counts.spans_dropped, sampler.traces(), sampler.bytes()), (1, 30, 0, 0));
}

#[test]
fn a_trace_of_a_million_spans_is_bounded() {
    let sampler = sampler(json!({"max_bytes": 1 << 20}));
    let many: Vec<Span> = (0..1000).map(|_| span(1, "a").failed()).collect();
    let many = spans(&many);
    let mut left = 0;
    for _ in 0..1000 {
        sampler.offer(&many, 1.0).unwrap();
        assert!(sampler.bytes() < 2 << 20);
        while let Some(batch) = sampler.next() {
            left += batch.len();
            sampler.leaving(-(batch.pinned() as isize));
        }
    }
    assert_eq!(left + sampler.spans(), 1_000_000);
    assert_eq!(sampler.counts().0.early[1], 1);
}

#[test]
fn a_clock_that_jumps_back_decides_nothing_twice_and_nothing_never() {
    let sampler = sampler(json!({}));
    sampler.offer(&spans(&[span(1, "a").failed()]), 1000.0).unwrap();
    sampler.offer(&spans(&[span(2, "b").failed()]), 5.0).unwrap();
    assert!(decide(&sampler, 7.0).is_empty());
    assert_eq!(decide(&sampler, 1010.1), ["a", "b"]);
    assert_eq!(sampler.watch(), None);
}

#[test]
fn who_takes_is_rung_for_when_he_would_look_too_late() {
    let sampler = sampler(json!({"decision_wait_after_root_received": 1.0}));
    let offer = |trace, parent, now| {
        let span = if parent { span(trace, "a").child() } else { span(trace, "a") };
        sampler.offer(&spans(&[span.failed()]), now).unwrap()
    };
    assert!(offer(1, true, 100.0), "nobody watches");
    assert!(!offer(2, true, 100.0), "rung already");
    assert_eq!(sampler.watch().map(f64::round), Some(110.0));
    assert!(!offer(3, true, 101.0), "due later than that");
    assert!(offer(4, false, 101.0), "due earlier");
    assert_eq!(sampler.watch().map(f64::round), Some(102.0));
    decide(&sampler, 200.0);
    assert_eq!(sampler.watch(), None);
    assert!(offer(4, true, 201.0), "late spans leave at once");
    assert!(sampler.watch().is_some(), "what leaves was not taken out");
}

#[test]
fn another_one_takes_over_what_waits_and_what_is_remembered() {
    let old = sampler(json!({}));
    old.offer(&spans(&[span(1, "a"), span(2, "b").failed(), span(3, "c").failed()]), 100.0).unwrap();
    decide(&old, 110.1);
    old.offer(&spans(&[span(4, "d").child(), span(5, "e").failed()]), 120.0).unwrap();
    let latency = json!([{"name": "slow", "type": "latency", "latency": {"threshold_ms": 10}}]);
    let new = sampler(json!({"policies": latency, "decision_wait": 12.0}));
    new.take_over(&old, 125.0);
    assert_eq!((old.traces(), old.bytes(), new.traces(), new.spans()), (0, 0, 2, 2));
    new.offer(&spans(&[span(2, "f"), span(1, "g"), span(4, "h").took(5, 50)]), 126.0).unwrap();
    assert_eq!(left(&new), ["f"]);
    assert!(decide(&new, 131.9).is_empty());
    assert_eq!(decide(&new, 132.1), ["d", "h"]);
}

#[test]
fn numbers_of_the_whole_trace() {
    let sample = |section: Json, values: &[Value<'static>]| {
        let kind = section.as_object().unwrap().keys().next().unwrap().clone();
        let policy = json!({"name": "n", "type": kind, &kind: section[&kind]});
        let sampler = sampler(json!({"policies": [policy]}));
        for value in values {
            sampler.offer(&spans(&[span(1, "a").with("n", value.clone())]), 0.0).unwrap();
        }
        sampler.offer(&spans(&[span(1, "b")]), 0.0).unwrap();
        !decide(&sampler, 11.0).is_empty()
    };
    let values = [Value::Int(3), Value::Double(2.5), Value::text(b"9".to_vec())];
    assert!(sample(json!({"trace_sum": {"key": "n", "min_value": 5.5}}), &values));
    assert!(!sample(json!({"trace_sum": {"key": "n", "min_value": 5.6}}), &values));
    assert!(sample(json!({"trace_sum": {"key": "n", "max_value": 5.5}}), &values));
    assert!(sample(json!({"trace_max": {"key": "n", "min_value": 3.0, "max_value": 3.0}}), &values));
    assert!(!sample(json!({"trace_max": {"key": "n", "min_value": 3.1}}), &values));
    assert!(sample(json!({"trace_count": {"key": "n", "min_value": 2.0, "max_value": 2.0}}), &values));
    assert!(!sample(json!({"trace_sum": {"key": "m", "max_value": 5.0}}), &values), "no span has it");
    assert!(sample(json!({"trace_count": {"key": "m", "max_value": 0.0}}), &values));
}

#[test]
fn another_run_goes_on_where_the_one_before_has_ended() {
    let path = std::env::temp_dir().join(format!("spanmill-{}-saved", std::process::id()));
    let old = sampler(json!({}));
    let many: Vec<Span> = (10..200).map(|trace| span(trace, "x")).collect();
    old.offer(&spans(&many), 90.0).unwrap();
    old.offer(&spans(&[span(1, "a"), span(2, "b").failed()]), 91.0).unwrap();
    decide(&old, 101.1);
    old.offer(&spans(&[span(3, "c"), span(4, "d").failed()]), 104.0).unwrap();
    old.offer(&spans(&[span(3, "e").failed()]), 107.0).unwrap();
    old.decide(107.0);
    let saved = old.save(&path).unwrap();
    assert_eq!((saved.traces, saved.spans, old.traces(), old.spans()), (2, 3, 0, 0));

    // The clock of another run begins anywhere.
    let new = sampler(json!({}));
    let restored = new.restore(&path, 5.0).unwrap();
    assert_eq!((restored.traces, restored.spans, restored.lost, restored.is_damaged), (2, 3, 0, false));
    assert!(!path.exists());
    new.offer(&spans(&[span(1, "f").failed(), span(2, "g"), span(3, "h")]), 6.0).unwrap();
    assert_eq!(left(&new), ["g"], "decisions are remembered");
    assert!(decide(&new, 11.9).is_empty());
    assert_eq!(decide(&new, 12.1), ["c", "e", "h", "d"]);
    assert_eq!(new.restore(&path, 20.0).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn what_is_damaged_on_disk_is_counted_and_the_rest_is_there() {
    let path = std::env::temp_dir().join(format!("spanmill-{}-damaged", std::process::id()));
    let old = sampler(json!({}));
    old.offer(&spans(&(0..50).map(|trace| span(trace, "a").failed()).collect::<Vec<_>>()), 0.0).unwrap();
    old.save(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let new = sampler(json!({}));
    let restored = new.restore(&path, 5.0).unwrap();
    assert_eq!((restored.spans, restored.lost, restored.is_damaged), (49, 1, true));
    std::fs::write(&path, b"rubbish").unwrap();
    assert_eq!(new.restore(&path, 5.0).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    let aside = path.with_extension("unreadable");
    assert!(!path.exists() && std::fs::remove_file(aside).is_ok());
    assert!(old.save(std::path::Path::new("/nowhere/at/all")).is_err());
    assert_eq!(new.traces(), 49);
}

/// What the spans that leave have as these attributes.
fn marks(sampler: &Sampler) -> Vec<String> {
    let mut marks = Vec::new();
    while let Some(batch) = sampler.next() {
        marks.extend(lines(&batch).into_iter().map(|line| line[line.find('{').unwrap()..].to_owned()));
    }
    marks
}

#[test]
fn sampled_spans_say_which_policy_sampled_them_and_how_many_they_stand_for() {
    let policies = json!([
        {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        {"name": "half", "type": "probabilistic", "probabilistic": {"sampling_percentage": 50}},
    ]);
    let sampler = sampler(json!({"policies": policies, "record_policy": true}));
    let others = (2..60).map(|trace| span(trace, "b"));
    sampler.offer(&spans(&std::iter::once(span(1, "a").failed()).chain(others).collect::<Vec<_>>()), 0.0).unwrap();
    while sampler.decide(11.0) {}
    let found = marks(&sampler);
    assert_eq!(found[0], "{sampling.policy=errors,sampling.weight=Double(1.0)}");
    assert!(found.len() > 10 && found.len() < 50);
    assert!(found[1..].iter().all(|mark| mark == "{sampling.policy=half,sampling.weight=Double(2.0)}"));
    sampler.offer(&spans(&[span(1, "f")]), 12.0).unwrap();
    assert_eq!(marks(&sampler), [found[0].clone()], "late spans say the same");
}

#[test]
fn weights_add_up_to_the_traces_that_there_were() {
    let policies = json!([
        {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        {"name": "some", "type": "probabilistic", "probabilistic": {"sampling_percentage": 10}},
        {"name": "more", "type": "probabilistic", "probabilistic": {"sampling_percentage": 20, "hash_salt": "other"}},
    ]);
    let all = 40_000_u32;
    let sampler = sampler(json!({
        "policies": policies, "record_policy": true, "max_bytes": 1 << 30, "num_traces": 100_000, "decide_early": true}));
    let mut weights = Vec::new();
    for number in 0..all {
        let mut one = span(0, "a").encode();
        one[2..18]
            .copy_from_slice(&u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes());
        sampler.offer(&batch(resource_spans("s", &[&[one]])), 0.0).unwrap();
        if number % 1000 == 0 {
            while sampler.decide(11.0) {}
        }
        weights.extend(marks(&sampler));
    }
    while sampler.decide_all(1000.0) {}
    weights.extend(marks(&sampler));
    let weight = |mark: &String| mark[mark.find("Double(").unwrap() + 7..mark.len() - 2].parse::<f64>().unwrap();
    let sum: f64 = weights.iter().map(weight).sum();
    // A trace is sampled with probability p = 0.28 and then counts 1 / p: the sum deviates by sqrt(n (1 - p) / p), 321.
    assert!((sum - f64::from(all)).abs() < 5.0 * 321.0, "{sum}");
}

#[test]
fn near_the_bound_new_traces_are_decided_about_by_chance() {
    let stress = json!({
        "sampling_percentage": 50.0, "activation_percentage": 50.0, "deactivation_percentage": 25.0, "minimum_duration": 5.0});
    let sampler = sampler(json!({"max_bytes": 40_000, "num_traces": 1000, "stress": stress}));
    let mut offered = 0;
    while !sampler.is_stressed() {
        sampler.offer(&spans(&[span(offered, "a")]), 0.0).unwrap();
        offered += 1;
    }
    assert!(sampler.bytes() < 22_000);
    let (held, before) = (sampler.traces(), sampler.counts().0);
    let random = |number: u8| {
        let mut one = span(0, "b").encode();
        let id = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 1;
        one[2..18].copy_from_slice(&id.to_be_bytes());
        batch(resource_spans("s", &[&[one]]))
    };
    for number in 0..100 {
        sampler.offer(&random(number), 1.0).unwrap();
    }
    let counts = sampler.counts().0;
    assert_eq!((sampler.traces(), counts.stressed - before.stressed), (held, 100));
    let sampled = counts.sampled - before.sampled;
    assert!((25..=75).contains(&sampled), "{sampled}");
    assert_eq!(sampled + counts.spans_dropped - before.spans_dropped, 100);
    let mut kept = 0;
    while let Some(batch) = sampler.next() {
        crate::samples::visit(&batch.encode(), |_, _, span| assert_eq!(span.trace_state(), b"ot=th:8"));
        kept += batch.len() as u64;
        sampler.leaving(-(batch.pinned() as isize));
    }
    assert_eq!(kept, sampled);
    // It is the same for later spans, also when it is over.
    while sampler.decide(20.0) {}
    sampler.offer(&spans(&[span(254, "c").failed()]), 20.0).unwrap();
    assert!(!sampler.is_stressed());
    let before = sampler.counts().0;
    for number in 0..100 {
        sampler.offer(&random(number), 21.0).unwrap();
    }
    let counts = sampler.counts().0;
    assert_eq!((counts.late - before.late, counts.spans_dropped - before.spans_dropped), (100, 100 - sampled));
}

#[test]
fn what_is_wrong_with_policies_is_said_with_its_place() {
    let errors = |policies: Json| {
        let settings = serde_json::from_value(json!({"policies": policies})).unwrap();
        let Err(errors) = Sampler::new(settings, Box::new(|| ())) else { panic!("nothing is wrong") };
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        errors(json!([
            {"name": "", "type": "always_sample"},
            {"name": "a", "type": "and", "and": {"and_sub_policy": [
                {"type": "latency", "latency": {"threshold_ms": 5, "upper_threshold_ms": 5}},
                {"type": "not", "not": {}},
                {"type": "composite"}]}},
            {"name": "a", "type": "string_attribute", "string_attribute": {"key": "k", "values": [""]}},
        ])),
        [
            "policies[0]::name: must not be empty",
            "policies[1]::and::and_sub_policy[0]::latency::upper_threshold_ms: must be more than threshold_ms 5, or 0 for \
             none, got 5",
            "policies[1]::and::and_sub_policy[1]::not::not_sub_policy: is required",
            "policies[1]::and::and_sub_policy[2]::type: composite cannot stand inside another policy here",
            "policies[2]::name: another policy is called \"a\" already",
            "policies[2]::string_attribute::values: needs at least one value that is not empty",
        ]
    );
}
