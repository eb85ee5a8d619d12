//! Over MQTT.

use std::time::Duration;

use dps_client::{Limits, Progress, Protocol, RegisterError, register, register_with};
use rmqtt_codec::v3::{ConnectAckReason, SubscribeReturnCode};
use serde_json::{Value, json};

use super::server::{Dps, SCOPE, assert_opens};
use super::{ASSIGNED, ASSIGNING, UNAUTHORIZED, limits};

const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/";
const STATUS: &str = "$dps/registrations/GET/iotdps-get-operationstatus/";

#[tokio::test]
async fn goes_as_the_captured_exchange_did() {
    let dps = Dps::start().await;
    let mut device = dps.device(Protocol::Mqtt);
    device.payload = Some(json!({"modelId": "dtmi:acme:Pump;1"}));
    let mut told = Vec::new();
    let service = async {
        let mut connection = dps.welcome().await;
        let connect = &connection.connect;
        assert_eq!(connect.client_id, "r1");
        assert!(connect.clean_session);
        assert_eq!(
            connect.username.as_deref(),
            Some(
                format!("{SCOPE}/registrations/r1/api-version=2021-06-01&ClientVersion=test%2F1")
                    .as_str()
            )
        );
        let password = connect.password.as_ref().expect("a password");
        assert_opens(std::str::from_utf8(password).expect("text"));
        assert!(!connection.has_certificate());

        let asked = connection.question().await;
        assert_eq!((asked.topic.as_str(), asked.rest.as_str()), (REGISTER, ""));
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        assert_eq!(
            body,
            json!({"registrationId": "r1", "payload": {"modelId": "dtmi:acme:Pump;1"}})
        );
        let topic = format!(
            "$dps/registrations/res/202/?$rid={}&retry-after=1",
            asked.rid
        );
        connection.deliver(&topic, ASSIGNING).await;

        let asked = connection.question().await;
        assert_eq!((asked.topic.as_str(), asked.body.as_str()), (STATUS, " "));
        assert_eq!(asked.rest, "operationId=4.b2f1.77aa");
        let topic = format!("$dps/registrations/res/200/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNED).await;
        assert!(connection.takes_leave().await);
    };
    let registered = register_with(&device, limits(), |progress| told.push(progress));
    let (assignment, ()) = tokio::join!(registered, service);
    let assignment = assignment.expect("a hub");
    assert_eq!(assignment.hub, "myhub.azure-devices.net");
    assert_eq!(assignment.device_id, "pump7");
    assert_eq!(assignment.payload, Some(json!({"site": "north"})));
    assert!(
        matches!(
            &told[..],
            [
                Progress::Registering { attempt: 1 },
                Progress::Waiting { wait, .. },
                Progress::Assigned { .. }
            ] if *wait == Duration::from_secs(1)
        ),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_the_password() {
    let dps = Dps::start().await;
    let device = dps.device_with_certificate(Protocol::Mqtt);
    let service = async {
        let mut connection = dps.welcome().await;
        assert_eq!(connection.connect.password, None);
        assert!(connection.has_certificate());
        let asked = connection.question().await;
        let topic = format!("$dps/registrations/res/200/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNED).await;
    };
    let (assignment, ()) = tokio::join!(register(&device, limits()), service);
    assert_eq!(assignment.expect("a hub").device_id, "pump7");
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_opened_again_for_the_same_operation() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Mqtt);
    let service = async {
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        let topic = format!("$dps/registrations/res/202/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNING).await;
        assert_eq!(connection.question().await.topic, STATUS);
        drop(connection);
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        assert_eq!(
            (asked.topic.as_str(), asked.rest.as_str()),
            (STATUS, "operationId=4.b2f1.77aa")
        );
        let topic = format!("$dps/registrations/res/200/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNED).await;
    };
    let (assignment, ()) = tokio::join!(register(&device, limits()), service);
    assert!(assignment.is_ok());
}

#[tokio::test]
async fn a_connection_that_ends_between_two_questions_is_no_trouble() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Mqtt);
    let service = async {
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        let topic = format!(
            "$dps/registrations/res/202/?$rid={}&retry-after=1",
            asked.rid
        );
        connection.deliver(&topic, ASSIGNING).await;
        drop(connection);
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        assert_eq!(asked.topic, STATUS);
        let topic = format!("$dps/registrations/res/200/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNED).await;
    };
    let (assignment, ()) = tokio::join!(register(&device, limits()), service);
    assert!(assignment.is_ok());
}

#[tokio::test]
async fn only_the_answer_to_its_own_question_counts() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Mqtt);
    let service = async {
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        let rid = &asked.rid;
        for topic in [
            "$dps/registrations/res/401/?$rid=another".to_owned(),
            format!("$dps/registrations/res/401/?$rid={rid}0"),
            format!("$dps/registrations/res/lots/?$rid={rid}"),
            "$iothub/twin/res/200/?$rid=1".to_owned(),
            "elsewhere".to_owned(),
        ] {
            connection.deliver(&topic, UNAUTHORIZED).await;
        }
        let topic = format!("$dps/registrations/res/200/?$rid={rid}");
        connection.deliver(&topic, ASSIGNED).await;
    };
    let (assignment, ()) = tokio::join!(register(&device, limits()), service);
    assert!(assignment.is_ok());
}

#[tokio::test]
async fn refused_credentials_are_told_whichever_way_they_are_refused() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Mqtt);
    let by_answer = async {
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        let topic = format!("$dps/registrations/res/401/?$rid={}", asked.rid);
        connection.deliver(&topic, UNAUTHORIZED).await;
    };
    let (error, ()) = tokio::join!(register(&device, limits()), by_answer);
    let error = error.expect_err("no hub");
    assert!(
        matches!(&error, RegisterError::Unauthorized(refusal) if refusal.code == Some(401_002)),
        "{error:?}"
    );
    let by_connack = async {
        dps.accept()
            .await
            .connack(ConnectAckReason::NotAuthorized)
            .await;
    };
    let (error, ()) = tokio::join!(register(&device, limits()), by_connack);
    let error = error.expect_err("no hub");
    assert!(matches!(error, RegisterError::Unauthorized(_)), "{error:?}");
}

#[tokio::test]
async fn a_busy_service_and_a_refused_subscription_are_tried_again() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Mqtt);
    let service = async {
        dps.accept()
            .await
            .connack(ConnectAckReason::ServiceUnavailable)
            .await;
        let mut connection = dps.accept().await;
        connection
            .connack(ConnectAckReason::ConnectionAccepted)
            .await;
        connection.suback(SubscribeReturnCode::Failure).await;
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        let topic = format!(
            "$dps/registrations/res/429/?$rid={}&retry-after=1",
            asked.rid
        );
        connection.deliver(&topic, "").await;
        let asked = connection.question().await;
        assert_eq!(asked.topic, REGISTER);
        let topic = format!("$dps/registrations/res/200/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNED).await;
    };
    let (assignment, ()) = tokio::join!(register(&device, limits()), service);
    assert!(assignment.is_ok());
}

#[tokio::test]
async fn silence_is_given_a_new_connection() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Mqtt);
    let limits = Limits {
        answer_within: Duration::from_secs(3),
        ..limits()
    };
    let service = async {
        let mut silent = dps.welcome().await;
        silent.question().await;
        let mut connection = dps.welcome().await;
        let asked = connection.question().await;
        let topic = format!("$dps/registrations/res/200/?$rid={}", asked.rid);
        connection.deliver(&topic, ASSIGNED).await;
        assert!(!silent.takes_leave().await, "it was dropped, not left");
    };
    let (assignment, ()) = tokio::join!(register(&device, limits), service);
    assert!(assignment.is_ok());
}
