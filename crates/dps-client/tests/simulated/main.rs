//! The client against the simulated provisioning service: what it really answers, over both protocols.

mod devices;
mod operators;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use dps_client::service::Service;
use dps_client::{Attestation, Endpoint, Limits, Protocol, Registration};
use hub_proto::dps::enrollment::{
    self, EnrollmentGroup, IndividualEnrollment, Keys, ProvisioningStatus, Terms,
};
use hub_proto::sas::SymmetricKey;
use simulator::{Options, Simulator};
use tempfile::TempDir;
use transport::{ClientCertificate, Trust};

const BOTH: [Protocol; 2] = [Protocol::Mqtt, Protocol::Https];

/// A simulator with the ways in for a device and an operator.
struct Bench {
    simulator: Arc<Simulator>,
    trust: Trust,
    _directory: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let simulator = Simulator::start(Options::on_free_ports(directory.path()))
            .await
            .expect("it starts");
        let pem = std::fs::read_to_string(simulator.info().ca_file).expect("a CA");
        Self {
            trust: Trust::only(&pem).expect("a certificate"),
            simulator,
            _directory: directory,
        }
    }

    fn service(&self) -> Service {
        let info = self.simulator.info();
        let text = info.provisioning_service_connection_string;
        Service::from_connection_string(&text, self.trust.clone())
            .expect("a service")
            .with_port(info.https.port())
    }

    fn device(&self, id: &str, attestation: Attestation, protocol: Protocol) -> Registration {
        let info = self.simulator.info();
        Registration {
            global_endpoint: Endpoint::new(info.provisioning_host)
                .with_ports(info.mqtt.port(), info.https.port()),
            trust: self.trust.clone(),
            protocol,
            ..Registration::new(info.id_scope, id.parse().expect("an id"), attestation)
        }
    }

    /// A device with a key.
    fn keyed(&self, id: &str, key: &SymmetricKey, protocol: Protocol) -> Registration {
        self.device(id, Attestation::SymmetricKey(key.clone()), protocol)
    }

    /// A device with a certificate.
    fn certified(&self, id: &str, chain: &str, key: &str, protocol: Protocol) -> Registration {
        let certificate = ClientCertificate::from_pem(chain, key).expect("they belong together");
        self.device(id, Attestation::X509(certificate), protocol)
    }
}

fn limits() -> Limits {
    Limits {
        give_up_after: Duration::from_secs(30),
        back_off_first: Duration::from_millis(50),
        ..Limits::default()
    }
}

fn key(text: &str) -> SymmetricKey {
    SymmetricKey::from_bytes(format!("{text:-<32}"))
}

fn keys(text: &str) -> enrollment::Attestation {
    enrollment::Attestation::SymmetricKey {
        symmetric_key: Keys {
            primary_key: Some(key(text)),
            secondary_key: Some(key(&format!("{text} 2"))),
        },
    }
}

fn enrollment(id: &str, attestation: enrollment::Attestation) -> IndividualEnrollment {
    IndividualEnrollment {
        registration_id: id.parse().expect("an id"),
        device_id: None,
        registration_state: None,
        terms: Terms::new(attestation),
    }
}

fn group(id: &str, attestation: enrollment::Attestation) -> EnrollmentGroup {
    EnrollmentGroup {
        enrollment_group_id: id.to_owned(),
        terms: Terms::new(attestation),
    }
}

fn disabled(terms: &mut Terms) {
    terms.provisioning_status = ProvisioningStatus::Disabled;
}
