use super::*;

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn desired() -> Object {
    object(json!({
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {"registryCredentials": {
            "acme": {"address": "acme.azurecr.io", "username": "puller", "password": "secret"}}}},
        "systemModules": {
            "edgeAgent": {"type": "docker", "settings": {"image": "agent:1.5"}},
            "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "hub:1.5"}},
        },
        "modules": {"sensor": {"type": "docker", "status": "running", "settings": {"image": "sensor:1"}, "env": {"A": {"value": "1"}}}},
    }))
}

#[test]
fn what_is_wrong_is_told_by_its_number() {
    assert!(read(&desired()).is_ok());
    for (change, code, said) in [
        (json!({"schemaVersion": "2.0"}), 412, "2.0"),
        (json!({"schemaVersion": "1.2"}), 412, "1.2"),
        (
            json!({"modules": {"a": {"type": "docker", "status": "running"}}}),
            400,
            "settings",
        ),
        (
            json!({"modules": {"a": {"type": "docker", "settings": {"image": "a"}}}}),
            400,
            "status",
        ),
        (json!({"modules": {"a": 1}}), 400, "`a`"),
        (json!({"systemModules": null}), 400, "systemModules"),
        (
            json!({"runtime": {"type": "kubernetes"}}),
            400,
            "kubernetes",
        ),
    ] {
        let mut changed = desired();
        changed.extend(object(change.clone()));
        let status = read(&changed).expect_err("it is wrong");
        assert_eq!(status.code, code, "{change}: {status:?}");
        assert!(status.description.contains(said), "{status:?}");
    }
    assert_eq!(
        read(&Object::new()).map(drop).map_err(|status| status.code),
        Err(417)
    );
}

#[test]
fn a_report_shows_what_is_in_effect_and_no_password() {
    let desired = desired();
    let state = ModuleState {
        runtime_status: "backoff",
        exit_code: 3,
        restarts: 2,
        started: Some(Timestamp::UNIX_EPOCH),
        ..ModuleState::default()
    };
    let status = Status::done();
    let report = Report {
        version: 7,
        status: &status,
        applied: &desired,
        since: Timestamp::UNIX_EPOCH,
        modules: BTreeMap::from([
            ("sensor".to_owned(), state.clone()),
            ("gone".to_owned(), state),
        ]),
    };
    let properties = Value::Object(report.properties());
    assert!(!properties.to_string().contains("secret"));
    assert_eq!(properties["lastDesiredVersion"], 7);
    assert_eq!(
        properties["lastDesiredStatus"],
        json!({"code": 200, "description": ""})
    );
    assert_eq!(
        properties["systemModules"]["edgeHub"]["runtimeStatus"],
        "running"
    );
    assert_eq!(properties["modules"]["gone"], Value::Null);
    let sensor = &properties["modules"]["sensor"];
    assert_eq!(sensor["runtimeStatus"], "backoff");
    assert_eq!(
        (&sensor["exitCode"], &sensor["restartCount"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(sensor["env"], json!({"A": {"value": "1"}}));
    assert_eq!(sensor["settings"]["image"], "sensor:1");
    assert_eq!(sensor["lastExitTimeUtc"], time::NEVER);
    assert_eq!(sensor["lastRestartTimeUtc"], sensor["lastStartTimeUtc"]);
}
