//! The thread that writes: records for those who submit, marks for those who have finished.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::sync::PoisonError;

use super::format::{self, HEADS, Head, Record};
use super::promise::Promise;
use super::recovery::Found;
use super::segment::Segment;
use super::{Entry, Place, Shared, Submitted};
use crate::load::{Load, Refused};
use crate::rope::SpanBatch;

/// Where a segment ends and the next one begins.
const SEGMENT: u64 = 16 << 20;
/// How many segments a journal with a bound has at least, so that those that are finished make room.
const SEGMENTS: u64 = 8;

pub struct Writer {
    segments: HashMap<u64, Living>,
    /// The number of the segment that is written to.
    active: Option<u64>,
    next_id: u64,
    /// Spans that were ever appended.
    before: u64,
    /// Held until the end: nobody else may open the directory.
    _lock: File,
}

struct Living {
    segment: Segment,
    /// Records that are not finished.
    alive: usize,
}

/// A record that is written, and perhaps not on disk yet.
type Written = (Entry, SpanBatch, Promise);

impl Writer {
    /// Takes over what an earlier run has left: segments, to which nothing is added, and their records, oldest first.
    pub fn new(found: Found, lock: File) -> (Self, VecDeque<Entry>) {
        let mut ready = VecDeque::new();
        let mut segments = HashMap::new();
        for (segment, left) in found.segments {
            ready.extend(left.iter().map(|left| Entry {
                id: left.record.id,
                spans: left.record.spans as usize,
                size: left.record.size as usize,
                loose: false,
                place: Place { records: segment.records.clone(), at: left.at, cached: None },
            }));
            segments.insert(segment.records.head.first, Living { segment, alive: left.len() });
        }
        (Self { segments, active: None, next_id: found.next_id, before: found.before, _lock: lock }, ready)
    }

    /// Bytes of all segments.
    pub fn disk(&self) -> u64 {
        self.segments.values().map(|living| living.segment.size).sum()
    }

    pub fn run(mut self, shared: &Shared) {
        let _stopped = Stopped(shared);
        loop {
            let mut state = shared.state();
            while state.submitted.is_empty() && state.finished.is_empty() && !state.closing {
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let submitted = std::mem::take(&mut state.submitted);
            let finished = std::mem::take(&mut state.finished);
            drop(state);
            if submitted.is_empty() && finished.is_empty() {
                break;
            }
            // Marks first: they may make room.
            self.finish(shared, finished);
            self.append(shared, submitted);
        }
        self.end(shared);
    }

    fn append(&mut self, shared: &Shared, submitted: Vec<Submitted>) {
        let mut written = Vec::with_capacity(submitted.len());
        for Submitted { batch, loose, promise } in submitted {
            match self.write(shared, &batch, loose, &mut written) {
                Ok(entry) => written.push((entry, batch, promise)),
                Err(error) => {
                    // Where a file must not grow any further, the next one may.
                    self.commit(shared, std::mem::take(&mut written));
                    self.seal();
                    refuse(shared, vec![(batch, promise)], &error);
                }
            }
        }
        self.commit(shared, written);
    }

    /// Writes a record. Where that begins a segment, what was `written` to the one before is committed.
    fn write(
        &mut self,
        shared: &Shared,
        batch: &SpanBatch,
        loose: bool,
        written: &mut Vec<Written>,
    ) -> io::Result<Entry> {
        if self.active().is_some_and(|living| living.segment.size >= full(shared)) {
            self.commit(shared, std::mem::take(written));
            self.seal();
        }
        if self.active().is_none() {
            let salt = uuid::Uuid::new_v4().as_u64_pair().0;
            let head = Head { salt, first: self.next_id, before: self.before };
            let segment = Segment::create(&shared.directory, head, shared.limits().fsync)?;
            self.segments.insert(head.first, Living { segment, alive: 0 });
            self.active = Some(head.first);
        }
        let (id, before) = (self.next_id, self.before);
        let living = self.active().ok_or(io::ErrorKind::NotFound)?;
        let salt = living.segment.records.head.salt;
        let record = Record {
            id,
            before,
            spans: batch.len() as u32,
            size: batch.size() as u32,
            check: format::checksum(salt, batch.chunks().iter().map(|chunk| &chunk.data)),
        };
        let at = living.segment.append(&record, batch)?;
        living.alive += 1;
        let place = Place { records: living.segment.records.clone(), at, cached: None };
        self.next_id += 1;
        self.before += batch.len() as u64;
        Ok(Entry { id, spans: batch.len(), size: batch.size(), loose, place })
    }

    /// Has the disk confirm what was written to the active segment, and tells those who wait.
    fn commit(&mut self, shared: &Shared, mut written: Vec<Written>) {
        if written.is_empty() {
            self.weigh(shared);
            return;
        }
        let synced = match self.active() {
            Some(living) if shared.limits().fsync => living.segment.sync(),
            _ => Ok(()),
        };
        if let Err(error) = synced {
            self.forsake(shared, written, &error);
            return;
        }
        let disk = self.disk();
        let mut state = shared.state();
        state.disk = disk;
        for (entry, batch, _) in &mut written {
            let load = Load::of(batch);
            state.entering = state.entering.minus(load);
            state.held = state.held.plus(load);
            if state.cached + batch.pinned() <= state.limits.cache_bytes {
                state.cached += batch.pinned();
                entry.place.cached = Some(batch.clone());
            }
        }
        let mut promises = Vec::with_capacity(written.len());
        for (entry, _, promise) in written {
            state.ready.push_back(entry);
            promises.push(promise);
        }
        drop(state);
        promises.into_iter().for_each(|promise| promise.keep(Ok(())));
        (shared.wake)();
    }

    /// Gives up what the disk did not confirm. What it has of it is not known any more, nor would it be after another
    /// try, so nothing is appended to the segment from now on.
    fn forsake(&mut self, shared: &Shared, written: Vec<Written>, error: &io::Error) {
        if let Some(living) = self.active() {
            let ids: Vec<u64> = written.iter().map(|(entry, ..)| entry.id).collect();
            living.alive -= ids.len();
            let _ = living.segment.mark(&ids);
        }
        self.seal();
        refuse(shared, written.into_iter().map(|(_, batch, promise)| (batch, promise)).collect(), error);
        self.weigh(shared);
    }

    fn finish(&mut self, shared: &Shared, finished: Vec<Entry>) {
        let mut by_segment: HashMap<u64, Vec<u64>> = HashMap::new();
        for entry in finished {
            by_segment.entry(entry.place.records.head.first).or_default().push(entry.id);
        }
        for (number, ids) in by_segment {
            let Some(living) = self.segments.get_mut(&number) else { continue };
            living.alive -= ids.len();
            let size = living.segment.size;
            if living.alive == 0 && (self.active != Some(number) || size >= full(shared) / 2) {
                self.remove(number);
            } else if living.segment.mark(&ids).is_err() {
                shared.state().unmarked += ids.len() as u64;
            }
        }
        self.weigh(shared);
    }

    fn remove(&mut self, number: u64) {
        self.active = self.active.filter(|active| *active != number);
        if let Some(living) = self.segments.remove(&number) {
            // What cannot be removed is found to be finished by the next run.
            let _ = living.segment.remove();
        }
    }

    /// Appends nothing to the active segment any more.
    fn seal(&mut self) {
        if let Some(number) = self.active.take()
            && self.segments.get(&number).is_some_and(|living| living.alive == 0)
        {
            self.remove(number);
        }
    }

    fn active(&mut self) -> Option<&mut Living> {
        self.segments.get_mut(&self.active?)
    }

    /// Notes how much disk is used, and says so where that became less.
    fn weigh(&self, shared: &Shared) {
        let disk = self.disk();
        let before = std::mem::replace(&mut shared.state().disk, disk);
        if disk < before {
            (shared.wake)();
        }
    }

    /// Leaves nothing that a later run would deliver again.
    fn end(&mut self, shared: &Shared) {
        self.seal();
        for living in self.segments.values().filter(|_| shared.limits().fsync) {
            let _ = living.segment.sync_marks();
        }
        self.weigh(shared);
    }
}

/// How large a segment gets.
fn full(shared: &Shared) -> u64 {
    match shared.limits().max_bytes {
        0 => SEGMENT,
        bound => (bound / SEGMENTS).clamp(HEADS as u64, SEGMENT),
    }
}

fn refuse(shared: &Shared, refused: Vec<(SpanBatch, Promise)>, error: &io::Error) {
    let mut state = shared.state();
    for (batch, _) in &refused {
        state.entering = state.entering.minus(Load::of(batch));
    }
    state.trouble = Some(error.to_string());
    drop(state);
    for (_, promise) in refused {
        promise.keep(Err(Refused::Failed(error.to_string())));
    }
    (shared.wake)();
}

/// Refuses everything once the thread has ended, for whatever reason.
struct Stopped<'s>(&'s Shared);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closing = true;
        let left = std::mem::take(&mut state.submitted);
        drop(state);
        drop(left);
        (self.0.wake)();
    }
}
