//! The decision against a deliberately naive reference, and against what must hold whatever comes.

use std::time::Duration;

use bay::message::OccupancyReport;
use bay::{Distance, Moment, Occupancy, UnknownReason};
use hc_sr04::occupancy::Bay;
use hc_sr04::sample::Sample;
use hc_sr04::settings::Settings;
use jiff::Timestamp;
use proptest::prelude::*;

const TICK_MS: u64 = 10;

/// A decision: when it fell, what it was, and since when it holds.
type Decision = (u64, Occupancy, Option<UnknownReason>, u64);

fn moment(ms: u64) -> Moment {
    Moment {
        elapsed: Duration::ZERO,
        wall: Timestamp::UNIX_EPOCH,
    }
    .after(Duration::from_millis(ms))
}

/// Runs the module's core as its loop does: each timeout at its time, each measurement at its own.
fn run(settings: &Settings, samples: &[(u64, Sample)], end: u64) -> Vec<(u64, OccupancyReport)> {
    let mut bay = Bay::new(settings.clone(), None, moment(0));
    let mut reports = Vec::new();
    let mut collect = |bay: &mut Bay, ms: u64| {
        while let Some(report) = bay.poll_output() {
            reports.push((ms, report));
        }
    };
    collect(&mut bay, 0);

    let mut samples = samples.iter().peekable();
    loop {
        let timeout = bay.poll_timeout().as_millis() as u64;
        let sample = samples.peek().map_or(u64::MAX, |(ms, _)| *ms);
        let now = timeout.min(sample);
        if now > end {
            return reports;
        }
        if now == timeout {
            bay.handle_timeout(moment(now));
        }
        if now == sample
            && let Some((_, sample)) = samples.next()
        {
            bay.handle_sample(*sample, moment(now));
        }
        collect(&mut bay, now);
    }
}

/// The rules as somebody would say them, worked out from the whole history at every tick.
fn naive(settings: &Settings, samples: &[(u64, Sample)], end: u64) -> Vec<Decision> {
    let mut decisions: Vec<Decision> =
        vec![(0, Occupancy::Unknown, Some(UnknownReason::Starting), 0)];
    let mut last_known = None;
    // Every measurement since the bay was last given up, with what it was, and the side of the
    // median it completed.
    let mut history: Vec<(u64, Sample, Option<Occupancy>)> = Vec::new();
    // Every bad measurement since the last good one.
    let mut bad: Vec<(u64, UnknownReason)> = Vec::new();

    let distances = |history: &[(u64, Sample, Option<Occupancy>)]| -> Vec<u32> {
        let mut distances: Vec<_> = history
            .iter()
            .rev()
            .take(settings.window_size)
            .filter_map(|(_, sample, _)| sample.distance().map(Distance::mm))
            .collect();
        distances.sort_unstable();
        if distances.len() * 2 > settings.window_size {
            distances
        } else {
            Vec::new()
        }
    };
    let side = |mm: u32, last_known: Option<Occupancy>| {
        let nearer = i64::from(settings.floor.mm()) - i64::from(mm);
        match nearer {
            _ if nearer >= i64::from(settings.occupied_nearer.mm()) => Occupancy::Occupied,
            _ if nearer <= i64::from(settings.free_within.mm()) => Occupancy::Free,
            _ => last_known.unwrap_or(Occupancy::Occupied),
        }
    };
    let middle = |distances: &[u32]| match distances.len() {
        0 => None,
        count if count % 2 == 1 => Some(distances[count / 2]),
        count => Some(distances[count / 2 - 1]),
    };
    let wide = |distances: &[u32]| {
        let strays = distances.len() / 4;
        let inner = &distances[strays..distances.len() - strays];
        inner.len() > 1 && inner[inner.len() - 1] - inner[0] > settings.max_spread.mm()
    };

    for now in (0..=end).step_by(TICK_MS as usize) {
        // A timer that is due together with a measurement comes first.
        for arrived in [None, samples.iter().find(|(ms, _)| *ms == now)] {
            if let Some((_, sample)) = arrived {
                history.push((now, *sample, None));
                let window = distances(&history);
                let median_side = middle(&window).map(|mm| side(mm, last_known));
                if let Some(last) = history.last_mut() {
                    last.2 = median_side;
                }
                let reason = sample.trouble().or(if window.is_empty() {
                    bad.last().map(|(_, reason)| *reason)
                } else {
                    wide(&window).then_some(UnknownReason::TooNoisy)
                });
                match reason {
                    Some(reason) => bad.push((now, reason)),
                    None => bad.clear(),
                }

                let (_, occupancy, standing, began) = decisions[decisions.len() - 1];
                let limit = settings.unknown_after as usize;
                let same: Vec<_> = bad
                    .iter()
                    .rev()
                    .take_while(|(_, other)| Some(*other) == reason)
                    .collect();
                let since = match standing {
                    _ if bad.len() < limit => None,
                    Some(standing) if standing != UnknownReason::Starting => {
                        (Some(standing) != reason && same.len() >= limit)
                            .then(|| same[same.len() - 1].0)
                    }
                    _ => Some(bad[0].0),
                };
                if let Some(since) = since {
                    assert!(occupancy != Occupancy::Unknown || standing != reason);
                    decisions.push((now, Occupancy::Unknown, reason, since.max(began)));
                    history.clear();
                }
            }

            let (_, occupancy, _, began) = decisions[decisions.len() - 1];
            let window = distances(&history);
            let Some(median_side) = middle(&window)
                .map(|mm| side(mm, last_known))
                .filter(|_| !wide(&window))
            else {
                continue;
            };
            if median_side == occupancy {
                continue;
            }
            // Back to where the median came to this side: measurements without a median do not
            // count against it.
            let turned = (0..history.len())
                .rev()
                .take_while(|index| history[*index].2.is_none_or(|side| side == median_side));
            let turned = turned
                .filter(|index| history[*index].2.is_some())
                .last()
                .expect("the median of this moment at least");
            let first_shown = (turned.saturating_sub(settings.window_size - 1)..=turned)
                .find(|index| {
                    history[*index]
                        .1
                        .distance()
                        .is_some_and(|distance| side(distance.mm(), last_known) == median_side)
                })
                .unwrap_or(turned);
            let since = history[first_shown].0;
            if now >= since + settings.hold_off.as_millis() as u64 {
                last_known = Some(median_side);
                decisions.push((now, median_side, None, since.max(began)));
            }
        }
    }
    decisions
}

fn sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        12 => (2490_u32..2510).prop_map(|mm| Sample::Echo(Distance::from_mm(mm))),
        12 => (890_u32..910).prop_map(|mm| Sample::Echo(Distance::from_mm(mm))),
        2 => (2280_u32..2370).prop_map(|mm| Sample::Echo(Distance::from_mm(mm))),
        1 => (20_u32..4000).prop_map(|mm| Sample::Echo(Distance::from_mm(mm))),
        3 => Just(Sample::NoEcho),
        1 => Just(Sample::OutOfRange(Distance::from_mm(6500))),
        1 => Just(Sample::Stuck),
        1 => Just(Sample::Failed),
    ]
}

/// Runs of one kind of measurement, as streets have them, with single ones thrown in; one every 100
/// ms.
fn street() -> impl Strategy<Value = Vec<(u64, Sample)>> {
    prop::collection::vec(
        (sample(), prop_oneof![3 => 1_usize..4, 2 => 5_usize..50]),
        1..20,
    )
    .prop_map(|runs| {
        let samples = runs
            .into_iter()
            .flat_map(|(sample, length)| std::iter::repeat_n(sample, length));
        samples
            .enumerate()
            .map(|(index, sample)| (index as u64 * 100 + 50, sample))
            .collect()
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    (
        prop::sample::select(vec![1_usize, 3, 5, 9]),
        prop::sample::select(vec![0_u64, 250, 1000, 3000]),
        3_u32..12,
    )
        .prop_map(|(window_size, hold_off, unknown_after)| Settings {
            window_size,
            hold_off: Duration::from_millis(hold_off),
            unknown_after,
            ..Settings::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decides_as_the_naive_reference_does(settings in settings(), samples in street()) {
        let end = samples.len() as u64 * 100 + 4000;
        let reports = run(&settings, &samples, end);

        let decisions: Vec<Decision> = reports.iter().map(|(ms, report)| (*ms, report.occupancy, report.reason, report.since.as_millisecond() as u64)).collect();
        prop_assert_eq!(decisions, naive(&settings, &samples, end));
    }

    #[test]
    fn reports_are_numbered_and_each_is_a_change(settings in settings(), samples in street()) {
        let settings = Settings { heartbeat: Duration::from_secs(2), ..settings };
        let reports = run(&settings, &samples, samples.len() as u64 * 100 + 10_000);

        for (index, (_, report)) in reports.iter().enumerate() {
            prop_assert_eq!(report.sequence, index as u64 + 1);
            prop_assert_eq!(report.reason.is_some(), report.occupancy == Occupancy::Unknown);
        }
        for pair in reports.windows(2) {
            let [(earlier, before), (later, after)] = pair else { unreachable!("windows of two") };
            prop_assert!(later - earlier <= 2000, "silent from {} to {}", earlier, later);
            let same = (before.occupancy, before.reason) == (after.occupancy, after.reason);
            prop_assert_eq!(same, after.heartbeat);
            prop_assert!(after.since >= before.since);
            if !after.heartbeat {
                let previous = after.previous.expect("there was a state before");
                prop_assert_eq!(previous.occupancy, before.occupancy);
                prop_assert_eq!(previous.duration_seconds, (after.since.as_millisecond() - before.since.as_millisecond()) as u64 / 1000);
            }
        }
    }

    /// Whatever came before, a bay is not called free while the last measurements are not echoes
    /// from the floor.
    #[test]
    fn never_free_on_bad_measurements(samples in street()) {
        let settings = Settings::default();
        for (ms, report) in run(&settings, &samples, samples.len() as u64 * 100 + 4000) {
            if report.occupancy != Occupancy::Free || report.heartbeat {
                continue;
            }
            // A timer that is due together with a measurement comes first, so the last one may not
            // have counted.
            let from_floor = |until: u64| {
                let last = samples.iter().rev().filter(|(at, _)| *at < until).take(5);
                let echoes: Vec<_> = last.filter_map(|(_, sample)| sample.distance()).collect();
                let far = echoes.iter().filter(|distance| distance.mm() > 2300).count();
                echoes.len() >= 3 && far * 2 > echoes.len()
            };
            prop_assert!(from_floor(ms) || from_floor(ms + 1), "free at {}", ms);
        }
    }

    /// A known state needs its hold-off; a hold-off is counted from the first measurement that
    /// shows the state.
    #[test]
    fn no_decision_before_its_hold_off(samples in street()) {
        let settings = Settings::default();
        for (ms, report) in run(&settings, &samples, samples.len() as u64 * 100 + 4000) {
            if report.occupancy != Occupancy::Unknown && !report.heartbeat {
                prop_assert!(ms >= report.since.as_millisecond() as u64 + 3000, "{:?} at {}", report, ms);
            }
        }
    }
}
