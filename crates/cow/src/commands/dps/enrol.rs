//! From arguments to the service API's documents.

use std::path::Path;

use hub_proto::dps::enrollment::{
    Attestation, Capabilities, Certificate, CertificatePair, EnrollmentGroup, IndividualEnrollment,
    InitialProperties, InitialTwin, Keys, ProvisioningStatus, ReprovisionPolicy, Terms,
    X509Attestation,
};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::SymmetricKey;
use serde_json::{Map, Value};

use crate::enrolment_arg;
use crate::json_arg;
use crate::output::UsedWrongly;
use crate::pem_file;

/// What groups and individual enrolments have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct TermsArgs {
    /// Primary key, in base64; when left out, the one that is there stays, or the service makes one
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Secondary key, in base64; when left out, the one that is there stays, or the service makes one
    #[arg(long, value_name = "KEY")]
    secondary_key: Option<String>,
    /// Make its devices Edge devices, which run modules
    #[arg(long)]
    edge: bool,
    /// Let nobody register with it
    #[arg(long)]
    disabled: bool,
    /// Tags that a new device's twin begins with
    #[arg(long, value_name = "JSON", value_parser = json_arg::object)]
    tags: Option<Map<String, Value>>,
    /// Desired properties that a new device's twin begins with
    #[arg(long, value_name = "JSON", value_parser = json_arg::object)]
    desired: Option<Map<String, Value>>,
}

impl TermsArgs {
    pub(super) fn group(
        self,
        name: &str,
        authority: Option<&Path>,
    ) -> anyhow::Result<EnrollmentGroup> {
        let signing_certificates = authority.map(certificate).transpose()?;
        let x509 = signing_certificates.map(|pair| X509Attestation {
            signing_certificates: Some(pair),
            ..X509Attestation::default()
        });
        Ok(EnrollmentGroup {
            enrollment_group_id: name.to_owned(),
            terms: self.terms(x509)?,
        })
    }

    pub(super) fn individual(
        self,
        registration_id: RegistrationId,
        device_id: Option<String>,
        own: Option<&Path>,
    ) -> anyhow::Result<IndividualEnrollment> {
        let client_certificates = own.map(certificate).transpose()?;
        let x509 = client_certificates.map(|pair| X509Attestation {
            client_certificates: Some(pair),
            ..X509Attestation::default()
        });
        Ok(IndividualEnrollment {
            registration_id,
            device_id,
            registration_state: None,
            terms: self.terms(x509)?,
        })
    }

    fn terms(self, x509: Option<X509Attestation>) -> anyhow::Result<Terms> {
        let attestation = match x509 {
            Some(x509) => Attestation::X509 {
                x509: Box::new(x509),
            },
            None => Attestation::SymmetricKey {
                symmetric_key: Keys {
                    primary_key: key(self.key)?,
                    secondary_key: key(self.secondary_key)?,
                },
            },
        };
        let initial_twin = (self.tags.is_some() || self.desired.is_some()).then(|| InitialTwin {
            tags: self.tags,
            properties: self.desired.map(|desired| InitialProperties {
                desired: Some(desired),
            }),
        });
        Ok(Terms {
            capabilities: Some(Capabilities {
                iot_edge: self.edge,
            }),
            initial_twin,
            provisioning_status: if self.disabled {
                ProvisioningStatus::Disabled
            } else {
                ProvisioningStatus::Enabled
            },
            // What the service's own pages choose. Without any, a device would stay where it first was.
            reprovision_policy: Some(ReprovisionPolicy {
                update_hub_assignment: true,
                migrate_device_data: true,
            }),
            ..Terms::new(attestation)
        })
    }
}

/// Read here and not by the argument parser, which repeats what it cannot read.
fn key(text: Option<String>) -> Result<Option<SymmetricKey>, UsedWrongly> {
    let read = text.map(|text| enrolment_arg::key(&text));
    read.transpose().map_err(|error| {
        UsedWrongly(format!(
            "what --key or --secondary-key gives is wrong: {error}"
        ))
    })
}

fn certificate(path: &Path) -> anyhow::Result<CertificatePair> {
    Ok(CertificatePair {
        primary: Some(Certificate {
            certificate: Some(pem_file::read(path)?),
            info: None,
        }),
        secondary: None,
    })
}
