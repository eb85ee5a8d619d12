//! The document over HTTP, and what follows from it for readers.

use axum::http::Method;
use serde_json::{Value, json};

use crate::control::asking::{ask, ask_text};
use crate::{Options, Simulator, StartError};

fn hot() -> Value {
    json!({
        "endpoints": {"eventHubs": [{"name": "hot"}]},
        "routes": [{"name": "made", "source": "DeviceLifecycleEvents", "condition": "opType = 'createDeviceIdentity'",
            "endpointNames": ["hot"], "isEnabled": true}],
    })
}

#[tokio::test]
async fn what_is_put_is_in_force_and_shown() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = Options::on_free_ports(directory.path());
    let simulator = Simulator::start(options).await.expect("it starts");
    let path = "/control/routing";
    let (status, shown) = ask(&simulator, Method::GET, path, &Value::Null).await;
    assert_eq!((status, &shown["routes"]), (200, &json!([])));
    assert_eq!(shown["fallbackRoute"]["endpointNames"], json!(["events"]));
    assert!(
        simulator
            .info()
            .custom_event_hub_connection_strings
            .is_empty()
    );

    let (status, put) = ask(&simulator, Method::PUT, path, &hot()).await;
    assert_eq!(status, 200, "{put}");
    assert_eq!(
        ask(&simulator, Method::GET, path, &Value::Null).await,
        (200, put.clone())
    );
    // What is shown can be put again.
    assert_eq!(ask(&simulator, Method::PUT, path, &put).await, (200, put));
    let strings = simulator.info().custom_event_hub_connection_strings;
    assert!(strings["hot"].ends_with(";EntityPath=hot"));

    simulator.add_device("pump7", false, &[]).expect("new");
    simulator.remove_device("pump7").expect("it is there");
    let events = "/control/events?from=earliest&follow=false";
    let (status, lines) = ask_text(
        &simulator,
        Method::GET,
        &format!("{events}&endpoint=hot"),
        &Value::Null,
    )
    .await;
    assert_eq!((status, lines.lines().count()), (200, 1));
    assert_eq!(
        ask_text(&simulator, Method::GET, events, &Value::Null).await,
        (200, String::new())
    );
    let (status, refused) = ask(
        &simulator,
        Method::GET,
        &format!("{events}&endpoint=cold"),
        &Value::Null,
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        refused["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("\"cold\""))
    );

    // Who follows an endpoint is let go when it is.
    let following = ask_text(
        &simulator,
        Method::GET,
        "/control/events?endpoint=hot",
        &Value::Null,
    );
    let gone = async {
        tokio::task::yield_now().await;
        simulator.set_routing(json!({})).expect("a definition");
    };
    let bound = std::time::Duration::from_secs(20);
    let (ended, ()) = tokio::time::timeout(bound, async { tokio::join!(following, gone) })
        .await
        .expect("it ends");
    assert_eq!(ended, (200, String::new()));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_refusal_names_route_and_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = Options::on_free_ports(directory.path());
    let simulator = Simulator::start(options).await.expect("it starts");
    let mut wrong = hot();
    wrong["routes"][0]["condition"] = "opType = 'x' AND\n 3".into();
    wrong["routes"][0]["endpointNames"] = json!(["cold"]);
    let (status, refused) = ask(&simulator, Method::PUT, "/control/routing", &wrong).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!(400_004)));
    let problems = refused["error"]["problems"].as_array().expect("a list");
    let [endpoint, condition] = problems.as_slice() else {
        panic!("{refused}");
    };
    assert_eq!(endpoint["path"], "routes[0].endpointNames[0]");
    assert_eq!(
        (&condition["route"], &condition["path"]),
        (&json!("made"), &json!("routes[0].condition"))
    );
    assert_eq!(
        (&condition["line"], &condition["column"]),
        (&json!(1), &json!(14))
    );
    let (_, kept) = ask(&simulator, Method::GET, "/control/routing", &Value::Null).await;
    assert_eq!(kept["routes"], json!([]));

    for (body, field) in [
        (
            json!({"message": {"body": "x", "colour": "red"}}),
            "message.colour",
        ),
        (json!([]), ""),
    ] {
        let (status, refused) = ask(&simulator, Method::POST, "/control/routing/test", &body).await;
        assert_eq!(
            (status, &refused["error"]["problems"][0]["path"]),
            (400, &json!(field)),
            "{refused}"
        );
    }
    let trial = json!({"message": {"body": "{}"}, "routingSource": "DeviceMessages"});
    let (status, tried) = ask(&simulator, Method::POST, "/control/routing/test", &trial).await;
    assert_eq!(
        (status, &tried["routes"][0]["properties"]["name"]),
        (200, &json!("$fallback"))
    );
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_simulator_starts_with_a_routing_or_says_why_not() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = async |routing: Value| {
        let options = Options {
            routing: Some(routing),
            state: Some(directory.path().join("state")),
            ..Options::on_free_ports(directory.path())
        };
        Simulator::start(options).await
    };
    let refused = start(json!({"routes": [{"name": "a"}]})).await;
    let Err(StartError::Routing(reason)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        reason
            .to_string()
            .contains("routes[0]: missing field `source`"),
        "{reason}"
    );
    let simulator = start(hot()).await.expect("it starts");
    simulator.shutdown().await;
    drop(simulator);
    // What was put is kept for a start that says nothing of it.
    let options = Options {
        state: Some(directory.path().join("state")),
        ..Options::on_free_ports(directory.path())
    };
    let again = Simulator::start(options).await.expect("it starts");
    assert_eq!(
        again.hub().routing().event_hubs().collect::<Vec<_>>(),
        ["hot"]
    );
    again.shutdown().await;
}
