//! A queue of batches on disk: what is appended is kept until it is finished, over crashes and restarts.
//!
//! Batches are appended to segments ([`segment`]) as they are, by a thread of the journal's own. It takes whatever waits,
//! writes it, has the disk confirm it once for all, and only then tells those who wait. Batches are taken out in the order
//! of their arrival and marked when they are finished; a segment whose batches are all finished is removed. What an
//! earlier run has left is found again by [`recovery`], and comes first.
//!
//! The contents of batches stay in memory up to a bound, so that a queue that is worked off is never read from disk.

mod format;
mod lock;
mod promise;
mod recovery;
mod segment;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use self::format::{HEADS, RECORD};
use self::promise::Promise;
pub use self::recovery::Report;
use self::segment::Records;
use self::writer::Writer;
use crate::load::{Load, Refused, Together};
use crate::plan::Wake;
use crate::rope::SpanBatch;

#[derive(Clone, Debug)]
pub struct Settings {
    /// Created if it is not there; its parent has to be.
    pub directory: PathBuf,
    pub limits: Limits,
}

/// What may be different from one moment to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The most bytes on disk; 0 is no bound.
    pub max_bytes: u64,
    /// Whether the disk has to confirm what was written. Without it, what was acknowledged survives the end of the
    /// process and not that of the machine.
    pub fsync: bool,
    /// The most that is held: requests, spans and their bytes.
    pub most: Load,
    /// How much of the contents may stay in memory as well.
    pub cache_bytes: usize,
}

/// A batch that was taken out.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    pub spans: usize,
    /// Bytes on the wire.
    pub size: usize,
    /// Whether it may be sent together with its neighbours: nobody made a batch of it yet.
    loose: bool,
    place: Place,
}

#[derive(Clone, Debug)]
struct Place {
    records: Arc<Records>,
    at: u64,
    /// The contents, if memory holds them as well.
    cached: Option<SpanBatch>,
}

/// Why the contents of a batch are not there.
#[derive(Debug)]
pub enum Lost {
    /// They never will be.
    Damaged,
    Failed(io::Error),
}

/// Told what became of a batch.
pub type Done = Box<dyn FnOnce(Result<(), Refused>) + Send>;

pub struct Journal {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// What went wrong before it was opened.
    pub report: Report,
}

struct Shared {
    directory: PathBuf,
    state: Mutex<State>,
    /// Rung for the writer.
    work: Condvar,
    wake: Wake,
}

/// A batch that waits for the writer.
struct Submitted {
    batch: SpanBatch,
    loose: bool,
    promise: Promise,
}

#[derive(Default)]
struct State {
    limits: Limits,
    ready: VecDeque<Entry>,
    /// Taken out and not finished.
    begun: HashMap<u64, Entry>,
    /// What waits for the writer.
    submitted: Vec<Submitted>,
    finished: Vec<Entry>,
    closing: bool,
    /// What is on disk and not finished.
    held: Load,
    /// What was submitted and is not on disk yet.
    entering: Load,
    cached: usize,
    /// Bytes of all segments.
    disk: u64,
    /// Marks that could not be written: what they stand for would be delivered again.
    unmarked: u64,
    /// Why the disk did not take something, since somebody asked last.
    trouble: Option<String>,
}

impl Journal {
    /// Opens a directory, which nobody else may have open, and takes up what is in it. `wake` is called when there is
    /// something to take, and when somebody was told what became of a batch.
    pub fn open(settings: Settings, wake: Wake) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(&settings.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let lock = lock::take(&settings.directory)?;
        let mut found = recovery::recover(&settings.directory)?;
        let report = std::mem::take(&mut found.report);
        let (writer, ready) = Writer::new(found, lock);
        let held = ready.iter().map(Entry::load).fold(Load::default(), Load::plus);
        let Settings { directory, limits } = settings;
        let state = State { limits, ready, held, disk: writer.disk(), ..State::default() };
        let shared = Arc::new(Shared { directory, state: Mutex::new(state), work: Condvar::new(), wake });
        let running = shared.clone();
        let thread = thread::Builder::new().name("spanmill-journal".to_owned()).spawn(move || writer.run(&running))?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)), report })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Holds itself to other limits from now on. What is there already stays.
    pub fn limit(&self, limits: Limits) {
        self.shared.state().limits = limits;
        (self.shared.wake)();
    }

    /// The bytes of the largest batch that may be appended.
    pub fn largest(&self) -> u64 {
        self.shared.limits().largest()
    }

    /// Whether there is room for a batch now.
    pub fn has_room(&self, batch: &SpanBatch) -> Result<(), Refused> {
        self.shared.room(&self.shared.state(), Load::of(batch))
    }

    /// Appends a batch, `loose` if nobody made it on purpose. `done` is called once it is on disk, or is refused, which may
    /// be at once.
    pub fn submit(&self, batch: SpanBatch, loose: bool, done: Done) {
        let load = Load::of(&batch);
        let promise = Promise::new(done);
        let mut state = self.shared.state();
        if let Err(refused) = self.shared.room(&state, load) {
            drop(state);
            promise.keep(Err(refused));
            (self.shared.wake)();
            return;
        }
        state.entering = state.entering.plus(load);
        state.submitted.push(Submitted { batch, loose, promise });
        drop(state);
        self.shared.work.notify_one();
    }

    /// Takes the oldest batch out, and what goes together with it. They stay on disk until they are finished.
    pub fn take(&self, mut together: Together) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut guard = self.shared.state();
        let state = &mut *guard;
        while state.ready.front().is_some_and(|next| together.admits(next.load(), next.loose))
            && let Some(entry) = state.ready.pop_front()
        {
            state.cached -= entry.place.cached.as_ref().map_or(0, SpanBatch::pinned);
            state.begun.insert(entry.id, entry.without_contents());
            taken.push(entry);
        }
        taken
    }

    /// Notes that batches that were taken out need not be kept any longer.
    pub fn finish(&self, ids: impl IntoIterator<Item = u64>) {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        for id in ids {
            if let Some(entry) = state.begun.remove(&id) {
                state.held = state.held.minus(entry.load());
                state.finished.push(entry);
            }
        }
        drop(guard);
        self.shared.work.notify_one();
    }

    /// What is held and not finished.
    pub fn held(&self) -> Load {
        self.shared.state().held
    }

    /// How many batches can be taken.
    pub fn ready(&self) -> usize {
        self.shared.state().ready.len()
    }

    /// Bytes of all files of records.
    pub fn disk(&self) -> u64 {
        self.shared.state().disk
    }

    /// Bytes of contents that memory holds as well.
    pub fn cached(&self) -> usize {
        self.shared.state().cached
    }

    /// Batches that would be delivered again after a crash, because it could not be noted that they are finished.
    pub fn unmarked(&self) -> u64 {
        self.shared.state().unmarked
    }

    /// Why the disk did not take something, if that happened since the last call.
    pub fn trouble(&self) -> Option<String> {
        self.shared.state().trouble.take()
    }

    /// Refuses from now on, writes what was submitted, and lets go of the directory. May be called twice.
    pub fn close(&self) {
        self.shared.state().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Entry {
    fn without_contents(&self) -> Self {
        let place = Place { cached: None, records: self.place.records.clone(), at: self.place.at };
        Self { place, ..*self }
    }

    fn load(&self) -> Load {
        Load { requests: 1, spans: self.spans as u64, bytes: self.size as u64 }
    }

    /// Whether `read` need not ask the disk.
    pub fn is_cached(&self) -> bool {
        self.place.cached.is_some()
    }

    /// The contents.
    pub fn read(&self) -> Result<SpanBatch, Lost> {
        if let Some(batch) = &self.place.cached {
            return Ok(batch.clone());
        }
        let Place { records, at, .. } = &self.place;
        let record = records.record(*at).map_err(Lost::Failed)?.filter(|record| record.id == self.id);
        let record = record.ok_or(Lost::Damaged)?;
        let payload = records.payload(*at, &record).map_err(Lost::Failed)?.ok_or(Lost::Damaged)?;
        match SpanBatch::decode(payload, None) {
            Ok(batch) if batch.len() == self.spans => Ok(batch),
            _ => Err(Lost::Damaged),
        }
    }
}

impl Limits {
    /// The bytes of the largest batch that there is ever room for.
    fn largest(&self) -> u64 {
        let on_disk = if self.max_bytes == 0 { u64::MAX } else { self.max_bytes };
        on_disk.saturating_sub((HEADS + RECORD) as u64).min(self.most.bytes).min(u32::MAX.into())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> Limits {
        self.state().limits
    }

    fn room(&self, state: &State, load: Load) -> Result<(), Refused> {
        if state.closing {
            return Err(Refused::Closed);
        }
        let limits = &state.limits;
        if load.bytes > limits.largest() {
            return Err(Refused::TooLarge);
        }
        load.room(state.held.plus(state.entering), limits.most)?;
        let entering = state.entering.plus(load);
        let disk = state.disk + entering.bytes + (HEADS + RECORD) as u64 * entering.requests;
        if limits.max_bytes > 0 && disk > limits.max_bytes {
            return Err(Refused::Full("the sending queue's storage"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
