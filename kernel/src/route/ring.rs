//! The ring that says which backend owns a key: that of the Go collector from 0.157 on, point for point.
//!
//! Every name has 200 points on a circle of 131,071 positions, and a key belongs to whoever has the next point. So the
//! owner of most keys stays when names come and go. Where two points fall together, the later one moves on. Which one
//! is later does not depend on the order of the names: all collectors that know the same names agree.

use super::crc::crc32;

const POSITIONS: u32 = 131_071;
const POINTS: u32 = 200;
/// How often a point moves on before it is given up.
const PROBES: u32 = 10;

/// Who owns what. Owners are numbers that the caller has given to names; several names may have the same.
#[derive(Debug)]
pub struct Ring {
    /// By position, ascending; no two at the same.
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    position: u32,
    owner: usize,
}

impl Ring {
    /// A ring of names with their owners. A name that is given twice has twice as many points.
    pub fn new(names: &[(String, usize)]) -> Self {
        let mut wanted: Vec<_> = names
            .iter()
            .flat_map(|(name, owner)| {
                (0..POINTS).map(move |index| {
                    let hash = crc32(&[name.as_bytes(), &index.to_le_bytes()].concat());
                    (hash % POSITIONS, hash, name, *owner)
                })
            })
            .collect();
        wanted.sort_unstable();
        let mut taken = vec![false; POSITIONS as usize];
        let mut points = Vec::with_capacity(wanted.len());
        for (position, _, _, owner) in wanted {
            let near = (0..PROBES).map(|step| (position + step) % POSITIONS);
            if let Some(position) = near.into_iter().find(|position| !taken[*position as usize]) {
                taken[position as usize] = true;
                points.push(Point { position, owner });
            }
        }
        points.sort_unstable_by_key(|point| point.position);
        Self { points }
    }

    /// Who owns this key; `None` if there is nobody. Whoever is away is passed over, unless all are.
    #[inline]
    pub fn owner(&self, key: &[u8], away: &[usize]) -> Option<usize> {
        let position = crc32(key) % POSITIONS;
        let next = self.points.partition_point(|point| point.position < position);
        let first = self.points.get(next).or_else(|| self.points.first())?.owner;
        if away.is_empty() || !away.contains(&first) {
            return Some(first);
        }
        let around = self.points[next..].iter().chain(&self.points[..next]);
        Some(around.map(|point| point.owner).find(|owner| !away.contains(owner)).unwrap_or(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(names: &[&str]) -> Ring {
        let names: Vec<_> = names.iter().enumerate().map(|(owner, name)| ((*name).to_owned(), owner)).collect();
        Ring::new(&names)
    }

    fn owners(ring: &Ring, away: &[usize]) -> Vec<usize> {
        (0..10_000_u64).map(|key| ring.owner(&key.to_be_bytes(), away).unwrap()).collect()
    }

    #[test]
    fn nobody_owns_what_no_name_is_there_for() {
        assert_eq!(ring(&[]).owner(b"key", &[]), None);
        assert_eq!(ring(&["a"]).owner(b"key", &[]), Some(0));
    }

    #[test]
    fn every_position_is_taken_once() {
        let names: Vec<String> = (0..600).map(|n| format!("10.0.0.{n}:4317")).collect();
        let ring = ring(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(ring.points.is_sorted_by(|a, b| a.position < b.position));
        assert!(ring.points.len() < 600 * 200, "some found no place");
        assert!(ring.points.iter().all(|point| point.position < POSITIONS));
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        let (forth, back) = (ring(&["a", "b", "c"]), ring(&["c", "b", "a"]));
        let turned: Vec<usize> = owners(&back, &[]).iter().map(|owner| 2 - owner).collect();
        assert_eq!(owners(&forth, &[]), turned);
    }

    #[test]
    fn only_what_belongs_to_who_is_away_moves_and_as_if_he_were_not_there() {
        let three = ring(&["a", "b", "c"]);
        let without = Ring::new(&[("a".to_owned(), 0), ("c".to_owned(), 2)]);
        let (before, after) = (owners(&three, &[]), owners(&three, &[1]));
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || *before == 1));
        let same = after.iter().zip(owners(&without, &[])).filter(|(a, b)| **a == *b).count();
        assert!(same > 9_900, "but for points that had moved on: {same}");
        assert_eq!(owners(&three, &[0, 1, 2]), before);
    }
}
