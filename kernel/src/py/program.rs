//! `Op`, `Program` and what a pass brings, as Python sees them.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::Depythonizer;

use super::batch::SpanBatch;
use super::errors::all_of;
use super::guarded;
use crate::{ops, program};

#[pyclass(frozen, module = "collector._kernel")]
pub struct Op {
    kind: String,
    op: Arc<dyn ops::Op>,
}

#[pymethods]
impl Op {
    #[new]
    fn new(kind: String, settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        let op = ops::build(&kind, &mut Depythonizer::from_object(settings))
            .map_err(|errors| all_of(settings.py(), errors))?;
        Ok(Self { kind, op })
    }

    #[getter]
    fn kind(&self) -> &str {
        &self.kind
    }

    #[getter]
    fn reads_origin(&self) -> bool {
        self.op.reads_origin()
    }

    #[getter]
    fn can_fail(&self) -> bool {
        self.op.can_fail()
    }

    #[getter]
    fn tallies(&self) -> Vec<String> {
        self.op.tallies()
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct OpCounts {
    pub counts: ops::Counts,
    pub tallies: Arc<[String]>,
}

#[pymethods]
impl OpCounts {
    #[getter]
    fn incoming(&self) -> u64 {
        self.counts.incoming
    }

    #[getter]
    fn dropped(&self) -> u64 {
        self.counts.dropped
    }

    #[getter]
    fn changed(&self) -> u64 {
        self.counts.changed
    }

    #[getter]
    fn failed(&self) -> u64 {
        self.counts.failed
    }

    #[getter]
    fn first_failure(&self) -> Option<&str> {
        self.counts.first_failure.as_deref()
    }

    #[getter]
    fn tallies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tallies = PyDict::new(py);
        for (name, count) in self.tallies.iter().zip(&self.counts.tallies) {
            tallies.set_item(name, count)?;
        }
        Ok(tallies)
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Pass {
    batch: Py<SpanBatch>,
    counts: Vec<Py<OpCounts>>,
    refusal: Option<String>,
}

#[pymethods]
impl Pass {
    #[getter]
    fn batch(&self, py: Python<'_>) -> Py<SpanBatch> {
        self.batch.clone_ref(py)
    }

    #[getter]
    fn counts(&self, py: Python<'_>) -> Vec<Py<OpCounts>> {
        self.counts.iter().map(|counts| counts.clone_ref(py)).collect()
    }

    #[getter]
    fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct Program {
    pub program: Arc<program::Program>,
    /// For each op, the names of what it counts.
    pub tallies: Vec<Arc<[String]>>,
}

#[pymethods]
impl Program {
    #[new]
    fn new(ops: Vec<PyRef<'_, Op>>) -> Self {
        Self {
            tallies: ops.iter().map(|op| op.op.tallies().into()).collect(),
            program: Arc::new(program::Program::new(ops.iter().map(|op| op.op.clone()).collect())),
        }
    }

    fn run(&self, py: Python<'_>, batch: &Bound<'_, SpanBatch>) -> PyResult<Pass> {
        let spans = &batch.get().0;
        let outcome = guarded(py, spans.size(), || self.program.run(spans))?;
        let refusal = outcome.refusal();
        let counts = outcome
            .counts
            .into_iter()
            .zip(&self.tallies)
            .map(|(counts, tallies)| Py::new(py, OpCounts { counts, tallies: tallies.clone() }))
            .collect::<PyResult<_>>()?;
        Ok(Pass { batch: Py::new(py, SpanBatch(outcome.batch))?, counts, refusal })
    }
}
