//! The machine's own file system, as far as a test may use it.

#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use provisioning::disk::{Cause, Disk, DiskStep, RealDisk, copy, read, remove, replace, tidy};

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("a file");
    metadata.permissions().mode() & 0o7777
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

#[test]
fn mode_and_owner_stay_and_a_new_file_is_private() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.toml");
    replace(&RealDisk, &path, b"one").expect("a new file");
    assert_eq!(mode(&path), 0o600);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("another mode");
    // Only root may give a file away; anybody else's file stays their own.
    let _ = chown(&path, Some(65534), Some(65534));
    let before = fs::metadata(&path).expect("a file");
    replace(&RealDisk, &path, b"two").expect("a change");
    let after = fs::metadata(&path).expect("a file");
    assert_eq!(fs::read(&path).expect("a file"), b"two");
    assert_eq!(mode(&path), 0o640);
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "it is replaced, not overwritten");

    let backup = directory.path().join("backup");
    copy(&RealDisk, &path, &backup).expect("a copy");
    assert_eq!(mode(&backup), 0o640);
    assert_eq!(fs::read(&backup).expect("a file"), b"two");
    assert_eq!(names(directory.path()), ["backup", "config.toml"]);
}

#[test]
fn a_link_stays_a_link() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = directory.path().join("kept");
    fs::create_dir(&kept).expect("a directory");
    fs::write(kept.join("config.toml"), "one").expect("a file");
    let link = directory.path().join("config.toml");
    symlink("kept/config.toml", &link).expect("a link");

    replace(&RealDisk, &link, b"two").expect("a change");
    assert_eq!(
        fs::read_link(&link).expect("a link"),
        Path::new("kept/config.toml")
    );
    assert_eq!(fs::read(kept.join("config.toml")).expect("a file"), b"two");
    assert_eq!(names(&kept), ["config.toml"]);
}

#[test]
fn what_an_interrupted_change_left_is_no_obstacle() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.toml");
    let left = directory.path().join("config.toml.cow-new");
    fs::write(&left, "half").expect("a file");
    replace(&RealDisk, &path, b"whole").expect("a change");
    assert_eq!(names(directory.path()), ["config.toml"]);

    fs::write(&left, "half").expect("a file");
    tidy(&RealDisk, &path).expect("it can be removed");
    assert_eq!(names(directory.path()), ["config.toml"]);
    remove(&RealDisk, &path).expect("it can be removed");
    remove(&RealDisk, &path).expect("nothing to remove");
    assert_eq!(read(&RealDisk, &path).expect("no file"), None);
}

#[test]
fn what_is_in_the_way_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("gone/config.toml");
    let error = replace(&RealDisk, &path, b"x").expect_err("no directory");
    assert_eq!(
        (error.step, error.cause),
        (DiskStep::Create, Cause::Missing)
    );

    let error = replace(&RealDisk, directory.path(), b"x").expect_err("a directory");
    assert_eq!((error.step, error.cause), (DiskStep::Look, Cause::NotAFile));

    // A directory under the other name, because permissions do not stop a root user.
    let path = directory.path().join("config.toml");
    fs::write(&path, "old").expect("a file");
    fs::create_dir(directory.path().join("config.toml.cow-new")).expect("a directory");
    let error = replace(&RealDisk, &path, b"new").expect_err("something in the way");
    assert_eq!(error.step, DiskStep::Remove);
    assert_eq!(fs::read(&path).expect("a file"), b"old");
}

#[test]
fn a_lock_is_one_holder_s() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    let held = RealDisk.lock(&path).expect("a lock");
    assert!(held.is_some());
    assert!(RealDisk.lock(&path).expect("a lock").is_none());
    drop(held);
    assert!(RealDisk.lock(&path).expect("a lock").is_some());
}
