//! The hub's number for each thing it refuses.

use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;

use super::{IdentityFault, InvokeError, SendError, TwinFault, UploadFault};

impl IdentityFault {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Id(_)
            | Self::NotEdge(_)
            | Self::Deployment(_)
            | Self::Properties { .. }
            | Self::Scope(_) => ErrorCode::ArgumentInvalid,
            Self::Exists(of) if of.module_id().is_some() => ErrorCode::ModuleAlreadyExistsOnDevice,
            Self::Exists(_) => ErrorCode::DeviceAlreadyExists,
            Self::NotFound(of) => not_found(of),
            Self::Precondition(_) => ErrorCode::PreconditionFailed,
            Self::TooManyModules(_) => ErrorCode::TooManyModulesOnDevice,
            Self::Twin(fault) => fault.code(),
            Self::Journal(_) => ErrorCode::ServerError,
        }
    }
}

impl TwinFault {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(of) => not_found(of),
            Self::Document(_) => ErrorCode::ArgumentInvalid,
            Self::Precondition(_) => ErrorCode::PreconditionFailed,
            Self::Journal(_) => ErrorCode::ServerError,
        }
    }
}

impl InvokeError {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(of) => not_found(of),
            Self::Request(_) => ErrorCode::ArgumentInvalid,
            Self::NoAnswer(none) => none.code(),
            Self::Throttled => ErrorCode::ThrottlingException,
            Self::Withdrawn => ErrorCode::JobCancelled,
        }
    }
}

impl SendError {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(of) => not_found(of),
            Self::Module(_) | Self::Ack(_) | Self::Expiry(_) => ErrorCode::ArgumentInvalid,
            Self::QueueFull(_) => ErrorCode::DeviceMaximumQueueDepthExceeded,
            Self::TooLarge(_) | Self::TooManyProperties(_) => ErrorCode::MessageTooLarge,
            Self::Journal(_) => ErrorCode::ServerError,
        }
    }
}

impl UploadFault {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::TooMany(_) => ErrorCode::DeviceMaximumActiveFileUploadLimitExceeded,
            Self::Name(_) | Self::Unknown(_) | Self::Missing(_) => ErrorCode::ArgumentInvalid,
            Self::Journal(_) => ErrorCode::ServerError,
        }
    }
}

fn not_found(identity: &Identity) -> ErrorCode {
    match identity.module_id() {
        None => ErrorCode::DeviceNotFound,
        Some(_) => ErrorCode::ModuleNotFound,
    }
}
