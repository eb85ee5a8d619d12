//! "Did you mean".

/// The candidate that is most like `word`, when one is alike enough: at most a third of its letters differ.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters to insert, drop, replace or swap with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, a) in left.chars().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        row.push(i + 1);
        for (j, b) in right.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != *b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if j > 0 && i > 0 && previous == Some(*b) && right[j - 1] == a {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
        previous = Some(a);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_alike_and_nothing_else() {
        let known = ["restartPolicy", "status", "env", "createOptions"];
        assert_eq!(closest("restartpolicy", known), Some("restartPolicy"));
        assert_eq!(closest("staus", known), Some("status"));
        assert_eq!(closest("evn", known), Some("env"));
        assert_eq!(closest("createOption", known), Some("createOptions"));
        assert_eq!(closest("image", known), None);
        assert_eq!(closest("", known), None);
    }
}
