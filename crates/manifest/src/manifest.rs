//! A deployment manifest and its parts.

mod agent;
mod graph;
mod hub;
mod read;
mod reader;
mod twin_limits;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value as Json;

pub(crate) use self::read::read;
use crate::problem::Problem;
use crate::route::{Route, RoutedMessage, Sink};
use crate::source_text::SourceText;

/// What an Edge device is to run and how messages flow on it: schema 1.0 and 1.1 for `$edgeAgent`, 1.0 to 1.3 for
/// `$edgeHub`.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Whether it only adds to what other deployments say, by keys like `properties.desired.modules.NAME`. Such a
    /// manifest need not be complete.
    pub layered: bool,
    /// The modules.
    pub agent: Agent,
    /// The routes.
    pub hub: Hub,
    /// The desired properties of every twin the manifest sets, `$edgeAgent` and `$edgeHub` among them.
    pub desired: BTreeMap<String, Json>,
}

/// `$edgeAgent`.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// None in a layered manifest that leaves it out.
    pub schema_version: Option<SchemaVersion>,
    /// The modules in the order of the document, system modules first.
    pub modules: Vec<Module>,
}

/// A module and how it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its id. `edgeAgent` and `edgeHub` for the system modules, whose identities are `$edgeAgent` and `$edgeHub`.
    pub name: String,
    /// Whether it is one of those two.
    pub is_system: bool,
    /// Free text.
    pub version: Option<String>,
    /// The image, with the tag `latest` when there is none.
    pub image: String,
    /// The container's create options, `{}` when there are none.
    pub create_options: Json,
    /// Its environment, in the order of the document.
    pub env: Vec<(String, String)>,
    /// Whether it should run.
    pub status: Status,
    /// When to start it again.
    pub restart_policy: RestartPolicy,
    /// When to pull its image.
    pub image_pull_policy: ImagePullPolicy,
    /// Smaller starts first; nobody waits for anybody to be healthy.
    pub startup_order: u32,
}

/// Whether a module should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// `running`
    #[default]
    Running,
    /// `stopped`
    Stopped,
}

/// When a module that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// `never`
    Never,
    /// `on-failure`: when it exits with a code other than zero.
    OnFailure,
    /// `on-unhealthy`: when it fails, or its health check does. The default of modules.
    #[default]
    OnUnhealthy,
    /// `always`: the default of `edgeHub`.
    Always,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImagePullPolicy {
    /// `on-create`
    #[default]
    OnCreate,
    /// `never`
    Never,
}

/// `$edgeHub`.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    /// None in a layered manifest that leaves it out.
    pub schema_version: Option<SchemaVersion>,
    /// The routes in the order of the document.
    pub routes: Vec<NamedRoute>,
    /// How long messages wait for their way.
    pub store_and_forward: StoreAndForward,
}

/// A route under its name.
#[derive(Clone, Debug)]
pub struct NamedRoute {
    /// The key in `routes`.
    pub name: String,
    /// The route as written.
    pub text: String,
    /// The route.
    pub route: Route,
    /// 0 is first and 9 is last. [`NamedRoute::DEFAULT_PRIORITY`] comes after all of them.
    pub priority: u32,
    /// How long its messages wait, when not as long as all others.
    pub time_to_live: Option<Duration>,
}

/// How messages are kept while they cannot be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreAndForward {
    /// How long they are kept. None is for ever.
    pub time_to_live: Option<Duration>,
    /// How much is kept before edgeHub takes no more.
    pub max_size_bytes: Option<u64>,
}

/// A schema version, as `1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaVersion {
    /// Before the dot.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

/// What a module listens to and speaks on, from its `module.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its inputs. None when it does not say.
    pub inputs: Option<Vec<String>>,
    /// Its outputs. None when it does not say.
    pub outputs: Option<Vec<String>>,
}

/// A manifest that was read, and everything there is to say about it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The manifest, unless there is an error among the problems.
    pub manifest: Option<Manifest>,
    /// All problems, in the order of the document.
    pub problems: Vec<Problem>,
}

impl Manifest {
    /// Reads a deployment manifest: a document with `modulesContent`, or with `content.modulesContent` as automatic
    /// deployments have it.
    pub fn read(text: &str) -> Reading {
        read(&SourceText::plain(text), &BTreeMap::new(), false)
    }

    /// The same, knowing what modules listen to and speak on.
    pub fn read_knowing(text: &str, interfaces: &BTreeMap<String, Interface>) -> Reading {
        read(&SourceText::plain(text), interfaces, false)
    }

    /// A module by its name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.agent.modules.iter().find(|module| module.name == name)
    }
}

impl Agent {
    /// Reads the desired properties of `$edgeAgent` alone, as a twin holds them.
    ///
    /// # Errors
    /// Everything for which edgeAgent would refuse them.
    pub fn read(desired: &str) -> Result<Self, Vec<Problem>> {
        read::agent(desired)
    }
}

impl Module {
    /// The order of a module that has none.
    pub const LAST: u32 = u32::MAX;
}

impl NamedRoute {
    /// What edgeHub gives a route without a priority.
    pub const DEFAULT_PRIORITY: u32 = 2_000_000_000;
}

impl Hub {
    /// The routes a message takes: of those that match, one for each sink, the one with the first priority.
    pub fn take<'a, M: RoutedMessage + ?Sized>(&'a self, message: &M) -> Vec<&'a NamedRoute> {
        let mut taken: Vec<&NamedRoute> = Vec::new();
        for route in self
            .routes
            .iter()
            .filter(|route| route.route.matches(message))
        {
            let sink: &Sink = route.route.sink();
            match taken.iter_mut().find(|known| known.route.sink() == sink) {
                Some(known) if route.priority < known.priority => *known = route,
                Some(_) => {}
                None => taken.push(route),
            }
        }
        taken
    }
}

impl Default for StoreAndForward {
    /// edgeHub's own: two hours.
    fn default() -> Self {
        Self {
            time_to_live: Some(Duration::from_secs(7200)),
            max_size_bytes: None,
        }
    }
}

impl Reading {
    /// Whether there is an error among the problems.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
