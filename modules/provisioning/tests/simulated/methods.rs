use hub_proto::dps::enrollment::ProvisioningStatus;
use hub_proto::identity::Identity;
use serde_json::{Value, json};
use simulator::{DpsLever, Lever, Target};

use crate::street::{SERIAL, Street, key, setup};

/// What an Edge device runs here: this module, whose status goes to the hub.
fn deployment() -> Value {
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {}},
            "systemModules": {},
            "modules": {"provisioning": {"type": "docker", "status": "running", "restartPolicy": "always",
                                         "settings": {"image": "provisioning"}}},
        }},
        "$edgeHub": {"properties.desired": {
            "schemaVersion": "1.1",
            "routes": {"statusToHub": "FROM /messages/modules/provisioning/outputs/status INTO $upstream"},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }},
    }})
}

/// A device in stock with its modules, as the provisioning service made it.
async fn stocked() -> Street {
    let street = Street::open().await;
    street.configure("stock");
    street
        .simulator
        .add_device(SERIAL, true, &["provisioning".to_owned()])
        .expect("a free id");
    street
        .simulator
        .apply_deployment(SERIAL, &deployment())
        .expect("a sound deployment");
    std::fs::create_dir_all(street.state()).expect("room on disk");
    let stock = format!(
        "id_scope = \"{}\"\nregistration_id = \"{SERIAL}\"\nsymmetric_key = \"{}\"\nglobal_endpoint = \
         \"https://{}:{}\"\n",
        street.id_scope(),
        key("stock"),
        street.simulator.info().provisioning_host,
        street.simulator.info().https.port()
    );
    std::fs::write(street.state().join("stock.toml"), stock).expect("room on disk");
    street
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_a_project_and_back_by_method() {
    let street = stocked().await;
    let running = street.start_module(SERIAL).await;
    let status = street.call(SERIAL, "getStatus", Value::Null).await;
    assert_eq!(
        (status.status, &status.payload["mode"]),
        (200, &json!("stock"))
    );
    let next = street.simulator.next_event();

    let answer = street
        .call(SERIAL, "setup", setup(&street.id_scope(), "project"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.payload);
    assert_eq!(answer.payload["outcome"], "running");
    assert_eq!(
        (&answer.payload["hub"], &answer.payload["deviceId"]),
        (
            &json!(street.simulator.info().hub_host_name),
            &json!(SERIAL)
        )
    );
    let told = street.status_after(next, SERIAL).await;
    assert_eq!(told["change"]["outcome"], "running");
    street.restarted(1).await;
    running.stop().await;

    let next = street.simulator.next_event();
    let running = street.start_module(SERIAL).await;
    let told = street.status_after(next, SERIAL).await;
    assert_eq!(
        (&told["mode"], &told["change"]["outcome"]),
        (&json!("project"), &json!("done"))
    );
    let reported = street
        .reported(SERIAL, |reported| {
            reported["lastChange"]["outcome"] == "done"
        })
        .await;
    assert_eq!(reported["identity"]["mode"], "project");
    let again = street
        .call(SERIAL, "SetupDevice", setup(&street.id_scope(), "project"))
        .await;
    assert_eq!(
        (again.status, &again.payload["outcome"]),
        (200, &json!("done"))
    );

    let answer = street.call(SERIAL, "ResetDevice", Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.payload);
    street.restarted(2).await;
    running.stop().await;
    let running = street.start_module(SERIAL).await;
    street
        .reported(SERIAL, |reported| reported["identity"]["mode"] == "stock")
        .await;
    running.stop().await;

    // Nothing that the hub holds of the device tells a key.
    let twin = street
        .simulator
        .twin(&crate::street::module_of(SERIAL))
        .expect("a twin");
    let (events, _) = street.simulator.events(0, None, 1000);
    for text in [twin.to_string(), json!(events).to_string()] {
        assert!(!text.contains(&key("project")) && !text.contains(&key("stock")));
    }
}

/// Each leaves the configuration as it was, and the step in answer, status and reported property.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_ups_that_cannot_be() {
    let street = stocked().await;
    let before = street.config_text();
    let running = street.start_module(SERIAL).await;
    let scope = street.id_scope();
    let device = Target::One(Identity::device(SERIAL).expect("an id"));
    let wrong_key =
        json!({"idScope": scope, "registrationId": SERIAL, "symmetricKey": key("nobody")});
    let garbage = json!({"idScope": scope, "registrationId": SERIAL, "symmetricKey": "garbage!"});

    let cases: [(&str, Value, u16, &str); 7] = [
        ("garbage", garbage, 400, "check"),
        ("wrong key", wrong_key, 401, "register"),
        (
            "unknown scope",
            setup("0neNowhere", "project"),
            404,
            "register",
        ),
        ("disabled", setup(&scope, "project"), 403, "register"),
        ("unreachable", setup(&scope, "project"), 504, "register"),
        ("hub refuses", setup(&scope, "project"), 502, "connect"),
        ("disk", setup(&scope, "project"), 500, "backup"),
    ];
    for (case, request, status, step) in cases {
        // What stands in the way of a file is a directory: a root user may do anything else.
        let in_the_way = street
            .directory
            .path()
            .join("config.toml.cow-backup.cow-new");
        match case {
            "disabled" => street.enrol("project", ProvisioningStatus::Disabled),
            "unreachable" => street.simulator.pull_dps(DpsLever::Unreachable(true)),
            "hub refuses" => street
                .simulator
                .pull(&device, Lever::RefuseTokens(true))
                .expect("a lever"),
            "disk" => std::fs::create_dir(&in_the_way).expect("room on disk"),
            _ => {}
        }
        let answer = street.call(SERIAL, "setup", request).await;
        assert_eq!(
            (answer.status, &answer.payload["step"]),
            (i32::from(status), &json!(step)),
            "{case}: {}",
            answer.payload
        );
        assert_eq!(street.config_text(), before, "{case}");
        if step != "check" {
            let reported = street
                .reported(SERIAL, |reported| {
                    reported["lastChange"]["message"] == answer.payload["message"]
                })
                .await;
            assert_eq!(
                (
                    &reported["lastChange"]["outcome"],
                    &reported["lastChange"]["step"]
                ),
                (&json!("failed"), &json!(step)),
                "{case}"
            );
        }
        match case {
            "disabled" => street.enrol("project", ProvisioningStatus::Enabled),
            "unreachable" => street.simulator.pull_dps(DpsLever::Unreachable(false)),
            "hub refuses" => street
                .simulator
                .pull(&device, Lever::RefuseTokens(false))
                .expect("a lever"),
            "disk" => std::fs::remove_dir(&in_the_way).expect("it is empty"),
            _ => {}
        }
    }
    // And what was in none of their ways goes through.
    let answer = street.call(SERIAL, "setup", setup(&scope, "project")).await;
    assert_eq!(answer.status, 200, "{}", answer.payload);
    street.restarted(1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_are_not_there_fail_the_test_by_name() {
    let street = stocked().await;
    let running = street.start_module(SERIAL).await;
    let answer = street.call(SERIAL, "test", Value::Null).await;
    assert_eq!(
        (answer.status, &answer.payload["passed"]),
        (200, &json!(false))
    );
    let parts = answer.payload["parts"].as_array().expect("a list");
    assert_eq!(parts.len(), 3);
    for part in parts {
        assert_eq!(part["passed"], false);
        assert!(part["message"].is_string(), "{part}");
    }
    let refused = street.call(SERIAL, "dance", Value::Null).await;
    assert_eq!(refused.status, 404);
    let refused = street
        .call(SERIAL, "SetupDevice", json!({"primaryKey": key("project")}))
        .await;
    assert_eq!(refused.status, 400);
    assert!(!refused.payload.to_string().contains(&key("project")));
    running.stop().await;
}
