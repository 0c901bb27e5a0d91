//! What may have been meant by a word that nobody knows.

/// `; did you mean 'x'?` for the candidate that resembles `word`, or nothing.
pub fn guess<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    let limit = word.len() / 4 + 1;
    candidates
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean '{candidate}'?"))
}

/// How many characters must be inserted, deleted, replaced, or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let (mut older, mut previous): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(older[j - 2] + 1);
            }
            row.push(best);
        }
        older = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_guessed_and_another_is_not() {
        assert_eq!(guess("IsMtach", ["IsMap", "IsMatch"].into_iter()), "; did you mean 'IsMatch'?");
        assert_eq!(guess("Frobnicate", ["IsMap", "IsMatch"].into_iter()), "");
    }
}
