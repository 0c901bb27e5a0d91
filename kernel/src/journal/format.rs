//! How records and the heads of files look on disk. Numbers are little-endian.
//!
//! ```text
//! segment   head head record record …            two equal heads: one flipped bit must not cost 16 MiB
//! head      "SPANMILL" crc version salt first before
//! record    marker crc id before spans size crc' flags payload
//! marks     "SPANDONE" before, then for each finished record: id crc
//! ```
//!
//! `before` counts the spans that were ever appended before this place, so that what is missing in a damaged file can
//! be counted. Every checksum begins with the segment's salt, a number that nobody outside knows: what a client sends
//! cannot pass for a record, wherever a search for the next one begins.

pub const HEAD: usize = 40;
pub const HEADS: usize = 2 * HEAD;
pub const RECORD: usize = 40;
pub const MARKS_HEAD: usize = 16;
pub const MARK: usize = 12;

/// What records begin with.
pub const MARKER: [u8; 4] = *b"\xf5REC";

const MAGIC: [u8; 8] = *b"SPANMILL";
const MARKS_MAGIC: [u8; 8] = *b"SPANDONE";
const VERSION: u32 = 1;

/// The beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub salt: u64,
    /// The id of its first record.
    pub first: u64,
    pub before: u64,
}

/// The beginning of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: u64,
    pub before: u64,
    pub spans: u32,
    /// Bytes of the payload.
    pub size: u32,
    /// The payload's checksum.
    pub check: u32,
}

/// A checksum that begins with a segment's salt.
pub fn checksum(salt: u64, parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> u32 {
    parts.into_iter().fold(crc32c::crc32c(&salt.to_le_bytes()), |sum, part| crc32c::crc32c_append(sum, part.as_ref()))
}

impl Head {
    /// Both heads.
    pub fn encode(&self) -> [u8; HEADS] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&MAGIC);
        head[12..16].copy_from_slice(&VERSION.to_le_bytes());
        head[16..24].copy_from_slice(&self.salt.to_le_bytes());
        head[24..32].copy_from_slice(&self.first.to_le_bytes());
        head[32..40].copy_from_slice(&self.before.to_le_bytes());
        let check = crc32c::crc32c(&head[12..]);
        head[8..12].copy_from_slice(&check.to_le_bytes());
        let mut heads = [0; HEADS];
        heads[..HEAD].copy_from_slice(&head);
        heads[HEAD..].copy_from_slice(&head);
        heads
    }

    /// Reads one of the heads at the beginning of a file.
    pub fn decode(data: &[u8]) -> Option<Self> {
        data.chunks_exact(HEAD).take(2).find_map(|head| {
            let intact =
                head.starts_with(&MAGIC) && u32(head, 8) == crc32c::crc32c(&head[12..]) && u32(head, 12) == VERSION;
            intact.then(|| Self { salt: u64(head, 16), first: u64(head, 24), before: u64(head, 32) })
        })
    }
}

impl Record {
    pub fn encode(&self, salt: u64) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        record[..4].copy_from_slice(&MARKER);
        record[8..16].copy_from_slice(&self.id.to_le_bytes());
        record[16..24].copy_from_slice(&self.before.to_le_bytes());
        record[24..28].copy_from_slice(&self.spans.to_le_bytes());
        record[28..32].copy_from_slice(&self.size.to_le_bytes());
        record[32..36].copy_from_slice(&self.check.to_le_bytes());
        let check = checksum(salt, [&record[8..]]);
        record[4..8].copy_from_slice(&check.to_le_bytes());
        record
    }

    /// Reads what a record begins with. `None` if it is not intact.
    pub fn decode(salt: u64, data: &[u8]) -> Option<Self> {
        let record = data.get(..RECORD)?;
        let intact = record.starts_with(&MARKER) && u32(record, 4) == checksum(salt, [&record[8..]]);
        intact.then(|| Self {
            id: u64(record, 8),
            before: u64(record, 16),
            spans: u32(record, 24),
            size: u32(record, 28),
            check: u32(record, 32),
        })
    }

    /// Bytes of the whole record.
    pub fn len(&self) -> u64 {
        RECORD as u64 + u64::from(self.size)
    }
}

/// What a file of marks begins with.
pub fn marks_head(before: u64) -> [u8; MARKS_HEAD] {
    let mut head = [0; MARKS_HEAD];
    head[..8].copy_from_slice(&MARKS_MAGIC);
    head[8..].copy_from_slice(&before.to_le_bytes());
    head
}

/// How many spans were appended before the segment that a file of marks belongs to.
pub fn marks_before(data: &[u8]) -> Option<u64> {
    (data.len() >= MARKS_HEAD && data.starts_with(&MARKS_MAGIC)).then(|| u64(data, 8))
}

pub fn mark(salt: u64, id: u64) -> [u8; MARK] {
    let mut mark = [0; MARK];
    mark[..8].copy_from_slice(&id.to_le_bytes());
    mark[8..].copy_from_slice(&checksum(salt, [id.to_le_bytes()]).to_le_bytes());
    mark
}

/// The ids of a file of marks. One that is torn or damaged is left out: its record is delivered once more.
pub fn marked(salt: u64, data: &[u8]) -> impl Iterator<Item = u64> {
    let marks = data.get(MARKS_HEAD..).unwrap_or_default().chunks_exact(MARK);
    marks.filter_map(move |found| {
        let id = u64(found, 0);
        (mark(salt, id) == found).then_some(id)
    })
}

fn u32(data: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&data[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64(data: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&data[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD_OF_TEN: Head = Head { salt: 7, first: 10, before: 99 };

    #[test]
    fn a_head_is_read_whichever_of_its_bytes_is_flipped() {
        for at in 0..HEADS {
            let mut heads = HEAD_OF_TEN.encode();
            heads[at] ^= 0x10;
            assert_eq!(Head::decode(&heads), Some(HEAD_OF_TEN), "byte {at}");
        }
        let mut heads = HEAD_OF_TEN.encode();
        (heads[20], heads[HEAD + 20]) = (1, 1);
        assert_eq!(Head::decode(&heads), None);
        assert_eq!(Head::decode(&heads[..HEAD - 1]), None);
    }

    #[test]
    fn a_record_with_a_flipped_byte_or_another_salt_is_none() {
        let record = Record { id: 3, before: 8, spans: 2, size: 5, check: 77 };
        let bytes = record.encode(7);
        assert_eq!(Record::decode(7, &bytes), Some(record));
        assert_eq!(Record::decode(8, &bytes), None);
        for at in 0..RECORD {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            assert_eq!(Record::decode(7, &flipped), None, "byte {at}");
        }
        assert_eq!(Record::decode(7, &bytes[..RECORD - 1]), None);
    }

    #[test]
    fn marks_are_read_up_to_a_torn_one_and_past_a_damaged_one() {
        let mut marks = marks_head(5).to_vec();
        [1, 2, 3].iter().for_each(|id| marks.extend_from_slice(&mark(7, *id)));
        marks[MARKS_HEAD + MARK] ^= 1;
        marks.extend_from_slice(&[1, 2, 3]);
        assert_eq!(marks_before(&marks), Some(5));
        assert_eq!(marked(7, &marks).collect::<Vec<_>>(), [1, 3]);
    }
}
