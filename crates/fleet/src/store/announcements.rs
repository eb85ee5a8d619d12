//! Who is told that something changed: pages, streams, and what is kept in memory; in every instance.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::broadcast;

/// The channel of PostgreSQL's `NOTIFY`.
pub(super) const CHANNEL: &str = "cow_fleet";
/// What a slow listener may miss before it is told to look at everything again.
pub(super) const BACKLOG: usize = 1024;
const PAUSE: Duration = Duration::from_secs(1);

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A bay, or what its device says; the id is the bay's.
    Bay,
    /// A device without a bay, or its place in stock; the id is the board's.
    Device,
    /// A booking.
    Booking,
    /// An order or one of its lines.
    Order,
    /// A project or its customer.
    Project,
    /// An alarm.
    Alarm,
    /// A user, a session or a token; the id is the user's.
    User,
    /// Nobody knows what was missed.
    Everything,
}

const WORDS: [(Kind, &str); 8] = [
    (Kind::Bay, "bay"),
    (Kind::Device, "device"),
    (Kind::Booking, "booking"),
    (Kind::Order, "order"),
    (Kind::Project, "project"),
    (Kind::Alarm, "alarm"),
    (Kind::User, "user"),
    (Kind::Everything, "everything"),
];

/// One thing that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What it is.
    pub kind: Kind,
    /// Which one; empty for [`Kind::Everything`].
    pub id: String,
}

impl Kind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = WORDS.iter().find(|(kind, _)| *kind == self);
        known.map_or("everything", |(_, word)| word)
    }
}

impl Announcement {
    pub(super) const fn everything() -> Self {
        Self {
            kind: Kind::Everything,
            id: String::new(),
        }
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.id)
    }
}

impl FromStr for Announcement {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, id) = text.split_once(' ').ok_or(())?;
        let (kind, _) = WORDS.iter().find(|(_, known)| *known == word).ok_or(())?;
        Ok(Self {
            kind: *kind,
            id: id.to_owned(),
        })
    }
}

/// Passes on what PostgreSQL says, for as long as anybody listens. A connection that broke may have missed something.
pub(super) fn listen(address: String, to: broadcast::Sender<Announcement>) {
    tokio::spawn(async move {
        loop {
            if let Err(error) = follow(&address, &to).await {
                tracing::warn!(%error, "the database does not tell of changes; trying again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}

async fn follow(address: &str, to: &broadcast::Sender<Announcement>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(address).await?;
    listener.listen(CHANNEL).await?;
    let _ = to.send(Announcement::everything());
    loop {
        // `None`: the connection broke and was made again.
        let announcement = match listener.try_recv().await? {
            Some(notice) => notice
                .payload()
                .parse()
                .unwrap_or_else(|()| Announcement::everything()),
            None => Announcement::everything(),
        };
        let _ = to.send(announcement);
    }
}
