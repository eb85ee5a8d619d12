//! The workload API: what the Edge daemon gives each module on a Unix socket of its own.
//!
//! The socket is the credential, as on a device where it is mounted into one container: whoever can open it may have
//! tokens signed for that module. So sockets lie in a directory that only their owner can enter.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hub_proto::identity::Identity;
use hub_proto::workload::{
    CertificateResponse, Endpoint, ErrorResponse, PrivateKey, ServerCertificateRequest,
    SignRequest, SignResponse, TrustBundle,
};
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::listening::over;
use crate::pki::Authority;

struct Workload {
    hub: Arc<Hub>,
    authority: Arc<Authority>,
    module: Identity,
}

/// Serves one module's socket until `stop`.
pub(crate) fn serve(
    path: &Path,
    module: Identity,
    hub: Arc<Hub>,
    authority: Arc<Authority>,
    stop: CancellationToken,
) -> io::Result<impl Future<Output = ()> + use<>> {
    // A socket left by a killed simulator would make bind fail; nobody listens on it any more.
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(path)?;
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::new(Workload {
            hub,
            authority,
            module,
        }));
    let path = path.to_owned();
    Ok(async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        tokio::select! {
            served = served => if let Err(error) = served {
                tracing::warn!(%error, "a workload socket stopped serving");
            },
            // Half a request would be waited for without end.
            () = over(stop) => {}
        }
        let _ = std::fs::remove_file(path);
    })
}

/// Name of a module's socket. Unix limits the whole path to 107 bytes, so ids are not spelled out when long.
pub(crate) fn socket_path(directory: &Path, module: &Identity) -> PathBuf {
    let name = module.to_string().replace('/', "~");
    let name = if name.len() > 40 {
        format!("{:08x}", crc32fast::hash(name.as_bytes()))
    } else {
        name
    };
    directory.join(format!("{name}.sock"))
}

struct Fault(StatusCode, String);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, axum::Json(ErrorResponse { message: self.1 })).into_response()
    }
}

async fn answer(
    State(workload): State<Arc<Workload>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Fault> {
    let target = uri
        .path_and_query()
        .map_or(uri.path(), |target| target.as_str());
    let endpoint = Endpoint::parse(method.as_str(), target).map_err(|error| {
        Fault(
            StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
            error.to_string(),
        )
    })?;
    match endpoint {
        Endpoint::TrustBundle | Endpoint::ManifestTrustBundle => {
            let certificate = workload.authority.certificate_pem().to_owned();
            Ok(axum::Json(TrustBundle { certificate }).into_response())
        }
        Endpoint::Sign { module, .. } => {
            workload.only_for(&module)?;
            workload.sign(&parse(&body)?)
        }
        Endpoint::ServerCertificate { module, .. } => {
            workload.only_for(&module)?;
            workload.server_certificate(&parse(&body)?)
        }
        Endpoint::Modules
        | Endpoint::Encrypt { .. }
        | Endpoint::Decrypt { .. }
        | Endpoint::IdentityCertificate { .. } => Err(Fault(
            StatusCode::NOT_FOUND,
            "this simulator's workload API signs and certifies servers, and no more".to_owned(),
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

impl Workload {
    fn only_for(&self, module: &str) -> Result<(), Fault> {
        if self.module.module_id() == Some(module) {
            return Ok(());
        }
        Err(Fault(StatusCode::FORBIDDEN, "forbidden".to_owned()))
    }

    fn sign(&self, request: &SignRequest) -> Result<Response, Fault> {
        let data = request.data().ok_or(Fault(
            StatusCode::BAD_REQUEST,
            "data is not base64".to_owned(),
        ))?;
        let key = self
            .hub
            .module_key(&self.module)
            .ok_or(Fault(StatusCode::NOT_FOUND, "not found".to_owned()))?;
        Ok(axum::Json(SignResponse::new(&key.sign(&data))).into_response())
    }

    fn server_certificate(&self, request: &ServerCertificateRequest) -> Result<Response, Fault> {
        let mut names = vec![request.common_name.clone()];
        names.extend(
            self.module
                .module_id()
                .map(|id| id.trim_start_matches('$').to_owned()),
        );
        let issued = self
            .authority
            .issue_server(&request.common_name, &names)
            .map_err(|error| Fault(StatusCode::BAD_REQUEST, error.to_string()))?;
        let response = CertificateResponse {
            private_key: PrivateKey {
                kind: "key".to_owned(),
                bytes: issued.key_pem,
            },
            certificate: issued.chain_pem,
            expiration: request.expiration.clone(),
        };
        Ok((StatusCode::CREATED, axum::Json(response)).into_response())
    }
}
