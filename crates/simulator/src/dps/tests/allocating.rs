//! Allocation policies, and the webhook that makes its own.

use std::sync::Mutex;

use hub_proto::dps::enrollment::Terms;
use hub_proto::dps::registration::RegistrationId;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::allocation::{AllocationFault, Candidate, Choice, choose};
use super::*;

fn candidates(weights: &[u32]) -> Vec<Candidate> {
    let hubs = weights.iter().enumerate();
    hubs.map(|(number, weight)| Candidate {
        name: format!("hub{number}.test"),
        weight: *weight,
        latency_ms: 10 * u32::try_from(number).expect("few"),
    })
    .collect()
}

fn terms(change: &Value) -> Terms {
    let document = json!({"attestation": {"type": "symmetricKey"}});
    serde_json::from_value(but(document, change)).expect("terms")
}

fn hub_of(terms: &Terms, id: &str, linked: &[Candidate]) -> Result<String, AllocationFault> {
    let id: RegistrationId = id.parse().expect("an id");
    match choose(terms, &id, linked)? {
        Choice::Hub(hub) => Ok(hub.name.clone()),
        Choice::Ask(..) => panic!("no webhook"),
    }
}

#[test]
fn devices_spread_by_weight() {
    let linked = candidates(&[1, 3, 0, 4]);
    let mut counts = [0u32; 4];
    for number in 0..8000 {
        let hub = hub_of(&terms(&json!({})), &format!("bay-{number:05}"), &linked).expect("a hub");
        counts[usize::from(hub.as_bytes()[3] - b'0')] += 1;
    }
    assert_eq!(counts[2], 0, "a weight of 0 takes nobody new");
    for (count, share) in [(counts[0], 1000), (counts[1], 3000), (counts[3], 4000)] {
        // Six standard deviations: the ids are fixed, so that this holds always or never.
        let allowed = 6.0 * f64::from(share).sqrt();
        assert!(
            (f64::from(count) - f64::from(share)).abs() < allowed,
            "{counts:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_hub_that_goes_moves_its_own_devices_only(id in "[a-z0-9]{1,20}", weights in prop::collection::vec(1..9u32, 2..6), gone in 0..6usize) {
        let all = candidates(&weights);
        let before = hub_of(&terms(&json!({})), &id, &all).expect("a hub");
        let mut rest = all.clone();
        let gone = rest.remove(gone % all.len()).name;
        let after = hub_of(&terms(&json!({})), &id, &rest).expect("a hub");
        if before == gone {
            prop_assert_ne!(&after, &gone);
        } else {
            prop_assert_eq!(&after, &before);
        }
        // The order in which hubs are linked, and the case of the id, say nothing.
        rest.reverse();
        prop_assert_eq!(hub_of(&terms(&json!({})), &id.to_uppercase(), &rest).expect("a hub"), after);
    }
}

#[test]
fn policies_choose_as_they_say() {
    let linked = candidates(&[1, 1, 1]);
    for (change, expected) in [
        (json!({"allocationPolicy": "geoLatency"}), Ok("hub0.test")),
        (
            json!({"allocationPolicy": "geoLatency", "iotHubs": ["HUB2.test", "hub1.test"]}),
            Ok("hub1.test"),
        ),
        (
            json!({"allocationPolicy": "static", "iotHubHostName": "HUB2.test"}),
            Ok("hub2.test"),
        ),
        (json!({"iotHubHostName": "hub1.test"}), Ok("hub1.test")),
        (
            json!({"allocationPolicy": "static", "iotHubs": ["hub2.test"]}),
            Ok("hub2.test"),
        ),
        (
            json!({"allocationPolicy": "static"}),
            Err(AllocationFault::NoStaticHub),
        ),
        (json!({"iotHubs": ["hub1.test"]}), Ok("hub1.test")),
        (
            json!({"iotHubs": ["gone.test"]}),
            Err(AllocationFault::NoHub),
        ),
        (
            json!({"iotHubHostName": "gone.test"}),
            Err(AllocationFault::NotLinked("gone.test".to_owned())),
        ),
        (
            json!({"allocationPolicy": "custom"}),
            Err(AllocationFault::NoWebhook),
        ),
    ] {
        let chosen = hub_of(&terms(&change), "r1", &linked);
        assert_eq!(chosen, expected.map(str::to_owned), "{change}");
    }
}

/// A webhook that answers one question after another with these, and what it was asked.
async fn webhook(answers: Vec<(&'static str, &'static str)>) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let questions = asked.clone();
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let (mut request, mut question) = (Vec::new(), None);
            while question.is_none() {
                stream.read_buf(&mut request).await.expect("a request");
                let end = request.windows(4).position(|end| end == b"\r\n\r\n");
                question = end.and_then(|end| serde_json::from_slice(&request[end + 4..]).ok());
            }
            questions.lock().expect("nobody panicked").extend(question);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let answer = head + body;
            stream
                .write_all(answer.as_bytes())
                .await
                .expect("it listens");
        }
    });
    (format!("http://{address}/allocate?code=s3cret"), asked)
}

/// Asks until it is decided.
async fn settled(bench: &Bench, id: &str, key: &SymmetricKey) -> RegistrationState {
    let begun: Operation = parsed(&bench.register(id, key));
    settled_of(bench, id, key, &begun).await
}

async fn settled_of(
    bench: &Bench,
    id: &str,
    key: &SymmetricKey,
    begun: &Operation,
) -> RegistrationState {
    let decided = async {
        loop {
            let answer = bench.poll(id, key, &begun.operation_id);
            if answer.status == 200 {
                let operation: Operation = parsed(&answer);
                return operation.registration_state.expect("a record");
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), decided)
        .await
        .expect("it is decided")
}

fn custom(url: &str) -> Value {
    json!({"allocationPolicy": "custom", "customAllocationDefinition": {"webhookUrl": url, "apiVersion": "2021-10-01"}})
}

#[tokio::test]
async fn a_webhook_chooses_the_hub_the_twin_and_what_the_device_is_told() {
    let bench = bench(&THREE, None);
    let answer = r#"{"iotHubHostName":"127.0.0.3","initialTwin":{"tags":{"site":"hook"},"properties":{"desired":{}}},"payload":{"colour":"r"}}"#;
    let (url, asked) = webhook(vec![("200 OK", answer)]).await;
    bench.enrol_group("stock", &custom(&url));
    let own = key("stock").derive("bay1");
    let state = settled(&bench, "bay1", &own).await;
    assert_eq!(
        state.assigned_hub.as_deref(),
        Some("127.0.0.3"),
        "{state:?}"
    );
    assert_eq!(state.payload, Some(json!({"colour": "r"})));
    assert_eq!(
        bench.twin(2, "bay1").expect("a device")["tags"]["site"],
        "hook"
    );
    let asked = asked.lock().expect("nobody panicked");
    let context = &asked[0]["deviceRuntimeContext"];
    assert_eq!(
        (&context["registrationId"], &context["currentDeviceId"]),
        (&json!("bay1"), &Value::Null)
    );
    assert_eq!(asked[0]["linkedHubs"], json!(THREE));
    assert_eq!(asked[0]["enrollmentGroup"]["enrollmentGroupId"], "stock");
    assert!(!asked[0].to_string().contains(&key("stock").to_base64()));
}

#[tokio::test]
async fn a_webhook_that_fails_fails_the_registration_with_its_number() {
    let bench = bench(&["localhost"], None);
    let (url, _) = webhook(vec![
        ("400 Bad Request", ""),
        ("200 OK", "{}"),
        ("200 OK", r#"{"iotHubHostName":"other.test"}"#),
        ("is what it does not say", ""),
    ])
    .await;
    bench.enrol("r1", &custom(&url));
    let mut reasons = Vec::new();
    // After the last answer nobody listens there any more.
    for _ in 0..5 {
        let state = settled(&bench, "r1", &key("r1")).await;
        assert_eq!(
            (state.status, state.error_code),
            (Status::Failed, Some(400_207))
        );
        reasons.push(state.error_message.expect("why"));
    }
    assert_eq!(reasons[0], "Custom allocation failed with status code: 400");
    for (reason, part) in reasons.iter().zip([
        "400",
        "iotHubHostName",
        "other.test is not linked",
        "127.0.0.1",
        "127.0.0.1",
    ]) {
        assert!(
            reason.contains(part) && !reason.contains("s3cret"),
            "{reason}"
        );
    }
    assert_eq!(bench.twin(0, "r1"), None);
    let newest = &bench.dps.attempts(None)[0];
    assert_eq!(
        (newest.outcome.name(), &newest.reason),
        ("failed", &reasons[4])
    );
}

#[tokio::test]
async fn a_webhook_that_says_nothing_has_its_time() {
    let mut bench = bench(&["localhost"], None);
    let within = Duration::from_millis(50);
    Arc::get_mut(&mut bench.dps)
        .expect("not shared yet")
        .webhook_within = within;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    bench.enrol("r1", &custom(&url));
    let begun = bench.register("r1", &key("r1"));
    let operation: Operation = parsed(&begun);
    let asked = bench.poll("r1", &key("r1"), &operation.operation_id);
    assert_eq!(asked.status, 202);
    let state = settled_of(&bench, "r1", &key("r1"), &operation).await;
    assert_eq!(state.error_code, Some(400_207));
    let why = state.error_message.expect("why");
    assert!(why.ends_with("did not answer within 50 ms"), "{why}");
}
