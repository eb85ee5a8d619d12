//! Enrolments of single devices, and of groups: two collections with the same operations.

use std::borrow::Cow;
use std::marker::PhantomData;

use hub_proto::dps::enrollment::{
    Attestation, BulkMode, BulkResult, EnrollmentGroup, IndividualEnrollment, Keys,
};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::percent;
use hub_proto::sas::SymmetricKey;
use transport::http::{Method, StatusCode};

use super::keys::{KeyPair, KeySlot};
use super::kind::Kind;
use super::pages::Pages;
use super::{Call, Service, ServiceError, accepted};

/// The most entries of one [`Enrollments::bulk`].
pub const BULK_LIMIT: usize = 10;

/// What is enrolled: an [`IndividualEnrollment`] or an [`EnrollmentGroup`].
pub trait Enrolled: Kind {}

impl Enrolled for IndividualEnrollment {}
impl Enrolled for EnrollmentGroup {}

/// The enrolments of one kind.
///
/// An entry that was read has no symmetric keys in it; only [`Enrollments::keys`] shows them. An entry that is
/// written back without keys keeps those it has: they are added here, since a service might make new ones in
/// their place, which would cut off every device that has the old.
#[derive(Debug, Clone, Copy)]
pub struct Enrollments<'a, T> {
    service: &'a Service,
    kind: PhantomData<T>,
}

impl<'a, T: Enrolled> Enrollments<'a, T> {
    pub(super) const fn new(service: &'a Service) -> Self {
        Self {
            service,
            kind: PhantomData,
        }
    }

    /// One entry, without its symmetric keys.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], and as every request.
    pub async fn get(&self, id: &str) -> Result<T, ServiceError> {
        let call = Call::new(Method::GET, path::<T>(id, ""));
        self.service.document(call, "enrolment").await
    }

    /// Enrols what is not enrolled. The service makes the symmetric keys that are missing.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] when the id is taken, unless the service replaces an entry that is written without
    /// its entity tag. [`ServiceError::Refused`] with status 400 when it breaks a rule; and as every request.
    pub async fn create(&self, entry: &T) -> Result<T, ServiceError> {
        self.put(entry, None).await
    }

    /// Replaces an entry that was read before, if nobody else has changed it since.
    ///
    /// # Errors
    /// [`ServiceError::Changed`] when somebody has, [`ServiceError::NotFound`] when it is gone,
    /// [`ServiceError::NoEtag`] when it was never read; and as every request.
    pub async fn update(&self, entry: &T) -> Result<T, ServiceError> {
        let etag = entry.terms().etag.as_deref().ok_or(ServiceError::NoEtag)?;
        self.put(&*self.with_keys(entry).await?, Some(etag)).await
    }

    /// Replaces an entry whatever became of it since it was read.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it is gone; and as every request.
    pub async fn replace(&self, entry: &T) -> Result<T, ServiceError> {
        self.put(&*self.with_keys(entry).await?, Some("*")).await
    }

    /// Removes an entry, with the records of its registrations. Devices stay in their hubs. With an entity tag,
    /// only if nobody has changed it since that was read.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Changed`], and as every request.
    pub async fn delete(&self, id: &str, etag: Option<&str>) -> Result<(), ServiceError> {
        let call = Call::new(Method::DELETE, path::<T>(id, "")).if_match(etag);
        accepted(self.service.call(call).await?).map(drop)
    }

    /// Every entry, a page at a time, without symmetric keys. Without a page size, the service chooses.
    #[must_use]
    pub fn query(&self, page_size: Option<u32>) -> Pages<'a, T> {
        Pages::new(
            self.service,
            format!("{}/query", T::PATH),
            T::QUERY,
            page_size,
        )
    }

    /// What proves the entry's devices, with symmetric keys.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], and as every request.
    pub async fn attestation(&self, id: &str) -> Result<Attestation, ServiceError> {
        let call = Call::new(Method::POST, path::<T>(id, "/attestationmechanism"));
        self.service.document(call, "attestation").await
    }

    /// The entry's symmetric keys.
    ///
    /// # Errors
    /// [`ServiceError::NoKeys`] when it has other attestation; as [`Enrollments::attestation`].
    pub async fn keys(&self, id: &str) -> Result<KeyPair<T::Key>, ServiceError> {
        Ok(self.symmetric_keys(id).await?.into_kind())
    }

    /// Makes one of the entry's two keys anew and keeps the other. Devices that use the one kept notice nothing;
    /// devices that use the other are refused from now on.
    ///
    /// To change keys without losing a device, in this order:
    /// 1. make the secondary key anew (devices use the primary);
    /// 2. give every device its new key, derived from the secondary for a group, and see it register with it;
    /// 3. [`Enrollments::promote_secondary`]: what was the primary key opens nothing any more, and the next
    ///    change begins where this one did.
    ///
    /// # Errors
    /// [`ServiceError::Changed`] when somebody else changes the entry meanwhile: nothing was done.
    /// [`ServiceError::NoKeys`], [`ServiceError::NotFound`], and as every request.
    pub async fn regenerate(
        &self,
        id: &str,
        slot: KeySlot,
    ) -> Result<KeyPair<T::Key>, ServiceError> {
        self.rekey(id, |keys| match slot {
            KeySlot::Primary => KeyPair {
                primary: super::keys::random(),
                ..keys
            },
            KeySlot::Secondary => KeyPair {
                secondary: super::keys::random(),
                ..keys
            },
        })
        .await
    }

    /// Puts the secondary key in the primary's place and makes a new secondary. Devices that use the former
    /// primary are refused from now on: the last step of [`Enrollments::regenerate`]'s order.
    ///
    /// # Errors
    /// As [`Enrollments::regenerate`].
    pub async fn promote_secondary(&self, id: &str) -> Result<KeyPair<T::Key>, ServiceError> {
        self.rekey(id, |keys| KeyPair {
            primary: keys.secondary,
            secondary: super::keys::random(),
        })
        .await
    }

    /// Does the same with up to [`BULK_LIMIT`] entries in one request. Some may succeed where others do not:
    /// the result says which.
    ///
    /// # Errors
    /// [`ServiceError::TooMany`] before anything is sent; and as every request.
    pub async fn bulk(&self, mode: BulkMode, entries: &[T]) -> Result<BulkResult, ServiceError> {
        if entries.len() > BULK_LIMIT {
            let given = entries.len();
            return Err(ServiceError::TooMany { given });
        }
        let mut complete = Vec::with_capacity(entries.len());
        for entry in entries {
            complete.push(match mode {
                BulkMode::Update | BulkMode::UpdateIfMatchEtag => {
                    self.with_keys(entry).await?.into_owned()
                }
                BulkMode::Create | BulkMode::Delete => entry.clone(),
            });
        }
        let call = Call::new(Method::POST, T::PATH.to_owned()).json(&T::bulk(mode, complete))?;
        let answer = self.service.call(call).await?;
        let result = serde_json::from_slice(answer.body());
        match result {
            // A request of which some part was not done may be answered with 400, and the same document.
            Ok(result)
                if answer.status().is_success() || answer.status() == StatusCode::BAD_REQUEST =>
            {
                Ok(result)
            }
            _ => {
                accepted(answer)?;
                Err(ServiceError::Malformed("bulk result"))
            }
        }
    }

    async fn put(&self, entry: &T, etag: Option<&str>) -> Result<T, ServiceError> {
        let call = Call::new(Method::PUT, path::<T>(entry.id(), ""))
            .if_match(etag)
            .json(entry)?;
        self.service.document(call, "enrolment").await
    }

    /// The entry with the keys it has, where it is to be written without any.
    async fn with_keys<'e>(&self, entry: &'e T) -> Result<Cow<'e, T>, ServiceError> {
        let Attestation::SymmetricKey { symmetric_key } = &entry.terms().attestation else {
            return Ok(Cow::Borrowed(entry));
        };
        if symmetric_key.primary_key.is_some() && symmetric_key.secondary_key.is_some() {
            return Ok(Cow::Borrowed(entry));
        }
        let Attestation::SymmetricKey {
            symmetric_key: known,
        } = self.attestation(entry.id()).await?
        else {
            // It had other attestation so far: the keys are for the service to make.
            return Ok(Cow::Borrowed(entry));
        };
        let given = symmetric_key.clone();
        let keys = Keys {
            primary_key: given.primary_key.or(known.primary_key),
            secondary_key: given.secondary_key.or(known.secondary_key),
        };
        Ok(Cow::Owned(keyed(entry.clone(), keys)))
    }

    async fn symmetric_keys(&self, id: &str) -> Result<KeyPair<SymmetricKey>, ServiceError> {
        match self.attestation(id).await? {
            Attestation::SymmetricKey {
                symmetric_key:
                    Keys {
                        primary_key: Some(primary),
                        secondary_key: Some(secondary),
                    },
            } => Ok(KeyPair { primary, secondary }),
            Attestation::SymmetricKey { .. } => Err(ServiceError::Malformed("attestation")),
            Attestation::X509 { .. } | Attestation::Tpm { .. } => Err(ServiceError::NoKeys),
        }
    }

    async fn rekey(
        &self,
        id: &str,
        change: impl FnOnce(KeyPair<SymmetricKey>) -> KeyPair<SymmetricKey>,
    ) -> Result<KeyPair<T::Key>, ServiceError> {
        // The entry first: its entity tag then tells of a change between the two.
        let entry = self.get(id).await?;
        let KeyPair { primary, secondary } = change(self.symmetric_keys(id).await?);
        let keys = Keys {
            primary_key: Some(primary.clone()),
            secondary_key: Some(secondary.clone()),
        };
        self.update(&keyed(entry, keys)).await?;
        Ok(KeyPair { primary, secondary }.into_kind())
    }
}

impl Enrollments<'_, EnrollmentGroup> {
    /// The key of one device of a group, derived from the group's primary key.
    ///
    /// # Errors
    /// As [`Enrollments::keys`].
    pub async fn derive_key(
        &self,
        group: &str,
        registration_id: &RegistrationId,
    ) -> Result<SymmetricKey, ServiceError> {
        Ok(self.keys(group).await?.primary.derive(registration_id))
    }
}

fn path<T: Enrolled>(id: &str, rest: &str) -> String {
    format!("{}/{}{rest}", T::PATH, percent::encode(id))
}

fn keyed<T: Enrolled>(mut entry: T, symmetric_key: Keys) -> T {
    entry.terms_mut().attestation = Attestation::SymmetricKey { symmetric_key };
    entry
}
