//! `Queue` and `QueueItem`: a sending queue in memory as Python sees it.

use std::sync::Arc;

use pyo3::prelude::*;

use super::batch::SpanBatch;
use super::plan::Bell;
use crate::load::{Load, Together};
use crate::plan::queue::{self, Item};
use crate::rope;

#[pyclass(frozen, module = "collector._kernel")]
pub struct Queue(pub Arc<queue::Queue>);

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (bell, *, max_requests, max_spans, max_size, max_pinned))]
    fn new(bell: &Bell, max_requests: u64, max_spans: u64, max_size: u64, max_pinned: usize) -> Self {
        let most = Load { requests: max_requests, spans: max_spans, bytes: max_size };
        Self(Arc::new(queue::Queue::new(most, max_pinned, bell.wake())))
    }

    #[pyo3(signature = (*, max_requests, max_spans, max_size, max_pinned))]
    fn limit(&self, max_requests: u64, max_spans: u64, max_size: u64, max_pinned: usize) {
        self.0.limit(Load { requests: max_requests, spans: max_spans, bytes: max_size }, max_pinned);
    }

    fn obstacle(&self, batch: &SpanBatch) -> Option<String> {
        self.0.has_room(&batch.0).err().map(|refused| refused.to_string())
    }

    fn offer(&self, batch: &SpanBatch) -> Option<String> {
        self.0.offer(batch.0.clone(), false).err().map(|refused| refused.to_string())
    }

    fn take(&self, max_spans: u64, max_bytes: u64, all: bool) -> Option<QueueItem> {
        let taken = self.0.take(Together::new(max_spans, max_bytes, all));
        (!taken.is_empty()).then_some(QueueItem(taken))
    }

    fn finish(&self, item: &QueueItem) {
        self.0.finish(item.0.iter().map(|item| item.id));
    }

    fn close(&self) {
        self.0.close();
    }

    #[getter]
    fn ready(&self) -> usize {
        self.0.ready()
    }

    #[getter]
    fn requests(&self) -> u64 {
        self.0.held().requests
    }

    #[getter]
    fn spans(&self) -> u64 {
        self.0.held().spans
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.held().bytes
    }

    #[getter]
    fn pinned(&self) -> usize {
        self.0.pinned()
    }
}

#[pyclass(frozen, module = "collector._kernel")]
pub struct QueueItem(Vec<Item>);

#[pymethods]
impl QueueItem {
    #[getter]
    fn batch(&self) -> SpanBatch {
        match self.0.as_slice() {
            [only] => SpanBatch(only.batch.clone()),
            several => SpanBatch(rope::SpanBatch::join(several.iter().map(|item| &item.batch))),
        }
    }
}
