//! One segment: a file of records, and beside it a file of marks that says which of them are finished.
//!
//! Both are there from the beginning of a segment to its end. It ends when all its records are finished: the marks are
//! emptied, then the records go, then the marks. So marks that are left without records tell of a file that somebody
//! else has taken away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::format::{self, HEADS, Head, MARKS_HEAD, RECORD, Record};
use crate::rope::SpanBatch;

pub const RECORDS: &str = "journal";
pub const MARKS: &str = "done";

/// Files hold what services have sent: nobody else may read them.
const MODE: u32 = 0o600;

/// A segment, for the one who writes.
#[derive(Debug)]
pub struct Segment {
    pub records: Arc<Records>,
    /// Bytes of its records and what stands before them.
    pub size: u64,
    marks: File,
    marks_size: u64,
    paths: [PathBuf; 2],
}

/// The records of a segment, for everybody who reads.
#[derive(Debug)]
pub struct Records {
    pub head: Head,
    file: File,
}

impl Segment {
    /// Begins a segment in a directory, on disk if `fsync`.
    pub fn create(directory: &Path, head: Head, fsync: bool) -> io::Result<Self> {
        let paths = [RECORDS, MARKS].map(|kind| path(directory, head.first, kind));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(MODE);
        let created = (|| {
            let (records, marks) = (options.open(&paths[0])?, options.open(&paths[1])?);
            (&records).write_all(&head.encode())?;
            marks.write_all_at(&format::marks_head(head.before), 0)?;
            if fsync {
                records.sync_all()?;
                marks.sync_all()?;
                File::open(directory)?.sync_all()?;
            }
            Ok((records, marks))
        })();
        match created {
            Ok((file, marks)) => {
                let records = Arc::new(Records { head, file });
                Ok(Self { records, size: HEADS as u64, marks, marks_size: MARKS_HEAD as u64, paths })
            }
            Err(error) => {
                // Half a segment is none.
                paths.iter().for_each(|path| _ = fs::remove_file(path));
                Err(error)
            }
        }
    }

    /// Takes up a segment that was begun by an earlier run, whose records were read already.
    pub fn reopen(directory: &Path, number: u64, records: Records, size: u64) -> io::Result<Self> {
        let paths = [RECORDS, MARKS].map(|kind| path(directory, number, kind));
        let marks =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(&paths[1])?;
        let mut marks_size = marks.metadata()?.len();
        if marks_size < MARKS_HEAD as u64 {
            marks.write_all_at(&format::marks_head(records.head.before), 0)?;
            marks_size = MARKS_HEAD as u64;
        }
        // Behind a torn mark the next ones would be out of step.
        marks_size -= (marks_size - MARKS_HEAD as u64) % format::MARK as u64;
        Ok(Self { records: Arc::new(records), size, marks, marks_size, paths })
    }

    /// Appends a record, and says where it begins. What fails leaves nothing behind.
    pub fn append(&mut self, record: &Record, batch: &SpanBatch) -> io::Result<u64> {
        let head = record.encode(self.records.head.salt);
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(1 + batch.chunks().len());
        slices.push(IoSlice::new(&head));
        slices.extend(batch.chunks().iter().map(|chunk| IoSlice::new(&chunk.data)));
        let mut file = &self.records.file;
        if let Err(error) = write_all(file, &mut slices) {
            // Should that fail too, the next record stands behind something torn, which is recognized.
            let _ = file.set_len(self.size);
            self.size = file.seek(SeekFrom::End(0)).unwrap_or(self.size);
            return Err(error);
        }
        let at = self.size;
        self.size += record.len();
        Ok(at)
    }

    /// Sees to it that all that was appended is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.records.file.sync_data()
    }

    /// The same for the marks.
    pub fn sync_marks(&self) -> io::Result<()> {
        self.marks.sync_data()
    }

    /// Notes that records are finished.
    pub fn mark(&mut self, ids: &[u64]) -> io::Result<()> {
        let marks: Vec<u8> = ids.iter().flat_map(|id| format::mark(self.records.head.salt, *id)).collect();
        self.marks.write_all_at(&marks, self.marks_size)?;
        self.marks_size += marks.len() as u64;
        Ok(())
    }

    /// Ends the segment: its files go.
    pub fn remove(self) -> io::Result<()> {
        self.marks.set_len(0)?;
        fs::remove_file(&self.paths[0])?;
        fs::remove_file(&self.paths[1])
    }
}

impl Records {
    /// Opens a file of records, and gives its size. `None` if it does not begin as one.
    pub fn open(path: &Path) -> io::Result<(Option<Self>, u64)> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut heads = [0; HEADS];
        let there = size.min(HEADS as u64) as usize;
        file.read_exact_at(&mut heads[..there], 0)?;
        Ok((Head::decode(&heads[..there]).map(|head| Self { head, file }), size))
    }

    /// What the record at a place begins with. `None` if no intact one does.
    pub fn record(&self, at: u64) -> io::Result<Option<Record>> {
        let head = self.bytes(at, RECORD)?;
        Ok(head.and_then(|head| Record::decode(self.head.salt, &head)))
    }

    /// What a record at a place holds. `None` if it is not intact.
    pub fn payload(&self, at: u64, record: &Record) -> io::Result<Option<Bytes>> {
        let payload = self.bytes(at + RECORD as u64, record.size as usize)?;
        let intact = payload.filter(|payload| format::checksum(self.head.salt, [payload]) == record.check);
        Ok(intact.map(Bytes::from))
    }

    /// What stands at a place. `None` if the file ends before.
    pub fn bytes(&self, at: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, at) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where the files of a segment are: its number is the id of its first record.
pub fn path(directory: &Path, number: u64, kind: &str) -> PathBuf {
    directory.join(format!("{number:016x}.{kind}"))
}

/// `Write::write_all_vectored`, which is not stable yet.
fn write_all(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
