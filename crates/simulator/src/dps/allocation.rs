//! Which hub a device goes to. Pure: the same device gets the same hub as long as its hub is there.

use hub_proto::dps::enrollment::{AllocationPolicy, CustomAllocation, Terms};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::SymmetricKey;
use thiserror::Error;

/// What allocation knows of a linked hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The hub's host name.
    pub(crate) name: String,
    /// Its share of the devices, against those of the others.
    pub(crate) weight: u32,
    /// How far it is from every device.
    pub(crate) latency_ms: u32,
}

/// What the policy says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// This hub.
    Hub(&'a Candidate),
    /// Whatever a webhook says, of these hubs.
    Ask(&'a CustomAllocation, Vec<&'a Candidate>),
}

/// Why no hub could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AllocationFault {
    #[error("no hub of the enrolment is linked to this service")]
    NoHub,
    #[error("the static allocation policy names no hub")]
    NoStaticHub,
    #[error("the hub {0} is not linked to this service")]
    NotLinked(String),
    #[error(
        "A CustomAllocationDefinition is required when the allocation policy is set to 'Custom'"
    )]
    NoWebhook,
}

/// Applies an enrolment's policy; without one, `hashed`.
pub(crate) fn choose<'a>(
    terms: &'a Terms,
    id: &RegistrationId,
    linked: &'a [Candidate],
) -> Result<Choice<'a>, AllocationFault> {
    let named = terms.iot_hubs.as_deref().unwrap_or_default();
    let among: Vec<&Candidate> = linked
        .iter()
        .filter(|hub| named.is_empty() || named.iter().any(|name| is(hub, name)))
        .collect();
    let own = terms
        .iot_hub_host_name
        .as_deref()
        .filter(|name| !name.is_empty());
    // An enrolment of an early version names its hub and no policy.
    let policy = terms.allocation_policy.unwrap_or(match own {
        Some(_) => AllocationPolicy::Static,
        None => AllocationPolicy::Hashed,
    });
    let chosen = match policy {
        AllocationPolicy::Hashed => hashed(id, &among),
        AllocationPolicy::GeoLatency => nearest(id, &among),
        AllocationPolicy::Static => {
            let name = own
                .or(named.first().map(String::as_str))
                .ok_or(AllocationFault::NoStaticHub)?;
            return linked_as(linked, name).map(Choice::Hub);
        }
        AllocationPolicy::Custom => {
            let webhook = terms.custom_allocation_definition.as_ref();
            return Ok(Choice::Ask(
                webhook.ok_or(AllocationFault::NoWebhook)?,
                among,
            ));
        }
    };
    chosen.map(Choice::Hub).ok_or(AllocationFault::NoHub)
}

/// The linked hub of this name.
///
/// # Errors
/// [`AllocationFault::NotLinked`].
pub(crate) fn linked_as<'a>(
    linked: &'a [Candidate],
    name: &str,
) -> Result<&'a Candidate, AllocationFault> {
    linked
        .iter()
        .find(|hub| is(hub, name))
        .ok_or_else(|| AllocationFault::NotLinked(name.to_owned()))
}

fn is(hub: &Candidate, name: &str) -> bool {
    hub.name.eq_ignore_ascii_case(name)
}

/// Rendezvous hashing by weight: each hub draws a number for the device and the best one wins. So a hub that comes
/// takes its share from all others, one that goes leaves its devices to them, and nobody else moves.
fn hashed<'a>(id: &RegistrationId, among: &[&'a Candidate]) -> Option<&'a Candidate> {
    let score = |hub: &Candidate| {
        let name = hub.name.to_ascii_lowercase();
        let drawn = SymmetricKey::from_bytes(name.into_bytes()).sign(id.to_lowercase().as_bytes());
        let (head, _) = drawn.split_first_chunk().expect("32 bytes hold 8");
        // Strictly between 0 and 1, so that its logarithm is finite and below zero.
        let drawn = ((u64::from_be_bytes(*head) >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        f64::from(hub.weight) / -drawn.ln()
    };
    among
        .iter()
        .copied()
        .filter(|hub| hub.weight > 0)
        .max_by(|a, b| score(a).total_cmp(&score(b)))
}

fn nearest<'a>(id: &RegistrationId, among: &[&'a Candidate]) -> Option<&'a Candidate> {
    let least = among.iter().map(|hub| hub.latency_ms).min()?;
    let near: Vec<&Candidate> = among
        .iter()
        .copied()
        .filter(|hub| hub.latency_ms == least)
        .collect();
    hashed(id, &near).or(near.first().copied())
}
