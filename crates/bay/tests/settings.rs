//! How wishes are granted, refused, withdrawn, remembered and answered.

use bay::settings::{Clash, InForce, Memory, Refusal, Setting, Table, snapshot, whole, yes_or_no};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A module with a pair of thresholds that must stay in order, and a switch.
#[derive(Clone, Debug, PartialEq)]
struct Fence {
    enter: u32,
    leave: u32,
    loud: bool,
}

impl Default for Fence {
    fn default() -> Self {
        Self {
            enter: 200,
            leave: 150,
            loud: false,
        }
    }
}

impl Table for Fence {
    const SETTINGS: &'static [Setting<Self>] = &[
        Setting {
            name: "enterMm",
            read: |fence| fence.enter.into(),
            write: |fence, value| {
                fence.enter = whole(value, 10..=1000)?;
                Ok(())
            },
        },
        Setting {
            name: "leaveMm",
            read: |fence| fence.leave.into(),
            write: |fence, value| {
                fence.leave = whole(value, 10..=1000)?;
                Ok(())
            },
        },
        Setting {
            name: "loud",
            read: |fence| fence.loud.into(),
            write: |fence, value| {
                fence.loud = yes_or_no(value)?;
                Ok(())
            },
        },
    ];

    fn check(&self) -> Result<(), Clash> {
        if self.leave < self.enter {
            return Ok(());
        }
        Err(Clash {
            settings: vec!["enterMm", "leaveMm"],
            reason: "leaveMm has to be less than enterMm".to_owned(),
        })
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// Hands a patch over with the version that stands in it.
fn handle_desired(in_force: &mut InForce<Fence>, patch: &Map<String, Value>) -> Map<String, Value> {
    in_force.handle_desired(patch, patch["$version"].as_u64().expect("a version"))
}

/// Hands a twin over with the version that stands in its desired section.
fn handle_twin(
    in_force: &mut InForce<Fence>,
    desired: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> Map<String, Value> {
    in_force.handle_twin(
        desired,
        desired["$version"].as_u64().expect("a version"),
        reported,
    )
}

fn in_force() -> InForce<Fence> {
    InForce::new(Fence::default())
}

fn default(value: Value) -> Value {
    json!({"value": value, "ac": 203, "ad": "default", "av": 0})
}

fn taken(value: Value, version: u64) -> Value {
    json!({"value": value, "ac": 200, "ad": "taken", "av": version})
}

fn refused(value: Value, why: &str, version: u64) -> Value {
    json!({"value": value, "ac": 400, "ad": why, "av": version})
}

#[test]
fn the_first_start_reports_every_default() {
    let answers = handle_twin(
        &mut in_force(),
        &object(json!({"$version": 1})),
        &object(json!({"$version": 1})),
    );

    assert_eq!(
        answers,
        object(
            json!({"enterMm": default(json!(200)), "leaveMm": default(json!(150)), "loud": default(json!(false))})
        )
    );
}

#[test]
fn a_start_answers_what_was_missed_and_nothing_else() {
    let desired = object(json!({"enterMm": 300, "loud": true, "$version": 7}));
    let reported = object(json!({
        "enterMm": taken(json!(300.0), 7),
        "leaveMm": default(json!(150)),
        "loud": taken(json!(true), 6),
        "firmware": "1.0",
        "$version": 12,
    }));
    let mut in_force = in_force();

    assert_eq!(
        handle_twin(&mut in_force, &desired, &reported),
        object(json!({"loud": taken(json!(true), 7)}))
    );
    assert_eq!(
        in_force.settings(),
        &Fence {
            enter: 300,
            leave: 150,
            loud: true
        }
    );
}

/// Each row is one patch after the other on the same settings, with what is answered.
#[test]
fn patches_are_answered() {
    let order = "leaveMm has to be less than enterMm";
    let range = "must be a whole number from 10 to 1000";
    let rows = [
        (
            json!({"enterMm": 300, "$version": 2}),
            json!({"enterMm": taken(json!(300), 2)}),
        ),
        (
            json!({"enterMm": 5, "$version": 3}),
            json!({"enterMm": refused(json!(300), range, 3)}),
        ),
        (
            json!({"enterMm": {"value": 310}, "$version": 4}),
            json!({"enterMm": taken(json!(310), 4)}),
        ),
        (
            json!({"enterMm": "300", "loud": true, "$version": 5}),
            json!({"enterMm": refused(json!(310), range, 5), "loud": taken(json!(true), 5)}),
        ),
        // Good alone, bad together with what is in force.
        (
            json!({"leaveMm": 310, "$version": 6}),
            json!({"leaveMm": refused(json!(150), order, 6)}),
        ),
        // In order only when both are taken at once, whichever comes first.
        (
            json!({"leaveMm": 500, "enterMm": 600, "$version": 7}),
            json!({"enterMm": taken(json!(600), 7), "leaveMm": taken(json!(500), 7)}),
        ),
        (
            json!({"enterMm": 120, "leaveMm": 100, "$version": 8}),
            json!({"enterMm": taken(json!(120), 8), "leaveMm": taken(json!(100), 8)}),
        ),
        // A withdrawal that would break the order keeps the value; one that does not returns to the
        // start value.
        (
            json!({"leaveMm": null, "$version": 9}),
            json!({"leaveMm": refused(json!(100), order, 9)}),
        ),
        (
            json!({"enterMm": null, "$version": 10}),
            json!({"enterMm": default(json!(200))}),
        ),
        (json!({"colour": "green", "$version": 11}), json!({})),
    ];

    let mut in_force = in_force();
    for (patch, answers) in rows {
        assert_eq!(
            handle_desired(&mut in_force, &object(patch.clone())),
            object(answers),
            "{patch}"
        );
    }
}

#[test]
fn a_refused_wish_in_the_twin_keeps_what_was_granted_before() {
    let mut in_force = in_force();
    handle_desired(
        &mut in_force,
        &object(json!({"enterMm": 300, "$version": 2})),
    );
    handle_desired(&mut in_force, &object(json!({"enterMm": 5, "$version": 3})));

    let reported = object(json!({"leaveMm": default(json!(150)), "loud": default(json!(false))}));
    let answers = handle_twin(
        &mut in_force,
        &object(json!({"enterMm": 5, "$version": 3})),
        &reported,
    );

    assert_eq!(
        answers,
        object(
            json!({"enterMm": refused(json!(300), "must be a whole number from 10 to 1000", 3)})
        )
    );
    assert_eq!(in_force.settings().enter, 300);
}

#[test]
fn names_that_are_not_settings_are_told() {
    assert_eq!(
        in_force().unknown(&object(json!({"enterMm": 1, "colour": 2, "$version": 3}))),
        ["colour"]
    );
}

#[test]
fn what_the_device_learned_holds_until_a_new_wish() {
    let desired = object(json!({"enterMm": 300, "$version": 2}));
    let mut in_force = in_force();
    handle_twin(&mut in_force, &desired, &Map::new());

    let calibrated = json!({"value": 420, "ac": 203, "ad": "calibrated", "av": 0});
    assert_eq!(
        in_force.learn("enterMm", json!(420), "calibrated"),
        Ok(object(json!({"enterMm": calibrated})))
    );
    assert_eq!(in_force.settings().enter, 420);

    // The old wish, heard again after a restart, does not undo it; nor does a change elsewhere.
    let mut in_force = InForce::restore(Fence::default(), in_force.memory().clone());
    assert_eq!(in_force.settings().enter, 420);
    assert_eq!(
        handle_twin(&mut in_force, &desired, &Map::new()).get("enterMm"),
        Some(&calibrated)
    );
    handle_desired(&mut in_force, &object(json!({"loud": true, "$version": 3})));
    assert_eq!(in_force.settings().enter, 420);

    // A new wish does.
    handle_desired(
        &mut in_force,
        &object(json!({"enterMm": 300, "$version": 4})),
    );
    assert_eq!(in_force.settings().enter, 300);
}

#[test]
fn what_cannot_be_learned_is_refused() {
    let mut in_force = in_force();

    assert_eq!(
        in_force.learn("enterMm", json!(5), "calibrated"),
        Err(Refusal("must be a whole number from 10 to 1000".to_owned()))
    );
    assert_eq!(
        in_force.learn("enterMm", json!(100), "calibrated"),
        Err(Refusal("leaveMm has to be less than enterMm".to_owned()))
    );
    in_force
        .learn("nowhere", json!(1), "calibrated")
        .expect_err("no such setting");
    assert_eq!(in_force.settings(), &Fence::default());
}

#[test]
fn a_bay_without_a_link_restarts_with_its_last_settings() {
    let mut in_force = in_force();
    handle_desired(
        &mut in_force,
        &object(json!({"enterMm": {"value": 300}, "leaveMm": 250, "loud": 5, "$version": 2})),
    );
    let kept = serde_json::to_string(in_force.memory()).expect("memory is JSON");
    let memory: Memory = serde_json::from_str(&kept).expect("and is read back");

    let mut restored = InForce::restore(Fence::default(), memory);

    assert_eq!(
        restored.settings(),
        &Fence {
            enter: 300,
            leave: 250,
            loud: false
        }
    );
    // The twin has the last word: a wish withdrawn while the module was down is withdrawn.
    handle_twin(&mut restored, &object(json!({"$version": 3})), &Map::new());
    assert_eq!(restored.settings(), &Fence::default());
}

#[test]
fn memory_of_another_version_is_dropped_where_it_does_not_fit() {
    let memory = serde_json::from_value(
        json!({"granted": {"enterMm": "wide", "gone": 5, "leaveMm": 999, "loud": true}}),
    )
    .expect("memory");

    assert_eq!(
        InForce::restore(Fence::default(), memory).settings(),
        &Fence {
            loud: true,
            ..Fence::default()
        }
    );
}

fn wish() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0_u32..1100).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => (0_u32..1100).prop_map(|value| json!({"value": value})),
        1 => "[a-z]{0,3}".prop_map(Value::from),
    ]
}

fn patch() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(
        prop::sample::select(vec!["enterMm", "leaveMm", "loud", "other"]),
        wish(),
        0..4,
    )
    .prop_map(|patch| {
        patch
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

proptest! {
    /// Whatever is wished, the settings in force agree with one another, and every answer carries
    /// the value in force.
    #[test]
    fn settings_in_force_are_always_good(patches in prop::collection::vec((patch(), any::<bool>()), 1..12)) {
        let mut in_force = in_force();
        for (version, (mut patch, whole_twin)) in patches.into_iter().enumerate() {
            patch.insert("$version".to_owned(), version.into());
            let answers = if whole_twin { handle_twin(&mut in_force, &patch, &Map::new()) } else { handle_desired(&mut in_force, &patch) };

            prop_assert!(in_force.settings().check().is_ok());
            let values = snapshot(in_force.settings());
            for (name, answer) in &answers {
                prop_assert_eq!(&answer["value"], &values[name], "{}", name);
            }
            let asked = patch.keys().filter(|name| values.contains_key(*name)).count();
            prop_assert_eq!(answers.len(), if whole_twin { values.len() } else { asked });
        }
    }
}
