//! Reads variables and arguments, and collects what is wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use dps_client::{Attestation, Endpoint, Registration};
use hub_proto::connection_string::{self, ConnectionString};
use hub_proto::identity::Identity;
use hub_proto::sas::SymmetricKey;
use transport::{ClientCertificate, Trust, tls};

use super::{HTTPS_PORT, MQTT_PORT, Problem, Source, SourceError, Who, is_publishable};
use crate::certificate::Certificate;
use crate::credentials::Credential;
use crate::error::error_chain;
use crate::place::Place;
use crate::workload::{Workload, WorkloadUri};

/// What the Node and C# SDKs ask for, and every runtime knows.
const WORKLOAD_API_VERSION: &str = "2018-06-28";
const CERTIFICATE: &str = "IOTHUB_DEVICE_X509_CERTIFICATE";
const KEY: &str = "IOTHUB_DEVICE_X509_KEY";
const SECURITY_TYPE: &str = "IOTHUB_DEVICE_SECURITY_TYPE";
const DPS_ENDPOINT: &str = "IOTHUB_DEVICE_DPS_ENDPOINT";
const DPS_KEY: &str = "IOTHUB_DEVICE_DPS_DEVICE_KEY";

type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

pub(super) struct Reader<'a> {
    env: &'a Env<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// What `read` finds, if nothing was wrong with it.
    pub(super) fn read(
        env: &'a Env<'a>,
        read: impl FnOnce(&mut Self) -> Option<Source>,
    ) -> Result<Source, SourceError> {
        let mut reader = Self {
            env,
            problems: Vec::new(),
        };
        let source = read(&mut reader);
        source
            .filter(|_| reader.problems.is_empty())
            .ok_or(SourceError {
                problems: reader.problems,
            })
    }

    /// The first source the environment names.
    pub(super) fn environment(&mut self) -> Option<Source> {
        if self.optional("IOTEDGE_WORKLOADURI").is_some() {
            self.edge()
        } else if let Some(text) = self.optional("EdgeHubConnectionString") {
            self.connection_string(
                "EdgeHubConnectionString",
                &text,
                "EdgeModuleCACertificateFile",
            )
        } else {
            self.device()
        }
    }

    fn device(&mut self) -> Option<Source> {
        let string = "IOTHUB_DEVICE_CONNECTION_STRING";
        match self.optional(SECURITY_TYPE) {
            Some(security) if security.eq_ignore_ascii_case("DPS") => self.registration(),
            Some(security) if security.eq_ignore_ascii_case("connectionString") => {
                let text = self.required(string)?;
                self.connection_string(string, &text, "SSL_CERT_FILE")
            }
            Some(security) => self.problem(
                SECURITY_TYPE,
                &format!("is {security:?}: expected DPS or connectionString"),
            ),
            None => match self.optional(string) {
                Some(text) => self.connection_string(string, &text, "SSL_CERT_FILE"),
                None => self.problem(
                    "IOTEDGE_WORKLOADURI",
                    "is not set, and neither is EdgeHubConnectionString, IOTHUB_DEVICE_CONNECTION_STRING or IOTHUB_DEVICE_SECURITY_TYPE: nothing says who this is",
                ),
            },
        }
    }

    fn registration(&mut self) -> Option<Source> {
        let endpoint = match self.optional(DPS_ENDPOINT) {
            Some(_) => self.parsed::<Endpoint>(DPS_ENDPOINT),
            None => Some(Endpoint::default()),
        };
        let id_scope = self.required("IOTHUB_DEVICE_DPS_ID_SCOPE");
        let registration_id = self.parsed("IOTHUB_DEVICE_DPS_DEVICE_ID");
        let credential = self.device_credential();
        let trust = self.trust("SSL_CERT_FILE");
        let (mqtt_port, https_port) = self.ports();
        let (credential, attestation) = credential?;
        let mut registration = Registration::new(id_scope?, registration_id?, attestation);
        registration.global_endpoint = endpoint?;
        registration.trust = trust?;
        let source = Source::from_registration(registration);
        Some(
            Source {
                credential,
                ..source
            }
            .with_ports(mqtt_port, https_port),
        )
    }

    /// What proves a device, to the provisioning service and to its hub.
    fn device_credential(&mut self) -> Option<(Credential, Attestation)> {
        let Some(key) = self.optional(DPS_KEY) else {
            if self.optional(CERTIFICATE).or(self.optional(KEY)).is_none() {
                return self.problem(
                    DPS_KEY,
                    &format!(
                        "is not set, and neither is {CERTIFICATE}: nothing proves who this is"
                    ),
                );
            }
            let (certificate, read) = self.certificate_files()?;
            return Some((Credential::X509(certificate), Attestation::X509(read)));
        };
        // The text is a secret, and is not repeated.
        let key = match SymmetricKey::from_base64(&key) {
            Ok(key) => key,
            Err(error) => {
                return self.problem(DPS_KEY, &format!("cannot be used: {error}"));
            }
        };
        let attestation = Attestation::SymmetricKey(key.clone());
        Some((Credential::Key { policy: None, key }, attestation))
    }

    /// A connection string with what it leaves to other arguments.
    pub(super) fn arguments(
        &mut self,
        text: &str,
        certificate: Option<Certificate>,
        ca_pem: Option<&str>,
    ) -> Option<Source> {
        let trust = match ca_pem {
            None => Trust::System,
            Some(pem) => {
                Trust::only(pem).or_else(|| self.problem("ca_pem", "holds no certificate"))?
            }
        };
        let wants_x509 = certificate.is_some();
        let source =
            self.parse_connection_string("connection string", text, trust, |_| certificate)?;
        if wants_x509 && !matches!(source.credential, Credential::X509(_)) {
            return self.problem("connection string", "does not say x509=true");
        }
        Some(source)
    }

    fn edge(&mut self) -> Option<Source> {
        let uri = self.parsed::<WorkloadUri>("IOTEDGE_WORKLOADURI");
        let host = self.required("IOTEDGE_GATEWAYHOSTNAME");
        let hub = self.required("IOTEDGE_IOTHUBHOSTNAME");
        let device = self.required("IOTEDGE_DEVICEID");
        let module = self.required("IOTEDGE_MODULEID");
        let generation = self.required("IOTEDGE_MODULEGENERATIONID");
        let api_version = self
            .optional("IOTEDGE_APIVERSION")
            .unwrap_or_else(|| WORKLOAD_API_VERSION.to_owned());
        if self
            .optional("IOTEDGE_AUTHSCHEME")
            .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("sasToken"))
        {
            self.problem::<()>("IOTEDGE_AUTHSCHEME", "must be sasToken");
        }
        let identity = device.zip(module).and_then(|(device, module)| {
            let identity = Identity::module(device, module);
            identity
                .map_err(|error| self.problem::<()>("IOTEDGE_MODULEID", &error.to_string()))
                .ok()
        });
        let (mqtt_port, https_port) = self.ports();
        let identity = self.usable("IOTEDGE_MODULEID", identity?)?;
        let module = identity.module_id()?.to_owned();
        Some(Source {
            credential: Credential::Workload(Workload {
                uri: uri?,
                module,
                generation: generation?,
                api_version,
            }),
            who: Who::Given(Arc::new(Place {
                identity,
                hub: hub?,
                host: host?,
            })),
            mqtt_port,
            https_port,
            trust: None,
        })
    }

    fn connection_string(
        &mut self,
        variable: &'static str,
        text: &str,
        ca: &'static str,
    ) -> Option<Source> {
        let trust = self.trust(ca);
        let (mqtt_port, https_port) = self.ports();
        let source = self.parse_connection_string(variable, text, trust?, |reader| {
            let (certificate, _) = reader.certificate_files()?;
            Some(certificate)
        })?;
        Some(source.with_ports(mqtt_port, https_port))
    }

    fn parse_connection_string(
        &mut self,
        variable: &'static str,
        text: &str,
        trust: Trust,
        certificate: impl FnOnce(&mut Self) -> Option<Certificate>,
    ) -> Option<Source> {
        let parsed = match text.parse::<ConnectionString>() {
            Ok(parsed) => parsed,
            Err(error) => {
                return self.problem(
                    variable,
                    &format!("cannot be used: {}", error_chain(&error)),
                );
            }
        };
        let Some(identity) = parsed.identity else {
            return self.problem(variable, "names no DeviceId: it is a service's");
        };
        let identity = self.usable(variable, identity)?;
        let credential = match parsed.credential {
            connection_string::Credential::Key { policy, key } => Credential::Key { policy, key },
            connection_string::Credential::Signature(token) => Credential::Token(token),
            connection_string::Credential::X509 => {
                let mistakes = self.problems.len();
                match certificate(self) {
                    Some(certificate) => Credential::X509(certificate),
                    None if self.problems.len() > mistakes => return None,
                    None => return self.problem(variable, "wants a client certificate"),
                }
            }
        };
        Some(Source {
            who: Who::Given(Arc::new(Place {
                identity,
                host: parsed
                    .gateway_host_name
                    .unwrap_or_else(|| parsed.host_name.clone()),
                hub: parsed.host_name,
            })),
            mqtt_port: MQTT_PORT,
            https_port: HTTPS_PORT,
            credential,
            trust: Some(trust),
        })
    }

    /// The client certificate whose files the variables name.
    fn certificate_files(&mut self) -> Option<(Certificate, ClientCertificate)> {
        let chain = self.required(CERTIFICATE).map(PathBuf::from);
        let key = self.required(KEY).map(PathBuf::from);
        let (chain, key) = chain.zip(key)?;
        let certificate = Certificate::Files { chain, key };
        match certificate.read() {
            Ok(read) => Some((certificate, read)),
            Err(error) => self.problem(
                CERTIFICATE,
                &format!("and {KEY} cannot be used: {}", error_chain(&error)),
            ),
        }
    }

    fn usable(&mut self, variable: &'static str, identity: Identity) -> Option<Identity> {
        if !is_publishable(&identity) {
            return self.problem(
                variable,
                "has an id with + or #, which cannot be used over MQTT",
            );
        }
        Some(identity)
    }

    /// The file a variable names, else what the system trusts.
    fn trust(&mut self, variable: &'static str) -> Option<Trust> {
        let ssl_cert_file = "SSL_CERT_FILE";
        let named = self.optional(variable).map(|path| (variable, path));
        let Some((variable, path)) =
            named.or_else(|| Some((ssl_cert_file, self.optional(ssl_cert_file)?)))
        else {
            return Some(Trust::System);
        };
        let path = PathBuf::from(path);
        match read_certificates(&path) {
            Ok(()) => Some(Trust::File(path)),
            Err(what) => self.problem(variable, &what),
        }
    }

    fn ports(&mut self) -> (u16, u16) {
        let mut port = |variable, usual| {
            if self.optional(variable).is_none() {
                usual
            } else {
                self.parsed(variable).unwrap_or(usual)
            }
        };
        (
            port("IOTEDGE_GATEWAY_MQTT_PORT", MQTT_PORT),
            port("IOTEDGE_GATEWAY_HTTPS_PORT", HTTPS_PORT),
        )
    }

    fn optional(&self, variable: &str) -> Option<String> {
        (self.env)(variable)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn required(&mut self, variable: &'static str) -> Option<String> {
        self.optional(variable)
            .or_else(|| self.problem(variable, "is not set"))
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, variable: &'static str) -> Option<T> {
        let text = self.required(variable)?;
        text.parse()
            .map_err(|error| self.problem::<()>(variable, &format!("is {text:?}: {error}")))
            .ok()
    }

    fn problem<T>(&mut self, variable: &'static str, what: &str) -> Option<T> {
        self.problems.push(Problem {
            variable,
            what: what.to_owned(),
        });
        None
    }
}

/// Read again at each connection, so that a renewed file counts; read here too, to fail early.
fn read_certificates(path: &Path) -> Result<(), String> {
    let pem = std::fs::read(path)
        .map_err(|error| format!("names {}, which cannot be read: {error}", path.display()))?;
    tls::certificates(&pem)
        .map(drop)
        .ok_or_else(|| format!("names {}, which holds no certificate", path.display()))
}
