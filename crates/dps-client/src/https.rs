//! Registration over HTTPS: a connection for each question.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_proto::dps::registration::{operation_path, register_path};
use rustls::ClientConfig;
use transport::http::{ExchangeError, Request, RequestError, Response, exchange_over_tls, header};

use crate::machine::Call;
use crate::registration::Registration;
use crate::wire::{Outcome, register_body, token};

type Exchange = Pin<Box<dyn Future<Output = Result<Response<Bytes>, transport::Error>> + Send>>;

pub(crate) struct HttpsWire<'a> {
    registration: &'a Registration,
    tls: Arc<ClientConfig>,
    answer_within: Duration,
    exchange: Option<(u32, Exchange)>,
}

impl<'a> HttpsWire<'a> {
    pub(crate) const fn new(
        registration: &'a Registration,
        tls: Arc<ClientConfig>,
        answer_within: Duration,
    ) -> Self {
        Self {
            registration,
            tls,
            answer_within,
            exchange: None,
        }
    }

    pub(crate) fn send(&mut self, request: u32, call: &Call) {
        let built = self.request(call);
        let endpoint = &self.registration.global_endpoint;
        let (host, port) = (endpoint.host.clone(), endpoint.https_port);
        let (tls, within) = (Arc::clone(&self.tls), self.answer_within);
        let exchange = async move {
            exchange_over_tls(&host, port, tls, built?, within)
                .await
                .map_err(connection_error)
        };
        self.exchange = Some((request, Box::pin(exchange)));
    }

    pub(crate) fn abandon(&mut self) {
        self.exchange = None;
    }

    pub(crate) async fn next(&mut self) -> Outcome {
        let Some((request, exchange)) = &mut self.exchange else {
            return std::future::pending().await;
        };
        let (request, answer) = (*request, exchange.await);
        self.exchange = None;
        match answer {
            Ok(answer) => Outcome::Answered {
                request,
                status: answer.status().as_u16(),
                retry_after: retry_after(&answer),
                body: answer.into_body(),
            },
            Err(why) => Outcome::Failed { request, why },
        }
    }

    fn request(&self, call: &Call) -> Result<Request<Bytes>, transport::Error> {
        let registration = self.registration;
        let (scope, id) = (&registration.id_scope, &registration.registration_id);
        let (builder, body) = match call {
            Call::Register => (
                Request::put(register_path(scope, id)),
                register_body(registration),
            ),
            Call::Status { operation_id } => (
                Request::get(operation_path(scope, id, operation_id)),
                Bytes::new(),
            ),
        };
        let endpoint = &registration.global_endpoint;
        let mut builder = builder
            .header(header::HOST, authority(&endpoint.host, endpoint.https_port))
            .header(header::USER_AGENT, &registration.product)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token(registration) {
            builder = builder.header(header::AUTHORIZATION, token);
        }
        builder
            .body(body)
            .map_err(|error| transport::Error::Protocol(error.to_string()))
    }
}

impl fmt::Debug for HttpsWire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsWire")
            .field("endpoint", &self.registration.global_endpoint)
            .finish_non_exhaustive()
    }
}

/// What stands in a `Host` header.
pub(crate) fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    if port == 443 {
        host
    } else {
        format!("{host}:{port}")
    }
}

/// `Retry-After` in seconds. Its other form, a date, is not used by the service and read as none.
pub(crate) fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// An exchange that broke off, in the words of a connection.
pub(crate) fn connection_error(error: RequestError) -> transport::Error {
    match error {
        RequestError::Connection(error) => error,
        RequestError::Exchange(ExchangeError::Broken(error)) if was_closed(&error) => {
            transport::Error::Closed
        }
        RequestError::Exchange(ExchangeError::Broken(error)) => {
            transport::Error::Broken(io::Error::other(error))
        }
        RequestError::Exchange(ExchangeError::Body) => {
            transport::Error::Protocol(ExchangeError::Body.to_string())
        }
    }
}

/// Whether the server closed in the middle, which TLS may not have been told of.
fn was_closed(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), UnexpectedEof | ConnectionReset))
}
