//! Methods of other modules, called over the gateway's HTTPS port.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hub_proto::identity::Identity;
use hub_proto::method::{MethodRequest, MethodResponse};
use hub_proto::percent;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{InvokeError, LinkError};
use crate::http::{ExchangeError, exchange};
use crate::source::Source;
use crate::tls;

const API_VERSION: &str = "2019-10-01";
/// What is added to the method's own time-outs before the gateway is given up.
const MARGIN: Duration = Duration::from_secs(10);

pub(crate) async fn method(
    source: &Source,
    token_life: Duration,
    target: &Identity,
    request: &MethodRequest,
) -> Result<MethodResponse, InvokeError> {
    request.validate().map_err(InvokeError::Invalid)?;
    let within = request.connect_timeout() + request.response_timeout() + MARGIN;
    let call = async {
        let request = http_request(source, token_life, target, request).await?;
        let stream = connect(source).await?;
        exchange(stream, request)
            .await
            .map_err(|error| match error {
                ExchangeError::Broken(error) => InvokeError::Exchange(error),
                ExchangeError::Body => InvokeError::Malformed,
            })
    };
    let (status, body) = tokio::time::timeout(within, call)
        .await
        .map_err(|_| InvokeError::TimedOut)??;
    read_answer(status, &body)
}

async fn http_request(
    source: &Source,
    token_life: Duration,
    target: &Identity,
    request: &MethodRequest,
) -> Result<Request<Full<Bytes>>, InvokeError> {
    let now = Timestamp::now().as_second();
    let signed = source
        .credential
        .token(&source.hub, &source.identity, token_life, now)
        .await?;
    let device = percent::encode(target.device_id());
    let path = target.module_id().map_or_else(
        || format!("/twins/{device}/methods?api-version={API_VERSION}"),
        |module| {
            format!(
                "/twins/{device}/modules/{}/methods?api-version={API_VERSION}",
                percent::encode(module)
            )
        },
    );
    let body = serde_json::to_vec(request).map_err(|_| InvokeError::Malformed)?;
    Request::post(path)
        .header("Host", &source.host)
        .header("Content-Type", "application/json")
        .header("x-ms-edge-moduleId", source.identity.to_string())
        .header("Authorization", signed.token)
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| InvokeError::Malformed)
}

async fn connect(source: &Source) -> Result<TlsStream<TcpStream>, LinkError> {
    let (host, port) = (source.host.as_str(), source.https_port);
    let config = tls::client_config(source).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| LinkError::WrongHostName {
        host: host.to_owned(),
    })?;
    let tcp = TcpStream::connect((host, port))
        .await
        .map_err(|error| tls::classify(error, host, port))?;
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|error| tls::classify(error, host, port))
}

fn read_answer(status: StatusCode, body: &[u8]) -> Result<MethodResponse, InvokeError> {
    if status == StatusCode::OK {
        return serde_json::from_slice(body).map_err(|_| InvokeError::Malformed);
    }
    let message = message_in(body);
    Err(match status {
        StatusCode::NOT_FOUND => InvokeError::NotFound(message),
        StatusCode::GATEWAY_TIMEOUT => InvokeError::NoAnswer(message),
        status => InvokeError::Refused {
            status: status.as_u16(),
            message,
        },
    })
}

/// edgeHub says `message`, the hub `Message`.
fn message_in(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = body
        .get("message")
        .or_else(|| body.get("Message"))
        .and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
