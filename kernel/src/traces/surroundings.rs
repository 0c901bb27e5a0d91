//! What stands around spans on the wire, kept once for all spans that share it.
//!
//! A resource is everything of a `ResourceSpans` but its scopes, a scope everything of a `ScopeSpans` but its spans:
//! attributes, schema URLs and fields that nobody knows. Two are the same if their bytes are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::split::Envelope;

/// Names a scope together with its resource.
pub type ScopeId = u32;

/// Bytes around what a message holds, and how often they are in use.
#[derive(Debug)]
struct Surrounding {
    /// The resource of a scope and how many bytes stand before what the message holds, four bytes each, then the bytes.
    key: Arc<[u8]>,
    uses: usize,
}

/// Bytes of a key that are no surroundings.
const HEAD: usize = 8;

impl Surrounding {
    fn head(&self, at: usize) -> u32 {
        let bytes = self.key.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }

    fn parent(&self) -> u32 {
        self.head(0)
    }
}

/// One level: all resources, or all scopes.
#[derive(Debug, Default)]
struct Level {
    entries: Vec<Option<Surrounding>>,
    free: Vec<u32>,
    known: HashMap<Arc<[u8]>, u32>,
    bytes: usize,
}

/// Bytes of memory for an entry besides its text: the entry, its place in the index, and what the allocator needs.
const OVERHEAD: usize = 112;

impl Level {
    /// Gives the entry of these surroundings, which the caller uses once more, and whether it is new.
    fn enter(&mut self, parent: u32, envelope: Envelope<'_>, scratch: &mut Vec<u8>) -> (u32, bool) {
        scratch.clear();
        scratch.extend_from_slice(&parent.to_le_bytes());
        scratch.extend_from_slice(&(envelope.before.len() as u32).to_le_bytes());
        scratch.extend_from_slice(envelope.before);
        scratch.extend_from_slice(envelope.after);
        if let Some(&id) = self.known.get(&scratch[..]) {
            self.using(id, 1);
            return (id, false);
        }
        let key: Arc<[u8]> = Arc::from(&scratch[..]);
        self.bytes += key.len() + OVERHEAD;
        let entry = Some(Surrounding { key: key.clone(), uses: 1 });
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.known.insert(key, id);
        (id, true)
    }

    fn using(&mut self, id: u32, uses: usize) {
        if let Some(Some(entry)) = self.entries.get_mut(id as usize) {
            entry.uses += uses;
        }
    }

    /// Lets go of it once. Gives its parent if that was the last use.
    fn leave(&mut self, id: u32) -> Option<u32> {
        let place = self.entries.get_mut(id as usize)?;
        let entry = place.as_mut()?;
        entry.uses = entry.uses.saturating_sub(1);
        if entry.uses > 0 {
            return None;
        }
        let entry = place.take()?;
        self.bytes -= entry.key.len() + OVERHEAD;
        self.known.remove(&entry.key);
        self.free.push(id);
        Some(entry.parent())
    }

    /// What stands before and behind what the message holds, and the parent.
    fn get(&self, id: u32) -> (&[u8], &[u8], u32) {
        match self.entries.get(id as usize) {
            Some(Some(entry)) => {
                let (before, after) = entry.key[HEAD..].split_at(entry.head(4) as usize);
                (before, after, entry.parent())
            }
            _ => (&[], &[], 0),
        }
    }
}

/// All resources and scopes of what is held.
#[derive(Debug, Default)]
pub struct Surroundings {
    resources: Level,
    scopes: Level,
    scratch: Vec<u8>,
}

impl Surroundings {
    /// Gives the resource, which stays until [`Surroundings::leave_resource`].
    pub fn enter_resource(&mut self, resource: Envelope<'_>) -> u32 {
        self.resources.enter(0, resource, &mut self.scratch).0
    }

    pub fn leave_resource(&mut self, resource: u32) {
        self.resources.leave(resource);
    }

    /// Gives the scope, which stays until [`Surroundings::leave`] was called for this and for each use.
    pub fn enter(&mut self, resource: u32, scope: Envelope<'_>) -> ScopeId {
        let (id, is_new) = self.scopes.enter(resource, scope, &mut self.scratch);
        if is_new {
            self.resources.using(resource, 1);
        }
        id
    }

    /// Notes that somebody else uses a scope.
    pub fn using(&mut self, scope: ScopeId) {
        self.scopes.using(scope, 1);
    }

    pub fn leave(&mut self, scope: ScopeId) {
        if let Some(resource) = self.scopes.leave(scope) {
            self.resources.leave(resource);
        }
    }

    /// What stands before and behind the spans of a scope, and its resource.
    pub fn scope(&self, scope: ScopeId) -> (&[u8], &[u8], u32) {
        self.scopes.get(scope)
    }

    /// What stands before and behind the scopes of a resource.
    pub fn resource(&self, resource: u32) -> (&[u8], &[u8]) {
        let (before, after, _) = self.resources.get(resource);
        (before, after)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.resources.bytes + self.scopes.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope<'a>(before: &'a [u8], after: &'a [u8]) -> Envelope<'a> {
        Envelope { before, inner: b"", after }
    }

    #[test]
    fn what_is_the_same_is_kept_once_and_goes_with_its_last_user() {
        let mut held = Surroundings::default();
        let resource = held.enter_resource(envelope(b"ab", b"c"));
        assert_ne!(held.enter_resource(envelope(b"a", b"bc")), resource, "the same bytes in other places");
        let scope = held.enter(resource, envelope(b"s", b""));
        let bytes = held.bytes();
        assert_eq!(held.enter(resource, envelope(b"s", b"")), scope);
        held.using(scope);
        assert_eq!(held.bytes(), bytes);
        held.leave_resource(resource);
        held.leave(scope);
        held.leave(scope);
        assert_eq!(held.scope(scope), (&b"s"[..], &b""[..], resource));
        assert_eq!(held.resource(resource), (&b"ab"[..], &b"c"[..]));
        held.leave(scope);
        held.leave_resource(1);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn scopes_of_different_resources_are_different() {
        let mut held = Surroundings::default();
        let [a, b] = [b"a", b"b"].map(|bytes| held.enter_resource(envelope(bytes, b"")));
        assert_ne!(held.enter(a, envelope(b"s", b"")), held.enter(b, envelope(b"s", b"")));
    }
}
