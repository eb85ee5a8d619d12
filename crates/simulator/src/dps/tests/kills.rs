//! What a kill leaves of the service, whatever happened to it before.

use proptest::prelude::*;

use super::super::change::Change;
use super::super::registry::Registry;
use super::*;

/// One thing that can happen to a service, chosen by a generator.
#[derive(Debug, Clone)]
enum Step {
    Enrol(u8),
    Group(u8),
    Register(u8, u8),
    Unenrol(u8),
    Ungroup(u8),
    Forget(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3u8).prop_map(Step::Enrol),
        2 => (0..2u8).prop_map(Step::Group),
        5 => (0..4u8, 0..2u8).prop_map(|(device, group)| Step::Register(device, group)),
        1 => (0..3u8).prop_map(Step::Unenrol),
        1 => (0..2u8).prop_map(Step::Ungroup),
        1 => (0..4u8).prop_map(Step::Forget),
    ]
}

fn take(bench: &Bench, step: &Step) {
    match step {
        Step::Enrol(device) => {
            bench.enrol(&format!("d{device}"), &json!({}));
        }
        Step::Group(group) => {
            bench.enrol_group(&format!("g{group}"), &json!({}));
        }
        Step::Register(device, group) => {
            let id = format!("d{device}");
            bench.register(&id, &key(&id));
            bench.register(&id, &key(&format!("g{group}")).derive(&id));
        }
        // Removing what is not there is refused, and that is an outcome too.
        Step::Unenrol(device) => {
            let _ = bench
                .dps
                .remove_enrollment(&format!("d{device}"), Precondition::None);
        }
        Step::Ungroup(group) => {
            let _ = bench
                .dps
                .remove_group(&format!("g{group}"), Precondition::None);
        }
        Step::Forget(device) => {
            let _ = bench.dps.remove_registration(&format!("d{device}"), None);
        }
    }
}

fn all_of(dps: &Dps) -> Value {
    serde_json::to_value(&dps.lock().registry).expect("plain data")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_journal_gives_back_the_same_registry(steps in prop::collection::vec(step(), 1..20)) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let before = {
            let bench = bench(&["localhost"], Some(directory.path()));
            for step in &steps {
                take(&bench, step);
            }
            all_of(&bench.dps)
        };
        let after = bench(&["localhost"], Some(directory.path()));
        prop_assert_eq!(all_of(&after.dps), before);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_can_still_be_asked_about() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (scope, begun) = {
        let bench = bench(&["localhost"], Some(directory.path()));
        bench.enrol("r1", &json!({}));
        let begun: Operation = parsed(&bench.register("r1", &key("r1")));
        (bench.dps.id_scope(), begun)
    };
    let bench = bench(&["localhost"], Some(directory.path()));
    assert_eq!(bench.dps.id_scope(), scope);
    assert!(scope.len() == 11 && scope.starts_with("0ne"), "{scope}");
    let done: Operation = parsed(&bench.poll("r1", &key("r1"), &begun.operation_id));
    assert_eq!(done.status, Status::Assigned);
    assert!(bench.twin(0, "r1").is_some());
}

#[test]
fn a_move_that_a_kill_cut_short_is_finished_at_the_next_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let static_at = |hub: &str| json!({"allocationPolicy": "static", "iotHubHostName": hub});
    {
        let bench = bench(&THREE, Some(directory.path()));
        bench.enrol("r1", &static_at("127.0.0.2"));
        bench.assigned("r1", &key("r1"));
        bench.enrol("r1", &static_at("127.0.0.3"));
        bench.assigned("r1", &key("r1"));
        // As it is between the record and the removal.
        bench.hubs[1]
            .add_device("r1", false, &[])
            .expect("it is not there any more");
        let mut core = bench.dps.lock();
        let mut record = core.registry.registration("r1").cloned().expect("a record");
        record.leaving = Some(super::super::registry::Placement {
            hub: "127.0.0.2".to_owned(),
            device_id: "r1".to_owned(),
        });
        core.record(Change::Registered {
            id: "r1".to_owned(),
            record: Box::new(record),
        });
        core.commit().expect("written");
    }
    let bench = bench(&THREE, Some(directory.path()));
    assert_eq!(bench.twin(1, "r1"), None);
    assert!(bench.twin(2, "r1").is_some());
    assert!(
        bench
            .dps
            .lock()
            .registry
            .registration("r1")
            .expect("a record")
            .leaving
            .is_none()
    );
}

#[test]
fn a_full_disk_is_answered_as_the_services_fault() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let bench = bench(&["localhost"], Some(directory.path()));
    bench.enrol("r1", &json!({}));
    bench.dps.lock().journal.fill_disk();
    let other = key("other");
    assert_eq!(refused(&bench.register("r1", &key("r1"))), 500_001);
    // Nor does anybody hear of what was staged in vain.
    let group =
        serde_json::from_value(json!({"enrollmentGroupId": "g", "attestation": with_keys("g")}));
    let group = bench
        .dps
        .put_group("g", group.expect("a group"), Precondition::None);
    assert!(matches!(group, Err(EnrollFault::Journal(_))));
    assert!(matches!(bench.dps.group("g"), Err(EnrollFault::Journal(_))));
    assert_eq!(refused(&bench.poll("r1", &other, "4.0")), 500_001);
}

#[test]
fn a_snapshot_is_the_registry() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    bench.assigned("r1", &key("r1"));
    let all = all_of(&bench.dps);
    let read: Registry = serde_json::from_value(all.clone()).expect("a registry");
    assert_eq!(serde_json::to_value(&read).expect("plain data"), all);
}
