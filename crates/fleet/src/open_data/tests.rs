//! What is published, held against the rules of the published schemas, written here as far as they bear on it:
//! `ParkingSpot/schema.json` and `OnStreetParking/schema.json` of the Smart Data Models, and of DATEX II 2.3's parking
//! extension the order of elements and their words.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::people::Role;
use crate::testing::{Answer, Site, Somebody};

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

fn property<'a>(entity: &'a Value, name: &str) -> &'a Value {
    let property = &entity[name];
    assert_eq!(property["type"], "Property", "{name}: {entity}");
    &property["value"]
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

#[tokio::test]
async fn ngsi_ld_follows_the_models() {
    let (site, operator, _) = town().await;
    let spots = site
        .get(&operator, "/open-data/ngsi-ld/parking-spots")
        .await;
    assert_eq!(spots.header("content-type"), "application/ld+json");
    for spot in spots.json().as_array().expect("entities") {
        assert_eq!(spot["type"], "ParkingSpot");
        assert!(
            spot["id"]
                .as_str()
                .expect("an id")
                .starts_with("urn:ngsi-ld:ParkingSpot:")
        );
        assert!(spot["@context"].is_array());
        // Required: id, location, type, status, category, refParkingSite.
        let status = property(spot, "status").as_str().expect("a status");
        assert_eq!(status, "unknown", "nobody watches it, so it is not free");
        assert_eq!(property(spot, "category"), &json!(["onStreet"]));
        assert_eq!(spot["refParkingSite"]["type"], "Relationship");
        assert_eq!(spot["location"]["type"], "GeoProperty");
        assert_eq!(
            spot["location"]["value"],
            json!({"type": "Point", "coordinates": [5.53, 50.593]})
        );
    }
    let streets = site
        .get(&operator, "/open-data/ngsi-ld/on-street-parkings")
        .await
        .json();
    let street = &streets[0];
    let count = |name| property(street, name).as_i64().expect("a count");
    assert_eq!(count("totalSpotNumber"), 2);
    assert!(count("availableSpotNumber") + count("extraSpotNumber") <= 2);
    assert_eq!(
        property(street, "occupancyDetectionType"),
        &json!(["singleSpaceDetection"])
    );
    assert_eq!(
        street["refParkingSpot"]["object"].as_array().map(Vec::len),
        Some(2)
    );
}

/// Names of elements in the order they begin; panics where tags do not match.
fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut begun): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for part in xml.split('<').skip(1) {
        let tag = part.split('>').next().expect("an end");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{xml}");
        } else if !tag.starts_with('?') {
            let name = tag.split([' ', '/']).next().expect("a name");
            begun.push(name.to_owned());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    begun
}

#[tokio::test]
async fn datex_is_in_the_schemas_order_and_escaped() {
    let (site, operator, _) = town().await;
    let table = site
        .get(&operator, "/open-data/datex2/table.xml")
        .await
        .text;
    assert!(
        table.contains("Place &lt;du&gt; Marché &amp; Co"),
        "{table}"
    );
    assert!(elements(&table).contains(&"parkingNumberOfSpaces".to_owned()));
    let status = site
        .get(&operator, "/open-data/datex2/status.xml")
        .await
        .text;
    let begun = elements(&status);
    let order = [
        "d2LogicalModel",
        "exchange",
        "payloadPublication",
        "publicationTime",
        "publicationCreator",
        "genericPublicationName",
        "genericPublicationExtension",
        "parkingStatusPublication",
        "parkingTableReference",
        "headerInformation",
        "parkingRecordStatus",
        "parkingRecordReference",
        "parkingStatusOriginTime",
        "parkingOccupancy",
        "parkingNumberOfVacantSpaces",
        "parkingSiteOpeningStatus",
    ];
    let mut rest = begun.iter();
    for name in order {
        assert!(
            rest.any(|begun| begun == name),
            "{name} is not behind the one before: {begun:?}"
        );
    }
    assert!(
        !begun.contains(&"parkingSpaceOccupied".to_owned()),
        "what nobody knows is neither occupied nor vacant: {status}"
    );
    assert!(
        status.contains("<parkingNumberOfVacantSpaces>0<"),
        "{status}"
    );
}
