//! What a start makes of journals and configurations that no power cut leaves behind.

use std::path::Path;

use bay::message::{ChangeKind, Step};
use hub_proto::sas::SymmetricKey;
use jiff::Timestamp;

use super::*;
use crate::disk::{Attributes, Image, SimulatedDisk};
use crate::edge_config::{Endpoint, Who};

const CONFIG: &str = "/etc/aziot/config.toml";
const STATE: &str = "/var/lib/cow";
const OLD: &str = "# ours\nhostname = \"bay-17\"\n";
const KEY: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=";

struct Machine {
    disk: SimulatedDisk,
    journal: Journal<SimulatedDisk>,
}

impl Machine {
    fn new() -> Self {
        let machine = Self::without_config();
        machine.edit(CONFIG, OLD);
        machine
    }

    fn without_config() -> Self {
        let directories = [Path::new("/etc/aziot"), Path::new(STATE)];
        let disk = SimulatedDisk::new(&directories, &Image::new());
        Self {
            journal: Journal::new(disk.clone(), STATE),
            disk,
        }
    }

    /// Somebody with an editor.
    fn edit(&self, path: &str, content: &str) {
        disk::replace(&self.disk, Path::new(path), content.as_bytes()).expect("room on disk");
    }

    fn content(&self, path: &str) -> Option<String> {
        let content = disk::read(&self.disk, Path::new(path)).expect("readable");
        content.map(|content| String::from_utf8(content).expect("a text"))
    }

    fn begin(&self) -> Result<Change<SimulatedDisk>, JournalError> {
        self.journal
            .begin(ChangeKind::Setup, Path::new(CONFIG), &identity(), at(0))
    }

    fn written(&self) -> Change<SimulatedDisk> {
        let mut change = self.begin().expect("a beginning");
        change.registered(at(1)).expect("room on disk");
        change.back_up(at(2)).expect("room on disk");
        change.write(at(3)).expect("room on disk");
        change
    }

    fn recover(&self) -> Recovery<SimulatedDisk> {
        self.journal
            .recover(Path::new(CONFIG), at(9))
            .expect("a recovery")
    }

    fn names(&self) -> Vec<String> {
        let seen = self.disk.seen();
        seen.keys().map(|path| path.display().to_string()).collect()
    }
}

fn identity() -> DpsIdentity {
    DpsIdentity {
        global_endpoint: Endpoint::default(),
        id_scope: "0ne00000001".to_owned(),
        registration_id: "10000000abcdef01".parse().expect("a registration id"),
        symmetric_key: SymmetricKey::from_base64(KEY).expect("a key"),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

#[test]
fn a_change_is_told_step_by_step() {
    let machine = Machine::new();
    let mut change = machine.written();
    assert_eq!(change.to_do(), [ToDo::Apply, ToDo::Reboot, ToDo::Confirm]);
    change.applied(at(4)).expect("room on disk");
    change.rebooting(at(5)).expect("room on disk");
    drop(change);

    let Recovery::Finish(change) = machine.recover() else {
        panic!("the new configuration is in its place");
    };
    assert_eq!(change.to_do(), [ToDo::Confirm]);
    let record = change.confirm(at(10)).expect("room on disk");
    assert!(!record.interrupted, "that restart was asked for");
    assert_eq!(record.outcome(), Some(Outcome::Confirmed));
    assert_eq!(
        (record.begun_at(), record.ended_at()),
        (at(0), Some(at(10)))
    );
    assert_eq!((&record.from, &record.to), (&Who::None, &identity().who()));
    let marks: Vec<_> = record.marks.iter().map(|marked| marked.mark).collect();
    assert_eq!(
        marks,
        [
            Mark::Begun,
            Mark::Registered,
            Mark::BackedUp,
            Mark::Written,
            Mark::Applied,
            Mark::Rebooting,
            Mark::Confirmed
        ]
    );
    assert_eq!(machine.journal.last().expect("a journal"), Some(record));
    assert_eq!(
        machine.names(),
        [CONFIG, "/var/lib/cow/identity.journal"],
        "the backup is gone"
    );
    let journal = machine.content("/var/lib/cow/identity.journal");
    assert!(!journal.expect("a journal").contains(KEY));
}

#[test]
fn what_was_cut_off_before_writing_is_let_go() {
    let machine = Machine::new();
    let mut change = machine.begin().expect("a beginning");
    change.registered(at(1)).expect("room on disk");
    drop(change);

    let Recovery::Settled(Settled::RolledBack(record)) = machine.recover() else {
        panic!("nothing was written");
    };
    assert!(record.interrupted);
    assert!(matches!(machine.recover(), Recovery::Nothing(Some(_))));
    assert_eq!(machine.content(CONFIG).as_deref(), Some(OLD));
}

#[test]
fn what_the_runtime_refuses_is_undone() {
    for machine in [Machine::new(), Machine::without_config()] {
        let before = machine.content(CONFIG);
        let change = machine.written();
        let settled = change.roll_back(Step::Apply, "it said no", at(4));
        let Ok(Settled::Undo(change)) = settled else {
            panic!("the runtime may have taken it");
        };
        assert_eq!(machine.content(CONFIG), before);
        let record = change.undone(at(5)).expect("room on disk");
        assert_eq!(record.outcome(), Some(Outcome::RolledBack));
        let failure = record.failure.expect("a failure");
        assert_eq!(
            (failure.step, &*failure.message),
            (Step::Apply, "it said no")
        );
    }
}

#[test]
fn a_configuration_that_was_edited_meanwhile_is_not_overwritten() {
    let machine = Machine::new();
    let mut change = machine.begin().expect("a beginning");
    let edited = format!("{OLD}cloud_retries = 3\n");
    machine.edit(CONFIG, &edited);
    let error = change.back_up(at(1)).expect_err("another configuration");
    assert_eq!(
        error.to_string(),
        "/etc/aziot/config.toml was changed by somebody else meanwhile; ask again"
    );
    let settled = change.roll_back(Step::Backup, error.to_string(), at(2));
    assert!(matches!(settled, Ok(Settled::RolledBack(_))));
    assert_eq!(machine.content(CONFIG), Some(edited.clone()));

    // The same when a restart finds it, even behind the backup.
    let mut change = machine.begin().expect("a beginning");
    change.back_up(at(3)).expect("room on disk");
    drop(change);
    machine.edit(CONFIG, OLD);
    let recovery = machine.recover();
    assert!(matches!(
        recovery,
        Recovery::Settled(Settled::RolledBack(_))
    ));
    assert_eq!(machine.content(CONFIG).as_deref(), Some(OLD));
}

/// An operator who changes something else while the device restarts does not undo the change.
#[test]
fn the_new_identity_in_an_edited_configuration_is_the_new_identity() {
    let machine = Machine::new();
    drop(machine.written());
    let edited = machine.content(CONFIG).expect("a file") + "# a note\n";
    machine.edit(CONFIG, &edited);

    let Recovery::Finish(change) = machine.recover() else {
        panic!("it has the new identity");
    };
    change.confirm(at(10)).expect("room on disk");
    assert_eq!(machine.content(CONFIG), Some(edited));
}

#[test]
fn a_third_identity_stays() {
    let third = "[provisioning]\nsource = \"manual\"\nconnection_string = \"HostName=h;DeviceId=d;SharedAccessKey=eA==\"\n";
    // Also while the change is being undone.
    for undoing in [false, true] {
        let machine = Machine::new();
        let change = machine.written();
        if undoing {
            let settled = change.roll_back(Step::Apply, "no", at(4));
            drop(settled.expect("it can be undone"));
        } else {
            drop(change);
        }
        machine.edit(CONFIG, third);

        let Recovery::Overtaken(record) = machine.recover() else {
            panic!("somebody else was there");
        };
        assert_eq!(record.outcome(), Some(Outcome::Overtaken));
        assert_eq!(machine.content(CONFIG).as_deref(), Some(third));
        machine.begin().expect("the next change");
    }
}

#[test]
fn a_broken_configuration_is_restored_from_the_backup() {
    let machine = Machine::new();
    drop(machine.written());
    machine.edit(CONFIG, "[provisioning\n");

    let Recovery::Settled(Settled::Undo(change)) = machine.recover() else {
        panic!("there is a backup");
    };
    assert_eq!(machine.content(CONFIG).as_deref(), Some(OLD));
    change.undone(at(10)).expect("room on disk");
}

#[test]
fn a_broken_configuration_without_a_backup_does_not_lock_the_device() {
    let machine = Machine::new();
    drop(machine.written());
    machine.edit(CONFIG, "[provisioning\n");
    disk::remove(&machine.disk, &backup_of(Path::new(CONFIG))).expect("room on disk");

    assert!(matches!(machine.recover(), Recovery::Overtaken(_)));
    let error = machine.begin().expect_err("it makes no sense").to_string();
    assert!(
        error.starts_with("/etc/aziot/config.toml: line 1"),
        "{error}"
    );
    machine.edit(CONFIG, OLD);
    machine.begin().expect("the next change");
}

#[test]
fn a_damaged_journal_is_put_aside_and_the_identity_kept() {
    let journal = "/var/lib/cow/identity.journal";
    let machine = Machine::new();
    drop(machine.written());
    let whole = machine.content(journal).expect("a journal");
    let new = machine.content(CONFIG);
    for damaged in ["", "nonsense", &whole[..whole.len() / 2]] {
        machine.edit(journal, damaged);
        let error = machine.journal.last().expect_err("it makes no sense");
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        let error = machine.begin().expect_err("it makes no sense").to_string();
        assert!(error.starts_with(journal), "{error}");

        let Recovery::Damaged { aside, who, .. } = machine.recover() else {
            panic!("it is damaged");
        };
        assert_eq!(aside, Path::new("/var/lib/cow/identity.journal.damaged"));
        assert_eq!(who, Some(identity().who()), "whoever it is");
        assert_eq!(machine.content(CONFIG), new);
        assert!(matches!(machine.recover(), Recovery::Nothing(None)));
    }
    machine.begin().expect("the next change");
}

#[test]
fn a_damaged_journal_and_a_broken_configuration_leave_the_backup() {
    let machine = Machine::new();
    drop(machine.written());
    machine.edit("/var/lib/cow/identity.journal", "nonsense");
    machine.edit(CONFIG, "[provisioning\n");

    let Recovery::Damaged { who, .. } = machine.recover() else {
        panic!("it is damaged");
    };
    assert_eq!(who, Some(Who::None));
    assert_eq!(machine.content(CONFIG).as_deref(), Some(OLD));
}

#[test]
fn only_so_many_changes_are_remembered() {
    let machine = Machine::new();
    for _ in 0..20 {
        machine.begin().expect("a beginning");
        machine.recover();
    }
    assert_eq!(machine.journal.all().expect("a journal").len(), 16);
}

#[test]
fn owner_and_mode_of_the_configuration_come_back_from_the_backup() {
    let attributes = Attributes {
        mode: 0o640,
        user: 7,
        group: 8,
    };
    let directories = [Path::new("/etc/aziot"), Path::new(STATE)];
    let image = Image::from([(CONFIG.into(), (OLD.as_bytes().to_vec(), attributes))]);
    let disk = SimulatedDisk::new(&directories, &image);
    let machine = Machine {
        journal: Journal::new(disk.clone(), STATE),
        disk,
    };
    let change = machine.written();
    let found = || machine.disk.seen()[Path::new(CONFIG)].1;
    assert_eq!(found(), attributes);
    drop(change.roll_back(Step::Apply, "no", at(4)));
    assert_eq!(found(), attributes);
}
