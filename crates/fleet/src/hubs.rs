//! Several hubs behind one provisioning service: each question goes to the hub that its device is on.
//!
//! Which that is, the provisioning service's records say, which [`crate::stock`] keeps current. A device on a hub that
//! this service was not given is not reached, and whoever asks is told where it is.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;

use crate::hub::{Asked, Call, Hub, HubError, MethodAnswer};
use crate::store::{Store, StoreError};

/// The hubs of this service.
pub struct Hubs {
    store: Store,
    hubs: Vec<Arc<dyn Hub>>,
}

impl Hubs {
    /// Over these, and where the database has its devices.
    #[must_use]
    pub fn new(store: Store, hubs: Vec<Arc<dyn Hub>>) -> Self {
        Self { store, hubs }
    }

    /// Asks the hub that a device is on. Of a device that nobody has placed, or whose hub has another name there, each hub
    /// is asked until one knows it: one that does not has done nothing.
    async fn ask<'a, T, F>(
        &'a self,
        device_id: &str,
        question: impl Fn(&'a dyn Hub) -> F,
    ) -> Result<T, HubError>
    where
        F: Future<Output = Result<T, HubError>>,
    {
        let place = self.place(device_id).await.map_err(HubError::Unplaced)?;
        let place = place.as_deref();
        let named = self.hubs.iter().find(|hub| {
            let hosts = hub.hosts();
            place.is_some_and(|place| hosts.iter().any(|host| is_same(host, place)))
        });
        if let Some(hub) = named {
            return question(&**hub).await;
        }
        for hub in &self.hubs {
            match question(&**hub).await {
                Err(HubError::Unknown) => {}
                answer => return answer,
            }
        }
        Err(match place {
            Some(place) => HubError::Elsewhere {
                hub: place.to_owned(),
            },
            None => HubError::Unknown,
        })
    }

    async fn place(&self, device_id: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> = sqlx::query_as(
            "SELECT hub FROM devices WHERE device_id = $1 OR (device_id IS NULL AND id = $1)",
        )
        .bind(device_id.to_owned())
        .fetch_optional(self.store.reader())
        .await?;
        Ok(row.and_then(|(hub,)| hub))
    }
}

/// Whether both are one host: their case says nothing.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl fmt::Debug for Hubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hubs").field(&self.hosts()).finish()
    }
}

impl Hub for Hubs {
    fn hosts(&self) -> Vec<String> {
        self.hubs.iter().flat_map(|hub| hub.hosts()).collect()
    }

    fn invoke<'a>(&'a self, call: Call<'a>) -> Asked<'a, MethodAnswer> {
        Box::pin(async move {
            let device_id = call.device_id;
            self.ask(device_id, |hub| hub.invoke(call.clone())).await
        })
    }

    fn twin<'a>(
        &'a self,
        device_id: &'a str,
        module_id: Option<&'a str>,
    ) -> Asked<'a, Option<Value>> {
        Box::pin(async move {
            let found = self.ask(device_id, |hub| async move {
                known(hub.twin(device_id, module_id).await)
            });
            found_or_not(found.await)
        })
    }

    fn patch_twin<'a>(
        &'a self,
        device_id: &'a str,
        module_id: Option<&'a str>,
        patch: Value,
    ) -> Asked<'a, ()> {
        Box::pin(async move {
            self.ask(device_id, |hub| {
                hub.patch_twin(device_id, module_id, patch.clone())
            })
            .await
        })
    }

    fn device<'a>(&'a self, device_id: &'a str) -> Asked<'a, Option<Value>> {
        Box::pin(async move {
            let found = self.ask(device_id, |hub| async move {
                known(hub.device(device_id).await)
            });
            found_or_not(found.await)
        })
    }

    fn enable<'a>(&'a self, device_id: &'a str, enabled: bool) -> Asked<'a, ()> {
        Box::pin(async move {
            self.ask(device_id, |hub| hub.enable(device_id, enabled))
                .await
        })
    }

    fn delete<'a>(&'a self, device_id: &'a str) -> Asked<'a, ()> {
        Box::pin(async move { self.ask(device_id, |hub| hub.delete(device_id)).await })
    }
}

/// An absence, as what makes the next hub be asked.
fn known(answer: Result<Option<Value>, HubError>) -> Result<Value, HubError> {
    answer?.ok_or(HubError::Unknown)
}

fn found_or_not(answer: Result<Value, HubError>) -> Result<Option<Value>, HubError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(HubError::Unknown) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
