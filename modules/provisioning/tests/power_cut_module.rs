//! The whole module is stopped at every system call that writes, renames, syncs or removes: as the
//! host's service it takes its first identity from the card, is set up for a project and reset to
//! stock, with a provisioning service that always agrees. Then it starts again, and the device must
//! have the old or the new identity, whole, and say which; the one from the card is never lost.
//!
//! `power_cut.rs` does the same for the journal alone, with failing calls besides.

#![allow(missing_docs)]

#[path = "power_cut/identities.rs"]
mod identities;
#[path = "power_cut/strace.rs"]
mod strace;

use std::collections::BTreeMap;
use std::future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io};

use bay::message::{ChangeOutcome, Mode, SetupRequest};
use identities::{PROJECT_KEY, STOCK_KEY, project, stock, with};
use provisioning::apply::Apply;
use provisioning::cloud::Cloud;
use provisioning::config::{Config, Role};
use provisioning::desk::Desk;
use provisioning::disk::RealDisk;
use provisioning::edge_config::{DpsIdentity, EdgeConfig, Endpoint};
use provisioning::identity::{Assigned, Failure};
use provisioning::journal::{Journal, Outcome};
use provisioning::reboot::Reboot;
use provisioning::settings::Settings;
use provisioning::view::View;
use provisioning::{Surroundings, card, run_in};
use strace::{Call, at_every_call, calls_of, live, live_until, program, was_killed};

/// In the device's own time, which passes at once where nothing happens.
const PATIENCE: Duration = Duration::from_secs(600);

/// So many more calls of a name may a life make than another did: how often the loop looks at its files
/// while it waits is up to the moment.
const MORE: usize = 4;

fn main() -> ExitCode {
    program("power_cut_module", be_device, || {
        let mut before = unclaimed();
        for journey in [Journey::Claim, Journey::Setup, Journey::Reset] {
            before = cut_everywhere(journey, &before);
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Journey {
    Claim,
    Setup,
    Reset,
}

impl Journey {
    fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Setup => "setup",
            Self::Reset => "reset",
        }
    }

    /// How it lives once it was stopped: a card's identity is taken whenever there is none, the others
    /// have to be asked for again.
    fn again(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Setup | Self::Reset => "boot",
        }
    }
}

struct Files {
    config: PathBuf,
    state: PathBuf,
    card: PathBuf,
}

impl Files {
    fn of(place: &Path) -> Self {
        Self {
            config: place.join("etc/config.toml"),
            state: place.join("state"),
            card: place.join("boot/cow-identity.toml"),
        }
    }
}

/// A service that assigns everybody to the same hub, which lets everybody in.
#[derive(Debug)]
struct Agrees;

impl Cloud for Agrees {
    fn register(
        &self,
        identity: &DpsIdentity,
    ) -> impl Future<Output = Result<Assigned, Failure>> + Send {
        future::ready(Ok(Assigned {
            hub: "hub.example".to_owned(),
            device_id: identity.registration_id.to_string(),
        }))
    }

    fn connect(
        &self,
        _: &DpsIdentity,
        _: &Assigned,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        future::ready(Ok(()))
    }
}

/// The device: one life of its module, until nothing is under way any more.
fn be_device(place: &Path, what: &str) -> ExitCode {
    let files = Files::of(place);
    let config = Config {
        role: Role::Host,
        edge_config: files.config,
        state_dir: files.state,
        identity_files: vec![files.card],
        serial: Some("10000000abcdef01".parse().expect("a serial number")),
        apply: Apply::None,
        reboot: Reboot::None,
        portal: None,
        portal_pin: None,
        claim: None,
        endpoint: Endpoint::default(),
        trust_file: None,
        runtime: None,
        mqtt_port: None,
        settings: Settings::default(),
    };
    let (desk, clerk) = Desk::open(View::default());
    let surroundings = Surroundings {
        cloud: Agrees,
        disk: RealDisk,
        desk: (desk.clone(), clerk),
    };
    // One thread does everything, and its calls are those that are counted.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let life = run_in(surroundings, config, be_asked(desk, what));
    match runtime.block_on(life) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked of the device, up to when it is done.
async fn be_asked(desk: Desk, what: &str) {
    let answered = match what {
        "setup" => desk.setup(request(&project())).await.map(drop),
        "reset" => desk.reset().await.map(drop),
        _ => Ok(()),
    };
    if let Err(refusal) = answered {
        panic!("refused: {refusal}");
    }
    let mut view = desk.watch();
    let idle = view.wait_for(|view| {
        let known = view.identity.serial.is_some();
        let claimed = what != "claim" || view.identity.mode == Mode::Stock;
        let over = |change: &bay::message::ChangeReport| change.outcome != ChangeOutcome::Running;
        known && claimed && view.change.is_none() && view.last_change.as_ref().is_none_or(over)
    });
    let idle = tokio::time::timeout(PATIENCE, idle).await;
    idle.expect("it comes to an end").expect("it runs");
}

fn request(identity: &DpsIdentity) -> SetupRequest {
    SetupRequest {
        id_scope: identity.id_scope.clone(),
        registration_id: identity.registration_id.to_string(),
        symmetric_key: identity.symmetric_key.to_base64().into(),
        global_endpoint: None,
    }
}

/// A freshly imaged device, with its identity on the card.
fn unclaimed() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let files = Files::of(place.path());
    for path in [&files.config, &files.card] {
        fs::create_dir(path.parent().expect("a directory")).expect("a directory");
    }
    fs::write(&files.config, "# ours\nhostname = \"bay-17\"\n").expect("a file");
    fs::set_permissions(&files.config, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(&files.card, card::write(&stock())).expect("a file");
    place
}

/// The same device once more.
fn copy(from: &Path) -> tempfile::TempDir {
    fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let path = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                fs::create_dir(&path)?;
                copy_into(&entry.path(), &path)?;
            } else {
                fs::copy(entry.path(), &path)?;
            }
        }
        Ok(())
    }
    let place = tempfile::tempdir().expect("a directory");
    copy_into(from, place.path()).expect("a copy");
    place
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

/// The configuration before and after a change.
#[derive(Clone, Copy)]
struct Change<'a> {
    journey: Journey,
    old: &'a [u8],
    new: &'a [u8],
}

/// Stops the module at every call: in the life that changes, then in the one that comes up where the
/// new configuration had just got its name. The device as it is when nothing stops it.
fn cut_everywhere(journey: Journey, before: &tempfile::TempDir) -> tempfile::TempDir {
    let word = journey.word();
    let old = read(&Files::of(before.path()).config);
    let after = copy(before.path());
    let lived = live(after.path(), word);
    assert!(lived.status.success(), "{word}: {lived:?}");
    let new = read(&Files::of(after.path()).config);
    let expected = match journey {
        Journey::Claim | Journey::Reset => stock(),
        Journey::Setup => project(),
    };
    assert_eq!(new, with(&old, &expected), "{word}");
    let change = Change {
        journey,
        old: &old,
        new: &new,
    };

    let [olds, news] = cut_life(change, before, word, "");
    assert!(news > 0, "the new identity never turns up");
    // What is on the card is taken in the end, wherever the power was cut.
    assert_eq!(olds == 0, journey == Journey::Claim);
    let half = half_changed(change, before);
    let what = journey.again();
    let [olds, _] = cut_life(change, &half, what, ", coming up");
    assert_eq!(olds, 0, "a configuration in its place stays");
    after
}

/// Stops one life, of this name, at every call; how often the old identity turned up, and the new one.
fn cut_life(change: Change<'_>, before: &tempfile::TempDir, what: &str, life: &str) -> [usize; 2] {
    let word = change.journey.word();
    let calls = calls_of(copy(before.path()).path(), what);
    let cut = |call: &Call| {
        let place = copy(before.path());
        let output = live_until(place.path(), what, "signal=KILL", call);
        let context = format!("{word} stopped in {what} at {call}");
        let cut = was_killed(&output);
        let completed = cut || output.status.success();
        assert!(completed, "{context}: {output:?}");
        let last = call.number == calls[&call.name] + MORE;
        assert!(!cut || !last, "{context}: there are more calls than that");
        let content = read(&Files::of(place.path()).config);
        let whole = content == change.old || content == change.new;
        assert!(whole, "{context}: torn");
        let is_new = comes_up(place.path(), change, &context);
        assert!(is_new || cut, "{context}: it was not stopped");
        cut.then_some(is_new)
    };
    let (mut points, mut turned_up) = (BTreeMap::<String, usize>::new(), [0, 0]);
    for (call, is_new) in at_every_call(&calls, MORE, cut) {
        if let Some(is_new) = is_new {
            turned_up[usize::from(is_new)] += 1;
            *points.entry(call.name).or_default() += 1;
        }
    }
    let [olds, news] = turned_up;
    let all = olds + news;
    println!(
        "the module, {word}{life}: power cut at each of {all} system calls: the old identity {olds} times, the new one {news} times; {points:?}"
    );
    assert!(all > 50, "too few");
    turned_up
}

/// The device as it was stopped just behind the rename of its configuration.
fn half_changed(change: Change<'_>, before: &tempfile::TempDir) -> tempfile::TempDir {
    let word = change.journey.word();
    let calls = calls_of(copy(before.path()).path(), word);
    for (name, &count) in calls.iter().filter(|(name, _)| name.starts_with("fsync")) {
        for number in 1..=count {
            let place = copy(before.path());
            let call = Call {
                name: name.clone(),
                number,
            };
            live_until(place.path(), word, "signal=KILL", &call);
            if read(&Files::of(place.path()).config) == change.new {
                return place;
            }
        }
    }
    panic!("no sync comes behind the rename");
}

/// Starts the module and sees that the device is whole; whether it has the new identity.
fn comes_up(place: &Path, change: Change<'_>, context: &str) -> bool {
    let Change { journey, old, new } = change;
    let files = Files::of(place);
    let what = journey.again();
    for start in ["first", "second"] {
        let output = live(place, what);
        assert!(output.status.success(), "{context}, {start}: {output:?}");
    }
    let content = read(&files.config);
    let is_new = content == new;
    assert!(is_new || content == old, "{context}: torn");

    let config = EdgeConfig::parse(&content, &files.config).expect("a configuration");
    let last = Journal::new(RealDisk, &files.state)
        .last()
        .expect("a journal");
    let says = match &last {
        Some(record) => match record.outcome() {
            Some(Outcome::Confirmed) => &record.to,
            Some(Outcome::RolledBack) => &record.from,
            other => panic!("{context}: {other:?}"),
        },
        None => panic!("{context}: there is no journal"),
    };
    assert_eq!(*says, config.identity().who(), "{context}: the journal");

    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode();
    let etc = files.config.parent().expect("a directory");
    for entry in [etc, &files.state].map(|it| fs::read_dir(it).expect("a directory")) {
        for entry in entry {
            let path = entry.expect("an entry").path();
            let text = String::from_utf8_lossy(&read(&path)).into_owned();
            let shown = path.display();
            let left = path.starts_with(etc) && path != files.config;
            assert!(!left, "{context}: {shown} is left");
            let is_project = config.dps() == Some(&project());
            let stale = text.contains(PROJECT_KEY) && !is_project;
            assert!(!stale, "{context}: {shown} has the project's key");
            let key = text.contains(STOCK_KEY) || text.contains(PROJECT_KEY);
            assert!(!key || mode(&path) & 0o077 == 0, "{context}: {shown}");
        }
    }
    assert!(!files.card.exists(), "{context}: the card has a key");
    is_new
}
