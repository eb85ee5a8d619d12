-- Times are milliseconds since 1970 in UTC; ids are text. What differs between the engines is written in braces and
-- filled in by store/migrations.rs.

-- People -------------------------------------------------------------------------------------------------------------

CREATE TABLE customers (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    contact_name  TEXT NOT NULL DEFAULT '',
    contact_email TEXT NOT NULL DEFAULT '',
    contact_phone TEXT NOT NULL DEFAULT '',
    created_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL DEFAULT 1
);

-- Somebody of a customer sees that customer's projects only; somebody of none sees all that the role may see.
CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('administrator', 'operator', 'installer', 'driver')),
    customer_id   TEXT REFERENCES customers (id),
    password_hash TEXT NOT NULL,
    language      TEXT NOT NULL DEFAULT 'en',
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT,
    version       BIGINT NOT NULL DEFAULT 1
);

-- Tokens are kept as their SHA-256: who reads the database signs in as nobody.
CREATE TABLE sessions (
    token_hash   TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE TABLE api_tokens (
    id           TEXT PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT
);

-- How often secrets were guessed at lately, whichever instance was asked.
CREATE TABLE guesses (
    -- SHA-256 of whose secret it is, or of where it was tried from.
    who        TEXT PRIMARY KEY,
    failures   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    -- Nothing is tried before.
    wait_until BIGINT NOT NULL
);

-- A link that makes one account, once.
CREATE TABLE invitations (
    id          TEXT PRIMARY KEY,
    token_hash  TEXT NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    email       TEXT,
    customer_id TEXT REFERENCES customers (id) ON DELETE CASCADE,
    -- 1 for the link of the first start, which opens only while there is nobody.
    first       BIGINT,
    created_by  TEXT,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);

-- Who did what. Nothing is ever changed or removed here.
CREATE TABLE audit (
    number      {SERIAL},
    at          BIGINT NOT NULL,
    user_id     TEXT,
    user_name   TEXT NOT NULL,
    customer_id TEXT,
    action      TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_by_object ON audit (object_kind, object_id, number);

-- The answer to a request that carried an Idempotency-Key.
CREATE TABLE idempotency (
    user_id      TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status       BIGINT NOT NULL,
    body         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- Stock, projects, orders --------------------------------------------------------------------------------------------

CREATE TABLE projects (
    id                  TEXT PRIMARY KEY,
    customer_id         TEXT NOT NULL REFERENCES customers (id),
    name                TEXT NOT NULL,
    place               TEXT NOT NULL DEFAULT '',
    postcode            TEXT NOT NULL DEFAULT '',
    contact             TEXT NOT NULL DEFAULT '',
    -- Where the map begins.
    latitude            DOUBLE PRECISION,
    longitude           DOUBLE PRECISION,
    -- Made from the id, so that two projects of one name never share keys.
    enrollment_group_id TEXT NOT NULL UNIQUE,
    -- 1 when everybody may read its bays as open data, without signing in.
    published           BIGINT,
    created_at          BIGINT NOT NULL,
    closed_at           BIGINT,
    version             BIGINT NOT NULL DEFAULT 1
);

-- An uploaded picture to place bays on, in place of a street map.
CREATE TABLE plans (
    project_id TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    width      BIGINT NOT NULL,
    height     BIGINT NOT NULL,
    picture    {BYTES} NOT NULL,
    version    BIGINT NOT NULL DEFAULT 1
);

-- One physical board, by its serial number, which is its registration id.
CREATE TABLE devices (
    id             TEXT PRIMARY KEY,
    -- Where the provisioning service has put it, last we heard.
    hub            TEXT,
    device_id      TEXT UNIQUE,
    lifecycle      TEXT NOT NULL DEFAULT 'unregistered'
                   CHECK (lifecycle IN ('unregistered', 'stock', 'assigning', 'project', 'resetting')),
    project_id     TEXT REFERENCES projects (id),
    enrollment_group_id TEXT,
    -- Counts the keys of its group, as they are rotated; says which one the device was given.
    keys_version   BIGINT NOT NULL DEFAULT 0,
    -- As the device says of itself (firmware, modules), JSON.
    reported       TEXT NOT NULL DEFAULT '{}',
    first_seen_at  BIGINT NOT NULL,
    last_seen_at   BIGINT,
    -- Since when its hub lets it connect no more, and the provisioning service lets it register no more.
    disabled_at    BIGINT,
    blocked_at     BIGINT,
    version        BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX devices_by_project ON devices (project_id);

-- Which keys a group had when, without the keys: those stay in the provisioning service.
CREATE TABLE key_versions (
    enrollment_group_id TEXT NOT NULL,
    number              BIGINT NOT NULL,
    made_at             BIGINT NOT NULL,
    PRIMARY KEY (enrollment_group_id, number)
);

CREATE TABLE orders (
    id           TEXT PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id),
    -- 'assign' takes devices from stock, 'rekey' gives them new keys, 'return' gives them back.
    kind         TEXT NOT NULL CHECK (kind IN ('assign', 'rekey', 'return')),
    quantity     BIGINT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'done', 'partly', 'failed', 'cancelled')),
    created_by   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    ended_at     BIGINT,
    -- Of 'rekey': the SHA-256 of the group's key to come, so that no other one is handed out or put in its place.
    key_hash     TEXT,
    version      BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX orders_by_project ON orders (project_id, id);

CREATE TABLE order_lines (
    order_id        TEXT NOT NULL REFERENCES orders (id),
    device_id       TEXT NOT NULL REFERENCES devices (id),
    state           TEXT NOT NULL
                    CHECK (state IN ('picked', 'enrolled', 'sent', 'restarting', 'joined', 'failed', 'cancelled')),
    attempts        BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    problem         TEXT,
    keys_version    BIGINT NOT NULL DEFAULT 0,
    -- Since when the device is waited for.
    begun_at        BIGINT NOT NULL,
    -- Since when it is in its state.
    updated_at      BIGINT NOT NULL,
    -- 1 while the line holds its device, NULL when it is over.
    holds           BIGINT,
    PRIMARY KEY (order_id, device_id)
);
-- Two orders at once cannot take the same device.
CREATE UNIQUE INDEX one_order_per_device ON order_lines (device_id) WHERE holds = 1;
CREATE INDEX lines_due ON order_lines (next_attempt_at) WHERE holds = 1;

-- Status reports to somebody else's address, signed and tried again.
CREATE TABLE webhooks (
    id          TEXT PRIMARY KEY,
    customer_id TEXT REFERENCES customers (id) ON DELETE CASCADE,
    url         TEXT NOT NULL,
    secret      TEXT NOT NULL,
    events      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    disabled_at BIGINT
);

CREATE TABLE webhook_deliveries (
    id              TEXT PRIMARY KEY,
    webhook_id      TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event           TEXT NOT NULL,
    body            TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    attempts        BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    delivered_at    BIGINT,
    problem         TEXT
);
CREATE INDEX deliveries_due ON webhook_deliveries (next_attempt_at);

-- OAuth 2.0 device authorization grant (RFC 8628): a device that shows a code until somebody approves it.
CREATE TABLE device_codes (
    device_code_hash TEXT PRIMARY KEY,
    user_code        TEXT NOT NULL UNIQUE,
    device_id        TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    last_poll_at     BIGINT,
    interval_s       BIGINT NOT NULL DEFAULT 5,
    state            TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'used')),
    decided_by       TEXT,
    -- What opens the device's identity, once it was approved, and until when.
    access_hash      TEXT UNIQUE,
    access_until     BIGINT
);

-- Bays and bookings --------------------------------------------------------------------------------------------------

CREATE TABLE bays (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    -- The board that watches it.
    device_id  TEXT UNIQUE REFERENCES devices (id),
    number     TEXT NOT NULL,
    kind       TEXT NOT NULL DEFAULT 'normal' CHECK (kind IN ('normal', 'accessible', 'charging', 'delivery')),
    -- What the operator says; what bookings make of it is derived.
    admission  TEXT NOT NULL DEFAULT 'open' CHECK (admission IN ('open', 'closed', 'out-of-service')),
    latitude   DOUBLE PRECISION,
    longitude  DOUBLE PRECISION,
    -- On the project's plan, 0 to 1 from its upper left corner.
    plan_x     DOUBLE PRECISION,
    plan_y     DOUBLE PRECISION,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL DEFAULT 1,
    UNIQUE (project_id, number)
);

-- What a device last said. One row per device, whether it has a bay or not.
CREATE TABLE device_states (
    device_id       TEXT PRIMARY KEY,
    occupancy       TEXT NOT NULL DEFAULT 'unknown' CHECK (occupancy IN ('free', 'occupied', 'unknown')),
    reason          TEXT,
    occupancy_since BIGINT,
    distance_mm     BIGINT,
    sequence        BIGINT NOT NULL DEFAULT 0,
    lamp_colour     TEXT,
    lamp_pattern    TEXT,
    lamp_cause      TEXT,
    charge_percent  BIGINT,
    voltage_mv      BIGINT,
    battery_alarm   TEXT,
    battery_at      BIGINT,
    -- When the device last said anything at all.
    heard_at        BIGINT NOT NULL
);

-- Each module counts its own messages; what is not above this number was here before.
CREATE TABLE message_numbers (
    device_id  TEXT NOT NULL,
    module_id  TEXT NOT NULL,
    sequence   BIGINT NOT NULL,
    message_id TEXT,
    at         BIGINT NOT NULL,
    PRIMARY KEY (device_id, module_id)
);

-- Every change of occupancy.
CREATE TABLE occupancy_history (
    device_id TEXT NOT NULL,
    at        BIGINT NOT NULL,
    occupancy TEXT NOT NULL,
    sequence  BIGINT NOT NULL,
    PRIMARY KEY (device_id, at, sequence)
);

-- What is left of it after the retention: how the hours were used.
CREATE TABLE occupancy_hours (
    device_id   TEXT NOT NULL,
    hour        BIGINT NOT NULL,
    occupied_ms BIGINT NOT NULL,
    unknown_ms  BIGINT NOT NULL,
    arrivals    BIGINT NOT NULL,
    PRIMARY KEY (device_id, hour)
);

CREATE TABLE battery_history (
    device_id      TEXT NOT NULL,
    at             BIGINT NOT NULL,
    charge_percent BIGINT,
    voltage_mv     BIGINT,
    PRIMARY KEY (device_id, at)
);

CREATE TABLE bookings (
    id            TEXT PRIMARY KEY,
    bay_id        TEXT NOT NULL REFERENCES bays (id),
    user_id       TEXT NOT NULL REFERENCES users (id),
    plate         TEXT NOT NULL DEFAULT '',
    begins_at     BIGINT NOT NULL,
    ends_at       BIGINT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('booked', 'in-use', 'over', 'cancelled', 'no-show')),
    checked_in_at BIGINT,
    ended_at      BIGINT,
    overstay_at   BIGINT,
    -- Since when something else stands in its bay.
    conflict_at   BIGINT,
    -- When whoever runs the bay took it away.
    withdrawn_at  BIGINT,
    -- 1 while it holds its bay, NULL when it is over.
    holds         BIGINT,
    -- What the lamp has been told: nothing yet, booked, released; or what it answered instead.
    lamp          TEXT NOT NULL DEFAULT 'waiting' CHECK (lamp IN ('waiting', 'told', 'releasing', 'released', 'failed')),
    lamp_problem  TEXT,
    lamp_attempts BIGINT NOT NULL DEFAULT 0,
    lamp_next_at  BIGINT,
    created_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL DEFAULT 1,
    CHECK (ends_at > begins_at)
);
CREATE INDEX bookings_by_bay ON bookings (bay_id, begins_at);
CREATE INDEX bookings_by_user ON bookings (user_id, begins_at);
CREATE INDEX bookings_lamp_due ON bookings (lamp_next_at);
CREATE INDEX bookings_holding ON bookings (begins_at) WHERE holds = 1;
CREATE INDEX bookings_overstayed ON bookings (overstay_at) WHERE ended_at IS NULL;
-- That nobody books what is booked is written for each engine in its own file.

-- Alarms: battery, silence, fault, conflict. One of a kind per device at a time.
CREATE TABLE alarms (
    id              TEXT PRIMARY KEY,
    device_id       TEXT NOT NULL,
    bay_id          TEXT,
    kind            TEXT NOT NULL CHECK (kind IN ('battery', 'silence', 'fault', 'conflict')),
    detail          TEXT NOT NULL DEFAULT '',
    raised_at       BIGINT NOT NULL,
    acknowledged_by TEXT,
    acknowledged_at BIGINT,
    cleared_at      BIGINT
);
CREATE UNIQUE INDEX one_alarm_of_a_kind ON alarms (device_id, kind) WHERE cleared_at IS NULL;

-- Reading events ------------------------------------------------------------------------------------------------------

-- Which instance reads which partition, and how far it has come. The position is written with what the events changed.
CREATE TABLE partitions (
    event_hub      TEXT NOT NULL,
    consumer_group TEXT NOT NULL,
    partition_id   BIGINT NOT NULL,
    event_offset   TEXT,
    sequence       BIGINT,
    owner          TEXT,
    -- Raised with every new owner: who writes with an old one is told that the partition is no longer his.
    epoch          BIGINT NOT NULL DEFAULT 0,
    leased_until   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (event_hub, consumer_group, partition_id)
);
