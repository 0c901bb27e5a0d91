//! `compress` as Python sees it.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::guarded;
use crate::compress::{self as codec, Encoding};

#[pyfunction]
#[pyo3(signature = (encoding, data, level=None))]
pub fn compress<'py>(
    py: Python<'py>,
    encoding: &str,
    data: PyBackedBytes,
    level: Option<i32>,
) -> PyResult<Bound<'py, PyBytes>> {
    let encoding =
        Encoding::from_name(encoding).ok_or_else(|| PyValueError::new_err(format!("no such encoding: {encoding}")))?;
    let compressed = guarded(py, data.len(), || codec::compress(encoding, level, [&data[..]].into_iter()))?;
    Ok(PyBytes::new(py, &compressed))
}
