//! The charge through time: when the gauge is asked, what is told, when the alarm changes.

use std::time::Duration;

use battery::charge::{Charge, Output};
use battery::settings::Settings;
use bay::message::LevelReport;
use bay::{Alarm, Moment};
use board::GaugeReading;
use jiff::Timestamp;
use proptest::prelude::*;

/// A gauge, and the loop around the charge in invented time.
struct Bench<G> {
    charge: Charge,
    gauge: G,
    now: u64,
    attempts: Vec<u64>,
    readings: Vec<LevelReport>,
    told: Vec<(u64, LevelReport)>,
}

fn moment(ms: u64) -> Moment {
    Moment {
        elapsed: Duration::ZERO,
        wall: Timestamp::UNIX_EPOCH,
    }
    .after(Duration::from_millis(ms))
}

fn percent(charge_percent: u8) -> Option<GaugeReading> {
    Some(GaugeReading {
        voltage_mv: 7420,
        current_ma: Some(-310),
        charge_percent,
        minutes_to_empty: Some(412),
    })
}

impl<G: FnMut(u64) -> Option<GaugeReading>> Bench<G> {
    fn new(settings: Settings, gauge: G) -> Self {
        let mut bench = Self {
            charge: Charge::new(settings, moment(0)),
            gauge,
            now: 0,
            attempts: Vec::new(),
            readings: Vec::new(),
            told: Vec::new(),
        };
        bench.drain();
        bench
    }

    fn until(&mut self, ms: u64) -> &mut Self {
        while let Some(due) = self.charge.poll_timeout().map(|due| due.as_millis() as u64)
            && due <= ms
        {
            self.now = due;
            self.charge.handle_timeout(moment(due));
            self.drain();
        }
        self.now = ms;
        self
    }

    fn request(&mut self) {
        self.charge.handle_request(moment(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.charge.poll_output() {
            match output {
                Output::Attempt => {
                    self.attempts.push(self.now);
                    let registers = (self.gauge)(self.now);
                    self.charge.handle_attempt(registers, moment(self.now));
                }
                Output::Reading(level) => self.readings.push(level),
                Output::Report(level) => self.told.push((self.now, level)),
            }
        }
    }

    fn alarms(&self) -> Vec<(u64, Option<u8>, Alarm)> {
        self.told
            .iter()
            .map(|(at, level)| (*at, level.charge_percent, level.alarm))
            .collect()
    }
}

#[test]
fn a_start_is_told_once_the_readings_agree() {
    let mut bench = Bench::new(Settings::default(), |_| percent(87));
    bench.until(59_000);

    assert_eq!(bench.attempts, [0, 50, 100]);
    let level = LevelReport {
        charge_percent: Some(87),
        voltage_mv: Some(7420),
        current_ma: Some(-310),
        minutes_to_empty: Some(412),
        quality: 1.0,
        alarm: Alarm::None,
    };
    assert_eq!(bench.told, [(100, level)]);
}

#[test]
fn a_start_on_a_low_battery_is_an_alarm_at_once() {
    let mut bench = Bench::new(Settings::default(), |_| percent(8));
    bench.until(200_000);

    assert_eq!(bench.alarms(), [(100, Some(8), Alarm::Critical)]);
}

#[test]
fn a_level_every_three_hours() {
    let mut bench = Bench::new(Settings::default(), |_| percent(50));
    bench.until(7 * 3_600_000);

    let told: Vec<_> = bench.told.iter().map(|(at, _)| *at).collect();
    assert_eq!(told, [100, 10_800_100, 21_600_100]);
}

/// One percent a minute down, then up again.
#[test]
fn alarms_at_their_crossings_with_hysteresis() {
    let settings = Settings {
        report_every: Duration::from_secs(604_800),
        ..Settings::default()
    };
    let mut bench = Bench::new(settings, |ms| {
        let minute = (ms / 60_000) as i32;
        percent(5 + (minute - 40).unsigned_abs() as u8)
    });
    bench.until(80 * 60_000);

    let minute = |minute: u64| minute * 60_000 + 100;
    assert_eq!(
        bench.alarms(),
        [
            (100, Some(45), Alarm::None),
            (minute(27), Some(18), Alarm::Low),     // 20, 19, 18
            (minute(37), Some(8), Alarm::Critical), // 10, 9, 8
            (minute(52), Some(17), Alarm::Low),     // 15, 16, 17
            (minute(62), Some(27), Alarm::None),    // 25, 26, 27
        ]
    );
}

#[test]
fn one_low_reading_is_no_alarm() {
    let settings = Settings {
        report_every: Duration::from_secs(604_800),
        ..Settings::default()
    };
    let mut bench = Bench::new(settings, |ms| {
        percent(if ms / 60_000 % 3 == 2 { 60 } else { 0 })
    });
    bench.until(3_600_000);

    // Only the readings of the start, taken within the first minute, agree three times.
    assert_eq!(bench.alarms(), [(100, Some(0), Alarm::Critical)]);
}

#[test]
fn readings_that_differ_in_degree_agree_on_the_smaller_change() {
    let values = [9, 18, 7];
    let mut bench = Bench::new(Settings::default(), move |ms| {
        percent(values[(ms / 50) as usize % 3])
    });
    bench.until(1000);

    assert_eq!(bench.alarms(), [(100, Some(7), Alarm::Low)]);
}

#[test]
fn a_gauge_that_fails_now_and_then_is_asked_again() {
    let mut attempt = 0;
    let mut bench = Bench::new(Settings::default(), move |_| {
        attempt += 1;
        match attempt % 4 {
            0 => percent(87),
            1 => None,
            2 => percent(120),
            _ => Some(GaugeReading {
                current_ma: Some(-1),
                ..percent(87).expect("a reading")
            }),
        }
    });
    bench.until(1000);

    assert_eq!(
        bench.attempts,
        [0, 5, 10, 15, 65, 70, 75, 80, 130, 135, 140, 145]
    );
    assert_eq!(bench.told.len(), 1);
    assert_eq!(bench.told[0].1.quality, 0.25);
    assert_eq!(bench.told[0].1.charge_percent, Some(87));
}

#[test]
fn a_dead_gauge_is_told_without_inventing_a_level() {
    let settings = Settings {
        attempts: 2,
        ..Settings::default()
    };
    let mut bench = Bench::new(settings, |_| None);
    bench.until(3 * 3_600_000 + 1000);

    let silent = LevelReport {
        charge_percent: None,
        voltage_mv: None,
        current_ma: None,
        minutes_to_empty: None,
        quality: 0.0,
        alarm: Alarm::None,
    };
    assert_eq!(bench.told, [(115, silent.clone()), (10_800_120, silent)]);
}

#[test]
fn a_gauge_that_dies_leaves_the_alarm_as_it_was() {
    let mut bench = Bench::new(Settings::default(), |ms| percent(15).filter(|_| ms < 1000));
    bench.until(4 * 3_600_000);

    assert_eq!(bench.alarms()[0], (100, Some(15), Alarm::Low));
    assert_eq!(
        bench
            .alarms()
            .last()
            .map(|(_, charge, alarm)| (*charge, *alarm)),
        Some((None, Alarm::Low))
    );
}

#[test]
fn a_request_reads_now() {
    let mut bench = Bench::new(Settings::default(), |ms| {
        percent(if ms < 30_000 { 87 } else { 86 })
    });
    bench.until(30_000);
    let before = bench.readings.len();
    bench.request();

    assert_eq!(bench.readings.len(), before + 1);
    assert_eq!(bench.readings[before].charge_percent, Some(86));
    assert_eq!(
        bench.told.len(),
        1,
        "a request is answered, not told to everybody"
    );
}

#[test]
fn a_request_joins_the_reading_under_way() {
    let mut charge = Charge::new(Settings::default(), moment(0));
    assert_eq!(charge.poll_output(), Some(Output::Attempt));
    charge.handle_request(moment(1));

    assert_eq!(charge.poll_output(), None, "one attempt at a time");
    assert_eq!(charge.poll_timeout(), None);
    charge.handle_attempt(percent(87), moment(2));
    assert!(
        matches!(charge.poll_output(), Some(Output::Reading(level)) if level.charge_percent == Some(87))
    );
}

#[test]
fn a_shorter_interval_counts_at_once() {
    let mut bench = Bench::new(Settings::default(), |_| percent(87));
    bench.until(10_000);
    let settings = Settings {
        report_every: Duration::from_secs(10),
        sample_every: Duration::from_secs(2),
        ..Settings::default()
    };
    bench.charge.handle_settings(settings, moment(10_000));
    bench.until(20_500);

    let told: Vec<_> = bench.told.iter().map(|(at, _)| *at).collect();
    assert_eq!(told, [100, 10_100, 20_100]);
}

proptest! {
    /// Whatever the gauge says, an alarm changes only when the last readings all want a change that
    /// way, and to no more than each of them wants.
    #[test]
    fn alarms_rest_on_readings_in_a_row(percents in prop::collection::vec(0_u8..=100, 1..200), consecutive_readings in 1_u32..5) {
        let settings = Settings { consecutive_readings, report_every: Duration::from_secs(604_800), ..Settings::default() };
        let rules = settings.clone();
        let mut values = percents.clone().into_iter();
        let mut bench = Bench::new(settings, move |_| percent(values.next().unwrap_or(50)));
        bench.until(percents.len() as u64 * 60_000);

        let mut alarm = Alarm::None;
        for (index, level) in bench.readings.iter().take(percents.len()).enumerate() {
            if level.alarm == alarm {
                continue;
            }
            let from = (index + 1).checked_sub(consecutive_readings as usize).expect("enough readings before an alarm");
            for percent in &percents[from..=index] {
                let wanted = rules.alarm_at(*percent, alarm);
                let borne_out = if level.alarm > alarm { wanted >= level.alarm } else { wanted <= level.alarm };
                prop_assert!(borne_out, "{} %: {} for {}", percent, wanted, level.alarm);
            }
            alarm = level.alarm;
        }
    }

    /// Every change of the alarm is told, once.
    #[test]
    fn every_alarm_is_told(percents in prop::collection::vec(0_u8..=100, 3..200)) {
        let settings = Settings { report_every: Duration::from_secs(604_800), ..Settings::default() };
        let mut values = percents.clone().into_iter();
        let mut bench = Bench::new(settings, move |_| percent(values.next().unwrap_or(50)));
        bench.until(percents.len() as u64 * 60_000);

        let mut changes: Vec<_> = bench.readings[2..].iter().map(|level| level.alarm).collect();
        changes.dedup();
        let told: Vec<_> = bench.told.iter().map(|(_, level)| level.alarm).collect();
        prop_assert_eq!(told, changes);
    }
}
