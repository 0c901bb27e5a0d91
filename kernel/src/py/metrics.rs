//! `SpanMetrics` as Python sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pythonize::Depythonizer;

use super::batch::SpanBatch;
use super::errors::all_of;
use super::{RELEASE_ABOVE_BYTES, guarded};
use crate::error::OptionError;
use crate::metrics;

/// What takes long however many bytes there are: the interpreter is released for it.
const LONG: usize = RELEASE_ABOVE_BYTES + 1;

#[pyclass(frozen, module = "collector._kernel")]
pub struct SpanMetrics(Mutex<metrics::SpanMetrics>);

impl SpanMetrics {
    fn lock(&self) -> MutexGuard<'_, metrics::SpanMetrics> {
        // After a panic counts may be off by a batch, and no more.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl SpanMetrics {
    #[new]
    fn new(settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        let read = serde_path_to_error::deserialize(&mut Depythonizer::from_object(settings)).map_err(|error| {
            let path = error.path().to_string().replace('.', "::");
            vec![OptionError::new(path, error.into_inner().to_string())]
        });
        let made = read.and_then(metrics::SpanMetrics::new);
        Ok(Self(Mutex::new(made.map_err(|errors| all_of(settings.py(), errors))?)))
    }

    fn consume(&self, py: Python<'_>, batch: &SpanBatch, now: u64) -> PyResult<()> {
        // Somebody may be writing all series: nobody else should wait for that.
        let size = if self.0.try_lock().is_err() { LONG } else { batch.0.size() };
        guarded(py, size, || self.lock().consume(&batch.0, now))
    }

    fn flush<'py>(&self, py: Python<'py>, now: u64, max_bytes: usize) -> PyResult<Vec<(Bound<'py, PyBytes>, u64)>> {
        let requests = guarded(py, LONG, || self.lock().flush(now, max_bytes))?;
        Ok(requests.into_iter().map(|request| (PyBytes::new(py, &request.data), request.points)).collect())
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = guarded(py, 0, || self.lock().counts())?;
        let found = PyDict::new(py);
        for (name, count) in [
            ("counted", counts.counted),
            ("unnamed", counts.unnamed),
            ("homeless", counts.homeless),
            ("overflowed", counts.overflowed),
            ("evicted", counts.evicted),
            ("resources", counts.resources as u64),
            ("series", counts.series as u64),
            ("bytes", counts.bytes as u64),
        ] {
            found.set_item(name, count)?;
        }
        Ok(found)
    }

    fn families(&self) -> Vec<(String, &'static str, &'static str)> {
        self.lock().families().into_iter().map(|family| (family.name, family.kind, family.help)).collect()
    }

    fn exposition(&self, py: Python<'_>, family: usize) -> PyResult<String> {
        let lines = guarded(py, LONG, || self.lock().exposition(family))?;
        Ok(String::from_utf8(lines).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}
