//! The power is cut before every change of a simulated disk, with every loss of unsynced data that
//! a disk is allowed; and again while the device comes up from that, until nothing new turns up.
//!
//! What must hold wherever the power was cut: the configuration is the old or the new one, whole.
//! The device comes up and says which, what it says stays true whatever the disk loses afterwards,
//! no other file is left, and no key of an identity that it does not have is anywhere on disk.

#![allow(missing_docs)]

#[path = "power_cut/device.rs"]
mod device;
#[path = "power_cut/identities.rs"]
mod identities;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;

use bay::message::ChangeKind;
use device::{Device, Failed, Runtime, Told, stock_config};
use identities::{PROJECT_KEY, STOCK_KEY, project, stock, with};
use provisioning::disk::{Attributes, Disk, Found, Image, SimulatedDisk};
use provisioning::edge_config::DpsIdentity;
use provisioning::journal::{Journal, Outcome};

const CONFIG: &str = "/etc/aziot/config.toml";
const STATE: &str = "/var/lib/cow";
const JOURNAL: &str = "/var/lib/cow/identity.journal";

/// As the file is on a device: not root's, and read by a group.
const ATTRIBUTES: Attributes = Attributes {
    mode: 0o640,
    user: 7,
    group: 8,
};

/// A change to be cut.
struct Story {
    name: &'static str,
    kind: ChangeKind,
    old: Option<Vec<u8>>,
    to: DpsIdentity,
    runtime: Runtime,
    /// The key that is to be gone when the new identity is in force.
    old_key: Option<&'static str>,
    new_key: &'static str,
}

/// What was looked at.
#[derive(Debug, Default)]
struct Counts {
    operations: usize,
    images: usize,
    starts: usize,
}

fn stories() -> Vec<Story> {
    let setup = Story {
        name: "setup",
        kind: ChangeKind::Setup,
        old: Some(stock_config()),
        to: project(),
        runtime: Runtime::Takes,
        old_key: Some(STOCK_KEY),
        new_key: PROJECT_KEY,
    };
    let reset = Story {
        name: "reset",
        kind: ChangeKind::Reset,
        old: Some(with(&stock_config(), &project())),
        to: stock(),
        runtime: Runtime::Takes,
        old_key: Some(PROJECT_KEY),
        new_key: STOCK_KEY,
    };
    let claim = |runtime, name| Story {
        name,
        kind: ChangeKind::Claim,
        old: None,
        to: stock(),
        runtime,
        old_key: None,
        new_key: STOCK_KEY,
    };
    let refused = Story {
        name: "setup that the runtime refuses",
        runtime: Runtime::Refuses,
        old: setup.old.clone(),
        to: project(),
        ..setup
    };
    vec![
        setup,
        reset,
        refused,
        claim(Runtime::Takes, "claim without a configuration"),
        claim(Runtime::Refuses, "claim that the runtime refuses"),
    ]
}

impl Story {
    fn first(&self) -> Image {
        let config = self.old.clone().map(|old| (old, ATTRIBUTES));
        config
            .into_iter()
            .map(|config| (CONFIG.into(), config))
            .collect()
    }

    fn changed(&self) -> Vec<u8> {
        with(self.old.as_deref().unwrap_or_default(), &self.to)
    }

    /// The configuration of a machine that has just come up: old (false) or new (true).
    fn which(&self, image: &Image) -> Result<bool, String> {
        let config = image.get(Path::new(CONFIG));
        let content = config.map(|(content, _)| content.clone());
        for (content, attributes) in image.values() {
            let text = String::from_utf8_lossy(content);
            let has_key = [STOCK_KEY, PROJECT_KEY]
                .iter()
                .any(|key| text.contains(key));
            if has_key && attributes.mode & !ATTRIBUTES.mode != 0 {
                return Err("a key that anybody can read".to_owned());
            }
        }
        if content == self.old {
            Ok(false)
        } else if content == Some(self.changed()) {
            Ok(true)
        } else {
            Err("the configuration is neither the old nor the new one".to_owned())
        }
    }

    /// What has to hold once a machine is up and has said `told`.
    fn check(&self, image: &Image, told: &Told) -> Result<(), String> {
        let is_new = self.which(image)?;
        let says_new = match told {
            Told::Ended(Outcome::Confirmed) => true,
            Told::Nothing | Told::Ended(Outcome::RolledBack) => false,
            Told::Ended(Outcome::Overtaken) => return Err("nobody else was there".to_owned()),
        };
        if is_new != says_new {
            return Err(format!("it says {told:?} and is not"));
        }
        let gone = if is_new {
            self.old_key
        } else {
            Some(self.new_key)
        };
        for (path, (content, attributes)) in image {
            let known = path == Path::new(CONFIG) || path == Path::new(JOURNAL);
            if !known {
                return Err(format!("{} is left", path.display()));
            }
            let text = String::from_utf8_lossy(content);
            if gone.is_some_and(|key| text.contains(key)) {
                return Err(format!("{} has a key it should not have", path.display()));
            }
            if path == Path::new(CONFIG) {
                let expected = self.old.as_ref().map_or(0o600, |_| ATTRIBUTES.mode);
                if attributes.mode != expected {
                    return Err(format!("its mode is {:o}", attributes.mode));
                }
            }
        }
        Ok(())
    }

    /// Cuts everywhere.
    fn explore<D: Disk + Clone>(
        &self,
        wrap: impl Fn(SimulatedDisk) -> D,
    ) -> Result<Counts, String> {
        let mut counts = Counts::default();
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::new();
        let start = |image: &Image| {
            let directories = [Path::new("/etc/aziot"), Path::new(STATE)];
            let disk = SimulatedDisk::new(&directories, image);
            let device = Device::new(wrap(disk.clone()), Path::new(CONFIG), Path::new(STATE));
            (disk, device)
        };
        let find =
            |disk: &SimulatedDisk, seen: &mut BTreeSet<Image>, queue: &mut VecDeque<Image>| {
                for image in disk.after_power_cut() {
                    if seen.insert(image.clone()) {
                        self.which(&image)?;
                        queue.push_back(image);
                    }
                }
                Ok::<_, String>(())
            };

        let first = self.first();
        for cut in 0.. {
            let (disk, device) = start(&first);
            disk.cut_before(cut);
            let changed = device.change(self.kind, &self.to, self.runtime, || ());
            find(&disk, &mut seen, &mut queue)?;
            if disk.operations() < cut {
                changed.map_err(
                    |Failed {
                         step,
                         error,
                         undone,
                     }| {
                        format!("without a cut, at {step:?} (undone: {undone}): {error}")
                    },
                )?;
                break;
            }
            counts.operations = cut + 1;

            // Only the process is stopped: what it had not synced is still seen, and can be lost
            // later, when the next process has already drawn its conclusions.
            for again in 0.. {
                let (disk, device) = start(&first);
                disk.cut_before(cut);
                let _ = device.change(self.kind, &self.to, self.runtime, || ());
                disk.restart_process();
                let so_far = disk.operations();
                disk.cut_before(so_far + again);
                let told = device.boot(self.runtime, || ());
                counts.starts += 1;
                find(&disk, &mut seen, &mut queue)?;
                if disk.operations() < so_far + again {
                    let told = told.map_err(|error| format!("after a stop: {error}"))?;
                    self.check(&disk.seen(), &told)?;
                    for image in disk.after_power_cut() {
                        self.check(&image, &told)?;
                    }
                    break;
                }
            }
        }
        while let Some(image) = queue.pop_front() {
            counts.images += 1;
            for cut in 0.. {
                let (disk, device) = start(&image);
                disk.cut_before(cut);
                let told = device.boot(self.runtime, || ());
                counts.starts += 1;
                if disk.operations() >= cut {
                    find(&disk, &mut seen, &mut queue)?;
                    continue;
                }
                let told = told.map_err(|error| format!("coming up: {error}"))?;
                self.check(&disk.seen(), &told)?;
                // What was said stays so, whatever is lost now, and is said again.
                for image in disk.after_power_cut() {
                    self.check(&image, &told)?;
                    let (_, device) = start(&image);
                    let again = device.boot(self.runtime, || ());
                    if again.map_err(|error| error.to_string())? != told {
                        return Err("it says something else the next time".to_owned());
                    }
                }
                break;
            }
        }
        Ok(counts)
    }
}

#[test]
fn a_power_cut_anywhere_leaves_the_old_or_the_new_identity() {
    for story in stories() {
        let counts = story
            .explore(|disk| disk)
            .unwrap_or_else(|violation| panic!("{}: {violation}", story.name));
        println!(
            "{}: power cut at each of {} points, before and behind every change of the disk; {} ways in which the device then comes up, cut again at every change until nothing new turned up: {} starts",
            story.name, counts.operations, counts.images, counts.starts
        );
        assert!(counts.operations > 20, "{counts:?}");
        assert!(counts.images > 50, "{counts:?}");
    }
}

/// The outcomes are all there: a cut can leave either identity.
#[test]
fn both_identities_turn_up() {
    let stories = stories();
    let setup = &stories[0];
    let mut told = BTreeMap::new();
    for cut in 0..100 {
        let directories = [Path::new("/etc/aziot"), Path::new(STATE)];
        let disk = SimulatedDisk::new(&directories, &setup.first());
        let device = Device::new(disk.clone(), Path::new(CONFIG), Path::new(STATE));
        disk.cut_before(cut);
        let _ = device.change(setup.kind, &setup.to, setup.runtime, || ());
        for image in disk.after_power_cut() {
            let disk = SimulatedDisk::new(&directories, &image);
            let device = Device::new(disk, Path::new(CONFIG), Path::new(STATE));
            let said = device.boot(setup.runtime, || ()).expect("it comes up");
            *told.entry(format!("{said:?}")).or_insert(0) += 1;
        }
    }
    let outcomes: Vec<_> = told.keys().map(String::as_str).collect();
    assert_eq!(
        outcomes,
        ["Ended(Confirmed)", "Ended(RolledBack)", "Nothing"]
    );
}

/// A disk on which one kind of sync is forgotten.
#[derive(Clone)]
struct Careless {
    disk: SimulatedDisk,
    forgets: Forgets,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Forgets {
    Files,
    Directories,
    Both,
}

impl Disk for Careless {
    type File = <SimulatedDisk as Disk>::File;
    type Lock = <SimulatedDisk as Disk>::Lock;

    fn look(&self, path: &Path) -> io::Result<Option<Found>> {
        self.disk.look(path)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }
    fn create(&self, path: &Path) -> io::Result<Self::File> {
        self.disk.create(path)
    }
    fn write(&self, file: &mut Self::File, content: &[u8]) -> io::Result<()> {
        self.disk.write(file, content)
    }
    fn set_attributes(&self, file: &Self::File, attributes: Attributes) -> io::Result<()> {
        self.disk.set_attributes(file, attributes)
    }
    fn sync(&self, file: &Self::File) -> io::Result<()> {
        match self.forgets {
            Forgets::Files | Forgets::Both => Ok(()),
            _ => self.disk.sync(file),
        }
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match self.forgets {
            Forgets::Directories | Forgets::Both => Ok(()),
            _ => self.disk.sync_directory(path),
        }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        self.disk.lock(path)
    }
}

/// The proof can fail: it notices a sync that is not made.
#[test]
fn a_forgotten_sync_is_noticed() {
    let stories = stories();
    for forgets in [Forgets::Files, Forgets::Directories, Forgets::Both] {
        let noticed = stories[0].explore(|disk| Careless { disk, forgets });
        let violation = noticed.expect_err("a violation");
        println!("without syncing {forgets:?}: {violation}");
    }
}

/// Two at once would write over each other.
#[test]
fn one_change_at_a_time() {
    let directories = [Path::new("/etc/aziot"), Path::new(STATE)];
    let disk = SimulatedDisk::new(&directories, &stories()[0].first());
    let journal = Journal::new(disk.clone(), STATE);
    let begin = || {
        let now = jiff::Timestamp::UNIX_EPOCH;
        journal.begin(ChangeKind::Setup, Path::new(CONFIG), &project(), now)
    };
    let change = begin().expect("the first");
    let busy = begin().expect_err("the second").to_string();
    assert_eq!(
        busy,
        "another process is changing this device's identity (it holds /var/lib/cow/identity.lock); wait until it is done"
    );
    drop(change);
    let unfinished = begin().expect_err("one that is not over").to_string();
    assert_eq!(
        unfinished,
        "the change to 10000000abcdef01 in scope 0ne00PROJECT is not over; restart, or recover it first"
    );
}
