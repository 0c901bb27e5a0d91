//! `Bell`, `Gate`, `Hold` and `Plan`: the front of a pipeline as Python builds it and keeps its books.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, mpsc};

use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};

use super::batch::SpanBatch;
use super::guarded;
use super::journal::Journal;
use super::program::{OpCounts, Program};
use super::queue::Queue;
use super::traces::Traces;
use crate::batch::Settings;
use crate::plan::{self, End, Stage, Taken, Told, Wake, gate, hold};
use crate::split::Bounds;

/// A descriptor that is readable once it was rung.
#[pyclass(frozen, module = "collector._kernel")]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    pub fn hang() -> PyResult<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map_err(std::io::Error::from)?;
        Ok(Self(Arc::new(event)))
    }

    pub fn wake(&self) -> Wake {
        let event = self.0.clone();
        Box::new(move || {
            // The counter cannot overflow: whoever reads it empties it.
            let _ = rustix::io::write(&*event, &1u64.to_ne_bytes());
        })
    }
}

#[pymethods]
impl Bell {
    #[new]
    fn new() -> PyResult<Self> {
        Self::hang()
    }

    pub fn fileno(&self) -> i32 {
        self.0.as_raw_fd()
    }

    pub fn clear(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Gate(Arc<gate::Gate>);

#[pymethods]
impl Gate {
    #[new]
    #[pyo3(signature = (bell, *, soft, spike, retry_after))]
    fn new(bell: &Bell, soft: usize, spike: usize, retry_after: f64) -> Self {
        let settings = gate::Settings { soft, spike, retry_after };
        Self(Arc::new(gate::Gate::new(settings, resident, bell.wake())))
    }

    #[getter]
    fn is_due(&self) -> bool {
        self.0.is_due()
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn let_through(&self, size: usize) {
        self.0.let_through(size);
    }

    fn looked(&self, closed: bool) {
        self.0.looked(closed);
    }
}

/// Resident bytes of this process; 0 where nobody tells.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size()
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Hold(Arc<hold::Hold>);

#[pymethods]
impl Hold {
    #[new]
    #[pyo3(signature = (bell, *, send_batch_size, send_batch_max_size, send_batch_max_bytes, timeout, max_held_bytes))]
    fn new(
        bell: &Bell,
        send_batch_size: usize,
        send_batch_max_size: usize,
        send_batch_max_bytes: usize,
        timeout: f64,
        max_held_bytes: usize,
    ) -> Self {
        let max = Bounds::new(send_batch_max_size, send_batch_max_bytes);
        let settings = Settings { due_size: send_batch_size, max, timeout };
        Self(Arc::new(hold::Hold::new(settings, max_held_bytes, bell.wake())))
    }

    fn offer(&self, py: Python<'_>, batch: &SpanBatch, now: f64) -> PyResult<Option<String>> {
        let offered = guarded(py, 0, || self.0.offer(batch.0.clone(), now))?;
        Ok(offered.err().map(|refused| refused.message))
    }

    fn take_over(&self, py: Python<'_>, batch: &SpanBatch, now: f64) -> PyResult<()> {
        guarded(py, 0, || self.0.take_over(batch.0.clone(), now))
    }

    fn cut(&self, py: Python<'_>, now: f64) -> PyResult<u64> {
        guarded(py, 0, || self.0.cut(now))
    }

    fn close(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(py, 0, || self.0.close())
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

    #[getter]
    fn cut_by_size(&self) -> u64 {
        self.0.cut_by_size()
    }

    #[getter]
    fn spans(&self) -> usize {
        self.0.spans()
    }

    #[getter]
    fn pinned(&self) -> usize {
        self.0.pinned()
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct StageCounts {
    #[pyo3(get)]
    taken: u64,
    #[pyo3(get)]
    refused: u64,
    ops: Vec<Py<OpCounts>>,
}

#[pymethods]
impl StageCounts {
    #[getter]
    fn ops(&self, py: Python<'_>) -> Vec<Py<OpCounts>> {
        self.ops.iter().map(|counts| counts.clone_ref(py)).collect()
    }
}

#[derive(FromPyObject)]
enum Part<'py> {
    Gate(PyRef<'py, Gate>),
    Program(PyRef<'py, Program>),
}

#[derive(FromPyObject)]
enum Ending<'py> {
    Hold(PyRef<'py, Hold>),
    Queue(PyRef<'py, Queue>),
    Journal(PyRef<'py, Journal>),
    Traces(PyRef<'py, Traces>),
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Plan {
    pub plan: Arc<plan::Plan>,
    /// For each stage, the names of what its ops count; for the hold none.
    tallies: Vec<Vec<Arc<[String]>>>,
}

#[pymethods]
impl Plan {
    #[new]
    fn new(stages: Vec<Part<'_>>, end: Ending<'_>) -> Self {
        let tallies = stages.iter().map(|part| match part {
            Part::Gate(_) => Vec::new(),
            Part::Program(program) => program.tallies.clone(),
        });
        let parts = stages.iter().map(|part| match part {
            Part::Gate(gate) => Stage::Gate(gate.0.clone()),
            Part::Program(program) => Stage::Program(program.program.clone()),
        });
        let end = match end {
            Ending::Hold(hold) => End::Hold(hold.0.clone()),
            Ending::Queue(queue) => End::Queue(queue.0.clone()),
            Ending::Traces(traces) => End::Traces(traces.0.clone()),
            Ending::Journal(journal) => End::Journal(journal.journal.clone()),
        };
        Self { tallies: tallies.collect(), plan: Arc::new(plan::Plan::new(parts.collect(), end)) }
    }

    fn consume(&self, py: Python<'_>, batch: &SpanBatch, now: f64) -> PyResult<Option<(String, Option<f64>, bool)>> {
        let (sender, receiver) = mpsc::channel();
        let told = || -> Told { Box::new(move |outcome| _ = sender.send(outcome)) };
        let (plan, batch) = (self.plan.clone(), batch.0.clone());
        let taken = guarded(py, usize::MAX, move || match plan.consume(batch, now, told) {
            Ok(Taken::Soon) => receiver.recv().unwrap_or(Ok(())),
            taken => taken.map(|_| ()),
        })?;
        Ok(taken.err().map(|refused| (refused.message, refused.retry_after, refused.forever)))
    }

    #[getter]
    fn is_idle(&self) -> bool {
        plan::is_idle(&self.plan)
    }

    fn counts(&self, py: Python<'_>) -> PyResult<Vec<StageCounts>> {
        let mut stages = Vec::new();
        for (number, stage) in self.plan.counts().into_iter().enumerate() {
            let tallies = self.tallies.get(number).into_iter().flatten();
            let ops = stage
                .ops
                .into_iter()
                .zip(tallies)
                .map(|(counts, tallies)| Py::new(py, OpCounts { counts, tallies: tallies.clone() }));
            stages.push(StageCounts { taken: stage.taken, refused: stage.refused, ops: ops.collect::<PyResult<_>>()? });
        }
        Ok(stages)
    }
}
