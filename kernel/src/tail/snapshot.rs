//! Traces that wait, on disk from the end of one run to the start of the next.
//!
//! A file begins with what it holds in all, so that what is missing can be counted. Each record says what it is, how long,
//! and how many spans it has; both that and its body have a checksum. What is damaged is skipped: the next record is found
//! by its marker. Times are how long ago something was, so the time between two runs counts for nothing: spans that
//! clients could not send meanwhile still find their traces.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const MAGIC: [u8; 8] = *b"SPANTAIL";
const VERSION: u32 = 1;
const HEAD: usize = 32;
const RECORD: usize = 24;
const TRACE: [u8; 4] = *b"TRAC";
const DECISIONS: [u8; 4] = *b"DECI";
/// Bytes that are searched at once for the next record.
const WINDOW: usize = 64 << 10;
/// The longest body. A trace in memory has less.
const MAX_BODY: u32 = 1 << 30;

/// What a file holds in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub traces: u64,
    pub spans: u64,
}

/// A record as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A trace of so many spans.
    Trace {
        spans: u32,
        body: Vec<u8>,
    },
    Decisions(Vec<u8>),
}

/// Writes a file beside its place, and puts it there once all of it is on disk.
pub struct Writer {
    file: BufWriter<File>,
}

impl Writer {
    /// Begins a file at this path.
    pub fn create(path: &Path, totals: Totals) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&MAGIC);
        head[12..16].copy_from_slice(&VERSION.to_le_bytes());
        head[16..24].copy_from_slice(&totals.traces.to_le_bytes());
        head[24..32].copy_from_slice(&totals.spans.to_le_bytes());
        let check = crc32c::crc32c(&head[12..]);
        head[8..12].copy_from_slice(&check.to_le_bytes());
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&head)?;
        Ok(Self { file })
    }

    pub fn trace(&mut self, spans: usize, body: &[u8]) -> io::Result<()> {
        self.record(TRACE, spans as u32, body)
    }

    pub fn decisions(&mut self, body: &[u8]) -> io::Result<()> {
        self.record(DECISIONS, 0, body)
    }

    fn record(&mut self, kind: [u8; 4], spans: u32, body: &[u8]) -> io::Result<()> {
        let size = u32::try_from(body.len()).ok().filter(|size| *size <= MAX_BODY);
        let size = size.ok_or_else(|| io::Error::other("a trace is too large to be saved"))?;
        let mut head = [0; RECORD];
        head[..4].copy_from_slice(&kind);
        head[8..12].copy_from_slice(&size.to_le_bytes());
        head[12..16].copy_from_slice(&spans.to_le_bytes());
        head[16..20].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c(&kind), &head[8..]);
        head[4..8].copy_from_slice(&check.to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(body)
    }

    /// Waits until the disk has everything.
    pub fn finish(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Reads a file record by record.
pub struct Reader {
    file: File,
    size: u64,
    at: u64,
    pub totals: Totals,
    /// Whether something could not be read.
    pub is_damaged: bool,
}

impl Reader {
    /// Opens a file. `InvalidData` if it is none of this version.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).map_err(|_| invalid("it is no file of saved traces"))?;
        if head[..8] != MAGIC {
            return Err(invalid("it is no file of saved traces"));
        }
        if number(&head, 12) != VERSION {
            return Err(invalid(&format!(
                "it is of version {}, and this collector reads {VERSION}",
                number(&head, 12)
            )));
        }
        if number(&head, 8) != crc32c::crc32c(&head[12..]) {
            return Err(invalid("its head is damaged"));
        }
        let totals = Totals { traces: long(&head, 16), spans: long(&head, 24) };
        Ok(Self { file, size, at: HEAD as u64, totals, is_damaged: false })
    }

    /// The next record that is intact.
    pub fn read(&mut self) -> io::Result<Option<Record>> {
        while self.at + RECORD as u64 <= self.size {
            let mut head = [0; RECORD];
            self.file.read_exact_at(&mut head, self.at)?;
            let kind = [head[0], head[1], head[2], head[3]];
            let check = crc32c::crc32c_append(crc32c::crc32c(&kind), &head[8..]);
            let size = u64::from(number(&head, 8));
            let fits = self.at + RECORD as u64 + size <= self.size;
            if !(kind == TRACE || kind == DECISIONS) || number(&head, 4) != check || !fits {
                self.is_damaged = true;
                self.search()?;
                continue;
            }
            let mut body = vec![0; size as usize];
            self.file.read_exact_at(&mut body, self.at + RECORD as u64)?;
            self.at += RECORD as u64 + size;
            if crc32c::crc32c(&body) != number(&head, 16) {
                self.is_damaged = true;
                continue;
            }
            let record =
                if kind == TRACE { Record::Trace { spans: number(&head, 12), body } } else { Record::Decisions(body) };
            return Ok(Some(record));
        }
        self.is_damaged |= self.at != self.size;
        Ok(None)
    }

    /// Goes to the next place where a record may begin.
    fn search(&mut self) -> io::Result<()> {
        self.at += 1;
        let mut window = vec![0; WINDOW];
        while self.at < self.size {
            let length = WINDOW.min((self.size - self.at) as usize);
            self.file.read_exact_at(&mut window[..length], self.at)?;
            let found = window[..length].windows(4).position(|bytes| *bytes == TRACE || *bytes == DECISIONS);
            if let Some(found) = found {
                self.at += found as u64;
                return Ok(());
            }
            // A marker may stand across the end of the window.
            self.at += if length < WINDOW { length } else { length - 3 } as u64;
        }
        Ok(())
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that is gone with the test.
    struct Place(std::path::PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("spanmill-{}-{name}", std::process::id())))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn written(name: &str) -> (Place, Vec<u8>) {
        let place = Place::new(name);
        let mut writer = Writer::create(&place.0, Totals { traces: 3, spans: 6 }).unwrap();
        for spans in 1..=3_usize {
            writer.trace(spans, &vec![spans as u8; 10 * spans]).unwrap();
        }
        writer.decisions(b"decided").unwrap();
        writer.finish().unwrap();
        let bytes = std::fs::read(&place.0).unwrap();
        (place, bytes)
    }

    fn read(path: &Path) -> io::Result<(Vec<u32>, bool)> {
        let mut reader = Reader::open(path)?;
        let mut spans = Vec::new();
        while let Some(record) = reader.read()? {
            spans.push(if let Record::Trace { spans, .. } = record { spans } else { 0 });
        }
        Ok((spans, reader.is_damaged))
    }

    #[test]
    fn what_was_written_comes_back() {
        let (place, _) = written("whole");
        assert_eq!(read(&place.0).unwrap(), (vec![1, 2, 3, 0], false));
        assert_eq!(Reader::open(&place.0).unwrap().totals, Totals { traces: 3, spans: 6 });
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_is_noticed() {
        let (place, bytes) = written("flipped");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&place.0, &damaged).unwrap();
            match read(&place.0) {
                Err(error) => assert!(bit < HEAD * 8 && error.kind() == io::ErrorKind::InvalidData, "bit {bit}"),
                Ok((spans, is_damaged)) => assert!(spans.len() == 3 && is_damaged && bit >= HEAD * 8, "bit {bit}"),
            }
        }
    }

    #[test]
    fn a_file_that_ends_anywhere_gives_what_is_whole() {
        let (place, bytes) = written("cut");
        for length in 0..bytes.len() {
            std::fs::write(&place.0, &bytes[..length]).unwrap();
            if let Ok((spans, is_damaged)) = read(&place.0) {
                let ends = [HEAD, HEAD + RECORD + 10, HEAD + 2 * RECORD + 30, HEAD + 3 * RECORD + 60];
                assert_eq!(spans.len(), ends[1..].iter().filter(|end| **end <= length).count());
                assert_eq!(is_damaged, !ends.contains(&length), "{length}");
            } else {
                assert!(length < HEAD);
            }
        }
    }

    #[test]
    fn another_version_says_so() {
        let (place, mut bytes) = written("version");
        bytes[12] = 9;
        std::fs::write(&place.0, &bytes).unwrap();
        assert_eq!(read(&place.0).unwrap_err().to_string(), "it is of version 9, and this collector reads 1");
    }
}
