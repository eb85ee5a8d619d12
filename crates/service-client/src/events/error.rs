//! Why events cannot be read, one variant for each thing a caller could do something about.

use super::endpoint::EndpointError;
use super::value::Value;

/// Why events cannot be read, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The connection string is none.
    #[error("the event endpoint's connection string cannot be used")]
    Endpoint(#[from] EndpointError),
    /// There is no connection, or no longer one.
    #[error("no connection to the event endpoint")]
    Connection(#[source] transport::Error),
    /// The key opens nothing.
    #[error("the event endpoint refused the policy's key")]
    Unauthorized,
    /// Another reader, with a higher epoch, reads this partition.
    #[error("partition {partition} is read by somebody else: {description}")]
    Stolen {
        /// Which partition.
        partition: usize,
        /// What the endpoint says.
        description: String,
    },
    /// There is no such place in the partition: an offset of another hub, or of this one before it was made anew.
    #[error("partition {partition} has no such position: {description}")]
    Position {
        /// Which partition.
        partition: usize,
        /// What the endpoint says.
        description: String,
    },
    /// A partition's link was ended.
    #[error("the link to partition {partition} was ended: {condition} {description}")]
    Link {
        /// Which partition.
        partition: usize,
        /// AMQP's word for it.
        condition: String,
        /// What the endpoint says.
        description: String,
    },
    /// The whole connection was ended.
    #[error("the event endpoint ended the connection: {condition} {description}")]
    Ended {
        /// AMQP's word for it.
        condition: String,
        /// What the endpoint says.
        description: String,
    },
    /// A question about the event hub was refused.
    #[error("the event endpoint refused a question: {status} {description}")]
    Refused {
        /// In HTTP's numbers.
        status: i64,
        /// What the endpoint says.
        description: String,
    },
    /// The other side does not speak AMQP as it should.
    #[error("the event endpoint broke the protocol: {0}")]
    Protocol(&'static str),
}

impl EventsError {
    pub(super) fn ended(error: Option<&Value>) -> Self {
        let (condition, description) = texts(error);
        Self::Ended {
            condition,
            description,
        }
    }

    pub(super) fn link(partition: usize, error: Option<&Value>) -> Self {
        let (condition, description) = texts(error);
        match condition.as_str() {
            "amqp:link:stolen" => Self::Stolen {
                partition,
                description,
            },
            "com.microsoft:argument-error" | "com.microsoft:argument-out-of-range" => {
                Self::Position {
                    partition,
                    description,
                }
            }
            _ => Self::Link {
                partition,
                condition,
                description,
            },
        }
    }
}

impl From<std::io::Error> for EventsError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
        Self::Connection(match error.kind() {
            ConnectionReset | UnexpectedEof => transport::Error::Closed,
            _ => transport::Error::Broken(error),
        })
    }
}

/// AMQP's word for an error, and a sentence.
fn texts(error: Option<&Value>) -> (String, String) {
    let fields = error.map(Value::fields).unwrap_or_default();
    let text = |index: usize| {
        let text = fields.get(index).and_then(Value::text);
        text.unwrap_or_default().chars().take(500).collect()
    };
    (text(0), text(1))
}
