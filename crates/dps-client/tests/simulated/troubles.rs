//! A service that is busy, slow, gone, or wrong.

use dps_client::{Progress, RegisterError, Waiting, register, register_with};
use simulator::DpsLever;

use super::*;

/// A bench with a device enrolled.
async fn enrolled() -> Bench {
    let bench = Bench::start().await;
    let service = bench.service();
    let enrollments = service.enrollments();
    let pump = enrollment("pump7", keys("pump7"));
    enrollments.create(&pump).await.expect("enrolled");
    bench
}

/// Registers while a lever is pulled, and releases it when the client is seen to wait for this.
async fn released_when(
    bench: &Bench,
    protocol: Protocol,
    (pulled, released): (DpsLever, DpsLever),
    is_it: fn(&Waiting) -> bool,
) {
    bench.simulator.pull_dps(pulled);
    let device = bench.keyed("pump7", &key("pump7"), protocol);
    let mut seen = false;
    let watch = |progress: Progress| {
        if let Progress::Waiting { why, .. } = &progress
            && is_it(why)
        {
            seen = true;
            bench.simulator.pull_dps(released);
        }
    };
    let assignment = register_with(&device, limits(), watch).await;
    assert_eq!(assignment.expect("a hub").device_id, "pump7");
    assert!(seen, "it never waited for that");
}

#[tokio::test]
async fn a_service_that_throttles_holds_or_is_gone_for_a_while_is_waited_for() {
    tokio::join!(for_a_while(Protocol::Mqtt), for_a_while(Protocol::Https));
}

async fn for_a_while(protocol: Protocol) {
    let bench = enrolled().await;
    let throttle = (
        DpsLever::Throttle(Some(Duration::from_secs(1))),
        DpsLever::Throttle(None),
    );
    released_when(&bench, protocol, throttle, |why| {
        matches!(why, Waiting::PutOff { status: 429 })
    })
    .await;
    let hold = (DpsLever::Hold(true), DpsLever::Hold(false));
    released_when(&bench, protocol, hold, |why| {
        matches!(why, Waiting::Assigning)
    })
    .await;
    let gone = (DpsLever::Unreachable(true), DpsLever::Unreachable(false));
    released_when(&bench, protocol, gone, |why| {
        matches!(why, Waiting::NoAnswer { .. })
    })
    .await;
}

#[tokio::test]
async fn a_service_that_stays_so_is_given_up_and_the_reason_told() {
    tokio::join!(for_good(Protocol::Mqtt), for_good(Protocol::Https));
}

async fn for_good(protocol: Protocol) {
    let bench = enrolled().await;
    let device = bench.keyed("pump7", &key("pump7"), protocol);
    let error = async |limits: Limits| register(&device, limits).await.expect_err("no hub");
    let brief = Limits {
        give_up_after: Duration::from_secs(4),
        ..limits()
    };

    let an_hour = Duration::from_secs(3600);
    bench.simulator.pull_dps(DpsLever::Throttle(Some(an_hour)));
    let busy = error(limits()).await;
    let RegisterError::Busy { after, refusal } = &busy else {
        panic!("{busy:?}")
    };
    assert_eq!(refusal.status, 429);
    assert!(
        *after < limits().give_up_after / 2,
        "it waits for nothing that it cannot live to see"
    );
    bench.simulator.pull_dps(DpsLever::Throttle(None));

    bench.simulator.pull_dps(DpsLever::Hold(true));
    let held = error(brief).await;
    assert!(
        matches!(held, RegisterError::StillAssigning { .. }),
        "{held:?}"
    );
    bench.simulator.pull_dps(DpsLever::Hold(false));

    bench.simulator.pull_dps(DpsLever::Unreachable(true));
    let gone = error(brief).await;
    // Not in the words of the TLS library, which has advice for programmers.
    assert!(
        matches!(
            gone,
            RegisterError::Unreachable {
                source: Some(transport::Error::Closed),
                ..
            }
        ),
        "{gone:?}"
    );
    bench.simulator.pull_dps(DpsLever::Unreachable(false));

    bench.simulator.pull_dps(DpsLever::Refuse(true));
    let refused = error(limits()).await;
    assert!(
        matches!(refused, RegisterError::Unauthorized(_)),
        "{refused:?}"
    );
}
