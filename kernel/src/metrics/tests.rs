//! Whole batches in, requests and pages out.

use super::settings::{Buckets, DimensionSettings, HistogramSettings, Settings, Unit};
use super::*;
use crate::samples;

fn settings() -> Settings {
    let histogram = HistogramSettings {
        unit: Unit::Milliseconds,
        buckets: Buckets::Explicit(vec![0.002, 0.01]),
        dimensions: Vec::new(),
    };
    Settings {
        namespace: "traces.span.metrics".to_owned(),
        instance: String::new(),
        label: String::new(),
        dimensions: Vec::new(),
        calls_dimensions: Vec::new(),
        event_dimensions: None,
        exclude_dimensions: Vec::new(),
        scopes: Vec::new(),
        histogram: Some(histogram),
        delta: false,
        metrics_expiration: 0.0,
        series_expiration: 0.0,
        start_times: 1000,
        resources: 1000,
        resource_key: Vec::new(),
        exemplars: 0,
        cardinality: 0,
        max_bytes: 0,
        sampling_method: false,
        weight_attribute: String::new(),
        gen_ai: None,
    }
}

fn spans(service: &str, names: &[&str]) -> SpanBatch {
    let spans: Vec<_> = names.iter().map(|name| samples::span(name, &[("http.route", "/")])).collect();
    samples::batch(samples::resource_spans(service, &[&spans]))
}

fn page(metrics: &SpanMetrics, family: usize) -> String {
    String::from_utf8(metrics.exposition(family)).unwrap()
}

#[test]
fn spans_are_counted_by_what_they_are() {
    let mut metrics = SpanMetrics::new(settings()).unwrap();
    metrics.consume(&spans("shop", &["a", "b", "a"]), 1);

    assert_eq!(
        page(&metrics, 0),
        r#"traces_span_metrics_calls_total{job="shop",service_name="shop",span_name="a",span_kind="SPAN_KIND_UNSPECIFIED",status_code="STATUS_CODE_UNSET"} 2
traces_span_metrics_calls_total{job="shop",service_name="shop",span_name="b",span_kind="SPAN_KIND_UNSPECIFIED",status_code="STATUS_CODE_UNSET"} 1
"#
    );
    let durations = page(&metrics, 1);
    assert!(durations.starts_with("traces_span_metrics_duration_milliseconds_bucket{job=\"shop\""), "{durations}");
    assert!(durations.contains("le=\"2\"} 2\n") && durations.contains("le=\"+Inf\"} 2\n"), "{durations}");
    assert_eq!((metrics.counts().counted, metrics.counts().series), (3, 2));
}

#[test]
fn requests_are_cut_between_data_points() {
    let mut metrics = SpanMetrics::new(settings()).unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("span {number}")).collect();
    metrics.consume(&spans("shop", &names.iter().map(String::as_str).collect::<Vec<_>>()), 1);

    let whole = metrics.flush(2, usize::MAX);
    let parts = metrics.flush(2, 4096);

    assert_eq!((whole.len(), whole[0].points), (1, 200));
    assert_eq!(parts.iter().map(|part| part.points).sum::<u64>(), 200);
    assert!(parts.len() > 5 && parts.iter().all(|part| part.data.len() < 4096 + 512));
}

#[test]
fn memory_is_bounded() {
    let mut metrics = SpanMetrics::new(Settings { max_bytes: 10_000, ..settings() }).unwrap();
    let names: Vec<String> = (0..1000).map(|number| format!("span {number}")).collect();
    metrics.consume(&spans("shop", &names.iter().map(String::as_str).collect::<Vec<_>>()), 1);
    let counts = metrics.counts();
    assert!(counts.overflowed > 900 && counts.bytes < 12_000 && counts.counted == 1000, "{counts:?}");

    metrics.consume(&spans("another", &["a"]), 1);
    assert_eq!(metrics.counts().homeless, 1);
}

#[test]
fn the_least_recently_used_resources_go() {
    let mut metrics = SpanMetrics::new(Settings { resources: 2, ..settings() }).unwrap();
    for service in ["a", "b", "c", "a"] {
        metrics.consume(&spans(service, &["x"]), 1);
    }
    assert_eq!(metrics.flush(2, usize::MAX)[0].points, 6);
    assert_eq!(metrics.flush(3, usize::MAX)[0].points, 4);
    assert!(!page(&metrics, 0).contains("job=\"b\""));
    assert_eq!(metrics.counts().evicted, 1);
}

#[test]
fn what_was_silent_for_too_long_expires_after_it_was_told_once_more() {
    let second = 1_000_000_000;
    let mut metrics = SpanMetrics::new(Settings { series_expiration: 10.0, ..settings() }).unwrap();
    metrics.consume(&spans("shop", &["a", "b"]), second);
    metrics.consume(&spans("shop", &["b"]), 5 * second);

    assert_eq!(metrics.flush(11 * second, usize::MAX)[0].points, 4);
    assert_eq!(metrics.flush(12 * second, usize::MAX)[0].points, 2);
    metrics.flush(16 * second, usize::MAX);
    assert!(metrics.flush(17 * second, usize::MAX).is_empty());
}

#[test]
fn delta_forgets_and_goes_on_where_it_stopped() {
    let mut metrics = SpanMetrics::new(Settings { delta: true, ..settings() }).unwrap();
    metrics.consume(&spans("shop", &["a"]), 10);
    let start = |request: &Request, time: u64| memchr::memmem::find(&request.data, &time.to_le_bytes()).is_some();

    assert!(start(&metrics.flush(20, usize::MAX)[0], 10));
    assert!(metrics.flush(30, usize::MAX).is_empty());
    metrics.consume(&spans("shop", &["a"]), 35);
    assert!(start(&metrics.flush(40, usize::MAX)[0], 20));
    assert_eq!(metrics.counts().bytes, 0);
}

#[test]
fn only_so_many_ends_are_remembered() {
    let mut metrics = SpanMetrics::new(Settings { delta: true, start_times: 2, ..settings() }).unwrap();
    for now in [10, 20, 30] {
        metrics.consume(&spans("shop", &["a", "b", "c", "d"]), now);
        metrics.flush(now + 5, usize::MAX);
        assert_eq!(metrics.flushed.len(), 2);
    }
}

#[test]
fn what_overflows_has_intervals_of_its_own() {
    let mut metrics = SpanMetrics::new(Settings { delta: true, cardinality: 1, ..settings() }).unwrap();
    let overflow = |metrics: &SpanMetrics| {
        let series = metrics.resources.list[0].tables[0].series();
        series.iter().find(|series| series.is_overflow).map(|series| series.start)
    };
    metrics.consume(&spans("shop", &["a", "b"]), 10);
    assert_eq!(overflow(&metrics), Some(10));
    metrics.flush(15, usize::MAX);
    metrics.consume(&spans("shop", &["b"]), 20);
    metrics.flush(25, usize::MAX);
    metrics.consume(&spans("shop", &["c", "a"]), 30);
    assert_eq!(overflow(&metrics), Some(15));
}

#[test]
fn dimensions_make_series() {
    let dimension = |name: &str| DimensionSettings { name: name.to_owned(), ..Default::default() };
    let mut metrics =
        SpanMetrics::new(Settings { calls_dimensions: vec![dimension("http.route")], ..settings() }).unwrap();
    metrics.consume(&spans("shop", &["a"]), 1);

    assert!(page(&metrics, 0).contains("http_route=\"/\""));
    assert!(!page(&metrics, 1).contains("http_route"));
    assert_eq!(page(&metrics, 2), "target_info{job=\"shop\"} 1\n");
}
