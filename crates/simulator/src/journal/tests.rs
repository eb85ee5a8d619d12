//! Kills at any byte, new segments, full disks.

use std::os::unix::fs::PermissionsExt;

use super::segments::SEGMENT_BYTES;
use super::*;

fn replayed(directory: &Path) -> Vec<(Kind, Vec<u8>)> {
    let mut frames = Vec::new();
    Journal::open(directory, |kind, payload| {
        frames.push((kind, payload.to_vec()));
    })
    .expect("it opens");
    frames
}

#[test]
fn a_kill_at_any_byte_keeps_a_prefix_of_whole_frames() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    for number in 0..5u8 {
        journal.stage(Kind::Change, &vec![number; 10 * usize::from(number)]);
        journal.commit().expect("it writes");
    }
    drop(journal);
    let path = segment_path(dir.path(), 1);
    let whole = fs::read(&path).expect("the segment is there");
    let mut most = 0;
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("it is cut");
        let frames = replayed(dir.path());
        for (number, (kind, payload)) in frames.iter().enumerate() {
            assert_eq!((*kind, payload.len()), (Kind::Change, 10 * number));
        }
        assert!(frames.len() >= most, "a longer file never holds less");
        most = frames.len();
    }
    assert_eq!(most, 5);
}

#[test]
fn a_kill_keeps_all_of_a_group_or_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    journal.stage(Kind::Change, b"before");
    let group = journal.begin_group();
    journal.stage(Kind::Change, b"one");
    let inner = journal.begin_group();
    journal.stage(Kind::Event, b"two");
    journal.end_group(inner);
    journal.stage(Kind::Routed, b"three");
    journal.end_group(group);
    let empty = journal.begin_group();
    journal.end_group(empty);
    journal.commit().expect("it writes");
    drop(journal);
    let path = segment_path(dir.path(), 1);
    let whole = fs::read(&path).expect("the segment is there");
    let kinds = |frames: Vec<(Kind, Vec<u8>)>| {
        let kinds = frames.into_iter().map(|(kind, _)| kind);
        kinds.collect::<Vec<_>>()
    };
    let all = [Kind::Change, Kind::Change, Kind::Event, Kind::Routed];
    assert_eq!(kinds(replayed(dir.path())), all);
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("it is cut");
        let kept = kinds(replayed(dir.path()));
        assert!(kept.len() <= 1, "{cut}: {kept:?}");
    }
}

#[test]
fn a_new_segment_starts_with_the_snapshot_and_old_ones_go() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    for number in 0..6u8 {
        journal.stage(Kind::Event, &[number]);
        journal.roll(&[b's', number]).expect("it rolls");
    }
    drop(journal);
    assert_eq!(segments(dir.path()).expect("listed"), [4, 5, 6, 7]);
    assert_eq!(
        replayed(dir.path()).last(),
        Some(&(Kind::Snapshot, vec![b's', 5]))
    );
}

#[test]
fn damage_in_the_middle_is_told_and_a_second_simulator_is_kept_out() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    journal.stage(Kind::Event, b"one");
    journal.roll(b"s").expect("it rolls");
    let second = Journal::open(dir.path(), |_, _| {}).expect_err("the directory is locked");
    assert!(matches!(second, JournalError::Busy { .. }));
    drop(journal);
    let path = segment_path(dir.path(), 1);
    let mut bytes = fs::read(&path).expect("the segment is there");
    bytes[HEADER + 1] ^= 1;
    fs::write(&path, bytes).expect("it is damaged");
    let error = Journal::open(dir.path(), |_, _| {}).expect_err("damage is noticed");
    assert!(
        matches!(error, JournalError::Damaged { offset: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_segment_that_cannot_begin_leaves_the_present_one_in_use() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    // A directory in the way of the new segment, because permissions do not stop a root user.
    let in_the_way = segment_path(dir.path(), 2);
    fs::create_dir(&in_the_way).expect("room on disk");
    journal.stage(Kind::Event, b"one");
    journal.roll(b"s").expect_err("something is in the way");
    journal.stage(Kind::Event, b"two");
    journal.commit().expect("it writes");
    assert!(!journal.is_segment_full(), "no attempt at every commit");
    drop(journal);
    fs::remove_dir(&in_the_way).expect("it is empty");
    let kept = [
        (Kind::Event, b"one".to_vec()),
        (Kind::Event, b"two".to_vec()),
    ];
    assert_eq!(replayed(dir.path()), kept);
}

#[test]
fn a_large_snapshot_does_not_fill_its_own_segment() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    journal
        .roll(&vec![b'x'; SEGMENT_BYTES as usize + 1])
        .expect("it rolls");
    assert!(!journal.is_segment_full());
}

#[test]
fn only_the_owner_can_read_keys() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    journal.roll(b"s").expect("it rolls");
    for segment in [1, 2] {
        let segment = fs::metadata(segment_path(dir.path(), segment)).expect("it is there");
        assert_eq!(segment.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn damage_in_the_newest_segment_is_told_rather_than_cut_off() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
    for number in 0..3 {
        journal.stage(Kind::Change, &[number; 20]);
    }
    journal.commit().expect("it writes");
    drop(journal);
    let path = segment_path(dir.path(), 1);
    let whole = fs::read(&path).expect("the segment is there");
    let second = whole.len() / 3;
    let mut damaged = whole.clone();
    damaged[second + HEADER + 5] ^= 1;
    for (bytes, offset) in [(damaged, second), (b"somebody's notes".to_vec(), 0)] {
        fs::write(&path, &bytes).expect("it is damaged");
        let error = Journal::open(dir.path(), |_, _| {}).expect_err("damage is noticed");
        assert!(
            matches!(error, JournalError::Damaged { offset: at, .. } if at == offset),
            "{error}"
        );
        assert_eq!(fs::read(&path).expect("it is there"), bytes, "left alone");
    }
}
