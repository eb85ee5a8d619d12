use std::collections::BTreeMap;

use super::*;

/// Modules that answer as told; one that is not named never does.
struct Bay(BTreeMap<&'static str, Result<MethodResponse, String>>);

impl Caller for Bay {
    async fn call(&self, module: &str, request: MethodRequest) -> Result<MethodResponse, String> {
        request.validate().expect("a request within bounds");
        match self.0.get(module) {
            Some(answer) => answer.clone(),
            None => std::future::pending().await,
        }
    }
}

fn answer(status: i32, payload: Value) -> Result<MethodResponse, String> {
    Ok(MethodResponse { status, payload })
}

#[tokio::test]
async fn a_bay_in_order_passes() {
    let bay = Bay(BTreeMap::from([
        ("hc-sr04", answer(200, json!({"distanceMm": 742}))),
        ("light", answer(200, json!({}))),
        ("battery", answer(200, json!({"chargePercent": 87}))),
    ]));
    let report = test(&bay, &Settings::default()).await;

    assert!(report.passed);
    let asked: Vec<_> = report
        .parts
        .iter()
        .map(|part| (part.part.as_str(), part.method.as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("hc-sr04", "measure"),
            ("light", "identify"),
            ("battery", "getBatteryLevel")
        ]
    );
    assert_eq!(report.parts[0].value, Some(json!({"distanceMm": 742})));
}

#[tokio::test(start_paused = true)]
async fn each_part_fails_in_its_own_way() {
    let bay = Bay(BTreeMap::from([
        (
            "hc-sr04",
            answer(
                504,
                json!({"reason": "no-echo", "message": "no echo came back"}),
            ),
        ),
        (
            "light",
            Err("it is not connected: is the module running?".to_owned()),
        ),
    ]));
    let settings = Settings {
        test_deadline: Duration::from_secs(3),
        ..Settings::default()
    };
    let report = test(&bay, &settings).await;

    assert!(!report.passed);
    let said: Vec<_> = report
        .parts
        .iter()
        .map(|part| (part.passed, part.message.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        said,
        [
            (false, "no echo came back"),
            (false, "it is not connected: is the module running?"),
            (false, "no answer within 3 s"),
        ]
    );
}
