//! Metrics as `ExportMetricsServiceRequest`s.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>

use super::config::{Config, Instrument};
use super::exponential::Exponential;
use super::point::{Aggregate, Exemplar, Point, Shape};
use super::resources::{Resource, Resources};
use super::series::Series;
use crate::wire::{
    WireType, begin_message, end_message, fields, put_bytes, put_fixed64, put_message, put_tag, put_varint,
    put_varint_field,
};

/// What the scope is called in metrics of the Go collector, by which dashboards may know them.
const SCOPE: &[u8] = b"spanmetricsconnector";
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// A whole request, and how many data points are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub data: Vec<u8>,
    pub points: u64,
}

/// All metrics, in requests of at most so many bytes; a single data point that is larger goes alone.
pub fn requests(config: &Config, resources: &Resources, now: u64, max_bytes: usize) -> Vec<Request> {
    let mut writer = Writer { config, max_bytes, done: Vec::new(), out: Vec::new(), points: 0, now };
    for resource in &resources.list {
        writer.resource(resource);
    }
    writer.cut();
    writer.done
}

/// The messages that are open while data points are written.
struct Open {
    resource: usize,
    scope: usize,
    metric: usize,
    data: usize,
}

struct Writer<'w> {
    config: &'w Config,
    max_bytes: usize,
    done: Vec<Request>,
    out: Vec<u8>,
    points: u64,
    now: u64,
}

impl Writer<'_> {
    fn resource(&mut self, resource: &Resource) {
        for (group, table) in self.config.groups.iter().zip(&resource.tables) {
            for (place, index) in group.instruments.clone().enumerate() {
                let instrument = &self.config.instruments[index];
                let mut open = None;
                for series in table.series() {
                    let point = &series.points[place];
                    if point.count == 0 {
                        continue;
                    }
                    let inside = open.take().unwrap_or_else(|| self.open(resource, instrument));
                    let mark = self.out.len();
                    put_message(&mut self.out, 1, |out| put_point(out, series, point, &instrument.shape, self.now));
                    if self.out.len() > self.max_bytes && self.points > 0 {
                        // It begins the next request.
                        let last = self.out.split_off(mark);
                        self.close(&inside, instrument);
                        self.cut();
                        let inside = self.open(resource, instrument);
                        self.out.extend_from_slice(&last);
                        open = Some(inside);
                    } else {
                        open = Some(inside);
                    }
                    self.points += 1;
                }
                if let Some(inside) = open {
                    self.close(&inside, instrument);
                }
            }
        }
    }

    fn open(&mut self, resource: &Resource, instrument: &Instrument) -> Open {
        let out = &mut self.out;
        let metrics = begin_message(out, 1);
        put_bytes(out, 1, &resource.attributes);
        let scope = begin_message(out, 2);
        put_message(out, 1, |out| put_bytes(out, 1, SCOPE));
        let metric = begin_message(out, 2);
        put_bytes(out, 1, instrument.name.as_bytes());
        put_bytes(out, 2, instrument.help.as_bytes());
        if !instrument.unit.is_empty() {
            put_bytes(out, 3, instrument.unit.as_bytes());
        }
        let data = begin_message(
            out,
            match instrument.shape {
                Shape::Count | Shape::Amount => 7,
                Shape::Explicit(_) => 9,
                Shape::Exponential(_) => 10,
            },
        );
        Open { resource: metrics, scope, metric, data }
    }

    fn close(&mut self, open: &Open, instrument: &Instrument) {
        let out = &mut self.out;
        put_varint_field(out, 2, if self.config.delta { DELTA } else { CUMULATIVE });
        if matches!(instrument.shape, Shape::Count | Shape::Amount) {
            put_varint_field(out, 3, 1); // monotonic
        }
        for mark in [open.data, open.metric, open.scope, open.resource] {
            end_message(out, mark);
        }
    }

    fn cut(&mut self) {
        if self.points > 0 {
            let data = std::mem::take(&mut self.out);
            self.done.push(Request { data, points: std::mem::take(&mut self.points) });
        }
        self.out.clear();
    }
}

fn put_point(out: &mut Vec<u8>, series: &Series, point: &Point, shape: &Shape, now: u64) {
    let (attributes, exemplars) = match shape {
        Shape::Count | Shape::Amount => (7, 5),
        Shape::Explicit(_) => (9, 8),
        Shape::Exponential(_) => (1, 11),
    };
    for attribute in fields(&series.attributes) {
        put_bytes(out, attributes, attribute.bytes);
    }
    // Clocks are set back now and then.
    put_fixed64(out, 2, series.start.min(now));
    put_fixed64(out, 3, now);
    match (&point.aggregate, shape) {
        (Aggregate::Count, _) => put_fixed64(out, 6, i64::try_from(point.count).unwrap_or(i64::MAX) as u64),
        (Aggregate::Amount(amount), _) => put_fixed64(out, 4, amount.to_bits()),
        (Aggregate::Explicit { counts, sum }, Shape::Explicit(bounds)) => {
            put_fixed64(out, 4, point.count);
            put_fixed64(out, 5, sum.to_bits());
            put_packed(out, 6, counts.iter().copied());
            put_packed(out, 7, bounds.iter().map(|bound| bound.to_bits()));
        }
        (Aggregate::Exponential(histogram), _) => put_exponential(out, histogram),
        (Aggregate::Explicit { .. }, _) => {}
    }
    for exemplar in &point.exemplars {
        put_message(out, exemplars, |out| put_exemplar(out, exemplar));
    }
}

fn put_packed(out: &mut Vec<u8>, number: u32, values: impl ExactSizeIterator<Item = u64>) {
    if values.len() > 0 {
        put_tag(out, number, WireType::Len);
        put_varint(out, 8 * values.len() as u64);
        values.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    }
}

fn put_exponential(out: &mut Vec<u8>, histogram: &Exponential) {
    let zigzag = |value: i32| u64::from((value << 1 ^ value >> 31) as u32);
    put_fixed64(out, 4, histogram.count);
    put_fixed64(out, 5, histogram.sum.to_bits());
    put_varint_field(out, 6, zigzag(histogram.scale()));
    put_fixed64(out, 7, histogram.zeros);
    put_message(out, 8, |out| {
        put_varint_field(out, 1, zigzag(histogram.offset));
        put_message(out, 2, |out| histogram.buckets.iter().for_each(|count| put_varint(out, *count)));
    });
    put_fixed64(out, 12, histogram.min.to_bits());
    put_fixed64(out, 13, histogram.max.to_bits());
}

fn put_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    put_fixed64(out, 2, exemplar.time);
    put_fixed64(out, 3, exemplar.value.to_bits());
    put_bytes(out, 4, &exemplar.span_id);
    put_bytes(out, 5, &exemplar.trace_id);
}
