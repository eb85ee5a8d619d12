//! Every change of the disk fails once, or from then on, in every way that has a cure of its own:
//! the old identity stays in force, and the error names step, path and cure.

#![allow(missing_docs)]

#[path = "power_cut/device.rs"]
mod device;
#[path = "power_cut/identities.rs"]
mod identities;

use std::io;
use std::path::Path;

use bay::message::{ChangeKind, Step};
use device::{Device, Failed, Runtime, Told, stock_config};
use identities::{PROJECT_KEY, project, with};
use provisioning::disk::{Attributes, Cause, DiskError, Image, SimulatedDisk};
use provisioning::journal::{JournalError, Outcome};

const CONFIG: &str = "/etc/aziot/config.toml";
const STATE: &str = "/var/lib/cow";

const FAULTS: [(io::ErrorKind, Cause, &str); 5] = [
    (io::ErrorKind::StorageFull, Cause::Full, "make room"),
    (
        io::ErrorKind::ReadOnlyFilesystem,
        Cause::ReadOnly,
        "mount that file system writable",
    ),
    (
        io::ErrorKind::PermissionDenied,
        Cause::NotAllowed,
        "run this as the owner",
    ),
    (
        io::ErrorKind::ResourceBusy,
        Cause::MountPoint,
        "mount the directory",
    ),
    (io::ErrorKind::Other, Cause::Other, "check the disk"),
];

fn disk(config: Option<&[u8]>) -> SimulatedDisk {
    let attributes = Attributes {
        mode: 0o600,
        user: 0,
        group: 0,
    };
    let mut image = Image::new();
    if let Some(config) = config {
        image.insert(CONFIG.into(), (config.to_vec(), attributes));
    }
    SimulatedDisk::new(&[Path::new("/etc/aziot"), Path::new(STATE)], &image)
}

#[test]
fn a_step_that_fails_leaves_the_old_identity() {
    let mut failed = 0;
    for old in [Some(stock_config()), None] {
        for (kind, cause, cure) in FAULTS {
            for operation in 0.. {
                let disk = disk(old.as_deref());
                disk.fail(operation..operation + 1, kind);
                let device = Device::new(disk.clone(), Path::new(CONFIG), Path::new(STATE));
                let changed = device.change(ChangeKind::Setup, &project(), Runtime::Takes, || ());
                let Err(Failed {
                    step,
                    error,
                    undone,
                }) = changed
                else {
                    assert!(operation > 30, "only {operation} changes can fail");
                    break;
                };
                failed += 1;
                let named = matches!(&error, JournalError::Disk(disk) if disk.cause == cause);
                assert!(named, "{operation}: {error:?}");
                let text = error.to_string();
                assert!(text.contains(cure) && text.contains('/'), "{text}");
                assert!(undone, "the change at {operation} ({step:?}) is undone");

                let told = device.boot(Runtime::Takes, || ()).expect("a start");
                let expected = match step {
                    Step::Check => Told::Nothing,
                    _ => Told::Ended(Outcome::RolledBack),
                };
                // A journal whose last sync failed may have been begun all the same.
                assert!(
                    told == expected || step == Step::Check,
                    "{operation} {step:?}: {told:?}"
                );
                for image in disk.after_power_cut().into_iter().chain([disk.seen()]) {
                    let config = image.get(Path::new(CONFIG)).map(|(content, _)| content);
                    assert_eq!(config, old.as_ref(), "{operation} {step:?}");
                    for (path, (content, _)) in image {
                        let text = String::from_utf8_lossy(&content);
                        assert!(!text.contains(PROJECT_KEY), "{}", path.display());
                    }
                }
            }
        }
    }
    println!("{failed} failures, each undone");
    assert!(failed > 300);
}

/// A disk that stays full or read-only: nothing can be undone, and the next start says how it is.
#[test]
fn a_disk_that_stays_broken_is_made_good_at_the_next_start() {
    let old = stock_config();
    let new = with(&old, &project());
    let mut outcomes = [0, 0];
    for operation in 0.. {
        let disk = disk(Some(&old));
        disk.fail(operation..usize::MAX, io::ErrorKind::StorageFull);
        let device = Device::new(disk.clone(), Path::new(CONFIG), Path::new(STATE));
        let changed = device.change(ChangeKind::Setup, &project(), Runtime::Takes, || ());
        if changed.is_ok() {
            break;
        }
        disk.fail(0..0, io::ErrorKind::StorageFull);
        let told = device.boot(Runtime::Takes, || ()).expect("a start");
        let is_new = told == Told::Ended(Outcome::Confirmed);
        outcomes[usize::from(is_new)] += 1;
        let expected = if is_new { &new } else { &old };
        for image in disk.after_power_cut() {
            assert_eq!(
                &image[Path::new(CONFIG)].0,
                expected,
                "{operation} {told:?}"
            );
        }
    }
    assert!(outcomes.iter().all(|&count| count > 0), "{outcomes:?}");
}

#[test]
fn an_error_says_what_to_do() {
    let disk = disk(None);
    let no_such = Path::new("/etc/iotedge/config.yaml");
    let error = provisioning::disk::replace(&disk, no_such, b"x").expect_err("no directory");
    assert_eq!(
        error.to_string(),
        "cannot create /etc/iotedge/config.yaml.cow-new: make the directory first, or name another path"
    );
    let DiskError { cause, .. } = error;
    assert_eq!(cause, Cause::Missing);
}
