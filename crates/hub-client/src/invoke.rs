//! Methods of other modules, called over the gateway's HTTPS port.

use std::time::Duration;

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::method::{MethodRequest, MethodResponse};
use hub_proto::percent;
use jiff::Timestamp;
use serde_json::Value;
use transport::http::{ExchangeError, Request, RequestError, StatusCode, exchange_over_tls};

use crate::error::InvokeError;
use crate::place::Place;
use crate::source::Source;

const API_VERSION: &str = "2019-10-01";
/// What is added to the method's own time-outs before the gateway is given up.
const MARGIN: Duration = Duration::from_secs(10);

pub(crate) async fn method(
    source: &Source,
    place: &Place,
    token_life: Duration,
    target: &Identity,
    request: &MethodRequest,
) -> Result<MethodResponse, InvokeError> {
    request.validate().map_err(InvokeError::Invalid)?;
    let within = request.connect_timeout() + request.response_timeout() + MARGIN;
    let call = async {
        let request = http_request(source, place, token_life, target, request).await?;
        let config = source.tls().await?;
        exchange_over_tls(&place.host, source.https_port, config, request, within)
            .await
            .map_err(|error| match error {
                RequestError::Connection(transport::Error::TimedOut { .. }) => {
                    InvokeError::TimedOut
                }
                RequestError::Connection(error) => InvokeError::Link(error.into()),
                RequestError::Exchange(ExchangeError::Broken(error)) => {
                    InvokeError::Exchange(error)
                }
                RequestError::Exchange(ExchangeError::Body) => InvokeError::Malformed,
            })
    };
    // The limit is for everything: what the runtime takes to sign counts too.
    let answer = tokio::time::timeout(within, call)
        .await
        .map_err(|_| InvokeError::TimedOut)??;
    read_answer(answer.status(), answer.body())
}

async fn http_request(
    source: &Source,
    place: &Place,
    token_life: Duration,
    target: &Identity,
    request: &MethodRequest,
) -> Result<Request<Bytes>, InvokeError> {
    let now = Timestamp::now().as_second();
    let signed = source.credential.token(place, token_life, now).await?;
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
    let mut builder = Request::post(path)
        .header("Host", &place.host)
        .header("Content-Type", "application/json")
        .header("x-ms-edge-moduleId", place.identity.to_string());
    if let Some(signed) = signed {
        builder = builder.header("Authorization", signed.token);
    }
    builder
        .body(Bytes::from(body))
        .map_err(|_| InvokeError::Malformed)
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
