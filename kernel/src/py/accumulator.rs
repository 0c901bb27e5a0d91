//! `Accumulator` as Python sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use super::batch::SpanBatch;
use super::guarded;
use crate::batch;
use crate::split::Bounds;

#[pyclass(frozen, module = "collector._kernel")]
pub struct Accumulator(Mutex<batch::Accumulator>);

impl Accumulator {
    fn held(&self) -> MutexGuard<'_, batch::Accumulator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Accumulator {
    #[new]
    #[pyo3(signature = (*, send_batch_size, send_batch_max_size, send_batch_max_bytes, timeout))]
    fn new(send_batch_size: usize, send_batch_max_size: usize, send_batch_max_bytes: usize, timeout: f64) -> Self {
        let max = Bounds::new(send_batch_max_size, send_batch_max_bytes);
        Self(Mutex::new(batch::Accumulator::new(batch::Settings { due_size: send_batch_size, max, timeout })))
    }

    fn add(&self, batch: &SpanBatch, now: f64) {
        self.held().add(batch.0.clone(), now);
    }

    fn take(&self, py: Python<'_>, now: f64) -> PyResult<Option<SpanBatch>> {
        Ok(guarded(py, 0, || self.held().take(now))?.map(SpanBatch))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<Option<SpanBatch>> {
        Ok(guarded(py, 0, || self.held().flush())?.map(SpanBatch))
    }

    #[getter]
    fn due_at(&self) -> Option<f64> {
        self.held().due_at()
    }

    #[getter]
    fn spans(&self) -> usize {
        self.held().spans()
    }

    #[getter]
    fn pinned(&self) -> usize {
        self.held().pinned()
    }
}
