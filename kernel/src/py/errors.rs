//! The kernel's exceptions.

use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::{error, json};

create_exception!(_kernel, MalformedInput, PyValueError);
create_exception!(_kernel, OptionError, PyValueError);
create_exception!(_kernel, KernelPanic, PyRuntimeError);

impl From<error::Malformed> for PyErr {
    fn from(malformed: error::Malformed) -> Self {
        MalformedInput::new_err(malformed.to_string())
    }
}

impl From<json::JsonError> for PyErr {
    fn from(error: json::JsonError) -> Self {
        MalformedInput::new_err(error.to_string())
    }
}

impl From<error::OptionError> for PyErr {
    fn from(error: error::OptionError) -> Self {
        OptionError::new_err((error.path, error.message))
    }
}

/// One exception for all of them: the only one, or a group.
pub fn all_of(py: Python<'_>, errors: Vec<error::OptionError>) -> PyErr {
    let mut errors: Vec<PyErr> = errors.into_iter().map(PyErr::from).collect();
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let errors: Vec<_> = errors.iter().map(|error| error.value(py)).collect();
    let group = py
        .import("builtins")
        .and_then(|builtins| builtins.getattr("ExceptionGroup")?.call1(("options that cannot be used", errors)));
    group.map_or_else(|error| error, PyErr::from_value)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("MalformedInput", py.get_type::<MalformedInput>())?;
    module.add("OptionError", py.get_type::<OptionError>())?;
    module.add("KernelPanic", py.get_type::<KernelPanic>())
}
