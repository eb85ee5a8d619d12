//! DATEX II v3 (EN 16157-6, model 3.6): a `ParkingTablePublication` of what there is, and a `ParkingStatusPublication` of
//! how it is. Elements stand in the order of the schemas `DATEXII_3_Parking.xsd`, `…_Facilities.xsd`,
//! `…_LocationReferencing.xsd` and `…_Common.xsd`.
//!
//! A space of which nobody knows whether it is occupied is told by its fault alone: `SpaceStatus` wants `occupied`, and
//! either word would be a lie, so it is a plain `ParkingStatusInformation`.

use std::fmt::Write as _;

use bay::Occupancy;

use super::Place;
use super::ngsi::middle;
use crate::bays::bay::{Bay, Purpose};
use crate::bays::state::{Admission, Reason, State, Status};
use crate::moment::Moment;

const NAMESPACES: &str = "xmlns:d2=\"http://datex2.eu/schema/3/d2Payload\" xmlns:com=\"http://datex2.eu/schema/3/common\" \
     xmlns:fac=\"http://datex2.eu/schema/3/facilities\" xmlns:loc=\"http://datex2.eu/schema/3/locationReferencing\" \
     xmlns:prk=\"http://datex2.eu/schema/3/parking\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
const HEADER: &str = "<prk:headerInformation><com:confidentiality>noRestriction</com:confidentiality>\
     <com:informationStatus>real</com:informationStatus></prk:headerInformation>\n";
/// What a facility's reference is to, in the schemas' fixed word.
const TARGET: &str = "fac:FacilityObject";
/// Places have no version of their own here: what changes of them is their spaces, which do.
const PLACE_VERSION: i64 = 1;

/// Who publishes, and where that is.
#[derive(Debug, Clone, Copy)]
pub struct Creator<'a> {
    /// Its country, two capital letters of ISO 3166-1.
    pub country: &'a str,
    /// Which service of that country.
    pub identifier: &'a str,
}

/// `ParkingTablePublication`: every place with its spaces. `None` when there is none: the schema wants one at least.
#[must_use]
pub fn table(places: &[Place], creator: Creator<'_>, now: i64) -> Option<String> {
    if places.is_empty() {
        return None;
    }
    let mut xml = begin("ParkingTablePublication", creator, now);
    xml += HEADER;
    let _ = writeln!(
        xml,
        r#"<prk:parkingTable id="cow-parking" version="1"><prk:versionTime>{}</prk:versionTime>"#,
        Moment(now)
    );
    for place in places {
        write_place(&mut xml, place);
        for (bay, _) in &place.bays {
            write_space(&mut xml, place, bay);
        }
    }
    Some(xml + "</prk:parkingTable>\n</d2:payload>\n")
}

/// `ParkingStatusPublication`: how many spaces are vacant, and how each is. `None` as for [`table`].
#[must_use]
pub fn status(places: &[Place], creator: Creator<'_>, now: i64) -> Option<String> {
    if places.is_empty() {
        return None;
    }
    let mut xml = begin("ParkingStatusPublication", creator, now);
    xml += r#"<prk:parkingTableReference id="cow-parking" version="1" targetClass="prk:ParkingTable"/>"#;
    xml.push('\n');
    xml += HEADER;
    for place in places {
        write_place_status(&mut xml, place, now);
        for (bay, state) in &place.bays {
            write_space_status(&mut xml, bay, state);
        }
    }
    Some(xml + "</d2:payload>\n")
}

fn begin(kind: &str, creator: Creator<'_>, now: i64) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <d2:payload {NAMESPACES} xsi:type=\"prk:{kind}\" lang=\"en\" modelBaseVersion=\"3\">\n\
         <com:publicationTime>{}</com:publicationTime><com:publicationCreator><com:country>{}</com:country>\
         <com:nationalIdentifier>{}</com:nationalIdentifier></com:publicationCreator>\n",
        Moment(now),
        text(creator.country),
        text(creator.identifier)
    )
}

fn write_place(xml: &mut String, place: &Place) {
    let site = &place.site;
    let _ = write!(
        xml,
        r#"<prk:hierarchyElementGeneral xsi:type="prk:Place" id="{}" version="{PLACE_VERSION}">{}"#,
        text(&site.id),
        name(&site.name)
    );
    if let Some((latitude, longitude)) = middle(place) {
        *xml += &location(latitude, longitude);
    }
    *xml += "<prk:layer>0</prk:layer><prk:type>place</prk:type>";
    for (bay, _) in &place.bays {
        *xml += &reference("prk:childId", &bay.id, bay.version);
    }
    let spaces = place.bays.len();
    let _ = writeln!(
        xml,
        "<prk:supply><prk:quantity>{spaces}</prk:quantity><prk:viewType>spaceView</prk:viewType></prk:supply>\
         <prk:commonComponents><prk:characteristics><prk:structureType>onStreet</prk:structureType>\
         <prk:spacesTotal>{spaces}</prk:spacesTotal></prk:characteristics></prk:commonComponents>\
         </prk:hierarchyElementGeneral>"
    );
}

fn write_space(xml: &mut String, place: &Place, bay: &Bay) {
    let _ = write!(
        xml,
        r#"<prk:hierarchyElementGeneral xsi:type="prk:Space" id="{}" version="{}">{}"#,
        text(&bay.id),
        bay.version,
        name(&bay.number)
    );
    if let (Some(latitude), Some(longitude)) = (bay.latitude, bay.longitude) {
        *xml += &location(latitude, longitude);
    }
    *xml += "<prk:layer>1</prk:layer><prk:type>space</prk:type>";
    *xml += &reference("prk:parentId", &place.site.id, PLACE_VERSION);
    let restriction = match bay.purpose {
        Purpose::Normal => None,
        Purpose::Accessible => Some("disabledPersonPermitOnly"),
        Purpose::Charging => Some("electricVehicleOnly"),
        Purpose::Delivery => Some("loadingZone"),
    };
    if let Some(restriction) = restriction {
        let _ = write!(
            xml,
            r#"<prk:operatingPattern xsi:type="prk:OperatingRestriction" operatingPatternIndex="1"><prk:type>{restriction}</prk:type></prk:operatingPattern>"#
        );
    }
    *xml += "<prk:additionalCharacteristics><prk:occupancyDetection>spaceSensor</prk:occupancyDetection>\
             </prk:additionalCharacteristics></prk:hierarchyElementGeneral>\n";
}

fn write_place_status(xml: &mut String, place: &Place, now: i64) {
    let count = |wanted: Status| {
        let bays = place.bays.iter();
        bays.filter(|(_, state)| state.status == wanted).count()
    };
    let vacant = count(Status::Free);
    let is_closed = place
        .bays
        .iter()
        .all(|(_, state)| matches!(state.admission, Admission::Closed | Admission::OutOfService));
    let opening = if is_closed { "closed" } else { "open" };
    let word = if vacant > 0 {
        "spacesAvailable"
    } else if count(Status::Unknown) > 0 {
        "unknown"
    } else {
        "full"
    };
    let _ = writeln!(
        xml,
        "<prk:parkingStatusInformation xsi:type=\"prk:PlaceStatus\">{}<fac:lastUpdated>{}</fac:lastUpdated>\
         <fac:openingStatus>{opening}</fac:openingStatus>\
         <prk:occupancy><prk:numberOfVacantSpaces>{vacant}</prk:numberOfVacantSpaces>\
         <prk:numberOfOccupiedSpaces>{}</prk:numberOfOccupiedSpaces></prk:occupancy>\
         <prk:status>{word}</prk:status></prk:parkingStatusInformation>",
        reference("fac:reference", &place.site.id, PLACE_VERSION),
        Moment(now),
        count(Status::Occupied)
    );
}

fn write_space_status(xml: &mut String, bay: &Bay, state: &State) {
    let is_occupied = match state.occupancy {
        Occupancy::Unknown => None,
        Occupancy::Occupied => Some(true),
        Occupancy::Free => Some(false),
    };
    let kind = if is_occupied.is_some() {
        "SpaceStatus"
    } else {
        "ParkingStatusInformation"
    };
    let _ = write!(
        xml,
        r#"<prk:parkingStatusInformation xsi:type="prk:{kind}">{}"#,
        reference("fac:reference", &bay.id, bay.version)
    );
    if let Some(since) = state.since {
        let _ = write!(xml, "<fac:lastUpdated>{}</fac:lastUpdated>", Moment(since));
    }
    // A reserved space may be empty, and is not for whoever comes.
    let opening = match state.admission {
        Admission::Open => "open",
        Admission::ReservedSoon | Admission::Reserved => "temporarilyClosed",
        Admission::Closed => "closed",
        Admission::OutOfService => "closedOnMaintenance",
    };
    let _ = write!(xml, "<fac:openingStatus>{opening}</fac:openingStatus>");
    if let Some(reason) = state.reason {
        let fault = match reason {
            Reason::Stale => "communicationsFailure",
            Reason::NoEcho
            | Reason::OutOfRange
            | Reason::Stuck
            | Reason::TooNoisy
            | Reason::SensorFailed => "erroneousOccupancyInformation",
            Reason::NoDevice | Reason::NeverHeard | Reason::Starting | Reason::NotSaid => {
                "noParkingInformationAvailable"
            }
        };
        let _ = write!(xml, "<prk:parkingFault>{fault}</prk:parkingFault>");
    }
    if let Some(is_occupied) = is_occupied {
        let _ = write!(xml, "<prk:occupied>{is_occupied}</prk:occupied>");
    }
    *xml += "</prk:parkingStatusInformation>\n";
}

fn name(plain: &str) -> String {
    format!(
        "<fac:name><com:values><com:value>{}</com:value></com:values></fac:name>",
        text(plain)
    )
}

fn reference(element: &str, id: &str, version: i64) -> String {
    format!(
        r#"<{element} id="{}" version="{version}" targetClass="{TARGET}"/>"#,
        text(id)
    )
}

fn location(latitude: f64, longitude: f64) -> String {
    format!(
        "<fac:locationReference xsi:type=\"loc:PointLocation\"><loc:pointByCoordinates><loc:pointCoordinates>\
         <loc:latitude>{latitude}</loc:latitude><loc:longitude>{longitude}</loc:longitude>\
         </loc:pointCoordinates></loc:pointByCoordinates></fac:locationReference>"
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
