//! Deployment manifests: what an IoT Edge device is told to run, and how messages flow on it.
//!
//! [`template`] makes a manifest out of `deployment.template.json` for an architecture, [`Manifest`] reads one and says
//! everything that is wrong or odd about it, [`route`] is edgeHub's route language, [`scalar`] what it computes as the hub's
//! queries do, [`create_options`] cuts and joins the strings a twin can hold.
//!
//! It is *not* the runtime: nothing here starts a container, keeps a twin or moves a message; and it does no IO, the
//! files and variables a template asks for come in through [`template::Surroundings`].
//!
//! **Invariant:** a route compiles here exactly when edgeHub compiles it, and then takes the same messages; the one
//! exception, `twin_change_includes`, has a warning of its own. A problem is reported at the line and column where a
//! person wrote it, all problems at once.

pub mod create_options;
mod excerpt;
mod manifest;
mod node;
mod place;
mod position;
mod problem;
pub mod route;
pub mod scalar;
mod source_text;
mod suggest;
pub mod template;

pub use self::excerpt::excerpt;
pub use self::manifest::{
    Agent, Hub, ImagePullPolicy, Interface, Manifest, Module, NamedRoute, Reading, RestartPolicy,
    SchemaVersion, Status, StoreAndForward,
};
pub use self::place::position_of;
pub use self::position::Position;
pub use self::problem::{Problem, Severity};
pub use self::suggest::closest;
