//! `cow dps`: enrolments of the simulated Device Provisioning Service, and what came of them.

mod enrol;
mod setup_code;
mod show;

use clap::Subcommand;
use hub_proto::dps::registration::RegistrationId;
use serde_json::Value;

use crate::control::{Control, ControlArgs};
use crate::enrolment_arg;
use crate::output::{self, JsonArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add and remove enrolment groups: one key or one certificate authority for many devices
    #[command(subcommand)]
    Group(Group),
    /// Add and remove individual enrolments
    #[command(subcommand)]
    Enrollment(Enrollment),
    /// Print the key that a device of a group signs in with
    #[command(
        name = "derive-key",
        after_help = "The device gets this key, never the group's. To put it on a card: cow image prepare --group NAME"
    )]
    DeriveKey {
        /// Name of the group
        #[arg(value_parser = enrolment_arg::group)]
        group: String,
        /// Registration id of the device: its board serial, for a bay
        id: RegistrationId,
        #[command(flatten)]
        asking: Asking,
    },
    /// Print what makes a device one of a group, to be pasted into the device's own page or scanned there
    #[command(
        name = "setup-code",
        after_help = "It holds the device's key. As a picture: cow dps setup-code stock ID | qrencode -t utf8"
    )]
    SetupCode {
        /// Name of the group
        #[arg(value_parser = enrolment_arg::group)]
        group: String,
        /// Registration id of the device: its board serial, for a bay
        id: RegistrationId,
        #[command(flatten)]
        asking: Asking,
    },
    /// List the id scope, the groups and the individual enrolments
    List {
        #[command(flatten)]
        asking: Asking,
    },
    /// List which devices have registered, and which hub they were given
    Registrations {
        /// Only devices of this group
        #[arg(long, value_name = "NAME", value_parser = enrolment_arg::group)]
        group: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Say what a device presented, which enrolment matched it, and why it was refused
    Explain {
        /// Registration id of the device
        id: RegistrationId,
        /// How many attempts to show, newest first
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
        last: u16,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// Add an enrolment group, or replace it
    #[command(after_help = "\
Examples:
  cow dps group add stock --edge
  cow dps group add north --edge --tags '{\"site\": \"north\"}'
  cow dps group add factory --x509-ca intermediate.pem")]
    Add {
        /// Name of the group
        #[arg(value_parser = enrolment_arg::group)]
        name: String,
        /// Certificate, in PEM, of the authority that signs the devices' certificates, instead of keys
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "secondary_key"])]
        x509_ca: Option<std::path::PathBuf>,
        #[command(flatten)]
        terms: Box<enrol::TermsArgs>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove a group; devices that have registered keep their hub
    Remove {
        /// Name of the group
        #[arg(value_parser = enrolment_arg::group)]
        name: String,
        #[command(flatten)]
        control: ControlArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enrollment {
    /// Add an individual enrolment, or replace it
    #[command(after_help = "\
Examples:
  cow dps enrollment add pump7
  cow dps enrollment add 10000000b0b00001 --edge --device-id bay-north-1
  cow dps enrollment add pump8 --x509 pump8.pem")]
    Add {
        /// Registration id of the device
        id: RegistrationId,
        /// The device's certificate, in PEM, instead of keys
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "secondary_key"])]
        x509: Option<std::path::PathBuf>,
        /// What the device is called in the hub; its registration id when left out
        #[arg(long, value_name = "ID")]
        device_id: Option<String>,
        #[command(flatten)]
        terms: Box<enrol::TermsArgs>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove an individual enrolment; a device that has registered keeps its hub
    Remove {
        /// Registration id of the device
        id: RegistrationId,
        #[command(flatten)]
        control: ControlArgs,
    },
}

/// Whom to ask, and how to print the answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Group(Group::Add {
            name,
            x509_ca,
            terms,
            asking,
        }) => {
            let group = terms.group(&name, x509_ca.as_deref())?;
            put(
                &["dps", "groups", &name],
                &serde_json::to_value(group)?,
                asking,
            )
            .await
        }
        Command::Enrollment(Enrollment::Add {
            id,
            x509,
            device_id,
            terms,
            asking,
        }) => {
            let enrollment = terms.individual(id.clone(), device_id, x509.as_deref())?;
            let path = ["dps", "enrollments", id.as_str()];
            put(&path, &serde_json::to_value(enrollment)?, asking).await
        }
        Command::Group(Group::Remove { name, control }) => {
            let control = Control::new(control);
            Ok(control.delete(&["dps", "groups", &name]).await?)
        }
        Command::Enrollment(Enrollment::Remove { id, control }) => {
            let control = Control::new(control);
            Ok(control.delete(&["dps", "enrollments", id.as_str()]).await?)
        }
        Command::DeriveKey { group, id, asking } => {
            let path = ["dps", "groups", &group, "keys", id.as_str()];
            let derived = Control::new(asking.control).get(&path).await?;
            if asking.json.json {
                output::document(&derived, asking.json)
            } else {
                output::line(derived["key"].as_str().unwrap_or_default())
            }
        }
        Command::SetupCode { group, id, asking } => {
            setup_code::print(&Control::new(asking.control), &group, &id, asking.json).await
        }
        Command::List { asking } => {
            let overview = Control::new(asking.control).get(&["dps"]).await?;
            show::overview(&overview, asking.json)
        }
        Command::Registrations { group, asking } => {
            let query: Vec<_> = group
                .as_deref()
                .map(|group| ("group", group))
                .into_iter()
                .collect();
            let control = Control::new(asking.control);
            let found = control.find(&["dps", "registrations"], &query).await?;
            show::each(&found, asking.json, show::registration)
        }
        Command::Explain { id, last, asking } => {
            let control = Control::new(asking.control);
            let query = [("registrationId", id.as_str())];
            let attempts = control.find(&["dps", "attempts"], &query).await?;
            let Value::Array(mut attempts) = attempts else {
                return Ok(());
            };
            if attempts.is_empty() && !asking.json.json {
                return output::line(&format!(
                    "{id} has not tried to register since the simulator was started"
                ));
            }
            attempts.truncate(last.into());
            show::each(&attempts.into(), asking.json, show::attempt)
        }
    }
}

async fn put(path: &[&str], document: &Value, asking: Asking) -> anyhow::Result<()> {
    let kept = Control::new(asking.control).put(path, document).await?;
    if asking.json.json {
        output::document(&kept, asking.json)
    } else {
        output::line(&show::enrolment(&kept))
    }
}
