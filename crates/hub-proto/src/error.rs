//! The service's error numbers, and the bodies that carry them.
//!
//! | asked over | body |
//! |---|---|
//! | MQTT (twin, DPS) | [`Failure::to_device_json`] |
//! | REST | header `iothub-errorcode: {name}` and [`Failure::to_service_json`] |
//! | REST, methods | the same header and [`Failure::to_method_json`] |

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::time;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $status:literal;)*) => {
        /// A failure the hub has a number for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every error code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The service's number.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number),* }
            }

            /// The HTTP status, also used as the status of MQTT answers. 0 for those that are only logged.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            /// The name in the `iothub-errorcode` header and in service bodies.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }
    };
}

error_codes! {
    /// Bad body or parameters.
    ArgumentInvalid = 400_004, 400;
    /// A container of blobs cannot be read or written.
    BlobContainerValidationError = 400_008, 400;
    /// A line of a file of devices cannot be read.
    DeserializationError = 400_012, 400;
    /// A target condition that is none.
    InvalidConfigurationTargetCondition = 400_401, 400;
    /// A configuration's content that is none.
    InvalidConfigurationContent = 400_402, 400;
    /// A configuration's content is what it was made with.
    CannotModifyImmutableConfigurationContent = 400_403, 400;
    /// A configuration's metric that is no query.
    InvalidConfigurationCustomMetricsQuery = 400_404, 400;
    /// A second connection of the identity ended this one.
    ConnectionForcefullyClosedOnNewConnection = 400_027, 0;
    /// Bad token.
    IotHubUnauthorizedAccess = 401_002, 401;
    /// Expired token.
    IotHubUnauthorized = 401_003, 401;
    /// The daily quota is used up.
    IotHubQuotaExceeded = 403_002, 403;
    /// Another job for import or export is not over yet.
    JobQuotaExceeded = 403_003, 403;
    /// Fifty cloud-to-device messages are waiting already.
    DeviceMaximumQueueDepthExceeded = 403_004, 403;
    /// Ten files are being uploaded by the device already.
    DeviceMaximumActiveFileUploadLimitExceeded = 403_006, 403;
    /// No such device.
    DeviceNotFound = 404_001, 404;
    /// No such job.
    JobNotFound = 404_002, 404;
    /// No such module.
    ModuleNotFound = 404_010, 404;
    /// The target of a method is offline or has not subscribed.
    DeviceNotOnline = 404_103, 404;
    /// The connection ended.
    DeviceConnectionClosedRemotely = 404_104, 0;
    /// No such deployment configuration.
    ConfigurationNotFound = 404_301, 404;
    /// Create of a deployment configuration that is there.
    ConfigurationAlreadyExists = 409_401, 409;
    /// Create of a device that is there.
    DeviceAlreadyExists = 409_001, 409;
    /// Two connections of one identity.
    LinkCreationConflict = 409_002, 409;
    /// Scheduling a job under an id that is taken. The service documents neither name nor number.
    JobAlreadyExists = 409_003, 409;
    /// Create of a module that is there.
    ModuleAlreadyExistsOnDevice = 409_301, 409;
    /// The entity tag does not match.
    PreconditionFailed = 412_001, 412;
    /// A message's lock ran out before it was completed.
    DeviceMessageLockLost = 412_002, 412;
    /// More than 256 KB, or 64 KB to a device.
    MessageTooLarge = 413_001, 413;
    /// Too many devices in one request.
    TooManyDevices = 413_002, 413;
    /// Too many modules on one device.
    TooManyModulesOnDevice = 413_003, 413;
    /// As many configurations as a hub may have.
    ConfigurationCountLimitExceeded = 413_101, 413;
    /// Come back later.
    ThrottlingException = 429_001, 429;
    /// As many jobs as the hub carries out at once are not over yet. The name is the service's; its number is not
    /// documented.
    ThrottlingMaxActiveJobCountExceeded = 429_004, 429;
    /// The service failed.
    ServerError = 500_001, 500;
    /// A job was cancelled before a device had its turn.
    JobCancelled = 500_002, 500;
    /// The service took too long.
    GenericTimeout = 500_008, 500;
    /// The service is not there.
    ServiceUnavailable = 503_001, 503;
    /// A method reached its device, which did not answer in time.
    GatewayTimeout = 504_101, 504;
}

/// One failure, as it is told to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is.
    pub code: ErrorCode,
    /// A sentence for people.
    pub message: String,
    /// 32 hexadecimal digits that find the failure in the service's log.
    pub tracking_id: String,
    /// When it happened.
    pub at: Timestamp,
}

impl Failure {
    /// The body on `$iothub/twin/res/{status}` and in DPS answers.
    ///
    /// Node tells an error only by `errorCode` and `message` being there.
    #[must_use]
    pub fn to_device_json(&self) -> Value {
        json!({
            "errorCode": self.code.number(),
            "trackingId": self.tracking(),
            "message": self.message,
            "timestampUtc": time::format(self.at),
        })
    }

    /// The body of a REST answer. Node splits `Message` at `;` and `:` to find the name.
    #[must_use]
    pub fn to_service_json(&self) -> Value {
        json!({
            "Message": format!("ErrorCode:{};E{}: {}", self.code.name(), self.code.number(), self.message),
            "ExceptionMessage": format!("Tracking ID:{}", self.tracking()),
        })
    }

    /// The body of a method that failed: a JSON text inside a JSON object. `timeout` is what ran out.
    #[must_use]
    pub fn to_method_json(&self, timeout: std::time::Duration) -> Value {
        let mut inner = self.to_device_json();
        let seconds = timeout.as_secs();
        inner["info"] = json!({
            "timeout": format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        });
        json!({ "Message": inner.to_string(), "ExceptionMessage": "" })
    }

    fn tracking(&self) -> String {
        format!(
            "{}-G:4-TimeStamp:{}",
            self.tracking_id,
            time::format_for_tracking(self.at)
        )
    }
}
