//! The glue: `collector._kernel`. Its typed face is `collector/_kernel.pyi`.
//!
//! What is here converts and forwards. Two things are decided here. The interpreter is released around work
//! that is large enough to pay for it, and panics are caught: PyO3's own `PanicException` would escape
//! `except Exception` and take the collector down with one bad batch.

mod batch;
mod client;
mod compress;
mod errors;
mod guard;
mod journal;
mod metrics;
mod net;
mod plan;
mod program;
mod queue;
mod route;
mod traces;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

/// Releasing and taking back the interpreter costs more than this much work saves.
const RELEASE_ABOVE_BYTES: usize = 64 * 1024;

/// Runs kernel work on `size` bytes: a panic becomes `KernelPanic`, the interpreter is free if it takes long.
fn guarded<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let work = AssertUnwindSafe(work);
    let caught = if size > RELEASE_ABOVE_BYTES { py.detach(|| catch_unwind(work)) } else { catch_unwind(work) };
    caught.map_err(|_| errors::KernelPanic::new_err(PANIC.take()))
}

thread_local! {
    /// What the latest panic of this thread said, and where.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

#[pymodule]
fn _kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // By default Rust prints a panic on stderr before anybody can catch it. Python logs it, once.
    std::panic::set_hook(Box::new(|panic| PANIC.set(panic.to_string())));
    errors::register(module)?;
    module.add_class::<batch::Origin>()?;
    module.add_class::<batch::SpanBatch>()?;
    module.add_class::<client::ClientCounts>()?;
    module.add_class::<client::OtlpClient>()?;
    module.add_class::<client::Outcome>()?;
    module.add_class::<guard::Guard>()?;
    module.add_class::<journal::Journal>()?;
    module.add_class::<journal::JournalEntry>()?;
    module.add_class::<metrics::SpanMetrics>()?;
    module.add_class::<net::OtlpServer>()?;
    module.add_class::<net::Fairness>()?;
    module.add_class::<net::ServerSocket>()?;
    module.add_class::<net::ServerCounts>()?;
    module.add_class::<net::ServerTls>()?;
    module.add_class::<net::Ticket>()?;
    module.add_class::<plan::Bell>()?;
    module.add_class::<plan::Gate>()?;
    module.add_class::<plan::Hold>()?;
    module.add_class::<plan::Plan>()?;
    module.add_class::<plan::StageCounts>()?;
    module.add_class::<queue::Queue>()?;
    module.add_class::<queue::QueueItem>()?;
    module.add_class::<program::Op>()?;
    module.add_class::<program::OpCounts>()?;
    module.add_class::<program::Pass>()?;
    module.add_class::<program::Program>()?;
    module.add_class::<route::Router>()?;
    module.add_class::<traces::PolicyCounts>()?;
    module.add_class::<traces::TraceCounts>()?;
    module.add_class::<traces::Traces>()?;
    module.add_function(wrap_pyfunction!(compress::compress, module)?)?;
    Ok(())
}
