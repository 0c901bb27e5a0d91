//! `SpanBatch` and `Origin` as Python sees them.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use super::guarded;
use crate::split::Bounds;
use crate::{json, origin, rope};

#[pyclass(frozen, eq, hash, module = "collector._kernel")]
#[derive(PartialEq, Eq, Hash)]
pub struct Origin(Arc<origin::Origin>);

#[pymethods]
impl Origin {
    #[new]
    fn new(peer: String, metadata: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut headers = Vec::with_capacity(metadata.len());
        for (name, values) in metadata {
            headers.push((name.extract::<String>()?.to_ascii_lowercase(), values.extract()?));
        }
        Ok(Self(Arc::new(origin::Origin { peer, metadata: headers })))
    }

    #[getter]
    fn peer(&self) -> &str {
        &self.0.peer
    }

    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for (name, values) in &self.0.metadata {
            headers.set_item(name, values)?;
        }
        Ok(headers)
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct SpanBatch(pub rope::SpanBatch);

#[pymethods]
impl SpanBatch {
    #[staticmethod]
    #[pyo3(signature = (data, origin=None))]
    fn decode(py: Python<'_>, data: PyBackedBytes, origin: Option<&Origin>) -> PyResult<Self> {
        let origin = origin.map(|origin| origin.0.clone());
        let size = data.len();
        // The chunk keeps the bytes object alive: nothing is copied.
        let data = Bytes::from_owner(data);
        Ok(Self(guarded(py, size, || rope::SpanBatch::decode(data, origin))??))
    }

    #[staticmethod]
    #[pyo3(signature = (data, origin=None))]
    fn from_json(py: Python<'_>, data: PyBackedBytes, origin: Option<&Origin>) -> PyResult<Self> {
        let origin = origin.map(|origin| origin.0.clone());
        Ok(Self(guarded(py, data.len(), || json::read(&data, origin))??))
    }

    #[staticmethod]
    fn join(batches: Vec<PyRef<'_, Self>>) -> Self {
        Self(rope::SpanBatch::join(batches.iter().map(|batch| &batch.0)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("<SpanBatch of {} spans, {} bytes>", self.0.len(), self.0.size())
    }

    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    #[getter]
    fn pinned(&self) -> usize {
        self.0.pinned()
    }

    #[getter]
    fn repaired(&self) -> u64 {
        self.0.repaired()
    }

    #[getter]
    fn resource_spans(&self) -> usize {
        self.0.resource_spans()
    }

    #[getter]
    fn origin(&self) -> Option<Origin> {
        self.0.origin().cloned().map(Origin)
    }

    fn to_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = guarded(py, self.0.size(), || json::encode(&self.0))?;
        Ok(PyBytes::new(py, &json))
    }

    fn merged(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Self(guarded(py, self.0.size(), || self.0.clone().merged())?))
    }

    #[pyo3(signature = (max_spans=0, max_bytes=0))]
    fn split(&self, py: Python<'_>, max_spans: usize, max_bytes: usize) -> PyResult<Vec<Self>> {
        let bounds = Bounds::new(max_spans, max_bytes);
        let parts = guarded(py, self.0.size(), || self.0.split(bounds))?;
        Ok(parts.into_iter().map(Self).collect())
    }

    fn encode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        PyBytes::new_with(py, self.0.size(), |mut out| {
            for chunk in self.0.chunks() {
                let (head, rest) = out.split_at_mut(chunk.data.len());
                head.copy_from_slice(&chunk.data);
                out = rest;
            }
            Ok(())
        })
    }
}
