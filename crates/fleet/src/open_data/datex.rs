//! DATEX II 2.3 with its parking extension (CEN/TS 16157-6): a table of what there is, and its status. Namespace
//! `http://datex2.eu/schema/2/2_0`; in the order of elements of its schema.
//!
//! A space of which nobody knows whether it is occupied has no `parkingSpaceOccupied`: the standard has no word for it.

use std::fmt::Write as _;

use bay::Occupancy;

use super::Place;
use super::ngsi::middle;
use crate::bays::state::{Admission, Sign, Status};
use crate::moment::Moment;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" modelBaseVersion="2">
<exchange><supplierIdentification><country>be</country><nationalIdentifier>cow-parking</nationalIdentifier></supplierIdentification></exchange>
"#;
const FOOT: &str = "</genericPublicationExtension>\n</payloadPublication>\n</d2LogicalModel>\n";
const HEADER: &str = "<headerInformation><confidentiality>noRestriction</confidentiality><informationStatus>real</informationStatus></headerInformation>\n";

/// `ParkingTablePublication`: every place as an urban parking site with its spaces.
#[must_use]
pub fn table(places: &[Place], now: i64) -> String {
    let mut xml = begin("ParkingTablePublication", now);
    xml += "<parkingTablePublication>\n";
    xml += HEADER;
    let _ = writeln!(
        xml,
        r#"<parkingTable id="cow-parking" version="1"><parkingTableVersionTime>{}</parkingTableVersionTime>"#,
        Moment(now)
    );
    for place in places {
        let _ = writeln!(
            xml,
            r#"<parkingRecord xsi:type="UrbanParkingSite" id="{}" version="1"><parkingName><values><value>{}</value></values></parkingName><parkingRecordVersionTime>{}</parkingRecordVersionTime><parkingNumberOfSpaces>{}</parkingNumberOfSpaces>"#,
            text(&place.site.id),
            text(&place.site.name),
            Moment(now),
            place.bays.len()
        );
        if let Some((latitude, longitude)) = middle(place) {
            let _ = writeln!(
                xml,
                r#"<parkingLocation xsi:type="Point">{}</parkingLocation>"#,
                point(latitude, longitude)
            );
        }
        for (number, (bay, _)) in (1..).zip(&place.bays) {
            let _ = write!(
                xml,
                r#"<parkingSpace parkingSpaceIndex="{number}"><parkingSpace>"#
            );
            if let (Some(latitude), Some(longitude)) = (bay.latitude, bay.longitude) {
                let _ = write!(
                    xml,
                    r#"<parkingSpaceLocation xsi:type="Point">{}</parkingSpaceLocation>"#,
                    point(latitude, longitude)
                );
            }
            xml += "</parkingSpace></parkingSpace>\n";
        }
        xml += "<urbanParkingSiteType>onStreetParking</urbanParkingSiteType></parkingRecord>\n";
    }
    xml += "</parkingTable>\n</parkingTablePublication>\n";
    xml + FOOT
}

/// `ParkingStatusPublication`: how many spaces are vacant, and each space that is known.
#[must_use]
pub fn status(places: &[Place], now: i64) -> String {
    let mut xml = begin("ParkingStatusPublication", now);
    xml += "<parkingStatusPublication>\n";
    xml += r#"<parkingTableReference id="cow-parking" version="1" targetClass="ParkingTable"/>"#;
    xml.push('\n');
    xml += HEADER;
    for place in places {
        let count = |wanted: Status| {
            let bays = place.bays.iter();
            bays.filter(|(_, state)| state.status == wanted).count()
        };
        // A closed site says that nothing is vacant, and so does one of which nobody knows.
        let is_closed = place.bays.iter().all(|(_, state)| {
            matches!(state.admission, Admission::Closed | Admission::OutOfService)
        });
        let vacant = count(Status::Free);
        let _ = writeln!(
            xml,
            r#"<parkingRecordStatus xsi:type="ParkingSiteStatus"><parkingRecordReference id="{}" version="1" targetClass="ParkingRecord"/><parkingStatusOriginTime>{}</parkingStatusOriginTime><parkingOccupancy><parkingNumberOfVacantSpaces>{vacant}</parkingNumberOfVacantSpaces><parkingNumberOfOccupiedSpaces>{}</parkingNumberOfOccupiedSpaces></parkingOccupancy>"#,
            text(&place.site.id),
            Moment(now),
            count(Status::Occupied)
        );
        for (number, (_, state)) in (1..).zip(&place.bays) {
            let is_occupied = match state.occupancy {
                _ if state.sign == Sign::OutOfService => continue,
                Occupancy::Unknown => continue,
                Occupancy::Occupied => true,
                Occupancy::Free => false,
            };
            let _ = writeln!(
                xml,
                r#"<parkingSpaceStatus parkingSpaceIndex="{number}"><parkingSpaceStatus><parkingSpaceOccupied>{is_occupied}</parkingSpaceOccupied></parkingSpaceStatus></parkingSpaceStatus>"#
            );
        }
        let opening = if is_closed { "closed" } else { "open" };
        let _ = writeln!(
            xml,
            "<parkingSiteOpeningStatus>{opening}</parkingSiteOpeningStatus></parkingRecordStatus>"
        );
    }
    xml += "</parkingStatusPublication>\n";
    xml + FOOT
}

fn begin(name: &str, now: i64) -> String {
    format!(
        "{HEAD}<payloadPublication xsi:type=\"GenericPublication\" lang=\"en\">\
         <publicationTime>{}</publicationTime>\
         <publicationCreator><country>be</country><nationalIdentifier>cow-parking</nationalIdentifier></publicationCreator>\
         <genericPublicationName>{name}</genericPublicationName>\n<genericPublicationExtension>\n",
        Moment(now)
    )
}

fn point(latitude: f64, longitude: f64) -> String {
    format!(
        "<pointByCoordinates><pointCoordinates><latitude>{latitude}</latitude><longitude>{longitude}</longitude></pointCoordinates></pointByCoordinates>"
    )
}

/// Text as XML has it; what XML 1.0 cannot hold at all is left out.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
