//! What shall change in a chunk: ranges of its bytes with what stands there instead.
//!
//! Everything that no edit covers stays as it is, so an untouched span costs nothing, and a chunk without
//! edits is handed on as the same bytes. The lengths of enclosing messages are edits too: opened before the
//! message is walked, and filled in, or withdrawn, behind it.

use crate::wire::{self, WireType};

#[derive(Clone, Copy, Debug)]
struct Edit {
    /// The range of the source that goes.
    start: usize,
    end: usize,
    /// The range of `scratch` that comes.
    new_start: usize,
    new_end: usize,
}

/// Edits of one chunk, from left to right. Reused from chunk to chunk.
#[derive(Debug, Default)]
pub struct Edits {
    list: Vec<Edit>,
    scratch: Vec<u8>,
    /// By how many bytes the chunk grows so far.
    growth: isize,
    /// How many of the list do something. The others are places for what turned out to stay as it is.
    made: usize,
}

/// A place that was opened, for what is decided further on.
#[derive(Debug)]
pub struct Mark {
    index: usize,
    scratch: usize,
    growth: isize,
    made: usize,
}

impl Edits {
    /// Replaces the bytes from `start` to `end` by what `write` appends. Ranges must not go backwards.
    pub fn replace(&mut self, start: usize, end: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let new_start = self.scratch.len();
        write(&mut self.scratch);
        let new_end = self.scratch.len();
        self.growth += (new_end - new_start) as isize - (end - start) as isize;
        self.made += 1;
        self.list.push(Edit { start, end, new_start, new_end });
    }

    /// Remembers the place of something that may be decided later: a length, a resource.
    pub fn open(&mut self, start: usize) -> Mark {
        let mark = Mark { index: self.list.len(), scratch: self.scratch.len(), growth: self.growth, made: self.made };
        self.list.push(Edit { start, end: start, new_start: 0, new_end: 0 });
        mark
    }

    /// Replaces the bytes from `start` to `end`, between which the mark was set, by what `write` appends.
    pub fn fill(&mut self, mark: &Mark, start: usize, end: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let new_start = self.scratch.len();
        write(&mut self.scratch);
        let new_end = self.scratch.len();
        self.growth += (new_end - new_start) as isize - (end - start) as isize;
        self.made += 1;
        self.list[mark.index] = Edit { start, end, new_start, new_end };
    }

    /// Closes a message field whose tag and length stand from `start` to `body` and whose body ends at
    /// `end`: corrects the length if anything inside changed, and tells whether it did.
    pub fn close(&mut self, mark: &Mark, number: u32, start: usize, body: usize, end: usize) -> bool {
        if self.made == mark.made {
            self.list.truncate(mark.index);
            return false;
        }
        let length = (end - body) as isize + self.growth - mark.growth;
        self.fill(mark, start, body, |out| {
            wire::put_tag(out, number, WireType::Len);
            wire::put_varint(out, length as u64);
        });
        true
    }

    /// Withdraws all edits since `mark` and removes the bytes from `start` to `end` instead.
    pub fn remove(&mut self, mark: &Mark, start: usize, end: usize) {
        self.list.truncate(mark.index);
        self.scratch.truncate(mark.scratch);
        self.growth = mark.growth;
        self.made = mark.made;
        self.replace(start, end, |_| {});
    }

    pub fn is_empty(&self) -> bool {
        self.made == 0
    }

    /// The source with all edits made. The edits are gone afterwards.
    pub fn apply(&mut self, source: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(source.len().saturating_add_signed(self.growth));
        let mut at = 0;
        for edit in &self.list {
            out.extend_from_slice(&source[at..edit.start]);
            out.extend_from_slice(&self.scratch[edit.new_start..edit.new_end]);
            at = edit.end;
        }
        out.extend_from_slice(&source[at..]);
        self.clear();
        out
    }

    /// Gives back memory beyond `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        self.scratch.shrink_to(bytes);
        self.list.shrink_to(bytes / size_of::<Edit>());
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.scratch.clear();
        self.growth = 0;
        self.made = 0;
    }
}
