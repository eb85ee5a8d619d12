//! Where a container's image comes from: it is there already, or it is pulled, or this program stands in for it.

use std::fmt;
use std::io;
use std::path::Path;

use bollard::auth::DockerCredentials;
use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::fault::{is_missing, reason};
use super::tar::{self, Kind};
use super::{Engine, OWNER};

/// Where the program lies in the image made from it.
const PROGRAM: &str = "/bin/cow";

/// Whose directories for state are in that image, as in those that are built.
const USER: u32 = 1000;

/// The resolver of a program that is linked statically reads these, where a distribution has them: first the names the
/// engine is told of, and of each name all addresses, because the hub of this machine is one more `localhost`.
const RESOLVER: [(&str, &str); 2] = [
    ("etc/host.conf", "multi on\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// Read of the program at once.
const CHUNK: usize = 256 * 1024;

/// What to do when an image is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The session's program stands in for it, with these arguments.
    StandIn(Vec<String>),
    /// It is pulled from its registry.
    Pull(Option<Credentials>),
    /// It is not to be pulled: `imagePullPolicy` is `never`.
    Refuse,
}

/// What a registry asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The registry's host name.
    pub address: String,
    /// Who asks.
    pub username: String,
    /// The secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} at {})", self.username, self.address)
    }
}

/// Why there is no image to run.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is not there, and is not to be pulled.
    #[error(
        "the image {0} is not on this machine, and its imagePullPolicy is never: build it under that name, or load it (docker load)"
    )]
    Absent(String),
    /// It is not there, and cannot be pulled.
    #[error(
        "the image {image} is not on this machine and cannot be pulled ({reason}): build it under that name, or load it (docker load)"
    )]
    Pull {
        /// Its name.
        image: String,
        /// What the engine says.
        reason: String,
    },
    /// The program that is to stand in for it cannot be made an image.
    #[error(
        "the image {image} is not on this machine, and none can be made to stand in for it: {reason}"
    )]
    StandIn {
        /// Its name.
        image: String,
        /// What the engine says.
        reason: String,
    },
    /// The engine does not say whether it is there.
    #[error("the container engine does not say whether it has the image {image}: {reason}")]
    Unknown {
        /// Its name.
        image: String,
        /// What it says instead.
        reason: String,
    },
}

/// An image to create a container from.
#[derive(Debug)]
pub(crate) struct Provided {
    pub(crate) image: String,
    /// What the image is to be started with, where that is not its own.
    pub(crate) entrypoint: Option<Vec<String>>,
}

impl Engine {
    /// Has an image ready, so that a container can be created from it.
    ///
    /// # Errors
    /// Why it cannot be had, with the cure.
    pub async fn prepare(&self, image: &str, absent: &Absent) -> Result<(), ImageError> {
        self.provide(image, absent).await.map(drop)
    }

    pub(crate) async fn provide(
        &self,
        image: &str,
        absent: &Absent,
    ) -> Result<Provided, ImageError> {
        let provided = |image: &str, entrypoint| Provided {
            image: image.to_owned(),
            entrypoint,
        };
        match self.docker().inspect_image(image).await {
            Ok(_) => return Ok(provided(image, None)),
            Err(error) if is_missing(&error) => {}
            Err(error) => {
                return Err(ImageError::Unknown {
                    image: image.to_owned(),
                    reason: reason(&error),
                });
            }
        }
        match absent {
            Absent::StandIn(arguments) => {
                let made = self.stand_in().await;
                let made = made.map_err(|error| ImageError::StandIn {
                    image: image.to_owned(),
                    reason: reason(&error),
                })?;
                tracing::info!(
                    image,
                    "This program stands in for an image that is not here"
                );
                let program = std::iter::once(PROGRAM.to_owned());
                Ok(provided(
                    &made,
                    Some(program.chain(arguments.iter().cloned()).collect()),
                ))
            }
            Absent::Pull(credentials) => {
                tracing::info!(image, "Pulling an image");
                let pulled = self.pull(image, credentials.as_ref()).await;
                pulled.map_err(|error| ImageError::Pull {
                    image: image.to_owned(),
                    reason: reason(&error),
                })?;
                Ok(provided(image, None))
            }
            Absent::Refuse => Err(ImageError::Absent(image.to_owned())),
        }
    }

    async fn pull(&self, image: &str, credentials: Option<&Credentials>) -> Result<(), Error> {
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        let credentials = credentials.map(|credentials| DockerCredentials {
            username: Some(credentials.username.clone()),
            password: Some(credentials.password.clone()),
            serveraddress: Some(credentials.address.clone()),
            ..DockerCredentials::default()
        });
        let progress = self.docker().create_image(Some(options), None, credentials);
        progress.try_for_each(|_| async { Ok(()) }).await
    }

    /// The image made from the session's program; made once.
    async fn stand_in(&self) -> Result<String, Error> {
        let mut made = self.0.stand_in.lock().await;
        if let Some(image) = &*made {
            return Ok(image.clone());
        }
        let session = &self.0.session;
        let image = format!("{}:this", session.name.to_lowercase());
        let changes = vec![
            format!("LABEL {OWNER}=\"{}\"", session.owner.display()),
            format!("USER {USER}:{USER}"),
            format!("ENTRYPOINT [\"{PROGRAM}\"]"),
        ];
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(&session.name.to_lowercase())
            .tag("this")
            .changes(changes)
            .build();
        let archive = body_try_stream(archive(&session.program).await?);
        let progress = self
            .docker()
            .create_image(Some(options), Some(archive), None);
        progress.try_for_each(|_| async { Ok(()) }).await?;
        Ok(made.insert(image).clone())
    }
}

/// The root of an image of one program, with the directories that modules write to.
async fn archive(program: &Path) -> io::Result<impl Stream<Item = io::Result<Bytes>> + use<>> {
    let file = File::open(program).await?;
    let size = file.metadata().await?.len();
    let mut head = Vec::new();
    for (path, mode, owner) in [
        ("bin/", 0o755, 0),
        ("etc/", 0o755, 0),
        ("run/", 0o755, 0),
        ("tmp/", 0o1777, 0),
        ("var/", 0o755, 0),
        ("var/lib/", 0o755, 0),
        ("var/lib/bay/", 0o755, USER),
    ] {
        head.extend(tar::header(path, Kind::Directory, mode, owner));
    }
    for (path, text) in RESOLVER {
        let size = text.len() as u64;
        head.extend(tar::header(path, Kind::File { size }, 0o644, 0));
        head.extend(text.as_bytes());
        head.resize(head.len() + tar::padding(size), 0);
    }
    let path = PROGRAM.trim_start_matches('/');
    head.extend(tar::header(path, Kind::File { size }, 0o755, 0));
    let mut tail = vec![0; tar::padding(size)];
    tail.extend(tar::END);
    let content = stream::try_unfold(file.take(size), |mut file| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = (&mut file)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)
            .await?;
        Ok((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let around = |bytes: Vec<u8>| stream::once(async move { Ok(Bytes::from(bytes)) });
    Ok(around(head).chain(content).chain(around(tail)))
}
