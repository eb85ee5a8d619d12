//! `$management`: what there is to know of the event hub and its partitions.

use bytes::Bytes;
use jiff::Timestamp;

use super::address;
use super::claims::Claims;
use super::message::{Message, Status, answer};
use super::value::Value;
use crate::events::PARTITIONS;
use crate::hub::Hub;

/// The names under which this node tells a status.
const DIALECT: [&str; 2] = ["status-code", "status-description"];
/// What clients take for "never": the first moment of year 1.
const NEVER_MS: i64 = -62_135_596_800_000;

/// Answers a READ of `com.microsoft:eventhub` or `com.microsoft:partition`.
pub(crate) fn serve(hub: &Hub, claims: &Claims, request: &Message, now: Timestamp) -> Bytes {
    let (status, body) = match read(hub, claims, request, now) {
        Ok(body) => (Status::new(200, "OK"), body),
        Err(status) => (status, Value::Null),
    };
    answer(request, &status, DIALECT, &body)
}

fn read(hub: &Hub, claims: &Claims, request: &Message, now: Timestamp) -> Result<Value, Status> {
    let name = request.text("name").unwrap_or_default();
    let missing = || Status::new(404, address::not_found(name).description);
    if !claims.allow(&format!("{name}/$management"), now) {
        return Err(Status::new(401, "no token opens the event hub"));
    }
    if request.text("operation") != Some("READ") {
        return Err(Status::new(400, "the operation is not READ"));
    }
    let name = hub.event_hub(name).ok_or_else(missing)?;
    match request.text("type") {
        Some("com.microsoft:eventhub") => Ok(event_hub(hub, &name)),
        Some("com.microsoft:partition") => {
            let id = request.text("partition").unwrap_or_default();
            let partition =
                address::partition(id).map_err(|fault| Status::new(404, fault.description))?;
            partition_of(hub, &name, partition).ok_or_else(missing)
        }
        _ => Err(Status::new(
            400,
            "the type is neither an event hub nor a partition",
        )),
    }
}

fn event_hub(hub: &Hub, name: &str) -> Value {
    let ids = (0..PARTITIONS).map(|id| text(id.to_string()));
    map([
        ("name", text(name)),
        ("type", text("com.microsoft:eventhub")),
        (
            "created_at",
            Value::Timestamp(hub.endpoint.created.as_millisecond()),
        ),
        ("partition_count", Value::Int(PARTITIONS as i32)),
        ("partition_ids", Value::Array(ids.collect())),
    ])
}

fn partition_of(hub: &Hub, name: &str, id: usize) -> Option<Value> {
    let (partition, first) = hub.partition(name, id)?;
    let (offset, enqueued) = match partition.next {
        0 => ("-1".to_owned(), NEVER_MS),
        _ => (
            partition.last_offset.to_string(),
            partition.last_enqueued_ms,
        ),
    };
    Some(map([
        ("name", text(name)),
        ("type", text("com.microsoft:partition")),
        ("partition", text(id.to_string())),
        ("begin_sequence_number", Value::Long(first as i64)),
        (
            "last_enqueued_sequence_number",
            Value::Long(partition.next as i64 - 1),
        ),
        ("last_enqueued_offset", text(offset)),
        ("last_enqueued_time_utc", Value::Timestamp(enqueued)),
        ("is_partition_empty", Value::Bool(first == partition.next)),
    ]))
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let pairs = pairs.map(|(name, value)| (text(name), value));
    Value::Map(pairs.into())
}
