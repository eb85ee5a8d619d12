//! Keys of enrolments: kept, changed, derived.

use dps_client::service::KeySlot;

use super::*;

const PRIMARY: &str = "cHJpbWFyeS1wcmltYXJ5LQ==";
const SECONDARY: &str = "c2Vjb25kYXJ5LXNlY29uZA==";

fn attestation() -> String {
    json!({"type": "symmetricKey", "symmetricKey": {"primaryKey": PRIMARY, "secondaryKey": SECONDARY}}).to_string()
}

fn keys_line(id: &str) -> String {
    format!("POST /enrollmentGroups/{id}/attestationmechanism?{VERSION} HTTP/1.1")
}

#[tokio::test]
async fn an_update_carries_the_tag_and_the_keys_that_reading_did_not_show() {
    let dps = Dps::start().await;
    let service = dps.service();
    let served = async {
        let request = dps.request().await;
        assert_eq!(
            request.line,
            format!("GET /enrollmentGroups/stock?{VERSION} HTTP/1.1")
        );
        request.answer(200, &[], &shown("stock", "\"1\"")).await;

        let request = dps.request().await;
        assert_eq!(request.line, keys_line("stock"));
        request.answer(200, &[], &attestation()).await;
        let request = dps.request().await;
        assert_eq!(request.line, put_line("stock"));
        assert_eq!(request.header("if-match"), Some("\"1\""));
        let keys = &json(&request)["attestation"]["symmetricKey"];
        assert_eq!(
            keys,
            &json!({"primaryKey": PRIMARY, "secondaryKey": SECONDARY})
        );
        request.answer(200, &[], &shown("stock", "\"2\"")).await;
    };
    let changed = async {
        let mut entry = service.groups().get("stock").await.expect("there");
        entry.terms.iot_hub_host_name = Some("myhub".to_owned());
        service.groups().update(&entry).await
    };
    let (updated, ()) = tokio::join!(changed, served);
    assert_eq!(
        updated.expect("written").terms.etag.as_deref(),
        Some("\"2\"")
    );

    let error = service.groups().update(&group("new")).await;
    assert!(matches!(error, Err(ServiceError::NoEtag)));
}

#[tokio::test]
async fn a_key_that_is_given_is_changed_and_only_that_one() {
    let dps = Dps::start().await;
    let service = dps.service();
    let mut entry = group("stock");
    entry.terms.attestation = Attestation::SymmetricKey {
        symmetric_key: Keys {
            primary_key: Some(SymmetricKey::from_base64(KEY).expect("a key")),
            secondary_key: None,
        },
    };
    let served = async {
        dps.request().await.answer(200, &[], &attestation()).await;
        let request = dps.request().await;
        assert_eq!(request.header("if-match"), Some("*"));
        let keys = &json(&request)["attestation"]["symmetricKey"];
        assert_eq!(keys, &json!({"primaryKey": KEY, "secondaryKey": SECONDARY}));
        request.answer(200, &[], &shown("stock", "\"2\"")).await;
    };
    let groups = service.groups();
    let (replaced, ()) = tokio::join!(groups.replace(&entry), served);
    assert!(replaced.is_ok());
}

#[tokio::test]
async fn regenerating_one_key_keeps_the_other_and_promoting_moves_it_up() {
    let dps = Dps::start().await;
    let service = dps.service();
    let read = async || {
        dps.request()
            .await
            .answer(200, &[], &shown("stock", "\"1\""))
            .await;
        let request = dps.request().await;
        assert_eq!(request.line, keys_line("stock"));
        request.answer(200, &[], &attestation()).await;
        let request = dps.request().await;
        assert_eq!(request.header("if-match"), Some("\"1\""));
        let keys = json(&request)["attestation"]["symmetricKey"].clone();
        request.answer(200, &[], &shown("stock", "\"2\"")).await;
        [keys["primaryKey"].clone(), keys["secondaryKey"].clone()]
    };
    let groups = service.groups();
    let is_new = |key: &Value| key != PRIMARY && key != SECONDARY;

    let (pair, written) = tokio::join!(groups.regenerate("stock", KeySlot::Secondary), read());
    let pair = pair.expect("written");
    assert_eq!(written[0], PRIMARY);
    assert!(is_new(&written[1]) && written[1] == pair.secondary.to_base64());

    let (pair, written) = tokio::join!(groups.regenerate("stock", KeySlot::Primary), read());
    assert!(is_new(&written[0]) && written[0] == pair.expect("written").primary.to_base64());
    assert_eq!(written[1], SECONDARY);

    let (pair, written) = tokio::join!(groups.promote_secondary("stock"), read());
    assert_eq!(written[0], SECONDARY);
    assert!(is_new(&written[1]) && written[1] == pair.expect("written").secondary.to_base64());
}

#[tokio::test]
async fn a_rotation_that_another_overtook_changes_nothing() {
    let dps = Dps::start().await;
    let service = dps.service();
    let served = async {
        dps.request()
            .await
            .answer(200, &[], &shown("stock", "\"1\""))
            .await;
        dps.request().await.answer(200, &[], &attestation()).await;
        dps.request().await.answer(412, &[], "").await;
    };
    let groups = service.groups();
    let (result, ()) = tokio::join!(groups.promote_secondary("stock"), served);
    assert!(matches!(result, Err(ServiceError::Changed(_))));
}

#[tokio::test]
async fn a_devices_key_is_derived_from_the_primary() {
    let dps = Dps::start().await;
    let service = dps.service();
    let id = "r1".parse().expect("an id");
    let served = async { dps.request().await.answer(200, &[], &attestation()).await };
    let groups = service.groups();
    let (key, ()) = tokio::join!(groups.derive_key("stock", &id), served);
    let primary = SymmetricKey::from_base64(PRIMARY).expect("a key");
    assert_eq!(key.expect("derived"), primary.derive("r1"));

    let x509 = r#"{"type":"x509","x509":{}}"#;
    let served = async { dps.request().await.answer(200, &[], x509).await };
    let (key, ()) = tokio::join!(groups.derive_key("stock", &id), served);
    assert!(matches!(key, Err(ServiceError::NoKeys)));
}
