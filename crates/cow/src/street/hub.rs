//! The street's simulator: how it is started, and what it begins with.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use hub_proto::dps::enrollment::{
    Attestation, Capabilities, EnrollmentGroup, Keys, ReprovisionPolicy, Terms,
};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::identity::Identity;
use hub_proto::sas::SymmetricKey;
use simulator::{Bridge, EnrollFault, Simulator};

use super::spot::Spot;
use super::{Plan, taken};
use crate::deployment::Deployment;
use crate::place::Place;

pub(super) async fn start(
    plan: &Plan,
    place: &Place,
    bridge: Option<Bridge>,
) -> anyhow::Result<Arc<Simulator>> {
    let kept = place.kept();
    let deployment = plan.deployment.as_ref();
    let options = simulator::Options {
        address: plan.address,
        ports: simulator::Ports {
            mqtt: plan.ports.mqtt,
            https: plan.ports.https,
            amqp: plan.ports.amqp,
        },
        state: kept.map(|kept| kept.join("hub")),
        pki: kept.unwrap_or(place.private()).join("pki"),
        run: place.private().join("run"),
        hosts: plan.hosts.clone(),
        bridge,
        more_hubs: plan.linked_hubs.clone(),
        routing: plan.routing.clone(),
        // What an Edge device runs that the provisioning service makes.
        default_deployment: deployment.map(|deployment| deployment.content.clone()),
        ..simulator::Options::in_directory(place.private())
    };
    let in_bridge = options.bridge.as_ref().map(|bridge| bridge.address);
    match Simulator::start(options).await {
        Ok(simulator) => Ok(simulator),
        Err(simulator::StartError::Bind { address, source })
            if Some(address.ip()) == in_bridge && source.kind() == ErrorKind::AddrNotAvailable =>
        {
            Err(anyhow!(
                "the container engine's network ends at {}, which is no address of this machine: the engine runs in a \
                 virtual machine, or rootless; use one that shares this machine's network, or run modules as processes",
                address.ip()
            ))
        }
        Err(simulator::StartError::Bind { address, source }) => {
            Err(taken::explain(address, source))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn read_seed(file: PathBuf) -> anyhow::Result<(PathBuf, String)> {
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read the seed {}", file.display()))?;
    Ok((file, text))
}

/// Makes what a seed says.
pub(super) fn plant(simulator: &Simulator, file: &Path, text: &str) -> anyhow::Result<()> {
    let file = file.display();
    match simulator.seed(text) {
        Ok(_) => Ok(()),
        Err(simulator::SeedError::Problems(problems)) => {
            let lines = problems.iter().map(|problem| format!("\n{file}:{problem}"));
            let lines: String = lines.collect();
            Err(anyhow!(
                "the seed changes nothing, because of what it says:{lines}"
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// The enrolment group of boards that are nobody's yet, as the operator's service names and makes it.
const STOCK: &str = "stock";

/// The key a board registers with in stock, which is made where there is none.
pub(super) fn stock_key(
    simulator: &Simulator,
    id: &RegistrationId,
) -> anyhow::Result<SymmetricKey> {
    match simulator.derive_key(STOCK, id) {
        Err(EnrollFault::NotFound(_)) => {
            simulator.enroll_group(stock())?;
            Ok(simulator.derive_key(STOCK, id)?)
        }
        key => Ok(key?),
    }
}

/// Its keys are made by the service. What a device was goes with it to a project and back.
fn stock() -> EnrollmentGroup {
    let keys = Attestation::SymmetricKey {
        symmetric_key: Keys::default(),
    };
    EnrollmentGroup {
        enrollment_group_id: STOCK.to_owned(),
        terms: Terms {
            capabilities: Some(Capabilities { iot_edge: true }),
            reprovision_policy: Some(ReprovisionPolicy {
                update_hub_assignment: true,
                migrate_device_data: true,
            }),
            ..Terms::new(keys)
        },
    }
}

/// Devices whose modules somebody else runs.
pub(super) fn deploy_alone(
    simulator: &Simulator,
    bays: usize,
    deployment: Option<&Deployment>,
) -> anyhow::Result<()> {
    for number in 1..=bays {
        let device = Spot::Bay(number).name();
        if simulator.credentials(&device).is_none() {
            simulator.add_device(&device, true, &[])?;
        }
        let Some(deployment) = deployment else {
            continue;
        };
        simulator.apply_deployment(&device, &deployment.content)?;
        // The workload sockets are there from here on.
        for module in &deployment.modules {
            simulator
                .module_environment(&Identity::module(device.as_str(), module.name.as_str())?)?;
        }
    }
    Ok(())
}
