//! The host's service and the Edge module of one device, in touch by a socket in their state directory.
//!
//! Only the module has a link to the hub and can call the bay's other modules; only the host is there before
//! the device has any identity, and has the portal. So the module opens its desk to the host: how things
//! are, and a test of the parts. Whatever changes the identity is not asked for here: each does that
//! itself, under the journal's lock.
//!
//! A Unix stream socket for its owner only, and one question for each connection: a line, `view` or
//! `test`, answered by one line of JSON. A refusal is `{"refused":{…}}`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bay::message::TestReport;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::desk::{Desk, Refusal};
use crate::view::View;

const SOCKET: &str = "module.sock";
const LONGEST_QUESTION: u64 = 16;
const LONGEST_ANSWER: u64 = 1 << 20;
/// More at once than the one neighbour there is are a mistake.
const MOST: usize = 4;
const VIEW_WITHIN: Duration = Duration::from_secs(2);
/// The longest deadline of a part, and a margin.
const TEST_WITHIN: Duration = Duration::from_secs(75);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer<T> {
    Done(T),
    Refused(Refusal),
}

/// Opens the module's side, which replaces what an earlier process left.
///
/// # Errors
///
/// There can be no socket, for want of rights.
pub fn open(state_dir: &Path) -> io::Result<UnixListener> {
    let place = Place::of(state_dir)?;
    let path = place.socket();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Answers the host, until it is dropped.
pub async fn serve(listener: UnixListener, desk: Desk) {
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if conversations.len() < MOST => match accepted {
                Ok((stream, _)) => {
                    let desk = desk.clone();
                    conversations.spawn(async move {
                        if let Err(error) = answer(stream, &desk).await {
                            debug!(%error, "the host hung up in the middle of a question");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "the host cannot be answered");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = conversations.join_next() => {}
        }
    }
}

async fn answer(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut question = String::new();
    let asked = async {
        let mut limited = (&mut stream).take(LONGEST_QUESTION);
        limited.read_line(&mut question).await
    };
    timeout(VIEW_WITHIN, asked)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let mut line = match question.trim_end() {
        "view" => serde_json::to_vec(&Answer::Done(desk.view()))?,
        "test" => match desk.test().await {
            Ok(report) => serde_json::to_vec(&Answer::Done(report))?,
            Err(refusal) => serde_json::to_vec(&Answer::<TestReport>::Refused(refusal))?,
        },
        _ => return Ok(()),
    };
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}

/// How the module sees things; nothing where there is no module.
pub async fn view(state_dir: PathBuf) -> Option<View> {
    match ask(&state_dir, "view\n", VIEW_WITHIN).await {
        Ok(Answer::Done(view)) => Some(view),
        Ok(Answer::Refused(_)) => None,
        Err(error) => {
            debug!(%error, "the module does not say how it sees things");
            None
        }
    }
}

/// Has the module test the bay's parts.
///
/// # Errors
///
/// There is no module, or it refuses.
pub async fn test(state_dir: PathBuf) -> Result<TestReport, Refusal> {
    match ask(&state_dir, "test\n", TEST_WITHIN).await {
        Ok(Answer::Done(report)) => Ok(report),
        // The number is not in the line, which holds what people are told.
        Ok(Answer::Refused(refusal)) => Err(Refusal {
            status: 503,
            ..refusal
        }),
        Err(error) => {
            debug!(%error, "the module cannot be asked for a test");
            Err(Refusal::new(
                503,
                "no-modules",
                "the bay's parts are out of reach: the Edge runtime has not started the module provisioning here, \
                 which is the one that asks them",
            ))
        }
    }
}

async fn ask<T: DeserializeOwned>(
    state_dir: &Path,
    question: &str,
    within: Duration,
) -> io::Result<T> {
    let asked = async {
        let mut stream = UnixStream::connect(Place::of(state_dir)?.socket()).await?;
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        BufReader::new(stream)
            .take(LONGEST_ANSWER)
            .read_until(b'\n', &mut answer)
            .await?;
        Ok(serde_json::from_slice(&answer)?)
    };
    timeout(within, asked)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The state directory, held open: a socket's address has 107 bytes, and the directory's path may have more. By way of
/// its descriptor it is always short.
struct Place(File);

impl Place {
    fn of(state_dir: &Path) -> io::Result<Self> {
        File::open(state_dir).map(Self)
    }

    fn socket(&self) -> PathBuf {
        format!("/proc/self/fd/{}/{SOCKET}", self.0.as_raw_fd()).into()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::desk::Request;
    use crate::view::LinkState;

    #[tokio::test]
    async fn the_host_asks_the_module() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Longer than the address of a socket may be.
        let state = &directory.path().join("deep/".repeat(30));
        std::fs::create_dir_all(state).expect("a directory");
        assert_eq!(view(state.to_owned()).await, None);
        assert_eq!(
            test(state.to_owned()).await.expect_err("no module").reason,
            "no-modules"
        );

        let seen = View {
            link: LinkState::Connected {
                since: Timestamp::UNIX_EPOCH,
            },
            ..View::default()
        };
        let (desk, mut clerk) = Desk::open(seen.clone());
        // What a killed process leaves behind is replaced.
        drop(open(state).expect("a socket"));
        let served = tokio::spawn(serve(open(state).expect("a socket"), desk));
        assert_eq!(view(state.to_owned()).await, Some(seen));

        let report = TestReport {
            passed: true,
            started_at: Timestamp::UNIX_EPOCH,
            took_ms: 5,
            parts: Vec::new(),
        };
        let refusal = Refusal::new(503, "busy", "later");
        for answer in [Ok(report), Err(refusal)] {
            let asked = tokio::spawn(test(state.to_owned()));
            let Some(Request::Test { answer: waiter }) = clerk.requests.recv().await else {
                panic!("a test was asked for");
            };
            waiter.send(answer.clone()).expect("somebody waits");
            assert_eq!(asked.await.expect("no panic"), answer);
        }
        served.abort();
    }
}
