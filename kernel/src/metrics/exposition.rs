//! Metrics for Prometheus, in its text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! Series that look alike there are added up: of a resource only `job` and `instance` are told, and values that differ in
//! their types may read the same. An exponential histogram has no form in this format: of it the sum, the count and the
//! one bucket without a bound are shown.

use std::collections::BTreeMap;

use super::config::Config;
use super::names;
use super::point::{Aggregate, Point, Shape};
use super::resources::{Resource, Resources};
use crate::text::text;
use crate::view::Map;

/// Bytes of a family. Who has more series is better served by requests: a page is built whole.
const LONGEST: usize = 32 << 20;

/// A metric as it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pub name: String,
    pub kind: &'static str,
    pub help: &'static str,
}

/// All metrics, and the resources behind them.
pub fn families(config: &Config) -> Vec<Family> {
    let mut families: Vec<Family> = config
        .instruments
        .iter()
        .map(|instrument| Family {
            name: names::metric(instrument),
            kind: if matches!(instrument.shape, Shape::Count | Shape::Amount) { "counter" } else { "histogram" },
            help: instrument.help,
        })
        .collect();
    families.push(Family { name: "target_info".to_owned(), kind: "gauge", help: "Whose spans are counted." });
    families
}

/// The lines of a family, by its number.
pub fn series(config: &Config, resources: &Resources, family: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(instrument) = config.instruments.get(family) else {
        targets(config, resources, &mut out);
        return out;
    };
    let Some((number, group)) = config.groups.iter().enumerate().find(|(_, group)| group.instruments.contains(&family))
    else {
        return out;
    };
    let mut merged: BTreeMap<Vec<u8>, Sum> = BTreeMap::new();
    for resource in &resources.list {
        let target = target(config, resource);
        for series in resource.tables[number].series() {
            let point = &series.points[family - group.instruments.start];
            if point.count > 0 {
                let mut labels = target.clone();
                labels.attributes(&Map::decode(&series.attributes), |_| true);
                merged.entry(labels.written()).or_default().add(point);
            }
        }
    }
    let name = names::metric(instrument);
    let bounds: Vec<String> = match &instrument.shape {
        Shape::Explicit(bounds) => bounds.iter().map(|bound| number_text(*bound)).collect(),
        _ => Vec::new(),
    };
    let all = merged.len();
    for (written, (labels, sum)) in merged.into_iter().enumerate() {
        if out.len() > LONGEST {
            out.extend_from_slice(format!("# {} more series are left out here\n", all - written).as_bytes());
            break;
        }
        match &instrument.shape {
            Shape::Count => line(&mut out, &name, "", &labels, |out| put_count(out, sum.count)),
            Shape::Amount => line(&mut out, &name, "", &labels, |out| put_text(out, &number_text(sum.sum))),
            Shape::Explicit(_) | Shape::Exponential(_) => histogram(&mut out, &name, &labels, &bounds, &sum),
        }
    }
    out
}

/// What series that look alike have come to together.
#[derive(Default)]
struct Sum {
    count: u64,
    sum: f64,
    buckets: Vec<u64>,
}

impl Sum {
    fn add(&mut self, point: &Point) {
        self.count = self.count.saturating_add(point.count);
        match &point.aggregate {
            Aggregate::Count => {}
            Aggregate::Amount(amount) => self.sum += amount,
            Aggregate::Exponential(histogram) => self.sum += histogram.sum,
            Aggregate::Explicit { counts, sum } => {
                self.sum += sum;
                self.buckets.resize(counts.len(), 0);
                self.buckets.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
            }
        }
    }
}

/// The buckets, the sum and the count. Most of a page is buckets, which differ in their bounds and counts only.
fn histogram(out: &mut Vec<u8>, name: &str, labels: &[u8], bounds: &[String], sum: &Sum) {
    let mut head = Vec::with_capacity(name.len() + labels.len() + 16);
    put_text(&mut head, name);
    put_text(&mut head, "_bucket{");
    if !labels.is_empty() {
        head.extend_from_slice(labels);
        head.push(b',');
    }
    put_text(&mut head, "le=\"");
    let mut bucket = |bound: &str, count: u64| {
        out.extend_from_slice(&head);
        put_text(out, bound);
        put_text(out, "\"} ");
        put_count(out, count);
        out.push(b'\n');
    };
    let mut below = 0u64;
    for (bound, count) in bounds.iter().zip(&sum.buckets) {
        below = below.saturating_add(*count);
        bucket(bound, below);
    }
    bucket("+Inf", sum.count);
    line(out, name, "_sum", labels, |out| put_text(out, &number_text(sum.sum)));
    line(out, name, "_count", labels, |out| put_count(out, sum.count));
}

fn line(out: &mut Vec<u8>, name: &str, suffix: &str, labels: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
    put_text(out, name);
    put_text(out, suffix);
    if !labels.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels);
        out.push(b'}');
    }
    out.push(b' ');
    value(out);
    out.push(b'\n');
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn put_count(out: &mut Vec<u8>, mut count: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (count % 10) as u8;
        count /= 10;
        if count == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn number_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        crate::number::shortest(value, 2)
    }
}

/// Labels by name. Attributes whose names become the same share a label, as in the Go collector.
#[derive(Clone, Default)]
struct Labels(Vec<(String, Vec<u8>)>);

impl Labels {
    fn put(&mut self, name: String, value: &[u8]) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(b';');
                values.extend_from_slice(value);
            }
            None => self.0.push((name, value.to_vec())),
        }
    }

    fn attributes(&mut self, attributes: &Map<'_>, wanted: impl Fn(&[u8]) -> bool) {
        for entry in attributes.entries().iter().filter(|entry| wanted(&entry.key)) {
            self.put(names::label(&String::from_utf8_lossy(&entry.key)), &text(entry.value()));
        }
    }

    /// As they stand between the braces. An empty label is as good as none, and is left out.
    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            if !out.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            names::put_escaped(&mut out, value);
            out.push(b'"');
        }
        out
    }
}

const SERVICE: &[u8] = b"service.name";
const NAMESPACE: &[u8] = b"service.namespace";
const INSTANCE: &[u8] = b"service.instance.id";

/// The labels that say whose spans they are.
fn target(config: &Config, resource: &Resource) -> Labels {
    let attributes = Map::decode(&resource.attributes);
    let get = |name: &[u8]| attributes.get(name).map(|value| text(value).into_owned()).unwrap_or_default();
    let (namespace, mut job) = (get(NAMESPACE), get(SERVICE));
    if !namespace.is_empty() {
        job = [&namespace[..], &job[..]].join(&b'/');
    }
    let mut labels = Labels::default();
    labels.put("job".to_owned(), &job);
    labels.put("instance".to_owned(), &get(INSTANCE));
    labels.put("connector".to_owned(), config.label.as_bytes());
    labels
}

/// A line for each resource, with all of its attributes.
fn targets(config: &Config, resources: &Resources, out: &mut Vec<u8>) {
    let lines = resources.list.iter().map(|resource| {
        let mut labels = target(config, resource);
        labels.attributes(&Map::decode(&resource.attributes), |name| ![SERVICE, NAMESPACE, INSTANCE].contains(&name));
        labels.written()
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines.dedup();
    for labels in lines {
        line(out, "target_info", "", &labels, |out| out.push(b'1'));
    }
}
