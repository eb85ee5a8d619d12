//! From a manifest's create options to what the engine is asked for. Pure.
//!
//! As edgeAgent does, the options are taken as they are, and what makes a container a module is added: its environment,
//! its network with the edge hub's name, what is mounted. Three things are changed: paths and volumes of the machine that
//! is played become what stands for them here, and the engine neither restarts nor removes the container by itself,
//! because the runner does.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, MountType, RestartPolicy,
    RestartPolicyNameEnum,
};
use serde_json::Value;

use super::spec::{Host, Stand, Wishes};

/// What the Edge runtime calls the network of its containers.
const EDGE_NETWORK: &str = "azure-iot-edge";

/// Create options that the engine would not understand.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("create option {place}: {reason}")]
pub struct OptionsError {
    /// Which, as `HostConfig.Memory`.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What to ask of the engine.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) create: ContainerCreateBody,
    /// Named volumes that have to be there, by the engine's names and the manifest's.
    pub(crate) volumes: Vec<(String, String)>,
    /// Networks to connect to, beside the one it is created in.
    pub(crate) networks: Vec<(String, EndpointSettings)>,
}

/// Around the options: what the engine's session gives every container.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) network: &'a str,
    pub(crate) labels: HashMap<String, String>,
    /// Whom private paths belong to, where that is not root.
    pub(crate) keeper: Option<(u32, u32)>,
}

pub(crate) fn body(
    options: &Value,
    wishes: &Wishes,
    frame: Frame<'_>,
) -> Result<Body, OptionsError> {
    let mut create = read(options)?;
    create.env = Some(environment(create.env.take(), &wishes.env));
    create.labels.get_or_insert_default().extend(frame.labels);
    let endpoints = create.networking_config.take();
    let mut host = create.host_config.take().unwrap_or_default();
    let mut mounted = Mounted::default();
    mounted.translate(&wishes.host, &mut host);
    mounted.add(wishes, &mut host);
    host.restart_policy = Some(RestartPolicy {
        name: Some(RestartPolicyNameEnum::NO),
        maximum_retry_count: None,
    });
    host.auto_remove = Some(false);
    if let Some((user, group)) = frame.keeper
        && mounted.is_private
        && is_root(create.user.as_deref())
    {
        create.user = Some(format!("{user}:{group}"));
    }

    let mut endpoints = endpoints
        .and_then(|config| config.endpoints_config)
        .unwrap_or_default();
    let own = endpoints.remove(EDGE_NETWORK).unwrap_or_default();
    let mode = host.network_mode.as_deref().unwrap_or_default();
    if matches!(mode, "" | "default" | EDGE_NETWORK) {
        host.network_mode = Some(frame.network.to_owned());
        let endpoint = endpoints.entry(frame.network.to_owned()).or_insert(own);
        let aliases = endpoint.aliases.get_or_insert_default();
        aliases.extend(wishes.aliases.iter().cloned());
    }
    let mode = host.network_mode.clone().unwrap_or_default();
    // Who shares the network of another container, or has none, has no names of its own.
    if mode != "none" && !mode.starts_with("container:") {
        let names = wishes.names.iter();
        let names = names.map(|(name, address)| format!("{name}:{address}"));
        host.extra_hosts.get_or_insert_default().extend(names);
    }
    // Engines before 1.44 of the API take one network when a container is created.
    let first = endpoints.remove_entry(&mode);
    create.networking_config = first.map(|(name, endpoint)| bollard::models::NetworkingConfig {
        endpoints_config: Some(HashMap::from([(name, endpoint)])),
    });
    create.host_config = Some(host);
    Ok(Body {
        create,
        volumes: mounted.volumes,
        networks: endpoints.into_iter().collect(),
    })
}

fn read(options: &Value) -> Result<ContainerCreateBody, OptionsError> {
    let create: ContainerCreateBody =
        serde_path_to_error::deserialize(options).map_err(|error| OptionsError {
            place: error.path().to_string(),
            reason: error.into_inner().to_string(),
        })?;
    // The engine would take a misspelt option for none, and a container might run with more rights than it was to have.
    let understood = serde_json::to_value(&create).unwrap_or_default();
    match lost(options, &understood) {
        None => Ok(create),
        Some(place) => Err(OptionsError {
            place,
            reason: "the engine knows no such option; names are written with capitals, as in HostConfig.CapDrop"
                .to_owned(),
        }),
    }
}

/// The first place at which something was said and nothing is left.
fn lost(said: &Value, understood: &Value) -> Option<String> {
    let named = |name: &str, deeper: String| match deeper.as_str() {
        "" => name.to_owned(),
        deeper => format!("{name}.{deeper}"),
    };
    match (said, understood) {
        (Value::Object(said), Value::Object(understood)) => said
            .iter()
            .filter(|(_, value)| !value.is_null())
            .find_map(|(name, value)| match understood.get(name) {
                None => Some(name.clone()),
                Some(other) => lost(value, other).map(|deeper| named(name, deeper)),
            }),
        (Value::Array(said), Value::Array(understood)) => said
            .iter()
            .zip(understood)
            .enumerate()
            .find_map(|(at, (value, other))| {
                lost(value, other).map(|deeper| named(&at.to_string(), deeper))
            }),
        _ => None,
    }
}

/// Of a name given twice the later value holds; which of two an image's program would see is its own affair.
fn environment(said: Option<Vec<String>>, more: &[(String, String)]) -> Vec<String> {
    let said = said.into_iter().flatten();
    let more = more.iter().map(|(name, value)| format!("{name}={value}"));
    let name_of = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut environment: Vec<String> = Vec::new();
    for variable in said.chain(more) {
        let name = name_of(&variable);
        environment.retain(|earlier| name_of(earlier) != name);
        environment.push(variable);
    }
    environment
}

fn is_root(user: Option<&str>) -> bool {
    let user = user.unwrap_or_default().split(':').next();
    matches!(user, Some("" | "0" | "root"))
}

#[derive(Debug, Default)]
struct Mounted {
    volumes: Vec<(String, String)>,
    targets: Vec<String>,
    is_private: bool,
}

impl Mounted {
    /// Has the host's paths and volumes be those that stand for them.
    fn translate(&mut self, machine: &Host, host: &mut HostConfig) {
        let binds = host.binds.take().into_iter().flatten();
        let binds = binds.filter_map(|bind| {
            let (source, rest) = bind.split_once(':')?;
            let target = rest.split(':').next().unwrap_or_default();
            let source = self.source(machine, source)?;
            self.targets.push(target.to_owned());
            Some(format!("{source}:{rest}"))
        });
        let binds: Vec<String> = binds.collect();
        host.binds = Some(binds);
        for mut mount in host.mounts.take().into_iter().flatten() {
            let known = matches!(mount.typ, Some(MountType::BIND | MountType::VOLUME));
            if let Some(source) = mount
                .source
                .as_deref()
                .filter(|name| known && !name.is_empty())
            {
                let Some(source) = self.source(machine, source) else {
                    continue;
                };
                mount.source = Some(source);
            }
            self.targets.extend(mount.target.clone());
            host.mounts.get_or_insert_default().push(mount);
        }
    }

    /// What a bind or mount has to name instead; nothing where the machine has no such thing.
    fn source(&mut self, machine: &Host, source: &str) -> Option<String> {
        if !source.starts_with('/') {
            let name = format!("{}{source}", machine.volume_prefix);
            self.volumes.push((name.clone(), source.to_owned()));
            return Some(name);
        }
        match machine.stand(Path::new(source)) {
            None => Some(source.to_owned()),
            Some(Stand::Shared(path)) => Some(path.display().to_string()),
            Some(Stand::Private(path)) => {
                self.is_private = true;
                Some(path.display().to_string())
            }
            Some(Stand::Nothing) => {
                tracing::debug!(source, "The machine has no such thing to mount");
                None
            }
        }
    }

    fn add(&self, wishes: &Wishes, host: &mut HostConfig) {
        let free = wishes.mounts.iter();
        let free = free.filter(|mount| !self.targets.contains(&mount.target));
        let binds = free.map(|mount| {
            let mode = if mount.read_only { ":ro" } else { "" };
            format!("{}:{}{mode}", mount.source.display(), mount.target)
        });
        host.binds.get_or_insert_default().extend(binds);
    }
}

#[cfg(test)]
mod tests;
