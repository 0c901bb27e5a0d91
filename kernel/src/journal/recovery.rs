//! What an earlier run has left in a directory, and what of it can no longer be read.
//!
//! Of the last segment, which was written when the run ended, everything is checked: what was torn off was never
//! acknowledged. Of the others the heads of records are, and payloads when it is their turn.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use memchr::memmem;

use super::format::{self, HEADS, MARKER, RECORD, Record};
use super::segment::{self, MARKS, RECORDS, Records, Segment};

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub segments: Vec<(Segment, Vec<Left>)>,
    pub report: Report,
    /// The id that the next record gets.
    pub next_id: u64,
    /// Spans that were ever appended.
    pub before: u64,
}

/// A record that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub at: u64,
    pub record: Record,
}

/// What went wrong since the directory was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes at the end of the last segment that were not wholly written. Nobody was told that they are kept.
    pub torn: u64,
    /// Records, or pieces of files with an unknown number of them, that cannot be read.
    pub damaged: u64,
    /// Spans in them, where that can be told. Some may have been delivered before.
    pub lost: u64,
    /// A line for each of them.
    pub what: Vec<String>,
    /// The spans before something of unknown size, until what stands behind it is known.
    open_end: Option<u64>,
}

impl Report {
    fn damage(&mut self, lost: u64, what: String) {
        self.damaged += 1;
        self.lost += lost;
        self.what.push(what);
    }

    /// Counts what is missing before a place with so many spans before it. What was finished and is gone counts too.
    fn close_end(&mut self, before: u64) {
        if let Some(from) = self.open_end.take() {
            let spans = before.saturating_sub(from);
            self.lost += spans;
            if let Some(what) = self.what.last_mut() {
                what.push_str(&format!(", up to {spans} spans"));
            }
        }
    }
}

/// Looks through a directory, oldest first. Segments whose records are all finished are removed.
pub fn recover(directory: &Path) -> io::Result<Found> {
    let mut files: BTreeMap<u64, [bool; 2]> = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some((number, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let Ok(number) = u64::from_str_radix(number, 16) else { continue };
        match kind {
            RECORDS => files.entry(number).or_default()[0] = true,
            MARKS => files.entry(number).or_default()[1] = true,
            _ => {}
        }
    }
    let last = files.iter().rev().find(|(_, there)| there[0]).map(|(number, _)| *number);
    let mut found = Found { next_id: 1, ..Found::default() };
    for (number, [records, _]) in files {
        if records {
            found.segment(directory, number, Some(number) == last)?;
        } else {
            found.orphan(directory, number)?;
        }
    }
    Ok(found)
}

impl Found {
    fn segment(&mut self, directory: &Path, number: u64, last: bool) -> io::Result<()> {
        let path = segment::path(directory, number, RECORDS);
        let name = path.display();
        let (records, size) = Records::open(&path)?;
        let Some(records) = records else {
            if size < HEADS as u64 && last {
                // The run ended while it began a segment.
                self.report.torn += size;
            } else {
                self.report.damage(0, format!("{name}: its head cannot be read, nor its {size} bytes"));
                self.report.open_end.get_or_insert(self.before);
            }
            // Somebody may want to look at it, and nobody shall find it again.
            fs::rename(&path, path.with_extension("unreadable"))?;
            return forget(directory, number);
        };
        let head = records.head;
        self.report.close_end(head.before);
        let marks = fs::read(segment::path(directory, number, MARKS)).unwrap_or_default();
        let finished: HashSet<u64> = format::marked(head.salt, &marks).collect();
        let next = (head.first, head.before);
        let mut walk = Walk { records: &records, size, at: HEADS as u64, next, check: last };
        let mut left = Vec::new();
        while let Some(step) = walk.step(&mut self.report, &name)? {
            if !finished.contains(&step.record.id) {
                left.push(step);
            }
        }
        let next = walk.next;
        self.next_id = self.next_id.max(next.0);
        self.before = self.before.max(next.1);
        let segment = Segment::reopen(directory, number, records, size)?;
        if left.is_empty() {
            return segment.remove();
        }
        self.segments.push((segment, left));
        Ok(())
    }

    /// Marks without records: the end of a segment was not finished, or somebody took the records away.
    fn orphan(&mut self, directory: &Path, number: u64) -> io::Result<()> {
        let path = segment::path(directory, number, MARKS);
        if let Some(before) = format::marks_before(&fs::read(&path)?) {
            self.report.damage(0, format!("{}: is missing", segment::path(directory, number, RECORDS).display()));
            self.report.open_end.get_or_insert(before);
        }
        fs::remove_file(path)
    }
}

fn forget(directory: &Path, number: u64) -> io::Result<()> {
    match fs::remove_file(segment::path(directory, number, MARKS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Goes from record to record.
struct Walk<'f> {
    records: &'f Records,
    size: u64,
    at: u64,
    /// The id that the next record should have, and the spans that should stand before it.
    next: (u64, u64),
    /// Whether payloads are looked at as well.
    check: bool,
}

impl Walk<'_> {
    /// The next record that can be read. What lies between is reported.
    fn step(&mut self, report: &mut Report, name: &std::path::Display<'_>) -> io::Result<Option<Left>> {
        while self.at < self.size {
            let Some(record) = self.record(self.at)? else {
                if !self.skip(report, name)? {
                    return Ok(None);
                }
                continue;
            };
            let at = self.at;
            if at + record.len() > self.size && self.check {
                report.torn += self.size - at;
                self.at = self.size;
                return Ok(None);
            }
            self.next = (record.id + 1, record.before + u64::from(record.spans));
            self.at += record.len();
            if at + record.len() > self.size || (self.check && self.records.payload(at, &record)?.is_none()) {
                let spans = record.spans;
                report.damage(spans.into(), format!("{name}: a record of {spans} spans at byte {at} is damaged"));
                continue;
            }
            return Ok(Some(Left { at, record }));
        }
        Ok(None)
    }

    /// What a record begins with. `None` if none that may stand here begins at that place.
    fn record(&self, at: u64) -> io::Result<Option<Record>> {
        Ok(self.records.record(at)?.filter(|record| record.id >= self.next.0))
    }

    /// Searches for the next record behind something that is none. False at the end of the file.
    fn skip(&mut self, report: &mut Report, name: &std::path::Display<'_>) -> io::Result<bool> {
        let from = self.at;
        let rest = self.records.bytes(from, (self.size - from) as usize)?.unwrap_or_default();
        for found in memmem::find_iter(rest.get(1..).unwrap_or_default(), &MARKER) {
            let at = from + 1 + found as u64;
            if let Some(record) = self.record(at)? {
                let lost = record.before.saturating_sub(self.next.1);
                let bytes = at - from;
                report.damage(lost, format!("{name}: {bytes} bytes with {lost} spans at byte {from} are damaged"));
                self.at = at;
                return Ok(true);
            }
        }
        self.at = self.size;
        let bytes = self.size - from;
        if self.check && !is_record_with_flipped_bits(&rest) {
            report.torn += bytes;
        } else {
            report.damage(0, format!("{name}: {bytes} bytes at its end are damaged"));
            report.open_end.get_or_insert(self.next.1);
        }
        Ok(false)
    }
}

/// Whether what stands at the end of the last segment was a whole record once. What was torn while it was written is
/// shorter than it says.
fn is_record_with_flipped_bits(rest: &[u8]) -> bool {
    let Some(head) = rest.get(..RECORD) else { return false };
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&head[28..32]);
    rest.len() as u64 == RECORD as u64 + u64::from(u32::from_le_bytes(bytes))
}
