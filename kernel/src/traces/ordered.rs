//! Things in numbered places, each in one of several lists, where first and last are known and any can be moved at once.

/// The place of something. It may belong to something else after that has gone.
pub type Slot = u32;

const NONE: Slot = Slot::MAX;

/// Which of the lists something is in.
pub type List = usize;

#[derive(Debug)]
struct Node<T> {
    before: Slot,
    after: Slot,
    list: u8,
    /// `None` in places that are free.
    value: Option<T>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: Slot,
    last: Slot,
    length: usize,
}

/// `N` lists over the same places.
#[derive(Debug)]
pub struct Ordered<T, const N: usize> {
    nodes: Vec<Node<T>>,
    free: Vec<Slot>,
    lists: [Ends; N],
}

impl<T, const N: usize> Default for Ordered<T, N> {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), lists: [Ends { first: NONE, last: NONE, length: 0 }; N] }
    }
}

impl<T, const N: usize> Ordered<T, N> {
    /// Puts something at the end of a list.
    pub fn push(&mut self, list: List, value: T) -> Slot {
        let node = Node { before: NONE, after: NONE, list: list as u8, value: Some(value) };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as Slot
            }
        };
        self.link(list, slot);
        slot
    }

    /// Takes something out. `None` if nothing is there.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let value = self.nodes.get_mut(slot as usize)?.value.take()?;
        self.unlink(slot);
        self.free.push(slot);
        if self.free.len() == self.nodes.len() {
            // What a burst needed need not stay.
            self.nodes = Vec::new();
            self.free = Vec::new();
        }
        Some(value)
    }

    /// Puts what is there at the end of a list, of its own or of another.
    pub fn move_to(&mut self, list: List, slot: Slot) {
        self.unlink(slot);
        self.nodes[slot as usize].list = list as u8;
        self.link(list, slot);
    }

    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.nodes.get(slot as usize)?.value.as_ref()
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.nodes.get_mut(slot as usize)?.value.as_mut()
    }

    /// The list that something is in.
    pub fn list(&self, slot: Slot) -> List {
        usize::from(self.nodes[slot as usize].list)
    }

    /// What has been in a list for longest.
    pub fn first(&self, list: List) -> Option<Slot> {
        let slot = self.lists[list].first;
        (slot != NONE).then_some(slot)
    }

    pub fn len(&self, list: List) -> usize {
        self.lists[list].length
    }

    /// What is in a list, the first one first.
    pub fn iter(&self, list: List) -> impl Iterator<Item = &T> {
        let mut next = self.lists[list].first;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            next = node.after;
            node.value.as_ref()
        })
    }

    fn link(&mut self, list: List, slot: Slot) {
        let ends = &mut self.lists[list];
        let last = std::mem::replace(&mut ends.last, slot);
        ends.length += 1;
        if last == NONE {
            ends.first = slot;
        } else {
            self.nodes[last as usize].after = slot;
        }
        let node = &mut self.nodes[slot as usize];
        (node.before, node.after) = (last, NONE);
    }

    fn unlink(&mut self, slot: Slot) {
        let Node { before, after, list, .. } = self.nodes[slot as usize];
        let ends = &mut self.lists[usize::from(list)];
        ends.length -= 1;
        if before == NONE {
            ends.first = after;
        } else {
            self.nodes[before as usize].after = after;
        }
        let ends = &mut self.lists[usize::from(list)];
        if after == NONE {
            ends.last = before;
        } else {
            self.nodes[after as usize].before = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ordered: &Ordered<char, 2>, list: List) -> String {
        ordered.iter(list).collect()
    }

    #[test]
    fn lists_keep_their_order_whatever_is_moved_or_goes() {
        let mut ordered = Ordered::<char, 2>::default();
        let slots: Vec<Slot> = "abcde".chars().map(|letter| ordered.push(0, letter)).collect();
        assert_eq!(ordered.remove(slots[2]), Some('c'));
        ordered.move_to(1, slots[0]);
        ordered.move_to(0, slots[1]);
        ordered.move_to(1, slots[4]);
        assert_eq!((shown(&ordered, 0), shown(&ordered, 1)), ("db".to_owned(), "ae".to_owned()));
        assert_eq!((ordered.len(0), ordered.len(1)), (2, 2));
        assert_eq!(ordered.first(1), Some(slots[0]));
    }

    #[test]
    fn a_place_is_used_again_and_all_are_given_back_in_the_end() {
        let mut ordered = Ordered::<char, 2>::default();
        let first = ordered.push(0, 'a');
        let second = ordered.push(0, 'b');
        ordered.remove(first);
        assert_eq!(ordered.push(1, 'c'), first);
        assert_eq!(ordered.remove(second), Some('b'));
        assert_eq!(ordered.remove(first), Some('c'));
        assert_eq!((ordered.remove(first), ordered.get(first), ordered.nodes.capacity()), (None, None, 0));
        assert_eq!((ordered.first(0), ordered.first(1)), (None, None));
    }
}
