//! How a registration ends without a hub.

use super::*;

#[test]
fn what_nobody_but_a_person_can_mend_ends_it_at_once() {
    let host = || "dps.example".to_owned();
    for why in [
        transport::Error::NoTrustAnchors,
        transport::Error::UntrustedCertificate { host: host() },
        transport::Error::ExpiredCertificate { host: host() },
        transport::Error::WrongHostName { host: host() },
    ] {
        let mut stage = Stage::new(LIMITS);
        stage.asked();
        stage.fail(why);
        let error = stage.error();
        assert!(matches!(error, RegisterError::Link(_)) && error.is_permanent());
    }
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    stage.fail(transport::Error::CredentialsRefused);
    assert!(matches!(stage.error(), RegisterError::Unauthorized(_)));
}

#[test]
fn giving_up_says_what_stood_in_the_way_last() {
    // Nothing but silence: six requests of 10 s do not fit into a minute, so the last is cut short.
    let mut stage = Stage::new(LIMITS);
    let error = loop {
        match stage.output() {
            Some(Output::Done(result)) => break result.expect_err("no hub"),
            Some(_) => {}
            None => drop(stage.sleep()),
        }
    };
    assert!(stage.now <= stage.began + LIMITS.give_up_after);
    assert!(matches!(
        error,
        RegisterError::Unreachable { source: None, .. }
    ));
    assert!(!error.is_permanent());

    let give_up = |act: fn(&mut Stage)| {
        let mut stage = Stage::new(Limits {
            give_up_after: seconds(2),
            back_off_first: seconds(4),
            ..LIMITS
        });
        stage.asked();
        act(&mut stage);
        stage.error()
    };
    let unreachable = give_up(|stage| stage.fail(lost()));
    assert!(matches!(
        unreachable,
        RegisterError::Unreachable {
            source: Some(transport::Error::Closed),
            ..
        }
    ));
    let busy = give_up(|stage| stage.answer(429, Some(1), THROTTLED));
    assert!(matches!(&busy, RegisterError::Busy { refusal, .. } if refusal.code == Some(429_001)));
    let assigning = give_up(|stage| stage.answer(202, Some(2), ASSIGNING));
    assert!(matches!(assigning, RegisterError::StillAssigning { .. }));
}

#[test]
fn a_wait_that_would_outlast_everything_is_not_begun() {
    for retry_after in [60, 3600, u64::MAX] {
        let mut stage = Stage::new(LIMITS);
        stage.asked();
        stage.answer(202, Some(retry_after), ASSIGNING);
        assert!(
            matches!(stage.error(), RegisterError::StillAssigning { after } if after.is_zero())
        );
    }
}

#[test]
fn limits_without_an_end_do_not_overflow() {
    let limits = Limits {
        give_up_after: Duration::MAX,
        answer_within: Duration::MAX,
        ask_again_after: Duration::MAX,
        back_off_first: Duration::MAX,
        back_off_cap: Duration::MAX,
    };
    let mut stage = Stage::new(limits);
    let error = loop {
        match stage.output() {
            Some(Output::Done(result)) => break result.expect_err("no hub"),
            Some(_) => stage.fail(lost()),
            None => drop(stage.sleep()),
        }
    };
    assert!(stage.now - stage.began > seconds(1_000_000_000));
    assert!(matches!(error, RegisterError::Unreachable { .. }));
}

#[test]
fn a_long_reason_is_cut_to_what_fits_a_page() {
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    let body = json!({"errorCode": 400_004, "message": "ä".repeat(100_000)});
    stage.answer(400, None, &body.to_string());
    let text = stage.error().to_string();
    assert!(text.len() < 1200 && text.contains("ä…"), "{}", text.len());
}
