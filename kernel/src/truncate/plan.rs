//! What is to be taken out of a value that is too large, decided on its tokens.
//!
//! Sizes are those of the tokens' bytes, so the same rules serve JSON and what stands on the wire: taking an item out of a list
//! takes the bytes from where it begins to where the next one does.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use super::MARKER;
use crate::tape::{Kind, Token};

/// Strings are not shortened below this before lists lose items, in bytes: less says nothing.
const WORTH_READING: usize = 16;

/// What stays of a value.
pub(super) struct Plan {
    /// Taken out, by byte: where it begins and where it ends, not overlapping.
    pub removed: BTreeMap<usize, usize>,
    /// The most that stays of a string, in bytes.
    pub longest: usize,
}

struct Planner<'t> {
    text: &'t [u8],
    tokens: &'t [Token],
    max_bytes: usize,
    removed: BTreeMap<usize, usize>,
    /// By token what the strings in front of it have beyond the floor, summed up.
    excess: Vec<usize>,
    /// What is left when strings are as short as the floor.
    size: usize,
}

/// Decides for a value, which is the whole of `text` and larger than `max_bytes`.
pub(super) fn plan(text: &[u8], tokens: &[Token], max_bytes: usize) -> Plan {
    let mut planner =
        Planner { text, tokens, max_bytes, removed: BTreeMap::new(), excess: Vec::new(), size: text.len() };
    planner.set_floor(WORTH_READING);
    let system = planner.remove_messages();
    if let Some(system) = system
        && !planner.fits()
    {
        planner.remove(system);
    }
    planner.remove_items(1);
    if !planner.fits() {
        planner.set_floor(0);
    }
    planner.remove_items(0);
    planner.remove_members();
    Plan { longest: planner.longest(), removed: planner.removed }
}

impl Planner<'_> {
    fn set_floor(&mut self, floor: usize) {
        self.excess.clear();
        let mut sum = 0;
        for token in self.tokens {
            self.excess.push(sum);
            sum += if is_text(token) { (token.end - token.start).saturating_sub(floor) } else { 0 };
        }
        self.excess.push(sum);
        let removed: usize = self.removed.iter().map(|(start, end)| self.size_of(&(*start..*end))).sum();
        self.size = self.text.len() - sum - removed;
    }

    fn fits(&self) -> bool {
        self.size <= self.max_bytes
    }

    /// How large a range of bytes is when its strings are as short as the floor.
    fn size_of(&self, range: &Range<usize>) -> usize {
        let before = |at: usize| self.excess[self.tokens.partition_point(|token| token.start < at)];
        range.len() - (before(range.end) - before(range.start))
    }

    fn is_removed(&self, at: usize) -> bool {
        self.removed.range(..=at).next_back().is_some_and(|(_, end)| *end > at)
    }

    /// What was removed already of a range, and where all of it together begins and ends.
    fn overlaps(&self, range: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let first = self.removed.range(..range.start).next_back().filter(|(_, end)| **end > range.start);
        first.into_iter().chain(self.removed.range(range.clone())).map(|(start, end)| *start..*end)
    }

    /// How much smaller it gets without a range.
    fn gain(&self, range: &Range<usize>) -> usize {
        let gone = self.overlaps(range).map(|gone| gone.start.max(range.start)..gone.end.min(range.end));
        self.size_of(range) - gone.map(|gone| self.size_of(&gone)).sum::<usize>()
    }

    fn remove(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.size -= self.gain(&range);
        let overlaps: Vec<Range<usize>> = self.overlaps(&range).collect();
        let (mut start, mut end) = (range.start, range.end);
        for gone in overlaps {
            self.removed.remove(&gone.start);
            (start, end) = (start.min(gone.start), end.max(gone.end));
        }
        self.removed.insert(start, end);
    }

    /// Takes out the smallest of some ranges that grow with their number, from 1 to `most`, with which the rest fits, or else
    /// the largest.
    fn remove_fewest(&mut self, most: usize, range: impl Fn(usize) -> Range<usize>) {
        let (mut low, mut high) = (1, most);
        while low < high {
            let middle = low.midpoint(high);
            if self.size - self.gain(&range(middle)) <= self.max_bytes {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if most > 0 {
            self.remove(range(low));
        }
    }

    /// The slots of a container.
    fn slots(&self, container: usize) -> Vec<usize> {
        let mut slots = Vec::new();
        let mut at = container + 1;
        while at < self.tokens[container].next {
            slots.push(at);
            at = self.tokens[at].next;
        }
        slots
    }

    /// The token of the value in a slot.
    fn value_of(&self, slot: usize) -> usize {
        slot + 1 + usize::from(self.tokens.get(slot + 1).is_some_and(|token| token.kind == Kind::Key))
    }

    fn bytes(&self, token: usize) -> &[u8] {
        self.tokens.get(token).map_or(&[], |token| &self.text[token.start..token.end])
    }

    /// The value of a member of an object.
    fn member(&self, object: usize, name: &[u8]) -> Option<usize> {
        let is_object = self.tokens.get(object).is_some_and(|token| token.kind == Kind::Object);
        let slots = if is_object { self.slots(object) } else { Vec::new() };
        slots.into_iter().find(|slot| self.bytes(slot + 1) == name).map(|slot| self.value_of(slot))
    }

    /// The slots of the messages, if this is a conversation: the value itself, or the largest member that is one.
    fn messages(&self) -> Option<Vec<usize>> {
        let root = self.tokens.first()?;
        let mut lists = match root.kind {
            Kind::List => vec![0],
            Kind::Object => self.slots(0).into_iter().map(|slot| self.value_of(slot)).collect(),
            _ => Vec::new(),
        };
        lists.retain(|list| self.tokens.get(*list).is_some_and(|token| token.kind == Kind::List));
        lists.sort_by_key(|list| Reverse(self.bytes(*list).len()));
        lists.into_iter().map(|list| self.slots(list)).find(|slots| self.are_messages(slots))
    }

    /// Whether these are objects of which one at least has a role: calls of tools may have none.
    fn are_messages(&self, slots: &[usize]) -> bool {
        let is_object =
            |slot: &usize| self.tokens.get(self.value_of(*slot)).is_some_and(|token| token.kind == Kind::Object);
        slots.iter().all(is_object) && slots.iter().any(|slot| self.role(*slot).is_some())
    }

    fn role(&self, slot: usize) -> Option<&[u8]> {
        self.member(self.value_of(slot), b"role").map(|role| self.bytes(role))
    }

    /// Takes out the oldest messages until the rest fits as it is, but for the last one and a leading one of the system. Gives
    /// the place of that.
    fn remove_messages(&mut self) -> Option<Range<usize>> {
        let slots = self.messages()?;
        let has_system = slots.len() > 1 && matches!(self.role(slots[0]), Some(b"system" | b"developer"));
        let first = usize::from(has_system);
        let start = |index: usize| self.tokens[slots[index]].start;
        let last = slots.len() - 1;
        let fits_from = |index: &usize| self.text.len() - (start(*index) - start(first)) <= self.max_bytes;
        let kept = (first..last).find(fits_from).unwrap_or(last);
        let (removed, system) = (start(first)..start(kept), start(0)..start(first));
        self.remove(removed);
        has_system.then_some(system)
    }

    /// Containers of a kind, the largest first, so outer ones before those inside.
    fn containers(&self, kind: Kind) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.tokens.len()).filter(|index| self.tokens[*index].kind == kind).collect();
        found.sort_by_key(|index| Reverse(self.tokens[*index].end - self.tokens[*index].start));
        found
    }

    /// Takes items out of the front of lists, the largest list first, but for the last `kept` of each, until the rest fits.
    fn remove_items(&mut self, kept: usize) {
        let lists = if self.fits() { Vec::new() } else { self.containers(Kind::List) };
        for list in lists {
            if self.fits() {
                return;
            }
            if self.is_removed(self.tokens[list].start) {
                continue;
            }
            let (slots, tokens) = (self.slots(list), self.tokens);
            let end = |count: usize| slots.get(count).map_or(tokens[slots[count - 1]].end, |slot| tokens[*slot].start);
            self.remove_fewest(slots.len().saturating_sub(kept), |count| tokens[slots[0]].start..end(count));
        }
    }

    /// Takes members out of the back of objects, the largest object first, until the rest fits.
    fn remove_members(&mut self) {
        let objects = if self.fits() { Vec::new() } else { self.containers(Kind::Object) };
        for object in objects {
            if self.fits() {
                return;
            }
            if self.is_removed(self.tokens[object].start) {
                continue;
            }
            let (slots, tokens) = (self.slots(object), self.tokens);
            // From the end of the one before, so that the comma goes with it.
            let start = |left: usize| match left.checked_sub(1) {
                Some(before) => tokens[slots[before]].end,
                None => tokens[slots[0]].start,
            };
            let end = slots.last().map_or(0, |slot| tokens[*slot].end);
            self.remove_fewest(slots.len(), |count| start(slots.len() - count)..end);
        }
    }

    /// The length up to which strings may stay: the largest with which all fits.
    fn longest(&self) -> usize {
        let texts = self.tokens.iter().filter(|token| is_text(token) && !self.is_removed(token.start));
        let mut lengths: Vec<usize> = texts.map(|token| token.end - token.start).collect();
        lengths.sort_unstable();
        let removed: usize = self.removed.iter().map(|(start, end)| end - start).sum();
        let rest = self.text.len() - removed - lengths.iter().sum::<usize>();
        let mut room = self.max_bytes.saturating_sub(rest);
        for (index, length) in lengths.iter().enumerate() {
            let left = lengths.len() - index;
            if length * left > room {
                return room / left;
            }
            room -= length;
        }
        usize::MAX
    }
}

fn is_text(token: &Token) -> bool {
    matches!(token.kind, Kind::Text | Kind::Bytes)
}

/// What stays of a string of which at most `longest` bytes may: its beginning, up to a place that `boundary` allows, and
/// whether the marker follows. Where there is no room for that, nothing stays.
pub(super) fn keep(text: &[u8], longest: usize, boundary: impl Fn(&[u8], usize) -> usize) -> (&[u8], bool) {
    if text.len() <= longest {
        return (text, false);
    }
    match longest.checked_sub(MARKER.len()) {
        Some(room) => (&text[..boundary(text, room)], true),
        None => (&[], false),
    }
}
