//! NGSI-LD entities of the Smart Data Models, domain Parking: `ParkingSpot` and `OnStreetParking`
//! (<https://github.com/smart-data-models/dataModel.Parking>), normalized form (ETSI GS CIM 009, 4.5).

use serde_json::{Map, Value, json};

use super::Place;
use crate::bays::bay::{Bay, Purpose};
use crate::bays::state::{State, Status};
use crate::moment::Moment;

const CONTEXT: [&str; 2] = [
    "https://raw.githubusercontent.com/smart-data-models/dataModel.Parking/master/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
];

/// Every bay of a place that is somewhere: the model wants a location.
pub fn spots(place: &Place) -> impl Iterator<Item = Value> {
    place
        .bays
        .iter()
        .filter_map(|(bay, state)| spot(bay, state))
}

fn spot(bay: &Bay, state: &State) -> Option<Value> {
    let mut status = property(json!(state.status.as_str()));
    if let Some(since) = state.since {
        status["observedAt"] = json!(Moment(since));
    }
    let mut entity = entity("ParkingSpot", &bay.id);
    entity.insert("name".into(), property(json!(bay.number)));
    entity.insert("location".into(), point(bay.latitude?, bay.longitude?));
    entity.insert("status".into(), status);
    entity.insert("category".into(), property(json!(["onStreet"])));
    let street = urn("OnStreetParking", &bay.site.id);
    entity.insert("refParkingSite".into(), relationship(&street));
    Some(entity.into())
}

/// The same as plain values: what the models' JSON schemas describe.
#[must_use]
pub fn key_values(entity: Value) -> Value {
    let Value::Object(members) = entity else {
        return entity;
    };
    let plain = members.into_iter().map(|(name, mut member)| {
        let value = match member.get("type").and_then(Value::as_str) {
            Some("Property" | "GeoProperty") => member["value"].take(),
            Some("Relationship") => member["object"].take(),
            _ => member,
        };
        (name, value)
    });
    Value::Object(plain.collect())
}

/// A place, and how many of its bays are free. What nobody knows is not counted as free. `None` for one that is nowhere:
/// the model wants a location.
#[must_use]
pub fn street(place: &Place, now: i64) -> Option<Value> {
    let (latitude, longitude) = middle(place)?;
    let free = |is_special: bool| {
        let free = place.bays.iter().filter(|(bay, state)| {
            state.status == Status::Free && (bay.purpose != Purpose::Normal) == is_special
        });
        free.count()
    };
    let mut entity = entity("OnStreetParking", &place.site.id);
    entity.insert("name".into(), property(json!(place.site.name)));
    entity.insert("location".into(), point(latitude, longitude));
    // The model counts free bays for special purposes apart, and both together are not more than all.
    for (name, count) in [
        ("totalSpotNumber", place.bays.len()),
        ("availableSpotNumber", free(false)),
        ("extraSpotNumber", free(true)),
    ] {
        let mut count = property(json!(count));
        count["observedAt"] = json!(Moment(now));
        entity.insert(name.into(), count);
    }
    let detection = json!(["singleSpaceDetection"]);
    entity.insert("occupancyDetectionType".into(), property(detection));
    let located = place.bays.iter().filter(|(bay, _)| bay.latitude.is_some());
    let spots: Vec<String> = located
        .map(|(bay, _)| urn("ParkingSpot", &bay.id))
        .collect();
    if !spots.is_empty() {
        let spots = json!({"type": "Relationship", "object": spots});
        entity.insert("refParkingSpot".into(), spots);
    }
    Some(entity.into())
}

/// Where a place is: as its project says, or in the middle of its bays.
#[must_use]
pub fn middle(place: &Place) -> Option<(f64, f64)> {
    if let (Some(latitude), Some(longitude)) = (place.site.latitude, place.site.longitude) {
        return Some((latitude, longitude));
    }
    let bays = place.bays.iter();
    let points: Vec<(f64, f64)> = bays
        .filter_map(|(bay, _)| Some((bay.latitude?, bay.longitude?)))
        .collect();
    let count = points.len() as f64;
    (!points.is_empty()).then(|| {
        let latitude: f64 = points.iter().map(|point| point.0).sum();
        let longitude: f64 = points.iter().map(|point| point.1).sum();
        (latitude / count, longitude / count)
    })
}

fn entity(kind: &str, id: &str) -> Map<String, Value> {
    let mut entity = Map::new();
    entity.insert("id".into(), json!(urn(kind, id)));
    entity.insert("type".into(), json!(kind));
    entity.insert("@context".into(), json!(CONTEXT));
    entity
}

fn urn(kind: &str, id: &str) -> String {
    format!("urn:ngsi-ld:{kind}:{id}")
}

fn property(value: Value) -> Value {
    json!({"type": "Property", "value": value})
}

fn relationship(object: &str) -> Value {
    json!({"type": "Relationship", "object": object})
}

/// GeoJSON has the longitude first (RFC 7946, 3.1.1).
fn point(latitude: f64, longitude: f64) -> Value {
    let point = json!({"type": "Point", "coordinates": [longitude, latitude]});
    json!({"type": "GeoProperty", "value": point})
}
