//! `Traces`: traces that wait for a decision, as Python sees them.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pythonize::Depythonizer;

use super::batch::SpanBatch;
use super::errors::all_of;
use super::guarded;
use super::plan::Bell;
use crate::ops::read;
use crate::tail::counts::Counts;
use crate::tail::sampler::Sampler;
use crate::traces::ages::{AGES, Ages};

#[pyclass(frozen, module = "collector._kernel")]
pub struct Traces(pub Arc<Sampler>);

#[pymethods]
impl Traces {
    #[new]
    fn new(bell: &Bell, settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = settings.py();
        let sampler = read(&mut Depythonizer::from_object(settings))
            .and_then(|settings| Sampler::new(settings, bell.wake()))
            .map_err(|errors| all_of(py, errors))?;
        Ok(Self(Arc::new(sampler)))
    }

    fn offer(&self, py: Python<'_>, batch: &SpanBatch, now: f64) -> PyResult<Option<String>> {
        let offered = guarded(py, batch.0.size(), || self.0.offer(&batch.0, now))?;
        Ok(offered.err().map(|refused| refused.message))
    }

    fn decide(&self, py: Python<'_>, now: f64) -> PyResult<bool> {
        guarded(py, usize::MAX, || self.0.decide(now))
    }

    fn decide_all(&self, py: Python<'_>, now: f64) -> PyResult<bool> {
        guarded(py, usize::MAX, || self.0.decide_all(now))
    }

    fn discard(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(py, usize::MAX, || self.0.discard())
    }

    fn take_over(&self, py: Python<'_>, other: &Self, now: f64) -> PyResult<()> {
        guarded(py, usize::MAX, || self.0.take_over(&other.0, now))
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<(u64, u64)> {
        let saved = guarded(py, usize::MAX, || self.0.save(&path))??;
        Ok((saved.traces, saved.spans))
    }

    fn restore(&self, py: Python<'_>, path: PathBuf, now: f64) -> PyResult<Option<(u64, u64, u64, bool)>> {
        match guarded(py, usize::MAX, || self.0.restore(&path, now))? {
            Ok(found) => Ok(Some((found.traces, found.spans, found.lost, found.is_damaged))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn close(&self) {
        self.0.close();
    }

    fn watch(&self) -> Option<f64> {
        self.0.watch()
    }

    fn next(&self) -> Option<SpanBatch> {
        self.0.next().map(SpanBatch)
    }

    fn leaving(&self, size: isize) {
        self.0.leaving(size);
    }

    fn counts(&self) -> TraceCounts {
        let (counts, tallies) = self.0.counts();
        let policies = tallies.into_iter().map(|(name, tally)| PolicyCounts {
            name,
            sampled: tally.sampled,
            not_sampled: tally.not_sampled,
            dropped: tally.dropped,
            failed: tally.failed,
        });
        TraceCounts { counts, policies: policies.collect() }
    }

    #[getter]
    fn spans_dropped(&self) -> u64 {
        self.0.spans_dropped()
    }

    #[getter]
    fn is_stressed(&self) -> bool {
        self.0.is_stressed()
    }

    #[getter]
    fn traces(&self) -> usize {
        self.0.traces()
    }

    #[getter]
    fn on_memory(&self) -> usize {
        self.0.on_memory()
    }

    #[getter]
    fn spans(&self) -> usize {
        self.0.spans()
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

#[pyclass(frozen, get_all, skip_from_py_object, module = "collector._kernel")]
#[derive(Clone)]
pub struct PolicyCounts {
    name: String,
    sampled: u64,
    not_sampled: u64,
    dropped: u64,
    failed: u64,
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct TraceCounts {
    counts: Counts,
    policies: Vec<PolicyCounts>,
}

type Histogram = (Vec<f64>, Vec<u64>, f64);

fn histogram(ages: &Ages) -> Histogram {
    (AGES.to_vec(), ages.counts.to_vec(), ages.sum)
}

#[pymethods]
impl TraceCounts {
    #[getter]
    fn new_traces(&self) -> u64 {
        self.counts.new_traces
    }

    #[getter]
    fn sampled(&self) -> u64 {
        self.counts.sampled
    }

    #[getter]
    fn not_sampled(&self) -> u64 {
        self.counts.not_sampled
    }

    #[getter]
    fn dropped(&self) -> u64 {
        self.counts.dropped
    }

    #[getter]
    fn early(&self) -> [u64; 4] {
        self.counts.early
    }

    #[getter]
    fn too_large(&self) -> u64 {
        self.counts.too_large
    }

    #[getter]
    fn cached_sampled(&self) -> u64 {
        self.counts.cached_sampled
    }

    #[getter]
    fn cached_not_sampled(&self) -> u64 {
        self.counts.cached_not_sampled
    }

    #[getter]
    fn late(&self) -> u64 {
        self.counts.late
    }

    #[getter]
    fn stressed(&self) -> u64 {
        self.counts.stressed
    }

    #[getter]
    fn late_ages(&self) -> Histogram {
        histogram(&self.counts.late_ages)
    }

    #[getter]
    fn removal_ages(&self) -> Histogram {
        histogram(&self.counts.removal_ages)
    }

    #[getter]
    fn policies(&self) -> Vec<PolicyCounts> {
        self.policies.clone()
    }
}
