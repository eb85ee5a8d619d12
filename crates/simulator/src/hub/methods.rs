//! Direct methods: a request to a connected client, and its answer, each with a time-out.

use std::collections::HashMap;

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::method::{MethodError, MethodRequest, MethodResponse, NoAnswer};
use hub_proto::topic;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Core, Face, Hub};
use crate::mailbox::Delivery;
use crate::registry::Filter;
use crate::trace::What;

/// Calls one client may have outstanding; more are refused as throttled.
const MAX_CALLS: usize = 64;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller<'a> {
    /// A back end.
    Cloud,
    /// A module, through its edge hub.
    Module(&'a Identity),
}

/// Why a method call has no answer.
#[derive(Debug, Error)]
pub enum InvokeError {
    /// No such device or module.
    #[error("{0} is not registered")]
    NotFound(Identity),
    /// The request breaks a rule.
    #[error(transparent)]
    Request(#[from] MethodError),
    /// The client was not there, or did not answer.
    #[error("{}", .0.message())]
    NoAnswer(NoAnswer),
    /// Too many calls wait for this client already.
    #[error("{MAX_CALLS} calls already wait for this client")]
    Throttled,
    /// Whoever called gave up before the request had left.
    #[error("the call was withdrawn before it was made")]
    Withdrawn,
}

/// Calls that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Calls {
    next: u64,
    waiting: HashMap<String, Call>,
}

#[derive(Debug)]
struct Call {
    target: Identity,
    answer: oneshot::Sender<(i32, Bytes)>,
}

impl Calls {
    /// Request ids go on from those of calls that are given up with these.
    pub(super) fn go_on_from(&mut self, replaced: &Self) {
        self.next = replaced.next;
    }

    /// A client's answer; one that comes late, or from somebody else, is dropped.
    pub(super) fn answer(&mut self, from: &Identity, rid: &str, status: i32, body: &Bytes) {
        // edgeHub compares request ids in lower case.
        let rid = rid.to_ascii_lowercase();
        if self
            .waiting
            .get(&rid)
            .is_none_or(|call| call.target != *from)
        {
            return;
        }
        if let Some(call) = self.waiting.remove(&rid) {
            // The caller may have given up a moment ago.
            let _ = call.answer.send((status, Bytes::copy_from_slice(body)));
        }
    }

    fn begin(&mut self, target: &Identity) -> (String, oneshot::Receiver<(i32, Bytes)>) {
        self.next += 1;
        let rid = format!("{:x}", self.next);
        let (answer, receiver) = oneshot::channel();
        self.waiting.insert(
            rid.clone(),
            Call {
                target: target.clone(),
                answer,
            },
        );
        (rid, receiver)
    }
}

impl Hub {
    /// Calls a method and waits for its answer.
    ///
    /// # Errors
    /// When nobody is registered under the name, is connected and subscribed in time, or answers in time.
    pub(crate) async fn invoke(
        &self,
        target: &Identity,
        request: &MethodRequest,
        caller: Caller<'_>,
    ) -> Result<MethodResponse, InvokeError> {
        self.invoke_if(target, request, caller, |_| true).await
    }

    /// As [`Hub::invoke`], if `may` still says so at the moment when the client is there to be asked.
    ///
    /// # Errors
    /// As there, or [`InvokeError::Withdrawn`].
    pub(super) async fn invoke_if(
        &self,
        target: &Identity,
        request: &MethodRequest,
        caller: Caller<'_>,
        may: impl Fn(&mut Core) -> bool,
    ) -> Result<MethodResponse, InvokeError> {
        let begun = Instant::now();
        let outcome = self.invoke_untold(target, request, caller, may).await;
        self.trace.tell(Some(target), || What::Method {
            name: request.method_name.clone(),
            status: match &outcome {
                Ok(response) => response.status.into(),
                Err(InvokeError::NotFound(_)) => 404,
                Err(InvokeError::Request(_)) => 400,
                Err(InvokeError::NoAnswer(none)) => none.code().number().into(),
                Err(InvokeError::Throttled) => 429,
                Err(InvokeError::Withdrawn) => 500,
            },
            duration_ms: begun.elapsed().as_millis() as u64,
        });
        outcome
    }

    async fn invoke_untold(
        &self,
        target: &Identity,
        request: &MethodRequest,
        caller: Caller<'_>,
        may: impl Fn(&mut Core) -> bool,
    ) -> Result<MethodResponse, InvokeError> {
        request.validate()?;
        let connect_by = Instant::now() + request.connect_timeout();
        let (rid, answer) = loop {
            // Asked for before looking, so that a client that comes in between is not missed.
            let presence = self.presence.notified();
            if let Some(begun) = self.lock().begin_call(target, request, caller, &may)? {
                break begun;
            }
            if timeout_at(connect_by, presence).await.is_err() {
                return Err(InvokeError::NoAnswer(NoAnswer::NotOnline));
            }
        };
        // However this ends, the call must not stay in the table.
        let _forget = Forget {
            hub: self,
            rid: &rid,
        };
        match timeout_at(Instant::now() + request.response_timeout(), answer).await {
            Ok(Ok((status, body))) => Ok(MethodResponse::from_device(status, &body)?),
            Ok(Err(_)) | Err(_) => Err(InvokeError::NoAnswer(NoAnswer::TimedOut)),
        }
    }
}

struct Forget<'a> {
    hub: &'a Hub,
    rid: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.hub.lock().calls.waiting.remove(self.rid);
    }
}

pub(super) type Begun = (String, oneshot::Receiver<(i32, Bytes)>);

impl Core {
    /// Sends the request, if the target can take it now.
    pub(super) fn begin_call(
        &mut self,
        target: &Identity,
        request: &MethodRequest,
        caller: Caller<'_>,
        may: impl Fn(&mut Self) -> bool,
    ) -> Result<Option<Begun>, InvokeError> {
        if self.client(target).is_none() {
            return Err(InvokeError::NotFound(target.clone()));
        }
        if let Caller::Module(caller) = caller
            && caller.device_id() != target.device_id()
        {
            // An edge hub knows nobody but its own.
            return Err(InvokeError::NotFound(target.clone()));
        }
        if self.can_call_agent(target, caller) {
            if !may(self) {
                return Err(InvokeError::Withdrawn);
            }
            // It answers the caller itself, without the table.
            let answer = self.call_agent(target, request);
            let answer = answer.ok_or(InvokeError::Throttled)?;
            return Ok(Some((String::new(), answer)));
        }
        if self.subscription(target, Filter::MethodRequests).is_none() {
            return Ok(None);
        }
        let Some(live) = self.live.get(target) else {
            return Ok(None);
        };
        let behind_cut = live.face == Face::Edge && self.is_offline(target);
        if caller == Caller::Cloud && behind_cut {
            return Ok(None);
        }
        if self
            .calls
            .waiting
            .values()
            .filter(|call| call.target == *target)
            .count()
            >= MAX_CALLS
        {
            return Err(InvokeError::Throttled);
        }
        let mailbox = live.mailbox.clone();
        if !may(self) {
            return Err(InvokeError::Withdrawn);
        }
        let (rid, answer) = self.calls.begin(target);
        // Nothing about a call is kept, so its request need not wait for the journal.
        mailbox.push(Delivery {
            topic: topic::method_request(&request.method_name, &rid),
            payload: request.device_payload().into(),
            settles: None,
            duplicate: false,
        });
        Ok(Some((rid, answer)))
    }
}
