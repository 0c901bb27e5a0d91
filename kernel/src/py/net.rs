//! `OtlpServer` and `Ticket`: the native transport as Python sees it.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rustls::ServerConfig;

use super::batch::SpanBatch;
use super::errors::OptionError;
use super::guard::Guard;
use super::plan::{Bell, Plan};
use crate::net::answer::{Answer, Code, Refusal};
use crate::net::inbox;
use crate::net::server::{self, Front, Server, Settings};
use crate::net::tls;

#[pyclass(frozen, module = "collector._kernel")]
pub struct OtlpServer {
    server: Server,
    bell: Bell,
}

#[pymethods]
impl OtlpServer {
    #[new]
    #[pyo3(signature = (settings, plan=None, *, needs_origin=false, tls=None, guard=None, fairness=None, socket=None))]
    #[allow(clippy::too_many_arguments)] // Python calls it by name
    fn new(
        settings: &Bound<'_, PyAny>,
        plan: Option<&Plan>,
        needs_origin: bool,
        tls: Option<&ServerTls>,
        guard: Option<&Guard>,
        fairness: Option<&Fairness>,
        socket: Option<&ServerSocket>,
    ) -> PyResult<Self> {
        let settings: Settings =
            pythonize::depythonize(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let bell = Bell::hang()?;
        let (tls, guard) = (tls.map(|tls| tls.0.clone()), guard.map(|guard| guard.0.clone()));
        let bound = socket.map(|socket| socket.0.try_clone()).transpose()?;
        let (front, fairness) = (front(plan, needs_origin), fairness.map(|fairness| fairness.0.clone()));
        let server = Server::start(settings, bound, front, tls, guard, fairness, bell.wake()).map_err(with_number)?;
        Ok(Self { server, bell })
    }

    #[pyo3(signature = (plan, *, needs_origin))]
    fn set_front(&self, plan: Option<&Plan>, needs_origin: bool) {
        self.server.set_front(front(plan, needs_origin));
    }

    #[getter]
    fn socket(&self) -> PyResult<Option<ServerSocket>> {
        Ok(self.server.bound()?.map(ServerSocket))
    }

    #[getter]
    fn port(&self) -> u16 {
        self.server.port
    }

    fn fileno(&self) -> i32 {
        self.bell.fileno()
    }

    /// Empties the descriptor. Before what is there is taken, or a wake-up could be lost.
    fn clear(&self) {
        self.bell.clear();
    }

    fn take(&self, max_bytes: usize, each: bool) -> Option<Ticket> {
        let ticket = self.server.inbox.take(max_bytes, each)?;
        Some(Ticket(Mutex::new(Some(ticket))))
    }

    fn counts(&self) -> ServerCounts {
        ServerCounts(self.server.inbox.counts())
    }

    fn set_tls(&self, tls: &ServerTls) {
        self.server.set_tls(tls.0.clone());
    }

    fn drain(&self) {
        self.server.drain();
    }

    fn stop(&self) {
        self.server.stop();
    }

    #[getter]
    fn has_ended(&self) -> bool {
        self.server.has_ended()
    }

    fn join(&self, py: Python<'_>) {
        py.detach(|| self.server.join());
    }
}

fn front(plan: Option<&Plan>, needs_origin: bool) -> Front {
    Front { plan: plan.map(|plan| plan.plan.clone()), needs_origin }
}

/// How the servers of a receiver share what there is room for.
#[pyclass(frozen, module = "collector._kernel")]
pub struct Fairness(Arc<server::Fairness>);

#[pymethods]
impl Fairness {
    #[new]
    fn new(by: &Bound<'_, PyAny>) -> PyResult<Self> {
        let by = pythonize::depythonize(by).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(server::Fairness::new(by)))
    }
}

/// A socket that listens, on its way from a server to its successor.
#[pyclass(frozen, module = "collector._kernel")]
pub struct ServerSocket(server::Bound);

#[pyclass(frozen, module = "collector._kernel")]
pub struct ServerTls(Arc<ServerConfig>);

#[pymethods]
impl ServerTls {
    #[new]
    #[pyo3(signature = (settings, client_ca=None))]
    fn new(settings: &Bound<'_, PyAny>, client_ca: Option<&str>) -> PyResult<Self> {
        let settings: tls::Settings =
            pythonize::depythonize(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let config = tls::server(&settings, client_ca);
        config.map(Self).map_err(|error| OptionError::new_err((error.option, error.message)))
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct ServerCounts(inbox::Counts);

#[pymethods]
impl ServerCounts {
    #[getter]
    fn empty(&self) -> u64 {
        self.0.empty
    }

    #[getter]
    fn malformed(&self) -> u64 {
        self.0.malformed
    }

    #[getter]
    fn unread(&self) -> u64 {
        self.0.unread
    }

    #[getter]
    fn unauthenticated(&self) -> u64 {
        self.0.unauthenticated
    }

    #[getter]
    fn accepted(&self) -> u64 {
        self.0.accepted
    }

    #[getter]
    fn accepted_spans(&self) -> u64 {
        self.0.accepted_spans
    }

    #[getter]
    fn refused(&self) -> u64 {
        self.0.refused
    }

    #[getter]
    fn refused_spans(&self) -> u64 {
        self.0.refused_spans
    }

    #[getter]
    fn repaired(&self) -> u64 {
        self.0.repaired
    }

    #[getter]
    fn bugs(&self) -> u64 {
        self.0.bugs
    }

    #[getter]
    fn slow(&self) -> u64 {
        self.0.slow
    }

    #[getter]
    fn broken(&self) -> u64 {
        self.0.broken
    }

    #[getter]
    fn strangers(&self) -> u64 {
        self.0.strangers
    }

    #[getter]
    fn throttled(&self) -> u64 {
        self.0.throttled
    }

    #[getter]
    fn crowded(&self) -> u64 {
        self.0.crowded
    }
}

/// An error of the operating system as Python knows it: by its number.
fn with_number(error: std::io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => error.into(),
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Ticket(Mutex<Option<inbox::Ticket>>);

impl Ticket {
    fn take(&self) -> PyResult<inbox::Ticket> {
        let ticket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        ticket.ok_or_else(|| PyRuntimeError::new_err("the ticket was answered already"))
    }

    fn look<T>(&self, see: impl FnOnce(&inbox::Ticket) -> T) -> PyResult<T> {
        let ticket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.as_ref().map(see).ok_or_else(|| PyRuntimeError::new_err("the ticket was answered already"))
    }
}

#[pymethods]
impl Ticket {
    #[getter]
    fn batch(&self) -> PyResult<SpanBatch> {
        self.look(|ticket| SpanBatch(ticket.batch.clone()))
    }

    #[getter]
    fn requests(&self) -> PyResult<usize> {
        self.look(inbox::Ticket::requests)
    }

    #[getter]
    fn is_abandoned(&self) -> bool {
        self.look(inbox::Ticket::is_abandoned).unwrap_or(false)
    }

    fn accept(&self) -> PyResult<()> {
        self.take()?.answer(&Answer::Accepted);
        Ok(())
    }

    #[pyo3(signature = (message, *, throttled=false, retry_after=None))]
    fn retry(&self, message: String, throttled: bool, retry_after: Option<f64>) -> PyResult<()> {
        let code = if throttled { Code::ResourceExhausted } else { Code::Unavailable };
        self.take()?.answer(&Answer::Refused(Refusal { code, ..Refusal::not_now(message, retry_after) }));
        Ok(())
    }

    #[pyo3(signature = (message, *, malformed=false))]
    fn refuse(&self, message: String, malformed: bool) -> PyResult<()> {
        let code = if malformed { Code::InvalidArgument } else { Code::Internal };
        self.take()?.answer(&Answer::Refused(Refusal::new(code, message)));
        Ok(())
    }

    fn split(&self) -> PyResult<Vec<Self>> {
        Ok(self.take()?.split().into_iter().map(|part| Self(Mutex::new(Some(part)))).collect())
    }
}
