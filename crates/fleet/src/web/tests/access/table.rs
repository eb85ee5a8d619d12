//! Who may what. Whoever adds a route says here who it is for.

use crate::people::Role::{self, Administrator, Driver, Installer, Operator};

/// Whom something is for: these, and the roles above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::tests) enum Who {
    /// Everybody, without signing in.
    Anybody,
    /// A device with the token it was given for its code; no person.
    Device,
    /// Somebody who sees what it is about, of a customer or of none.
    Somebody(Role),
    /// Whoever made it, and operators who see what it is about.
    Owner,
    /// Somebody who works for every customer.
    House(Role),
}

use self::Who::{Anybody, Device, House, Owner, Somebody};

/// The operations of the API.
pub(in crate::web::tests) const API: &[(&str, &str, Who)] = &[
    ("GET", "/api/me", Somebody(Driver)),
    ("PATCH", "/api/me", Somebody(Driver)),
    ("PUT", "/api/me/password", Somebody(Driver)),
    ("DELETE", "/api/me/sessions", Somebody(Driver)),
    ("GET", "/api/tokens", Somebody(Driver)),
    ("POST", "/api/tokens", Somebody(Driver)),
    ("DELETE", "/api/tokens/{id}", Somebody(Driver)),
    ("GET", "/api/users", Somebody(Administrator)),
    ("GET", "/api/users/{id}", Somebody(Administrator)),
    ("PATCH", "/api/users/{id}", Somebody(Administrator)),
    ("GET", "/api/invitations", Somebody(Administrator)),
    ("POST", "/api/invitations", Somebody(Administrator)),
    ("DELETE", "/api/invitations/{id}", Somebody(Administrator)),
    ("GET", "/api/audit", Somebody(Administrator)),
    ("GET", "/api/customers", Somebody(Operator)),
    ("POST", "/api/customers", House(Administrator)),
    ("GET", "/api/customers/{id}", Somebody(Operator)),
    ("PATCH", "/api/customers/{id}", House(Administrator)),
    ("DELETE", "/api/customers/{id}", House(Administrator)),
    ("GET", "/api/projects", Somebody(Installer)),
    ("POST", "/api/projects", Somebody(Operator)),
    ("GET", "/api/projects/{id}", Somebody(Installer)),
    ("PATCH", "/api/projects/{id}", Somebody(Operator)),
    ("POST", "/api/projects/{id}/close", Somebody(Operator)),
    ("PUT", "/api/projects/{id}/open-data", Somebody(Operator)),
    ("GET", "/api/projects/{id}/map", Somebody(Driver)),
    ("GET", "/api/projects/{id}/map/live", Somebody(Driver)),
    ("GET", "/api/projects/{id}/plan", Somebody(Driver)),
    ("PUT", "/api/projects/{id}/plan", Somebody(Installer)),
    ("DELETE", "/api/projects/{id}/plan", Somebody(Installer)),
    ("GET", "/api/orders", Somebody(Installer)),
    // An installer claims the one board whose code is in front of them, and no more.
    ("POST", "/api/orders", Somebody(Operator)),
    ("GET", "/api/orders/{id}", Somebody(Installer)),
    ("POST", "/api/orders/{id}/cancel", Somebody(Operator)),
    // Of an assignment, which the harbour's is; of another kind from an operator on.
    ("POST", "/api/orders/{id}/retry", Somebody(Installer)),
    ("POST", "/api/orders/{id}/test", Somebody(Installer)),
    ("GET", "/api/devices", Somebody(Installer)),
    ("GET", "/api/devices/{id}", Somebody(Installer)),
    ("GET", "/api/devices/{id}/history", Somebody(Installer)),
    ("POST", "/api/devices/{id}/test", Somebody(Installer)),
    ("POST", "/api/devices/{id}/enable", Somebody(Operator)),
    ("POST", "/api/devices/{id}/disable", Somebody(Operator)),
    ("GET", "/devices", Somebody(Installer)),
    ("GET", "/devices/live", Somebody(Installer)),
    ("GET", "/devices/{id}", Somebody(Installer)),
    ("GET", "/devices/{id}/sensors/hc-sr04", Somebody(Installer)),
    ("GET", "/devices/{id}/faults", Somebody(Installer)),
    ("GET", "/devices/{id}/battery", Somebody(Installer)),
    ("POST", "/devices/{id}/outputs/light", Somebody(Operator)),
    ("POST", "/devices/{id}/test", Somebody(Installer)),
    ("GET", "/api/bays", Somebody(Driver)),
    ("POST", "/api/bays", Somebody(Operator)),
    ("GET", "/api/bays/live", Somebody(Driver)),
    ("GET", "/api/bays/{id}", Somebody(Driver)),
    ("PATCH", "/api/bays/{id}", Somebody(Installer)),
    ("DELETE", "/api/bays/{id}", Somebody(Operator)),
    ("POST", "/api/bays/{id}/measure", Somebody(Installer)),
    ("POST", "/api/bays/{id}/calibrate", Somebody(Installer)),
    ("POST", "/api/bays/{id}/identify", Somebody(Installer)),
    ("GET", "/api/alarms", Somebody(Installer)),
    ("POST", "/api/alarms/{id}/acknowledge", Somebody(Installer)),
    ("GET", "/api/bookings", Somebody(Driver)),
    ("POST", "/api/bookings", Somebody(Driver)),
    ("GET", "/api/bookings/{id}", Owner),
    ("PATCH", "/api/bookings/{id}", Owner),
    ("POST", "/api/bookings/{id}/cancel", Owner),
    ("POST", "/api/bookings/{id}/release", Owner),
    ("POST", "/api/bookings/{id}/check-in", Owner),
    ("GET", "/api/webhooks", House(Administrator)),
    ("POST", "/api/webhooks", House(Administrator)),
    ("GET", "/api/webhooks/{id}", House(Administrator)),
    ("DELETE", "/api/webhooks/{id}", House(Administrator)),
    ("POST", "/api/webhooks/{id}/ping", House(Administrator)),
    ("GET", "/api/webhooks/{id}/deliveries", House(Administrator)),
    ("GET", "/api/enrollments", House(Operator)),
    ("POST", "/api/enrollments", House(Operator)),
    ("POST", "/api/enrollments/import", House(Operator)),
    ("GET", "/api/enrollments/{id}", House(Operator)),
    ("PATCH", "/api/enrollments/{id}", House(Operator)),
    ("DELETE", "/api/enrollments/{id}", House(Operator)),
    (
        "POST",
        "/api/enrollments/{id}/rotate-keys",
        House(Administrator),
    ),
    (
        "POST",
        "/api/enrollments/{id}/device-key",
        House(Administrator),
    ),
    ("GET", "/api/groups", House(Operator)),
    ("POST", "/api/groups", House(Operator)),
    ("GET", "/api/groups/{id}", House(Operator)),
    ("PATCH", "/api/groups/{id}", House(Operator)),
    ("DELETE", "/api/groups/{id}", House(Operator)),
    ("POST", "/api/groups/{id}/rotate-keys", House(Administrator)),
    ("POST", "/api/groups/{id}/derive-key", House(Administrator)),
    ("GET", "/api/groups/{id}/registrations", House(Operator)),
    ("GET", "/api/registrations/{id}", House(Operator)),
    ("DELETE", "/api/registrations/{id}", House(Operator)),
    ("POST", "/oauth/device_authorization", Anybody),
    ("POST", "/oauth/token", Anybody),
    ("GET", "/oauth/identity", Device),
    ("GET", "/open-data/ngsi-ld/parking-spots", Anybody),
    ("GET", "/open-data/ngsi-ld/on-street-parkings", Anybody),
    ("GET", "/open-data/datex2/table.xml", Anybody),
    ("GET", "/open-data/datex2/status.xml", Anybody),
];

/// What people open, by GET. What their forms send is the API's, but for signing in and out, links and codes.
pub(in crate::web::tests) struct Page {
    pub(in crate::web::tests) path: &'static str,
    pub(in crate::web::tests) who: Who,
    /// Who reads there of what is the harbour's, if they see it: these, and the roles above them.
    pub(in crate::web::tests) shows_harbour: Option<Role>,
}

impl Page {
    /// The route behind it.
    pub(in crate::web::tests) fn route(&self) -> &'static str {
        self.path.split('?').next().unwrap_or_default()
    }
}

const fn page(path: &'static str, who: Who, shows_harbour: Option<Role>) -> Page {
    Page {
        path,
        who,
        shows_harbour,
    }
}

pub(in crate::web::tests) const PAGES: &[Page] = &[
    page("/", Somebody(Driver), None),
    page("/live", Somebody(Driver), None),
    page("/map", Somebody(Driver), Some(Driver)),
    page("/bays/{id}", Somebody(Driver), Some(Driver)),
    page("/bookings", Somebody(Driver), Some(Operator)),
    page("/account", Somebody(Driver), None),
    page("/alarms", Somebody(Installer), Some(Installer)),
    page(
        "/commission?device=harbour-board-1",
        Somebody(Installer),
        Some(Installer),
    ),
    page("/projects", Somebody(Installer), Some(Installer)),
    page("/projects/{id}", Somebody(Installer), Some(Installer)),
    page("/orders", Somebody(Installer), Some(Installer)),
    page("/orders/{id}", Somebody(Installer), Some(Installer)),
    page("/stock", Somebody(Installer), Some(Installer)),
    page("/stock/{id}", Somebody(Installer), Some(Installer)),
    page("/approve", House(Installer), None),
    page("/customers", Somebody(Operator), Some(Operator)),
    page("/customers/{id}", Somebody(Operator), Some(Operator)),
    page("/people", Somebody(Administrator), Some(Administrator)),
    page("/audit", House(Administrator), Some(Administrator)),
    page("/api", Anybody, None),
    page("/api/openapi.json", Anybody, None),
    page("/assets/{file}", Anybody, None),
    page("/sign-in", Anybody, None),
    page("/sign-out", Anybody, None),
    page("/setup/{token}", Anybody, None),
    page("/invitation/{token}", Anybody, None),
];
