//! `OtlpClient` and `Outcome`: the native client as Python sees it.

use std::time::Duration;

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::batch::SpanBatch;
use super::errors::OptionError;
use super::plan::Bell;
use crate::net::client::settings::{Settings, Tls};
use crate::net::client::{Client, StartError, outbox};
use crate::net::tls::TlsError;

/// How long Python's signal handlers wait at most.
const SLICE: Duration = Duration::from_millis(50);

#[pyclass(frozen, module = "collector._kernel")]
pub struct OtlpClient {
    client: Client,
    bell: Bell,
}

#[pymethods]
impl OtlpClient {
    #[new]
    fn new(settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        let settings: Settings =
            pythonize::depythonize(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let bell = Bell::hang()?;
        let client = Client::start(settings, bell.wake()).map_err(|error| match error {
            StartError::Tls(TlsError { option, message }) => OptionError::new_err((option, message)),
            StartError::Io(error) => error.into(),
        })?;
        Ok(Self { client, bell })
    }

    fn fileno(&self) -> i32 {
        self.bell.fileno()
    }

    /// Empties the descriptor. Before what is there is taken, or a wake-up could be lost.
    fn clear(&self) {
        self.bell.clear();
    }

    fn send(&self, batch: &SpanBatch, call: u64) {
        self.client.send(call, batch.0.clone());
    }

    fn send_request(&self, data: PyBackedBytes, call: u64) {
        // The bytes object is kept alive: nothing is copied.
        self.client.send_request(call, Bytes::from_owner(data));
    }

    fn cancel(&self, call: u64) {
        self.client.cancel(call);
    }

    fn set_header(&self, name: &str, value: &str) -> PyResult<()> {
        self.client.set_header(name, value).map_err(|name| PyValueError::new_err(format!("{name} cannot be sent")))
    }

    /// What new connections are secured with.
    fn set_tls(&self, tls: &Bound<'_, PyAny>) -> PyResult<()> {
        let tls: Tls = pythonize::depythonize(tls).map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.client.set_tls(&tls).map_err(|TlsError { option, message }| OptionError::new_err((option, message)))
    }

    fn take(&self) -> Vec<(u64, Outcome)> {
        self.client.outbox.take().into_iter().map(|(call, outcome)| (call, Outcome(outcome))).collect()
    }

    fn counts(&self) -> ClientCounts {
        ClientCounts(self.client.outbox.counts())
    }

    fn close(&self) {
        self.client.close();
    }

    fn join(&self, py: Python<'_>) -> PyResult<()> {
        self.client.close();
        while !py.detach(|| self.client.wait(SLICE)) {
            py.check_signals()?;
        }
        Ok(())
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Outcome(outbox::Outcome);

#[pymethods]
impl Outcome {
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    #[getter]
    fn message(&self) -> &str {
        &self.0.message
    }

    #[getter]
    fn details<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.details)
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    #[getter]
    fn content_type(&self) -> &str {
        &self.0.content_type
    }

    #[getter]
    fn retry_after(&self) -> &str {
        &self.0.retry_after
    }

    #[getter]
    fn location(&self) -> &str {
        &self.0.location
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct ClientCounts(outbox::Counts);

#[pymethods]
impl ClientCounts {
    #[getter]
    fn connected(&self) -> u64 {
        self.0.connected
    }

    #[getter]
    fn unconnected(&self) -> u64 {
        self.0.unconnected
    }

    #[getter]
    fn open(&self) -> u64 {
        self.0.open
    }

    #[getter]
    fn resent(&self) -> u64 {
        self.0.resent
    }
}
