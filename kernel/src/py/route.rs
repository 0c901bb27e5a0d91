//! `Router` as Python sees it.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::batch::SpanBatch;
use super::guarded;
use crate::route::{self, Key};

#[pyclass(frozen, module = "collector._kernel")]
pub struct Router(route::Router);

#[pymethods]
impl Router {
    #[new]
    #[pyo3(signature = (names, attributes=None))]
    fn new(names: Vec<(String, usize)>, attributes: Option<Vec<String>>) -> PyResult<Self> {
        let key = attributes.map_or(Key::TraceId, Key::Attributes);
        route::Router::new(&names, key).map(Self).map_err(|error| PyValueError::new_err(error.message))
    }

    #[pyo3(signature = (key, away=None))]
    fn owner(&self, key: &[u8], away: Option<Vec<usize>>) -> usize {
        self.0.owner(key, away.as_deref().unwrap_or_default())
    }

    #[pyo3(signature = (batch, away=None))]
    fn route(
        &self,
        py: Python<'_>,
        batch: &Bound<'_, SpanBatch>,
        away: Option<Vec<usize>>,
    ) -> PyResult<Vec<(usize, SpanBatch)>> {
        let spans = &batch.get().0;
        let routed = guarded(py, spans.size(), || self.0.route(spans, away.as_deref().unwrap_or_default()))?;
        Ok(routed.into_iter().map(|(owner, part)| (owner, SpanBatch(part))).collect())
    }
}
