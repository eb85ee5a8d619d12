//! Events over AMQP 1.0: a connection that reads partitions from where it is told.

use service_client::events::{Event, EventEndpoint, Position};

use crate::{Place, ProbeError};

const EVENT_HUB: &str = "iothub-ehub-events";

/// A connection that reads.
#[derive(Debug)]
pub struct EventReader(service_client::EventReader);

impl EventReader {
    /// Connects as a reader of a consumer group, which begins with no partition.
    ///
    /// # Errors
    /// When there is nobody, or the key opens nothing.
    pub async fn connect(place: &Place, group: &str) -> Result<Self, ProbeError> {
        let stream = place.connect(place.amqp).await?;
        let key = place.key.to_base64();
        let endpoint = EventEndpoint::new(&place.host, EVENT_HUB, &place.policy, &key);
        let reader = service_client::EventReader::over(stream, &endpoint, group).await?;
        Ok(Self(reader))
    }

    /// Reads a partition as well, from behind an offset or from its beginning.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn attach(
        &mut self,
        partition: usize,
        behind: Option<&str>,
    ) -> Result<(), ProbeError> {
        let position = behind.map_or(Position::Earliest, |offset| {
            Position::Behind(offset.to_owned())
        });
        Ok(self.0.attach(partition, &position, None).await?)
    }

    /// Ends all links, so that partitions can be read anew.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn detach_all(&mut self) -> Result<(), ProbeError> {
        Ok(self.0.detach_all().await?)
    }

    /// The next event, whenever it comes. Safe to drop and ask again.
    ///
    /// # Errors
    /// When the connection or a link ends.
    pub async fn next(&mut self) -> Result<Event, ProbeError> {
        Ok(self.0.next().await?)
    }

    /// Waits for the next event without looking into it; returns its partition.
    ///
    /// # Errors
    /// As [`EventReader::next`].
    pub async fn skip(&mut self) -> Result<usize, ProbeError> {
        Ok(self.0.delivery().await?.partition)
    }
}
