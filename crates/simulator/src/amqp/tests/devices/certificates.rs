//! Devices that sign in with the certificate of their connection.

use super::*;
use crate::authentication::Authentication;
use crate::certificates::PeerCertificates;
use crate::certificates::issuing::{Holder, self_signed};
use crate::hub::NewDevice;

fn own() -> Holder {
    self_signed("press7", 2020, 2120)
}

/// A hub at which `press7` signs in with a certificate of `holder`'s.
fn hub_of(holder: &Holder) -> Arc<Hub> {
    let hub = furnished();
    let authentication = Authentication::SelfSigned {
        primary: holder.certificate().sha256(),
        secondary: None,
    };
    let press7 = NewDevice {
        id: "press7".to_owned(),
        edge: false,
        authentication,
        modules: Vec::new(),
    };
    hub.register(&press7).expect("a free id");
    hub
}

/// A peer after it has chosen a mechanism; what it was offered, and whether it was welcome.
fn choose(
    hub: Arc<Hub>,
    certificates: Option<PeerCertificates>,
    mechanism: &str,
) -> (Client, Vec<Value>, bool) {
    let mut client = Client {
        peer: Peer::new(hub.clone(), None, certificates),
        hub,
        now: Timestamp::now(),
    };
    client.put(&Protocol::Sasl.header());
    client.run();
    let header = take_header(&mut client.peer.out);
    assert_eq!(header, Some(Some(Protocol::Sasl)));
    let offered = client.heard();
    let Value::Array(names) = offered[0].fields[0].clone() else {
        panic!("{offered:?}");
    };
    let choice = Value::Symbol(mechanism.to_owned());
    put_frame(&mut client.peer.inbox, Protocol::Sasl, 0, |out| {
        encoding::composite(out, 0x41, &[choice]);
    });
    let outcome = client.hear();
    let welcome = outcome[0].fields[0] == Value::Ubyte(0);
    (client, names, welcome)
}

fn open(client: &mut Client) {
    client.put(&Protocol::Amqp.header());
    client.say(OPEN, &[text("client"), text("localhost")]);
    let window = Value::Uint(1000);
    client.say(
        BEGIN,
        &[Value::Null, Value::Uint(0), window.clone(), window],
    );
    client.run();
    let header = take_header(&mut client.peer.out);
    assert_eq!(header, Some(Some(Protocol::Amqp)));
    assert_eq!(codes(&client.heard()), [OPEN, BEGIN]);
}

#[test]
fn a_certificate_is_offered_and_taken_only_where_there_is_one() {
    let (holder, external) = (own(), Value::Symbol("EXTERNAL".to_owned()));
    let (_, offered, welcome) = choose(furnished(), None, "EXTERNAL");
    assert!(!offered.contains(&external) && !welcome);
    let (_, offered, welcome) = choose(furnished(), Some(holder.with(&[])), "EXTERNAL");
    assert!(offered.contains(&external) && welcome);
}

#[test]
fn a_certificate_opens_its_device_and_no_other() {
    let (holder, stranger) = (own(), own());
    let hub = hub_of(&holder);
    let address = "/devices/press7/messages/events";
    for mechanism in ["EXTERNAL", "ANONYMOUS"] {
        let (mut client, _, _) = choose(hub.clone(), Some(holder.with(&[])), mechanism);
        open(&mut client);
        assert_eq!(codes(&client.attach_sender(0, address)), [ATTACH, FLOW]);
        assert!(is_connected(&hub, "press7"));
        // A device that signs in with a key is not opened by it.
        assert_eq!(codes(&client.attach_sender(1, EVENTS)), [ATTACH, DETACH]);
    }
    let (mut client, _, _) = choose(hub, Some(stranger.with(&[])), "EXTERNAL");
    open(&mut client);
    let came = client.attach_sender(0, address);
    assert_eq!(condition(&came[1]), Some("amqp:unauthorized-access"));
}
