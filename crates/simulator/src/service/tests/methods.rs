use super::*;

const METHODS: &str = "$iothub/methods/POST/#";

/// Answers the next method request of a client, as its MQTT packets do; returns the method's name and argument.
pub(super) async fn reply(
    bench: &Bench,
    attached: &crate::hub::Attached,
    status: u16,
    body: &str,
) -> (String, Value) {
    let request = loop {
        if let Some(request) = deliveries(attached).pop() {
            break request;
        }
        attached.mailbox.changed().await;
    };
    let (name, rid) = request
        .topic
        .strip_prefix("$iothub/methods/POST/")
        .and_then(|rest| rest.split_once("/?$rid="))
        .expect("a method's topic");
    let mut batch = bench.hub().batch(attached);
    let topic = format!("$iothub/methods/res/{status}/?$rid={rid}");
    batch
        .publish(&topic, &Bytes::copy_from_slice(body.as_bytes()), false)
        .expect("a method's answer");
    batch.commit().expect("in memory");
    let asked = serde_json::from_slice(&request.payload).unwrap_or_default();
    (name.to_owned(), asked)
}

#[tokio::test]
async fn a_method_is_answered_by_the_device_or_the_module() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    bench.made("/devices/pump7/modules/m", json!({})).await;
    for (id, path) in [
        ("pump7", "/twins/pump7/methods"),
        ("pump7/m", "/twins/pump7/modules/m/methods"),
    ] {
        let client = bench.connect(id, &[METHODS]);
        let request = json!({"methodName": "restart", "payload": {"delay": 1},
            "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 0});
        let (answer, (name, asked)) = tokio::join!(
            bench.ask("POST", path, request),
            reply(&bench, &client, 201, "{\"done\":true}")
        );
        assert_eq!((name.as_str(), asked), ("restart", json!({"delay": 1})));
        assert_eq!(
            (answer.status, answer.body),
            (200, json!({"status": 201, "payload": {"done": true}}))
        );
    }
}

/// Takes the shortest time a device can be given to answer.
#[tokio::test]
async fn nobodys_answer_says_how_long_was_waited() {
    let bench = Bench::new();
    bench.made("/devices/away", json!({})).await;
    bench.made("/devices/quiet", json!({})).await;
    let _quiet = bench.connect("quiet", &[METHODS]);
    let request = json!({"methodName": "restart", "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 1});
    let (away, quiet) = tokio::join!(
        bench.ask("POST", "/twins/away/methods", request.clone()),
        bench.ask("POST", "/twins/quiet/methods", request)
    );
    for (answer, status, name, number, timeout) in [
        (away, 404, "DeviceNotOnline", 404_103, "00:00:01"),
        (quiet, 504, "GatewayTimeout", 504_101, "00:00:05"),
    ] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["iothub-errorcode"], name);
        let inner = answer.body["Message"].as_str().expect("text");
        let inner: Value = serde_json::from_str(inner).expect("JSON in JSON");
        assert_eq!(inner["errorCode"], number);
        assert_eq!(inner["info"]["timeout"], timeout);
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_refused() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let good = json!({"methodName": "restart"});
    assert_eq!(
        bench
            .ask("POST", "/twins/pump8/methods", good.clone())
            .await
            .refused(),
        404_001
    );
    assert_eq!(
        bench
            .ask("POST", "/twins/pump7/modules/m/methods", good)
            .await
            .refused(),
        404_010
    );
    let wrong = [
        (json!({}), "methodName"),
        (json!({"methodName": ""}), "methodName"),
        (json!({"methodName": 7}), "methodName"),
        (
            json!({"methodName": "a", "responseTimeoutInSeconds": 4}),
            "responseTimeoutInSeconds",
        ),
        (
            json!({"methodName": "a", "responseTimeoutInSeconds": 301}),
            "responseTimeoutInSeconds",
        ),
        (
            json!({"methodName": "a", "responseTimeoutInSeconds": "5"}),
            "responseTimeoutInSeconds",
        ),
        (
            json!({"methodName": "a", "connectTimeoutInSeconds": 301}),
            "connectTimeoutInSeconds",
        ),
        (
            json!({"methodName": "a", "connectTimeoutInSeconds": -1}),
            "connectTimeoutInSeconds",
        ),
        (
            json!({"methodName": "a", "payload": "x".repeat(200_000)}),
            "payload",
        ),
    ];
    for (request, named) in wrong {
        let refused = bench.ask("POST", "/twins/pump7/methods", request).await;
        assert_eq!(refused.refused(), 400_004);
        assert!(
            refused.body["Message"]
                .as_str()
                .expect("text")
                .contains(named),
            "{refused:?}"
        );
    }
}
