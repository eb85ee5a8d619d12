//! How hours were used, out of changes. It reads no clock.

pub(super) const HOUR: i64 = 3_600_000;

/// One change: when, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: i64,
    pub(super) occupancy: String,
}

/// One hour's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) hour: i64,
    pub(super) occupied_ms: i64,
    pub(super) unknown_ms: i64,
    pub(super) arrivals: i64,
}

/// The sums of every hour in `[from, to)`, both whole hours. What was before the first change is unknown.
pub(super) fn sums(changes: &[Change], from: i64, to: i64) -> Vec<Sums> {
    let mut sums: Vec<Sums> = (from..to)
        .step_by(HOUR as usize)
        .map(|hour| Sums {
            hour,
            occupied_ms: 0,
            unknown_ms: 0,
            arrivals: 0,
        })
        .collect();
    let place = |at: i64| ((at - from) / HOUR) as usize;
    let before = changes.first().map_or(to, |change| change.at);
    let mut spans = vec![("unknown", from, before)];
    for (index, change) in changes.iter().enumerate() {
        let until = changes.get(index + 1).map_or(to, |next| next.at);
        spans.push((change.occupancy.as_str(), change.at, until));
        let came = change.occupancy == "occupied"
            && (index == 0 || changes[index - 1].occupancy != "occupied");
        if came && (from..to).contains(&change.at) {
            sums[place(change.at)].arrivals += 1;
        }
    }
    for (occupancy, begin, end) in spans {
        let (mut at, end) = (begin.max(from), end.min(to));
        while at < end {
            let sum = &mut sums[place(at)];
            let until = (sum.hour + HOUR).min(end);
            match occupancy {
                "occupied" => sum.occupied_ms += until - at,
                "free" => {}
                _ => sum.unknown_ms += until - at,
            }
            at = until;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: i64, occupancy: &str) -> Change {
        Change {
            at,
            occupancy: occupancy.to_owned(),
        }
    }

    #[test]
    fn time_is_counted_in_the_hour_it_passed_in() {
        const MINUTE: i64 = 60_000;
        let changes = [
            change(10 * MINUTE, "free"),
            change(50 * MINUTE, "occupied"),
            change(130 * MINUTE, "free"),
            change(140 * MINUTE, "occupied"),
            change(150 * MINUTE, "unknown"),
        ];
        let found = sums(&changes, 0, 4 * HOUR);
        let minutes: Vec<_> = found
            .iter()
            .map(|sum| {
                assert_eq!(sum.hour % HOUR, 0);
                (
                    sum.occupied_ms / MINUTE,
                    sum.unknown_ms / MINUTE,
                    sum.arrivals,
                )
            })
            .collect();
        assert_eq!(minutes, [(10, 10, 1), (60, 0, 0), (20, 30, 1), (0, 60, 0)]);
        // A later window begins with what held then.
        assert_eq!(sums(&changes, HOUR, 3 * HOUR), found[1..3]);
    }

    #[test]
    fn nothing_known_is_unknown() {
        assert_eq!(sums(&[], 0, HOUR)[0].unknown_ms, HOUR);
        assert_eq!(sums(&[], 0, 0), []);
    }

    #[test]
    fn every_hour_adds_up() {
        let words = ["free", "occupied", "unknown"];
        let changes: Vec<_> = (0..200)
            .map(|n: i64| change(n * 1_234_567, words[(n * 7 % 3) as usize]))
            .collect();
        let of = |wanted: &str| -> i64 {
            let spans = changes
                .windows(2)
                .filter(|pair| pair[0].occupancy == wanted);
            spans.map(|pair| pair[1].at - pair[0].at).sum()
        };
        let to = 68 * HOUR;
        let cut: Vec<_> = changes
            .iter()
            .filter(|change| change.at < to)
            .cloned()
            .collect();
        let found = sums(&cut, 0, to);
        let occupied: i64 = found.iter().map(|sum| sum.occupied_ms).sum();
        let beyond = changes.last().map_or(0, |last| last.at - to);
        assert!(occupied <= of("occupied") && occupied >= of("occupied") - beyond.max(0));
    }
}
