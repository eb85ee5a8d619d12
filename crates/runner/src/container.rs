//! One run of a module as a container: made from the manifest's create options, watched, and removed when it has ended.

mod body;
mod spec;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerWaitResponse, NetworkConnectRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::engine::{has_status, is_missing, reason};
use crate::log::{LineCutter, LogLine, LogStream};
use crate::{Engine, Exit, ImageError};
pub use body::OptionsError;
use body::{Frame, body};
pub use spec::{ContainerSpec, Host, Mount, Stand, Wishes};

/// How long what a container printed may take to come after its end.
const OUTPUT_LINGER: Duration = Duration::from_secs(2);

/// Pause before an engine that does not answer is asked again how a container is.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Why a container could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContainerError {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(
        "the container engine cannot make the volume {volume}: {}",
        reason(cause)
    )]
    Volume { volume: String, cause: Error },
    #[error("the container engine does not take the create options: {}{}", reason(.0), cure(.0))]
    Create(Error),
    #[error(
        "the container engine does not connect it to network {network}: {}",
        reason(cause)
    )]
    Connect { network: String, cause: Error },
    #[error("the container engine cannot start it: {}{}", reason(.0), cure(.0))]
    Start(Error),
}

/// What helps, where the engine's words are known. They have been the same for years, but are nobody's promise.
fn cure(error: &Error) -> &'static str {
    let said = reason(error);
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if says(&["port is already allocated", "address already in use"]) {
        " (free that port, or change HostConfig.PortBindings)"
    } else if says(&["error gathering device information", "no such device"]) {
        " (plug the device in, or take it out of HostConfig.Devices)"
    } else if says(&[
        "executable file not found",
        "no such file or directory: unknown",
    ]) {
        " (the image has no such program for this machine: see Entrypoint and Cmd)"
    } else if says(&["exec format error"]) {
        " (the image is for another processor)"
    } else {
        ""
    }
}

/// A started container.
pub(crate) struct Container {
    engine: Engine,
    id: String,
    module: Arc<str>,
    pid: Option<u32>,
    stop_signal: String,
    ends: BoxStream<'static, Result<ContainerWaitResponse, Error>>,
    is_lost: bool,
    outputs: JoinSet<()>,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Container {
    pub(crate) async fn start(
        module: &str,
        spec: &ContainerSpec,
        lines: &broadcast::Sender<LogLine>,
    ) -> Result<Self, ContainerError> {
        let engine = spec.engine.clone();
        let id = create(spec).await?;
        if let Err(error) = engine.docker().start_container(&id, None).await {
            // A container that has never run has nothing to say.
            remove(&engine, &id).await;
            return Err(ContainerError::Start(error));
        }
        let module: Arc<str> = module.into();
        let mut outputs = JoinSet::new();
        outputs.spawn(follow(
            engine.clone(),
            id.clone(),
            module.clone(),
            lines.clone(),
        ));
        // It may have ended already, and then nobody needs to know.
        let inspected = engine.docker().inspect_container(&id, None).await.ok();
        let (state, config) = inspected.map_or((None, None), |found| (found.state, found.config));
        let pid = state.and_then(|state| state.pid);
        Ok(Self {
            pid: pid
                .and_then(|pid| u32::try_from(pid).ok())
                .filter(|pid| *pid > 0),
            stop_signal: config
                .and_then(|config| config.stop_signal)
                .unwrap_or_else(|| "SIGTERM".to_owned()),
            ends: end(&engine, &id),
            is_lost: false,
            engine,
            id,
            module,
            outputs,
        })
    }

    /// The number of its first process, as this machine counts.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Sends it the signal that it or its image asks for.
    pub(crate) async fn terminate(&mut self) {
        let signal = self.stop_signal.clone();
        self.signal(&signal).await;
    }

    /// Ends it.
    pub(crate) async fn kill(&mut self) {
        self.signal("SIGKILL").await;
    }

    async fn signal(&mut self, signal: &str) {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        match self
            .engine
            .docker()
            .kill_container(&self.id, Some(options))
            .await
        {
            Ok(()) => {}
            // It has ended, or is gone.
            Err(error) if is_missing(&error) || has_status(&error, 409) => {}
            Err(error) => {
                let (module, error) = (&*self.module, reason(&error));
                tracing::warn!(module, signal, error, "A container cannot be signalled");
            }
        }
    }

    /// Waits for its end. May be dropped and called again. An engine that goes away meanwhile is waited for: it takes most
    /// containers with it, and says so when it is back.
    pub(crate) async fn wait(&mut self) -> Exit {
        loop {
            let problem = match self.ends.next().await {
                Some(Ok(ended)) => return code(ended.status_code),
                Some(Err(Error::DockerContainerWaitError { code: ended, .. })) => {
                    return code(ended);
                }
                // Somebody has removed it, which the engine does by force.
                Some(Err(error)) if is_missing(&error) => return Exit::Signal(9),
                Some(Err(error)) => reason(&error),
                None => "it stopped answering".to_owned(),
            };
            if !std::mem::replace(&mut self.is_lost, true) {
                let module = &*self.module;
                tracing::warn!(
                    module,
                    problem,
                    "The container engine is lost; waiting for it"
                );
            }
            self.ends = end(&self.engine, &self.id);
            sleep(ASK_AGAIN).await;
        }
    }

    /// Removes it, after what it printed has been passed on.
    pub(crate) async fn finish(mut self) {
        let drained = async { while self.outputs.join_next().await.is_some() {} };
        let _ = timeout(OUTPUT_LINGER, drained).await;
        let inspected = self.engine.docker().inspect_container(&self.id, None).await;
        let state = inspected.ok().and_then(|found| found.state);
        if state.is_some_and(|state| state.oom_killed == Some(true)) {
            let module = &*self.module;
            tracing::warn!(
                module,
                "A container was killed for want of memory: see HostConfig.Memory"
            );
        }
        remove(&self.engine, &self.id).await;
    }
}

async fn create(spec: &ContainerSpec) -> Result<String, ContainerError> {
    let engine = &spec.engine;
    let frame = Frame {
        network: engine.name(),
        labels: engine.labels(),
        keeper: engine.keeper(),
    };
    let mut body = body(&spec.create_options, &spec.wishes, frame)?;
    let provided = engine.provide(&spec.image, &spec.absent).await?;
    body.create.image = Some(provided.image);
    if provided.entrypoint.is_some() {
        body.create.entrypoint = provided.entrypoint;
    }
    for (volume, name) in body.volumes {
        let device = spec
            .wishes
            .host
            .volumes
            .as_ref()
            .map(|volumes| volumes.join(&name));
        if let Some(device) = &device
            && let Err(error) = std::fs::create_dir_all(device)
        {
            let cause = Error::IOError { err: error };
            return Err(ContainerError::Volume { volume, cause });
        }
        let made = engine.make_volume(&volume, device.as_deref()).await;
        made.map_err(|cause| ContainerError::Volume { volume, cause })?;
    }
    let docker = engine.docker();
    let options = CreateContainerOptionsBuilder::new()
        .name(&spec.name)
        .build();
    let made = docker
        .create_container(Some(options.clone()), body.create.clone())
        .await;
    let made = match made {
        // The name is this session's alone: what has it could not be removed when it ended.
        Err(error) if has_status(&error, 409) => {
            remove(engine, &spec.name).await;
            docker.create_container(Some(options), body.create).await
        }
        made => made,
    };
    let made = made.map_err(ContainerError::Create)?;
    for warning in made.warnings {
        let container = spec.name.as_str();
        tracing::warn!(container, warning, "The container engine warns");
    }
    for (network, endpoint) in body.networks {
        let request = NetworkConnectRequest {
            container: made.id.clone(),
            endpoint_config: Some(endpoint),
        };
        if let Err(cause) = docker.connect_network(&network, request).await {
            remove(engine, &made.id).await;
            return Err(ContainerError::Connect { network, cause });
        }
    }
    Ok(made.id)
}

async fn remove(engine: &Engine, id: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
    match engine
        .docker()
        .remove_container(id, Some(options.build()))
        .await
    {
        Ok(()) => {}
        // Somebody else has, or does.
        Err(error) if is_missing(&error) || has_status(&error, 409) => {}
        Err(error) => {
            let error = reason(&error);
            tracing::warn!(container = id, error, "A container cannot be removed now");
        }
    }
}

fn end(engine: &Engine, id: &str) -> BoxStream<'static, Result<ContainerWaitResponse, Error>> {
    // The client borrows itself for as long as it is asked.
    let (docker, id) = (engine.docker().clone(), id.to_owned());
    let ends = async move {
        let options = WaitContainerOptionsBuilder::new().condition("not-running");
        let mut ends = Box::pin(docker.wait_container(&id, Some(options.build())));
        ends.next().await
    };
    futures_util::stream::once(ends)
        .filter_map(std::future::ready)
        .boxed()
}

/// The engine gives 128 + signal for a signal, as shells do.
fn code(status: i64) -> Exit {
    Exit::Code(i32::try_from(status).unwrap_or(i32::MAX))
}

/// Passes on what a container prints, from its start to its end.
async fn follow(engine: Engine, id: String, module: Arc<str>, lines: broadcast::Sender<LogLine>) {
    let options = LogsOptionsBuilder::new()
        .follow(true)
        .stdout(true)
        .stderr(true);
    let mut printed = Box::pin(engine.docker().logs(&id, Some(options.build())));
    let cutter = |stream| LineCutter::new(module.clone(), stream, lines.clone());
    let (mut stdout, mut stderr) = (cutter(LogStream::Stdout), cutter(LogStream::Stderr));
    while let Some(piece) = printed.next().await {
        match piece {
            Ok(LogOutput::StdErr { message }) => stderr.take(&message),
            // A terminal has one output.
            Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                stdout.take(&message);
            }
            Ok(LogOutput::StdIn { .. }) => {}
            Err(error) => {
                let (module, error) = (&*module, reason(&error));
                tracing::warn!(module, error, "What a container prints cannot be had");
                break;
            }
        }
    }
    stdout.end();
    stderr.end();
}
