//! The device API over MQTT: one registration id a connection.
//!
//! A connection is accepted whatever its credential is worth, and told so when it registers: so does the real service.
//! Nothing of a session outlives it.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use hub_proto::topic::{self, Filter, Inbound};
use hub_proto::user_name::{DpsUserName, UserName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::Dps;
use super::answer::Answer;
use super::attempts::Transport;
use super::attestation::Proof;
use super::registering::{Caller, shown};
use crate::certificates::PeerCertificates;
use crate::connection::{Link, silence_of};
use crate::wire::{self, Connect, Packet, QoS, ReturnCode};

/// Whether a client means the provisioning service rather than the hub: its user name says so.
pub(crate) fn is_meant(connect: &Connect) -> bool {
    name_in(connect).is_some()
}

fn name_in(connect: &Connect) -> Option<DpsUserName<'_>> {
    match UserName::parse(connect.user_name.as_deref()?) {
        Ok(UserName::Dps(name)) => Some(name),
        Ok(UserName::Hub(_)) | Err(_) => None,
    }
}

/// Serves a device that wants to be registered, from its CONNECT on.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    dps: Arc<Dps>,
    mut link: Link<S>,
    connect: Connect,
    peer: Option<PeerCertificates>,
) {
    let Some(name) = name_in(&connect) else {
        return link.close().await;
    };
    if dps.is_unreachable() {
        return link.close().await;
    }
    if !connect.client_id.eq_ignore_ascii_case(name.registration_id) {
        tracing::debug!(
            client = connect.client_id,
            "a client id that is not the registration id of the user name"
        );
        wire::connack(&mut link.out, ReturnCode::NotAuthorized, false);
        // The client may be gone already; it was going to be refused anyway.
        let _ = link.flush().await;
        return link.close().await;
    }
    wire::connack(&mut link.out, ReturnCode::Accepted, false);
    let password = connect.password.as_deref();
    let token = password.and_then(|bytes| std::str::from_utf8(bytes).ok());
    // Some clients with a certificate send an empty password.
    let token = token.filter(|token| !token.is_empty());
    let mut session = Session {
        dps,
        caller: Caller {
            id_scope: name.id_scope,
            registration_id: name.registration_id,
            proof: Proof::of(token, peer.as_ref()),
            transport: Transport::Mqtt,
        },
        granted: None,
        next_packet_id: 1,
        silence: silence_of(connect.keep_alive),
    };
    let reason = session.run(&mut link).await;
    tracing::debug!(
        registration = shown(name.registration_id),
        reason,
        "a registration's connection ended"
    );
    link.close().await;
}

struct Session<'a> {
    dps: Arc<Dps>,
    caller: Caller<'a>,
    /// The QoS answers go at, once the client has asked for them.
    granted: Option<u8>,
    next_packet_id: u16,
    silence: Duration,
}

impl Session<'_> {
    /// Runs until either side ends it, and says why.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, link: &mut Link<S>) -> String {
        loop {
            // What came with CONNECT in one packet is already in the buffer; so answer before waiting.
            loop {
                let handled = match link.reader.next(&mut link.inbox) {
                    Ok(Some(_)) if self.dps.is_unreachable() => {
                        Err("a lever made the service unreachable".to_owned())
                    }
                    Ok(Some(packet)) => self.handle(packet, &mut link.out),
                    Ok(None) => break,
                    Err(error) => Err(error.to_string()),
                };
                if let Err(reason) = handled {
                    // Answers to what came before are still due.
                    let _ = link.flush().await;
                    return reason;
                }
            }
            if let Err(reason) = link.flush().await {
                return reason;
            }
            match timeout(self.silence, link.read()).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return reason,
                Err(_) => return "nothing heard for 1.5 keep-alive intervals".to_owned(),
            }
        }
    }

    fn handle(&mut self, packet: Packet, out: &mut BytesMut) -> Result<(), String> {
        match packet {
            Packet::Publish {
                qos: QoS::ExactlyOnce,
                ..
            } => return Err("QoS 2 is not supported".to_owned()),
            Packet::Publish {
                topic,
                payload,
                packet_id,
                ..
            } => {
                let (rid, answer) = match Inbound::parse(&topic) {
                    Some(Inbound::DpsRegister { rid }) => {
                        (rid, self.dps.register(&self.caller, &payload))
                    }
                    Some(Inbound::DpsOperationStatus { rid, operation_id }) => {
                        (rid, self.dps.operation(&self.caller, operation_id))
                    }
                    _ => return Err(format!("nothing is published to {topic:?}")),
                };
                if let Some(id) = packet_id {
                    wire::puback(out, id.get());
                }
                self.answer(rid, &answer, out)?;
            }
            Packet::Subscribe { packet_id, filters } => {
                let mut granted = Vec::new();
                for (filter, qos) in &filters {
                    // SDKs pass over a refused subscription, so that the end of the connection is all that tells them.
                    if Filter::parse(filter) != Some(Filter::DpsResponses) {
                        return Err(format!("nothing comes on {filter:?}"));
                    }
                    granted.push((*qos as u8).min(1));
                }
                self.granted = granted.last().copied();
                wire::suback(out, packet_id, &granted);
            }
            Packet::Unsubscribe { packet_id, .. } => {
                self.granted = None;
                wire::unsuback(out, packet_id);
            }
            Packet::PubAck(_) => {}
            Packet::PingReq => wire::pingresp(out),
            Packet::Disconnect => return Err("the client said goodbye".to_owned()),
            Packet::Connect(_) => return Err("a second CONNECT on one connection".to_owned()),
        }
        Ok(())
    }

    fn answer(&mut self, rid: &str, answer: &Answer, out: &mut BytesMut) -> Result<(), String> {
        let Some(qos) = self.granted else {
            return Ok(());
        };
        let topic = topic::dps_response(answer.status, rid, answer.retry_after);
        if topic.len() > wire::MAX_TOPIC {
            return Err("the request id is too long to be handed back".to_owned());
        }
        let packet_id = (qos > 0).then(|| {
            let id = self.next_packet_id;
            self.next_packet_id = id.checked_add(1).unwrap_or(1);
            id
        });
        wire::publish(out, &topic, answer.body.as_bytes(), packet_id, false);
        Ok(())
    }
}
