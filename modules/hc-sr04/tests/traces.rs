//! Recorded and written traces against the decisions they must lead to; one file each in `traces/`.
//!
//! A line `FROM..TO VALUE…` is a measurement every 100 ms from FROM to TO, the values in turn:
//! millimetres, `-` for no echo, `!` for a stuck line, `x` for a board that fails. `=> TIME STATE
//! [REASON] since TIME` is a report. `set NAME VALUE` is a setting. Times are milliseconds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bay::message::OccupancyReport;
use bay::settings::InForce;
use bay::{Distance, Moment};
use hc_sr04::occupancy::Bay;
use hc_sr04::sample::Sample;
use hc_sr04::settings::Settings;
use jiff::Timestamp;
use serde_json::{Map, Value};

struct Trace {
    settings: Settings,
    samples: BTreeMap<u64, Sample>,
    expected: Vec<String>,
}

fn read(text: &str) -> Trace {
    let mut wishes = Map::new();
    let mut samples = BTreeMap::new();
    let mut expected = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["=>", report @ ..] => expected.push(report.join(" ")),
            ["set", name, value] => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(*value));
                wishes.insert((*name).to_owned(), value);
            }
            [span, values @ ..] => {
                let (from, to) = span.split_once("..").expect("FROM..TO");
                let times =
                    (from.parse().expect("a time")..=to.parse().expect("a time")).step_by(100);
                samples.extend(times.zip(values.iter().cycle().map(|value| sample(value))));
            }
            [] => unreachable!("empty lines are left out"),
        }
    }
    let mut in_force = InForce::new(Settings::default());
    let answers = in_force.handle_desired(&wishes, 2);
    assert!(
        answers.values().all(|answer| answer["ac"] == 200),
        "{answers:?}"
    );
    Trace {
        settings: in_force.settings().clone(),
        samples,
        expected,
    }
}

fn sample(value: &str) -> Sample {
    match value {
        "-" => Sample::NoEcho,
        "!" => Sample::Stuck,
        "x" => Sample::Failed,
        mm => match Distance::from_mm(mm.parse().expect("millimetres")) {
            far if far.mm() > 4000 => Sample::OutOfRange(far),
            distance => Sample::Echo(distance),
        },
    }
}

fn moment(ms: u64) -> Moment {
    Moment {
        elapsed: Duration::ZERO,
        wall: Timestamp::UNIX_EPOCH,
    }
    .after(Duration::from_millis(ms))
}

fn decisions(trace: &Trace) -> Vec<String> {
    let mut bay = Bay::new(trace.settings.clone(), None, moment(0));
    let mut decisions = Vec::new();
    let mut collect = |bay: &mut Bay, ms: u64| {
        while let Some(report) = bay.poll_output() {
            decisions.push(line(ms, &report));
        }
    };
    collect(&mut bay, 0);
    for (ms, sample) in &trace.samples {
        while let timeout = bay.poll_timeout().as_millis() as u64
            && timeout <= *ms
        {
            bay.handle_timeout(moment(timeout));
            collect(&mut bay, timeout);
        }
        bay.handle_sample(*sample, moment(*ms));
        collect(&mut bay, *ms);
    }
    decisions
}

fn line(ms: u64, report: &OccupancyReport) -> String {
    let reason = report
        .reason
        .map_or_else(String::new, |reason| format!(" {reason}"));
    format!(
        "{ms} {}{reason} since {}",
        report.occupancy,
        report.since.as_millisecond()
    )
}

#[test]
fn traces_lead_to_their_decisions() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut files: Vec<_> = folder
        .read_dir()
        .expect("the traces")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    assert!(
        files.len() >= 10,
        "only {} traces in {}",
        files.len(),
        folder.display()
    );

    for file in files {
        let trace = read(&std::fs::read_to_string(&file).expect("a trace"));
        assert_eq!(decisions(&trace), trace.expected, "{}", file.display());
    }
}
