//! `Journal` and `JournalEntry`: the queue on disk as Python sees it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyBlockingIOError;
use pyo3::prelude::*;

use super::batch::SpanBatch;
use super::guarded;
use super::plan::Bell;
use crate::journal::{self, Limits, Lost, Settings};
use crate::load::{Load, Refused, Together};
use crate::rope;

/// What became of batches, by the numbers that `submit` gave: nothing, or why they were not written.
type Outcomes = Vec<(u64, Option<String>)>;

#[pyclass(frozen, module = "collector._kernel")]
pub struct Journal {
    pub journal: Arc<journal::Journal>,
    bell: Bell,
    outcomes: Arc<Mutex<Outcomes>>,
    submitted: AtomicU64,
}

#[pymethods]
impl Journal {
    #[new]
    #[pyo3(signature = (directory, *, max_bytes, fsync, max_requests, max_spans, max_size, cache_bytes))]
    #[allow(clippy::too_many_arguments)] // Python calls it by name
    fn new(
        py: Python<'_>,
        directory: PathBuf,
        max_bytes: u64,
        fsync: bool,
        max_requests: u64,
        max_spans: u64,
        max_size: u64,
        cache_bytes: usize,
    ) -> PyResult<Self> {
        let most = Load { requests: max_requests, spans: max_spans, bytes: max_size };
        let settings = Settings { directory, limits: Limits { max_bytes, fsync, most, cache_bytes } };
        let bell = Bell::hang()?;
        let wake = bell.wake();
        let opened = py.detach(|| journal::Journal::open(settings, wake));
        let journal = opened.map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => PyBlockingIOError::new_err(error.to_string()),
            _ => error.into(),
        })?;
        Ok(Self { journal: Arc::new(journal), bell, outcomes: Arc::default(), submitted: AtomicU64::new(0) })
    }

    #[pyo3(signature = (*, max_bytes, fsync, max_requests, max_spans, max_size, cache_bytes))]
    fn limit(&self, max_bytes: u64, fsync: bool, max_requests: u64, max_spans: u64, max_size: u64, cache_bytes: usize) {
        let most = Load { requests: max_requests, spans: max_spans, bytes: max_size };
        self.journal.limit(Limits { max_bytes, fsync, most, cache_bytes });
    }

    #[getter]
    fn directory(&self) -> PathBuf {
        self.journal.directory().to_owned()
    }

    fn fileno(&self) -> i32 {
        self.bell.fileno()
    }

    /// Empties the descriptor. Before what is there is taken, or a wake-up could be lost.
    fn clear(&self) {
        self.bell.clear();
    }

    fn submit(&self, batch: &SpanBatch) -> u64 {
        let number = self.submitted.fetch_add(1, Ordering::Relaxed);
        let outcomes = self.outcomes.clone();
        let done = Box::new(move |outcome: Result<(), Refused>| {
            let why = outcome.err().map(|refused| refused.to_string());
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((number, why));
        });
        self.journal.submit(batch.0.clone(), false, done);
        number
    }

    fn obstacle(&self, batch: &SpanBatch) -> Option<String> {
        self.journal.has_room(&batch.0).err().map(|refused| refused.to_string())
    }

    fn outcomes(&self) -> Outcomes {
        std::mem::take(&mut *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, max_spans: u64, max_bytes: u64, all: bool) -> Option<JournalEntry> {
        let taken = self.journal.take(Together::new(max_spans, max_bytes, all));
        (!taken.is_empty()).then_some(JournalEntry(taken))
    }

    fn finish(&self, entry: &JournalEntry) {
        self.journal.finish(entry.0.iter().map(|entry| entry.id));
    }

    fn trouble(&self) -> Option<String> {
        self.journal.trouble()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.journal.close());
    }

    #[getter]
    fn largest(&self) -> u64 {
        self.journal.largest()
    }

    #[getter]
    fn ready(&self) -> usize {
        self.journal.ready()
    }

    #[getter]
    fn requests(&self) -> u64 {
        self.journal.held().requests
    }

    #[getter]
    fn spans(&self) -> u64 {
        self.journal.held().spans
    }

    #[getter]
    fn size(&self) -> u64 {
        self.journal.held().bytes
    }

    #[getter]
    fn disk(&self) -> u64 {
        self.journal.disk()
    }

    #[getter]
    fn cached(&self) -> usize {
        self.journal.cached()
    }

    #[getter]
    fn unmarked(&self) -> u64 {
        self.journal.unmarked()
    }

    #[getter]
    fn damage(&self) -> Vec<String> {
        self.journal.report.what.clone()
    }

    #[getter]
    fn lost(&self) -> u64 {
        self.journal.report.lost
    }

    #[getter]
    fn torn(&self) -> u64 {
        self.journal.report.torn
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct JournalEntry(Vec<journal::Entry>);

#[pymethods]
impl JournalEntry {
    fn __len__(&self) -> usize {
        self.0.iter().map(|entry| entry.spans).sum()
    }

    #[getter]
    fn is_cached(&self) -> bool {
        self.0.iter().all(journal::Entry::is_cached)
    }

    fn read(&self, py: Python<'_>) -> PyResult<SpanBatch> {
        let size = if self.is_cached() { 0 } else { usize::MAX };
        let read = guarded(py, size, || {
            let mut batches = Vec::with_capacity(self.0.len());
            for entry in &self.0 {
                match entry.read() {
                    Ok(batch) => batches.push(batch),
                    Err(Lost::Damaged) => {}
                    Err(Lost::Failed(error)) => return Err(error),
                }
            }
            Ok(rope::SpanBatch::join(&batches))
        })?;
        Ok(SpanBatch(read?))
    }
}
