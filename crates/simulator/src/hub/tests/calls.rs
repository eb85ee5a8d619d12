//! Direct methods: whom they reach, and when.

use tokio::time::timeout;

use super::*;
use crate::hub::InvokeError;

#[tokio::test]
async fn a_call_that_waits_for_the_upstream_goes_when_it_is_back() {
    let hub = furnished(None);
    let light = connect(&hub, "edge01/light");
    subscribe(&hub, &light, &[METHODS]);
    let (target, edge) = (identity("edge01/light"), Target::One(identity("edge01")));
    hub.pull(&edge, Lever::Upstream(LinkState::Cut))
        .expect("moved");
    let mut request = MethodRequest::new("book", json!({}));
    request.connect_timeout_in_seconds = 60;
    let call = hub.invoke(&target, &request, Caller::Cloud);
    let answer = async {
        hub.pull(&edge, Lever::Upstream(LinkState::Up))
            .expect("moved");
        light.mailbox.changed().await;
        let asked = received(&light).expect("connected");
        let rid = asked[0].topic.rsplit('=').next().expect("a request id");
        let topic = format!("$iothub/methods/res/200/?$rid={rid}");
        publish(&hub, &light, &topic, "{}").expect("taken");
    };
    // Polled in this order, so the call waits before the upstream comes back.
    let both = async { tokio::join!(call, answer) };
    let (outcome, ()) = timeout(Duration::from_secs(10), both)
        .await
        .expect("the call is woken");
    assert_eq!(outcome.expect("answered").status, 200);
}

#[tokio::test]
async fn a_module_reaches_nobody_beyond_its_edge() {
    let hub = furnished(None);
    let pump = connect(&hub, "pump7");
    subscribe(&hub, &pump, &[METHODS]);
    let request = MethodRequest::new("restart", json!({}));
    let caller = identity("edge01/sensor");
    let outcome = hub
        .invoke(&identity("pump7"), &request, Caller::Module(&caller))
        .await;
    assert!(matches!(outcome, Err(InvokeError::NotFound(_))));
}
