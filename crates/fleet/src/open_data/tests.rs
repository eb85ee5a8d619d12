//! What is published, in every state a bay can be in, held against the rules of the published schemas.

mod datex_rules;
mod ngsi_rules;
mod states;

use std::collections::BTreeSet;
use std::sync::Arc;

use ::bay::Occupancy;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use self::ngsi_rules::{ON_STREET_PARKING, PARKING_SPOT};
use self::states::{NOW, every_state};
use super::datex::{self, Creator};
use super::ngsi;
use crate::bays::bay::Bay;
use crate::people::Role;
use crate::testing::{Answer, Site, Somebody};

const CREATOR: Creator<'_> = Creator {
    country: "BE",
    identifier: "cow-parking",
};
/// A name that means something in JSON, XML and templates, and has in it what XML 1.0 cannot hold at all.
const HOSTILE: &str =
    "Place <du> \"Marché\" & Co' ]]><!-- {{x}} &#0; \u{0}\u{1}\u{1b}\u{fffe}\u{202e}\u{1f697}\\";

async fn town() -> (Site, Somebody, String) {
    let site = Site::new().await;
    let customer = site.customer("Town").await;
    let project = crate::app::new_id();
    let mut tx = site.app.store.begin().await.expect("a transaction");
    sqlx::query(
        "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at, latitude, longitude)
         VALUES ($1, $2, 'Place <du> Marché & Co', $1, 1, 50.6, 5.5)",
    )
    .bind(project.clone())
    .bind(customer)
    .execute(&mut *tx)
    .await
    .expect("a project");
    tx.commit().await.expect("it is committed");
    let operator = site.somebody(Role::Operator, None).await;
    for kind in ["normal", "accessible"] {
        let body = json!({"projectId": project, "kind": kind});
        let made = site.ask(&operator, Method::POST, "/api/bays", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("/api/bays/{}", made.json()["id"].as_str().expect("an id"));
        let place = json!({"latitude": 50.593, "longitude": 5.53});
        let placed = site.ask(&operator, Method::PATCH, &path, place).await;
        assert_eq!(placed.status, 200, "{placed:?}");
    }
    (site, operator, project)
}

async fn anybody(site: &Site, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty());
    site.send(request.expect("a request")).await
}

#[tokio::test]
async fn nobody_reads_what_is_not_published() {
    let (site, operator, project) = town().await;
    let spots = "/open-data/ngsi-ld/parking-spots";
    assert_eq!(anybody(&site, spots).await.json(), json!([]));
    assert_eq!(
        site.get(&operator, spots)
            .await
            .json()
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let elsewhere = site.customer("Elsewhere").await;
    let driver = site.somebody(Role::Driver, Some(&elsewhere)).await;
    assert_eq!(site.get(&driver, spots).await.json(), json!([]));
    let publish = format!("/api/projects/{project}/open-data");
    let body = json!({"published": true});
    let refused = site.ask(&driver, Method::PUT, &publish, body.clone()).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        site.ask(&operator, Method::PUT, &publish, body)
            .await
            .status,
        204
    );
    // Another instance may have answered: it hears of it in a moment.
    for _ in 0..500 {
        if anybody(&site, spots).await.json().as_array().map(Vec::len) == Some(2) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("what was published does not show");
}

#[test]
fn every_state_follows_the_smart_data_models() {
    let place = every_state("Market", "");
    assert_eq!(place.bays.len(), 3 * 12 * 5 * 2);
    let mut statuses = BTreeSet::new();
    for spot in ngsi::spots(&place) {
        PARKING_SPOT.check_normalized(&spot).expect("the form");
        let plain = ngsi::key_values(spot);
        PARKING_SPOT.check(&plain).expect("the model");
        statuses.insert(plain["status"].to_string());
        assert_eq!(
            plain["location"]["coordinates"][0], 151.2,
            "the longitude is first"
        );
    }
    assert_eq!(statuses.len(), 4, "{statuses:?}");
    let street = ngsi::street(&place, NOW).expect("it is somewhere");
    ON_STREET_PARKING
        .check_normalized(&street)
        .expect("the form");
    let plain = ngsi::key_values(street);
    ON_STREET_PARKING.check(&plain).expect("the model");
    assert_eq!(plain["totalSpotNumber"], 360);
    assert_ne!(plain["extraSpotNumber"], 0);
}

#[test]
fn every_state_follows_datex_ii() {
    let places = [every_state("Market", "")];
    let table = datex::table(&places, CREATOR, NOW).expect("there is a place");
    datex_rules::check(&table).expect("the schema");
    let status = datex::status(&places, CREATOR, NOW).expect("there is a place");
    datex_rules::check(&status).expect("the schema");
    let document = roxmltree::Document::parse(&status).expect("XML");
    let named = |name: &str| {
        let nodes = document.descendants();
        nodes
            .filter(|node| node.has_tag_name(("http://datex2.eu/schema/3/parking", name)))
            .count()
    };
    let known = |(_, state): &&(Arc<Bay>, _)| {
        let state: &crate::bays::state::State = state;
        state.occupancy != Occupancy::Unknown
    };
    // A place and each of its spaces; of what nobody knows neither word, but why.
    assert_eq!(named("parkingStatusInformation"), 361);
    assert_eq!(
        named("occupied"),
        places[0].bays.iter().filter(known).count()
    );
    assert_eq!(named("parkingFault"), 360 - named("occupied"));
    // What the table calls a space is what the status speaks of, in the same version.
    for (bay, _) in &places[0].bays {
        let spoken = format!("id=\"{}\" version=\"{}\"", bay.id, bay.version);
        assert_eq!(status.matches(&spoken).count(), 1, "{spoken}");
        assert_eq!(table.matches(&spoken).count(), 2, "{spoken}");
    }
    assert!(datex::table(&[], CREATOR, NOW).is_none());
    assert!(datex::status(&[], CREATOR, NOW).is_none());
}

#[test]
fn no_name_breaks_what_is_published() {
    let places = [every_state(HOSTILE, HOSTILE)];
    let table = datex::table(&places, CREATOR, NOW).expect("there is a place");
    datex_rules::check(&table).expect("the schema");
    datex_rules::check(&datex::status(&places, CREATOR, NOW).expect("a place"))
        .expect("the schema");
    let document = roxmltree::Document::parse(&table).expect("XML");
    let mut names = document
        .descendants()
        .filter(|node| node.tag_name().name() == "value");
    let name = names.next().and_then(|node| node.text()).expect("a name");
    let held: String = HOSTILE
        .chars()
        .filter(|c| !c.is_control() && *c != '\u{fffe}')
        .collect();
    assert_eq!(name, held, "nothing is lost but what XML cannot hold");
    for spot in ngsi::spots(&places[0]) {
        let written = spot.to_string();
        let read: Value = serde_json::from_str(&written).expect("JSON");
        PARKING_SPOT.check_normalized(&read).expect("the form");
        let name = read["name"]["value"].as_str().expect("a name");
        assert!(name.ends_with(HOSTILE), "{name:?}");
    }
}

#[test]
fn the_rules_can_be_broken() {
    let places = [every_state("Market", "")];
    let table = datex::table(&places, CREATOR, NOW).expect("a place");
    let status = datex::status(&places, CREATOR, NOW).expect("a place");
    for (right, wrong) in [
        (
            "<prk:layer>1</prk:layer><prk:type>space</prk:type>",
            "<prk:type>space</prk:type><prk:layer>1</prk:layer>",
        ),
        ("<prk:layer>0</prk:layer>", ""),
        (
            "<com:country>BE</com:country>",
            "<com:country>be</com:country>",
        ),
        ("modelBaseVersion=\"3\"", "modelBaseVersion=\"2\""),
        ("xsi:type=\"prk:Place\"", "xsi:type=\"prk:SpaceStatus\""),
        (
            "targetClass=\"fac:FacilityObject\"",
            "targetClass=\"prk:Space\"",
        ),
        (
            "<loc:latitude>50.6</loc:latitude>",
            "<loc:latitude>150.6</loc:latitude>",
        ),
        ("spaceSensor", "ultrasound"),
        ("<prk:quantity>360<", "<prk:quantity>-1<"),
    ] {
        assert!(table.contains(right), "{right}");
        let broken = table.replacen(right, wrong, 1);
        assert!(datex_rules::check(&broken).is_err(), "{wrong}");
    }
    for (right, wrong) in [
        ("<prk:occupied>true</prk:occupied>", ""),
        (
            "<prk:occupied>true</prk:occupied>",
            "<prk:occupied>unknown</prk:occupied>",
        ),
        (
            "<prk:parkingFault>communicationsFailure<",
            "<prk:parkingFault>silence<",
        ),
        ("<fac:openingStatus>open<", "<fac:openingStatus>opened<"),
        (
            "<fac:lastUpdated>2026-11-21T12:00:00Z<",
            "<fac:lastUpdated>today<",
        ),
        (
            "targetClass=\"prk:ParkingTable\"",
            "targetClass=\"par:ParkingTable\"",
        ),
        (
            "</d2:payload>",
            "<prk:occupied>true</prk:occupied></d2:payload>",
        ),
    ] {
        assert!(status.contains(right), "{right}");
        let broken = status.replacen(right, wrong, 1);
        assert!(datex_rules::check(&broken).is_err(), "{wrong}");
    }
    let spot = ngsi::spots(&places[0]).next().expect("a spot");
    for (member, wrong) in [
        ("status", json!({"type": "Property", "value": "reserved"})),
        (
            "status",
            json!({"type": "Property", "value": "free", "observedAt": "2026-11-21 12:00"}),
        ),
        (
            "location",
            json!({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-33.9, 151.2]}}),
        ),
        ("category", json!({"type": "Property", "value": "onStreet"})),
        (
            "refParkingSite",
            json!({"type": "Property", "value": "urn:ngsi-ld:OnStreetParking:1"}),
        ),
        ("occupied", json!({"type": "Property", "value": true})),
        ("type", json!("OnStreetParking")),
        ("@context", json!([])),
    ] {
        let mut broken = spot.clone();
        broken[member] = wrong;
        assert!(PARKING_SPOT.check_normalized(&broken).is_err(), "{broken}");
    }
    let mut broken = ngsi::key_values(spot);
    broken
        .as_object_mut()
        .expect("an entity")
        .remove("location");
    assert!(PARKING_SPOT.check(&broken).is_err());
}

#[tokio::test]
async fn what_is_served_is_what_the_rules_say() {
    let (site, operator, project) = town().await;
    let spots = "/open-data/ngsi-ld/parking-spots";
    let answer = site.get(&operator, spots).await;
    assert_eq!(answer.header("content-type"), "application/ld+json");
    for spot in answer.json().as_array().expect("entities") {
        PARKING_SPOT.check_normalized(spot).expect("the form");
        assert_eq!(spot["status"]["value"], "unknown", "nobody watches it");
    }
    let streets = "/open-data/ngsi-ld/on-street-parkings";
    for (path, model) in [(spots, &PARKING_SPOT), (streets, &ON_STREET_PARKING)] {
        let path = format!("{path}?options=keyValues&projectId={project}");
        let plain = site.get(&operator, &path).await.json();
        assert!(!plain.as_array().expect("entities").is_empty());
        for entity in plain.as_array().expect("entities") {
            model.check(entity).expect("the model");
        }
    }
    let wrong = site.get(&operator, &format!("{spots}?options=all")).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    for document in ["table.xml", "status.xml"] {
        let path = format!("/open-data/datex2/{document}");
        let answer = site.get(&operator, &path).await;
        assert_eq!(
            answer.header("content-type"),
            "application/xml; charset=utf-8"
        );
        datex_rules::check(&answer.text).expect("the schema");
        // Nothing is published yet, and an empty publication is none.
        let none = anybody(&site, &path).await;
        assert_eq!(
            (none.status.as_u16(), &none.json()["code"]),
            (404, &json!("nothing-published"))
        );
    }
}
