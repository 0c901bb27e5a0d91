//! What is to be taken out of a value that is too large, decided on its tokens.
//!
//! Sizes are those of the tokens' bytes, so the same rules serve JSON and what stands on the wire: taking an item out of a list
//! takes the bytes from where it begins to where the next one does.

use std::cmp::Reverse;
use std::collections::BTreeMap;

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

/// Part of a value, from one slot to another: its bytes, and its tokens.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    first: usize,
    next: usize,
}

impl Part {
    fn common(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
            first: self.first.max(other.first),
            next: self.next.min(other.next),
        }
    }

    fn joined(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            first: self.first.min(other.first),
            next: self.next.max(other.next),
        }
    }
}

struct Planner<'t> {
    text: &'t [u8],
    tokens: &'t [Token],
    max_bytes: usize,
    /// By where they start; they do not overlap.
    removed: BTreeMap<usize, Part>,
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
    let removed = planner.removed.values().map(|part| (part.start, part.end)).collect();
    Plan { longest: planner.longest(), removed }
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
        let removed: usize = self.removed.values().map(|part| self.size_of(*part)).sum();
        self.size = self.text.len() - sum - removed;
    }

    fn fits(&self) -> bool {
        self.size <= self.max_bytes
    }

    /// How large a part is when its strings are as short as the floor.
    fn size_of(&self, part: Part) -> usize {
        part.end - part.start - (self.excess[part.next] - self.excess[part.first])
    }

    fn is_removed(&self, at: usize) -> bool {
        self.removed.range(..=at).next_back().is_some_and(|(_, part)| part.end > at)
    }

    /// What was removed already of a part, and what of it stands around.
    fn overlaps(&self, part: Part) -> impl Iterator<Item = Part> {
        let first = self.removed.range(..part.start).next_back().filter(|(_, gone)| gone.end > part.start);
        first.into_iter().chain(self.removed.range(part.start..part.end)).map(|(_, gone)| *gone)
    }

    /// How much smaller it gets without a part.
    fn gain(&self, part: Part) -> usize {
        self.size_of(part) - self.overlaps(part).map(|gone| self.size_of(gone.common(part))).sum::<usize>()
    }

    fn remove(&mut self, part: Part) {
        if part.start == part.end {
            return;
        }
        self.size -= self.gain(part);
        let overlaps: Vec<Part> = self.overlaps(part).collect();
        for gone in &overlaps {
            self.removed.remove(&gone.start);
        }
        let all = overlaps.into_iter().fold(part, Part::joined);
        self.removed.insert(all.start, all);
    }

    /// Takes out the smallest of some parts that grow with their number, from 1 to `most`, with which the rest fits, or else
    /// the largest.
    fn remove_fewest(&mut self, most: usize, part: impl Fn(usize) -> Part) {
        let (mut low, mut high) = (1, most);
        while low < high {
            let middle = low.midpoint(high);
            if self.size - self.gain(part(middle)) <= self.max_bytes {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if most > 0 {
            self.remove(part(low));
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
    fn remove_messages(&mut self) -> Option<Part> {
        let slots = self.messages()?;
        let has_system = slots.len() > 1 && matches!(self.role(slots[0]), Some(b"system" | b"developer"));
        let first = usize::from(has_system);
        let start = |index: usize| self.tokens[slots[index]].start;
        let part =
            |from: usize, to: usize| Part { start: start(from), end: start(to), first: slots[from], next: slots[to] };
        let last = slots.len() - 1;
        let fits_from = |index: &usize| self.text.len() - (start(*index) - start(first)) <= self.max_bytes;
        let kept = (first..last).find(fits_from).unwrap_or(last);
        let (removed, system) = (part(first, kept), part(0, first));
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
            self.remove_fewest(slots.len().saturating_sub(kept), |count| {
                let end = slots.get(count).map_or(tokens[slots[count - 1]].end, |slot| tokens[*slot].start);
                let next = slots.get(count).copied().unwrap_or(tokens[list].next);
                Part { start: tokens[slots[0]].start, end, first: slots[0], next }
            });
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
            let end = slots.last().map_or(0, |slot| tokens[*slot].end);
            self.remove_fewest(slots.len(), |count| {
                let first = slots.len() - count;
                // From the end of the one before, so that the comma goes with it.
                let before = first.checked_sub(1).map(|before| tokens[slots[before]].end);
                let start = before.unwrap_or(tokens[slots[0]].start);
                Part { start, end, first: slots[first], next: tokens[object].next }
            });
        }
    }

    /// The length up to which strings may stay: the largest with which all fits.
    fn longest(&self) -> usize {
        let texts = self.tokens.iter().filter(|token| is_text(token) && !self.is_removed(token.start));
        let mut lengths: Vec<usize> = texts.map(|token| token.end - token.start).collect();
        lengths.sort_unstable();
        let removed: usize = self.removed.values().map(|part| part.end - part.start).sum();
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
