use std::fs;
use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;

use super::format::Record;
use super::*;
use crate::samples::{resource_spans, span};

/// A directory that goes with the test.
struct Scratch(PathBuf);

const LIMITS: Limits = Limits {
    max_bytes: 0,
    fsync: true,
    most: Load { requests: 1000, spans: u64::MAX, bytes: u64::MAX },
    cache_bytes: 1 << 20,
};

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("spanmill-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn queue(&self) -> PathBuf {
        self.0.join("queue")
    }

    fn settings(&self) -> Settings {
        self.limited(LIMITS)
    }

    fn limited(&self, limits: Limits) -> Settings {
        Settings { directory: self.queue(), limits }
    }

    fn open(&self) -> Journal {
        Journal::open(self.settings(), Box::new(|| ())).unwrap()
    }

    /// The files with records, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.queue()).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|kind| kind == "journal")).collect();
        segments.sort();
        segments
    }

    /// A copy of the whole directory.
    fn copy(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.queue()).unwrap();
        for entry in fs::read_dir(self.queue()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.queue().join(entry.file_name())).unwrap();
        }
        copy
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn batch(name: &str, spans: usize) -> SpanBatch {
    let spans: Vec<Vec<u8>> = (0..spans).map(|_| span(name, &[])).collect();
    SpanBatch::decode(Bytes::from(resource_spans(name, &[&spans])), None).unwrap()
}

/// Appends a batch and waits until it is on disk, or is not.
fn append(journal: &Journal, batch: SpanBatch) -> Result<(), Refused> {
    let (sender, receiver) = mpsc::channel();
    journal.submit(batch, false, Box::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv().unwrap()
}

/// Takes out one batch.
fn take(journal: &Journal) -> Option<Entry> {
    journal.take(Together::new(0, 0, true)).pop()
}

fn drain(journal: &Journal) -> Vec<SpanBatch> {
    std::iter::from_fn(|| take(journal)).filter_map(|entry| entry.read().ok()).collect()
}

fn contents(batches: &[SpanBatch]) -> Vec<Vec<u8>> {
    batches.iter().map(SpanBatch::encode).collect()
}

fn flip(path: &Path, at: usize) {
    let mut data = fs::read(path).unwrap();
    data[at] ^= 0x04;
    fs::write(path, data).unwrap();
}

#[test]
fn what_is_appended_is_taken_in_order_and_gone_when_it_is_finished() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let batches = [batch("a", 1), batch("b", 2), batch("c", 3)];
    batches.iter().for_each(|batch| append(&journal, batch.clone()).unwrap());
    assert_eq!((journal.ready(), journal.held().spans), (3, 6));

    for expected in &batches {
        let entry = take(&journal).unwrap();
        assert!(entry.is_cached());
        assert_eq!(entry.read().unwrap().encode(), expected.encode());
        journal.finish([entry.id]);
        journal.finish([entry.id]);
    }

    assert!(take(&journal).is_none());
    assert_eq!((journal.held(), journal.cached()), (Load::default(), 0));
    journal.close();
    assert!(scratch.segments().is_empty());
    assert_eq!(scratch.open().report, Report::default());
}

#[test]
fn several_are_taken_together_within_bounds() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    (0..6).for_each(|_| append(&journal, batch("a", 2)).unwrap());
    let size = batch("a", 2).size() as u64;
    let taken = |spans, bytes| journal.take(Together::new(spans, bytes, true)).len();
    assert_eq!((taken(1, u64::MAX), taken(5, u64::MAX), taken(100, 2 * size), taken(100, u64::MAX)), (1, 2, 2, 1));
    assert_eq!((taken(100, u64::MAX), journal.held().requests), (0, 6));
}

#[test]
fn what_is_not_finished_is_there_again() {
    let scratch = Scratch::new();
    let batches = [batch("a", 1), batch("b", 2), batch("c", 3)];
    let journal = scratch.open();
    batches.iter().for_each(|batch| append(&journal, batch.clone()).unwrap());
    let begun = take(&journal).unwrap();
    journal.finish([take(&journal).unwrap().id]);
    drop(journal);

    let journal = scratch.open();

    assert_eq!(journal.report, Report::default());
    assert_eq!(journal.held().spans, 4);
    assert_eq!(contents(&drain(&journal)), contents(&[batches[0].clone(), batches[2].clone()]));
    assert_eq!(begun.read().unwrap().encode(), batches[0].encode());
}

#[test]
fn what_was_written_before_comes_before_what_is_new() {
    let scratch = Scratch::new();
    append(&scratch.open(), batch("old", 1)).unwrap();
    let journal = scratch.open();
    append(&journal, batch("new", 1)).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| take(&journal)).collect();
    assert_eq!(taken[0].read().unwrap().encode(), batch("old", 1).encode());
    assert!(taken[0].id < taken[1].id);
}

#[test]
fn memory_holds_the_contents_up_to_a_bound() {
    let scratch = Scratch::new();
    let size = batch("a", 2).pinned();
    let limits = Limits { cache_bytes: 2 * size, ..LIMITS };
    let journal = Journal::open(scratch.limited(limits), Box::new(|| ())).unwrap();
    (0..3).for_each(|_| append(&journal, batch("a", 2)).unwrap());
    assert_eq!(journal.cached(), 2 * size);
    let taken: Vec<_> = std::iter::from_fn(|| take(&journal)).collect();
    assert_eq!(taken.iter().map(Entry::is_cached).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(taken[2].read().unwrap().encode(), batch("a", 2).encode());
    assert_eq!(journal.cached(), 0);
}

#[test]
fn a_queue_that_is_full_refuses_until_something_is_finished() {
    let scratch = Scratch::new();
    let most = Load { requests: 2, spans: u64::MAX, bytes: u64::MAX };
    let journal = Journal::open(scratch.limited(Limits { most, ..LIMITS }), Box::new(|| ())).unwrap();
    append(&journal, batch("a", 1)).unwrap();
    append(&journal, batch("b", 1)).unwrap();
    assert_eq!(append(&journal, batch("c", 1)), Err(Refused::Full("sending queue")));
    let entry = take(&journal).unwrap();
    assert!(append(&journal, batch("c", 1)).is_err(), "what is under way counts");
    journal.finish([entry.id]);
    append(&journal, batch("c", 1)).unwrap();
}

#[test]
fn limits_may_change_while_something_is_held() {
    let scratch = Scratch::new();
    let most = |requests| Limits { most: Load { requests, ..LIMITS.most }, ..LIMITS };
    let journal = Journal::open(scratch.limited(most(1)), Box::new(|| ())).unwrap();
    append(&journal, batch("a", 1)).unwrap();
    assert!(append(&journal, batch("b", 1)).is_err());
    journal.limit(most(3));
    append(&journal, batch("b", 1)).unwrap();
    journal.limit(most(1));
    assert!(append(&journal, batch("c", 1)).is_err());
    assert_eq!(std::iter::from_fn(|| take(&journal)).count(), 2, "what is there stays");
}

#[test]
fn the_disk_is_bounded_and_used_again() {
    let scratch = Scratch::new();
    let size = batch("a", 10).size() as u64;
    let limits = Limits { max_bytes: 20 * size, ..LIMITS };
    let journal = Journal::open(scratch.limited(limits), Box::new(|| ())).unwrap();
    assert!(matches!(append(&journal, batch("a", 1000)), Err(Refused::TooLarge)));

    let mut appended = 0;
    while append(&journal, batch("a", 10)).is_ok() {
        appended += 1;
    }

    assert!(appended >= 12, "{appended}");
    assert!(journal.disk() <= 20 * size);
    for entry in std::iter::from_fn(|| take(&journal)) {
        journal.finish([entry.id]);
    }
    // The thread makes room in its own time, and what is submitted now is written behind that.
    let again = (0..1000).any(|_| {
        thread::yield_now();
        append(&journal, batch("a", 10)).is_ok()
    });
    assert!(again);
    assert!(journal.disk() < 3 * size, "{}", journal.disk());
}

#[test]
fn a_closed_journal_refuses_and_lets_go_of_the_directory() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    append(&journal, batch("a", 1)).unwrap();
    let locked = Journal::open(scratch.settings(), Box::new(|| ())).err().unwrap();
    assert_eq!(locked.kind(), io::ErrorKind::WouldBlock);
    assert!(locked.to_string().contains(&std::process::id().to_string()), "{locked}");

    journal.close();
    assert_eq!(append(&journal, batch("a", 1)), Err(Refused::Closed));
    drop(journal);
    assert_eq!(scratch.open().ready(), 1);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    fs::remove_dir_all(scratch.queue()).unwrap();
    let refused = append(&journal, batch("a", 1));
    assert!(matches!(refused, Err(Refused::Failed(_))), "{refused:?}");
    assert_eq!((journal.held(), journal.ready()), (Load::default(), 0));
}

/// A directory with four records in two segments, and their contents.
fn four_records() -> (Scratch, Vec<SpanBatch>) {
    let scratch = Scratch::new();
    let batches: Vec<_> = [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(name, spans)| batch(name, spans)).into();
    for pair in batches.chunks(2) {
        let journal = scratch.open();
        pair.iter().for_each(|batch| append(&journal, batch.clone()).unwrap());
    }
    assert_eq!(scratch.segments().len(), 2);
    (scratch, batches)
}

#[test]
fn a_flipped_bit_costs_the_record_it_is_in_and_is_reported() {
    let (original, batches) = four_records();
    for file in 0..2 {
        let size = fs::metadata(&original.segments()[file]).unwrap().len() as usize;
        let second = HEADS + RECORD + batches[2 * file].size();
        for at in 0..size {
            let scratch = original.copy();
            flip(&scratch.segments()[file], at);

            let journal = scratch.open();
            let entries: Vec<Entry> = std::iter::from_fn(|| take(&journal)).collect();
            let (read, unreadable): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.read().is_ok());
            let read: Vec<_> = read.into_iter().map(|entry| entry.read().unwrap()).collect();

            let hit = (at >= HEADS).then_some(2 * file + usize::from(at >= second));
            let left = (0..4).filter(|number| Some(*number) != hit).map(|number| batches[number].clone());
            let context = format!("file {file}, byte {at}: {:?}", journal.report);
            assert_eq!(contents(&read), contents(&left.collect::<Vec<_>>()), "{context}");
            let lost = journal.report.lost + unreadable.iter().map(|entry| entry.spans as u64).sum::<u64>();
            match hit {
                None => assert_eq!(journal.report, Report::default(), "{context}"),
                // Nothing stands behind the last record that would tell how many spans it had.
                Some(3) => assert!(journal.report.damaged == 1 || journal.report.torn > 0, "{context}"),
                Some(number) => assert_eq!(lost, batches[number].len() as u64, "{context}"),
            }
        }
    }
}

#[test]
fn a_torn_end_costs_what_was_not_wholly_written() {
    let (original, batches) = four_records();
    let whole = fs::metadata(&original.segments()[1]).unwrap().len();
    let boundary = (HEADS + RECORD + batches[2].size()) as u64;
    for size in 0..whole {
        let scratch = original.copy();
        fs::OpenOptions::new().write(true).open(&scratch.segments()[1]).unwrap().set_len(size).unwrap();
        let journal = scratch.open();
        let left = if size >= boundary { 3 } else { 2 };
        assert_eq!(contents(&drain(&journal)), contents(&batches[..left]), "{size} bytes");
        assert_eq!(journal.report.damaged, 0, "{size} bytes: {:?}", journal.report);
        let torn = if size >= boundary {
            size - boundary
        } else if size < HEADS as u64 {
            size
        } else {
            size - HEADS as u64
        };
        assert!(journal.report.torn == torn || size < HEADS as u64, "{size} bytes: {:?}", journal.report);
    }
}

#[test]
fn a_segment_that_somebody_took_away_is_reported() {
    let (scratch, batches) = four_records();
    fs::remove_file(&scratch.segments()[0]).unwrap();
    let journal = scratch.open();
    assert_eq!((journal.report.damaged, journal.report.lost), (1, 3), "{:?}", journal.report);
    assert_eq!(contents(&drain(&journal)), contents(&batches[2..]));
    drop(journal);
    assert_eq!(scratch.open().report, Report::default(), "it is said once");
}

#[test]
fn a_head_that_cannot_be_read_costs_the_segment_and_keeps_the_file() {
    let (scratch, batches) = four_records();
    let segment = &scratch.segments()[0];
    (0..HEADS).step_by(5).for_each(|at| flip(segment, at));
    let journal = scratch.open();
    assert_eq!(journal.report.damaged, 1);
    assert_eq!(contents(&drain(&journal)), contents(&batches[2..]));
    assert!(segment.with_extension("unreadable").exists());
}

#[test]
fn without_marks_everything_is_delivered_once_more() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    append(&journal, batch("a", 1)).unwrap();
    append(&journal, batch("b", 1)).unwrap();
    journal.finish([take(&journal).unwrap().id]);
    drop(journal);
    let marks = scratch.segments()[0].with_extension("done");
    for (size, left) in [(fs::metadata(&marks).unwrap().len() - 1, 2), (0, 2)] {
        let copy = scratch.copy();
        let marks = copy.segments()[0].with_extension("done");
        fs::OpenOptions::new().write(true).open(&marks).unwrap().set_len(size).unwrap();
        assert_eq!(copy.open().ready(), left);
    }
    assert_eq!(scratch.open().ready(), 1);
}

#[test]
fn a_client_cannot_forge_a_record() {
    let scratch = Scratch::new();
    let forged = Record { id: 900, before: 0, spans: 1, size: 4, check: 0 };
    let mut bait = forged.encode(0).to_vec();
    bait.extend_from_slice(b"fake");
    let name = String::from_utf8_lossy(&bait).into_owned();
    let journal = scratch.open();
    append(&journal, batch(&name, 1)).unwrap();
    append(&journal, batch("b", 1)).unwrap();
    drop(journal);
    flip(&scratch.segments()[0], HEADS + 8);
    let journal = scratch.open();
    assert_eq!(contents(&drain(&journal)), contents(&[batch("b", 1)]));
    assert_eq!(journal.report.lost, 1);
}
