//! `Guard`: who may send, as Python says it.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::errors::OptionError;
use crate::error;
use crate::net::auth::{self, Settings};

#[pyclass(frozen, module = "collector._kernel")]
pub struct Guard(pub Arc<auth::Guard>);

#[pymethods]
impl Guard {
    #[new]
    fn new(settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(auth::Guard::new(&read(settings)?).map_err(raised)?)))
    }

    fn replace(&self, settings: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.replace(&read(settings)?).map_err(raised)
    }
}

fn read(settings: &Bound<'_, PyAny>) -> PyResult<Settings> {
    pythonize::depythonize(settings).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn raised(error: error::OptionError) -> PyErr {
    OptionError::new_err((error.path, error.message))
}
