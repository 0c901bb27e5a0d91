//! Any damage to the files of a queue on disk: it opens, and gives what was appended or says that it cannot.

#![no_main]

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, mpsc};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use spanmill_kernel::journal::{Journal, Limits, Settings};
use spanmill_kernel::load::{Load, Together};
use spanmill_kernel::rope::SpanBatch;

/// Files as a run leaves them that was killed, by their names.
static FILES: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let scratch = scratch();
    for part in 0..2 {
        let journal = open(scratch.clone());
        for number in 0..3 {
            let (sender, receiver) = mpsc::channel();
            journal.submit(batch(3 * part + number), false, Box::new(move |outcome| sender.send(outcome).unwrap()));
            receiver.recv().unwrap().unwrap();
        }
        journal.finish(journal.take(Together::new(0, 0, true)).into_iter().map(|entry| entry.id));
    }
    let files =
        fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some());
    let mut files: Vec<_> =
        files.map(|path| (PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap())).collect();
    files.sort();
    fs::remove_dir_all(scratch).unwrap();
    files
});

/// A span whose name is a number: `resource_spans { scope_spans { spans { name } } }`.
fn batch(number: u8) -> SpanBatch {
    SpanBatch::decode(Bytes::from(vec![0x0a, 7, 0x12, 5, 0x12, 3, 0x2a, 1, b'0' + number]), None).unwrap()
}

fn scratch() -> PathBuf {
    let path = std::env::temp_dir().join(format!("spanmill-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn open(directory: PathBuf) -> Journal {
    let most = Load { requests: u64::MAX, spans: u64::MAX, bytes: u64::MAX };
    let settings = Settings { directory, limits: Limits { most, ..Limits::default() } };
    Journal::open(settings, Box::new(|| ())).unwrap()
}

fuzz_target!(|data: &[u8]| {
    let mut files = FILES.clone();
    let scratch = scratch();
    fs::create_dir(&scratch).unwrap();
    for edit in data.chunks_exact(4) {
        let count = files.len();
        let file = &mut files[usize::from(edit[0] & 3) % count].1;
        let at = usize::from(edit[1]) * 4 + usize::from(edit[0] >> 6);
        match edit[0] >> 2 & 3 {
            0 | 1 => file.get_mut(at).map_or((), |byte| *byte ^= edit[2]),
            2 => file.truncate(at),
            _ => file.extend_from_slice(&vec![edit[2]; usize::from(edit[3])]),
        }
    }
    files.iter().for_each(|(name, data)| fs::write(scratch.join(name), data).unwrap());
    let appended: HashSet<Vec<u8>> = (0..6).map(|number| batch(number).encode()).collect();
    let journal = open(scratch.clone());
    while let Some(entry) = journal.take(Together::new(0, 0, true)).pop() {
        if let Ok(batch) = entry.read() {
            assert!(appended.contains(&batch.encode()));
        }
        journal.finish([entry.id]);
    }
    drop(journal);
    let again = open(scratch.clone());
    assert_eq!(again.ready(), 0, "what was finished does not come again");
    drop(again);
    fs::remove_dir_all(scratch).unwrap();
});
