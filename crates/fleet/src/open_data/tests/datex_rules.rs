//! The rules of the DATEX II v3.6 schemas, written anew as far as what is published here touches them:
//! `DATEXII_3_Parking.xsd`, `…_Facilities.xsd`, `…_LocationReferencing.xsd`, `…_Common.xsd` and `…_D2Payload.xsd`
//! (<https://docs.datex2.eu>, read 2026-11). The schemas themselves are not in this repository.
//!
//! Of each type every element is here, in its order, so that one in a wrong place is a mistake; of those that are never
//! written the type is left out, so that writing one is a mistake, too.

use jiff::Timestamp;
use roxmltree::Node;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const MANY: usize = usize::MAX;

/// A type with elements: those of its base come first.
struct Complex {
    name: &'static str,
    base: Option<&'static str>,
    is_abstract: bool,
    /// Name, type, at least, at most.
    elements: &'static [(&'static str, &'static str, usize, usize)],
    /// Name, and the only value it may have. All of these have to be there.
    attributes: &'static [(&'static str, Option<&'static str>)],
}

/// What is never written here, whatever the schema has there.
const UNUSED: &str = "";

const FACILITY: (&str, Option<&str>) = ("targetClass", Some("fac:FacilityObject"));
const ID: (&str, Option<&str>) = ("id", None);
const VERSION: (&str, Option<&str>) = ("version", None);

#[rustfmt::skip]
const TYPES: &[Complex] = &[
    Complex { name: "com:PayloadPublication", base: None, is_abstract: true,
        elements: &[("feedDescription", UNUSED, 0, 1), ("feedType", UNUSED, 0, 1), ("publicationTime", "DateTime", 1, 1),
            ("publicationCreator", "com:InternationalIdentifier", 1, 1)],
        attributes: &[("lang", None), ("modelBaseVersion", Some("3"))] },
    Complex { name: "com:InternationalIdentifier", base: None, is_abstract: false,
        elements: &[("country", "CountryCode", 1, 1), ("nationalIdentifier", "String", 1, 1)], attributes: &[] },
    Complex { name: "com:HeaderInformation", base: None, is_abstract: false,
        elements: &[("confidentiality", "Confidentiality", 0, 1), ("allowedDeliveryChannel", UNUSED, 0, MANY),
            ("informationStatus", "InformationStatus", 1, 1)], attributes: &[] },
    Complex { name: "com:MultilingualString", base: None, is_abstract: false,
        elements: &[("values", "com:values", 1, 1)], attributes: &[] },
    Complex { name: "com:values", base: None, is_abstract: false,
        elements: &[("value", "String", 1, MANY)], attributes: &[] },
    Complex { name: "prk:ParkingTablePublication", base: Some("com:PayloadPublication"), is_abstract: false,
        elements: &[("headerInformation", "com:HeaderInformation", 0, 1), ("parkingTable", "prk:ParkingTable", 1, MANY)],
        attributes: &[] },
    Complex { name: "prk:ParkingTable", base: None, is_abstract: false,
        elements: &[("name", UNUSED, 0, 1), ("versionTime", "DateTime", 1, 1), ("informationManager", UNUSED, 0, 1),
            ("hierarchyElementGeneral", "prk:HierarchyElementGeneral", 1, MANY)], attributes: &[ID, VERSION] },
    Complex { name: "fac:FacilityObject", base: None, is_abstract: true,
        elements: &[("name", "com:MultilingualString", 0, 1), ("alias", UNUSED, 0, MANY), ("externalIdentifier", UNUSED, 0, 1),
            ("lastUpdated", "DateTime", 0, 1), ("description", UNUSED, 0, 1), ("accessibility", UNUSED, 0, MANY),
            ("additionalInformation", UNUSED, 0, MANY), ("informationWebsite", UNUSED, 0, MANY), ("photoUrl", UNUSED, 0, MANY),
            ("photo", UNUSED, 0, MANY), ("operatingHours", UNUSED, 0, 1), ("locationReference", "loc:LocationReference", 0, 1),
            ("owner", UNUSED, 0, 1), ("operator", UNUSED, 0, 1), ("associatedFacility", UNUSED, 0, MANY), ("rates", UNUSED, 0, 1),
            ("applicableForVehicles", UNUSED, 0, MANY), ("dimension", UNUSED, 0, 1)], attributes: &[ID, VERSION] },
    Complex { name: "fac:Facility", base: Some("fac:FacilityObject"), is_abstract: true,
        elements: &[("supplementalFacility", UNUSED, 0, MANY)], attributes: &[] },
    Complex { name: "prk:HierarchyElementGeneral", base: Some("fac:Facility"), is_abstract: true,
        elements: &[("layer", "Count", 1, 1), ("type", "HierarchyElementType", 1, 1), ("parentId", "fac:Reference", 0, 1),
            ("childId", "fac:Reference", 0, MANY), ("operatorDefinedReference", UNUSED, 0, 1), ("occupancyLevel", UNUSED, 0, 1),
            ("operatorDefinedPlace", UNUSED, 0, MANY), ("responsibilityRoleAssignment", UNUSED, 0, MANY),
            ("supply", "prk:Supply", 0, 1)], attributes: &[] },
    Complex { name: "prk:Place", base: Some("prk:HierarchyElementGeneral"), is_abstract: false,
        elements: &[("layout", UNUSED, 0, 1), ("availableFloors", UNUSED, 0, 1), ("commonComponents", "prk:CommonComponents", 0, 1)],
        attributes: &[] },
    Complex { name: "prk:Space", base: Some("prk:HierarchyElementGeneral"), is_abstract: false,
        elements: &[("spaceMaximumUsableDimensions", UNUSED, 0, 1), ("operatingPattern", "prk:OperatingPattern", 0, MANY),
            ("additionalCharacteristics", "prk:AdditionalCharacteristics", 0, 1)], attributes: &[] },
    Complex { name: "prk:Supply", base: None, is_abstract: false,
        elements: &[("quantity", "Count", 1, 1), ("viewType", "SupplyViewType", 1, 1), ("startValidUsagePeriod", UNUSED, 0, 1),
            ("endValidUsagePeriod", UNUSED, 0, 1), ("spacesReference", UNUSED, 0, MANY)], attributes: &[] },
    Complex { name: "prk:CommonComponents", base: None, is_abstract: false,
        elements: &[("rgbColour", UNUSED, 0, MANY), ("characteristics", "prk:Characteristics", 0, MANY),
            ("parkingRoute", UNUSED, 0, MANY), ("marketing", UNUSED, 0, 1), ("safetyStandardClassification", UNUSED, 0, MANY),
            ("parkingVms", UNUSED, 0, MANY), ("permitsAndProhibitions", UNUSED, 0, MANY), ("additionalCharacteristics", UNUSED, 0, 1),
            ("operatingPattern", UNUSED, 0, MANY), ("thresholdConfiguration", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "prk:Characteristics", base: None, is_abstract: false,
        elements: &[("activationMode", UNUSED, 0, MANY), ("structureGrade", UNUSED, 0, 1), ("robotic", UNUSED, 0, 1),
            ("accessControlled", UNUSED, 0, 1), ("staffed", UNUSED, 0, 1), ("structureType", "StructureType", 1, 1),
            ("coveredType", UNUSED, 0, 1), ("openToPublic", UNUSED, 0, 1), ("spacesNonDedicated", UNUSED, 0, 1),
            ("spacesTotal", "Count", 0, 1), ("accessForPersonsWithDisabilities", UNUSED, 0, MANY)], attributes: &[] },
    Complex { name: "prk:AdditionalCharacteristics", base: None, is_abstract: false,
        elements: &[("floor", UNUSED, 0, 1), ("weightLimit", UNUSED, 0, 1), ("additionalConvenience", UNUSED, 0, MANY),
            ("structuralCharacteristics", UNUSED, 0, MANY), ("parkingMode", UNUSED, 0, 1),
            ("occupancyDetection", "OccupancyDetection", 0, 1), ("temporarilyParking", UNUSED, 0, 1),
            ("distanceFromPrimaryRoad", UNUSED, 0, 1), ("assignment", UNUSED, 0, MANY), ("dedicatedAccess", UNUSED, 0, MANY),
            ("totalDimension", UNUSED, 0, 1), ("minimumParkingSpaceDimension", UNUSED, 0, 1),
            ("maximumParkingSpaceDimension", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "prk:OperatingPattern", base: None, is_abstract: true,
        elements: &[("relatedLocation", UNUSED, 0, MANY), ("validity", UNUSED, 0, 1)],
        attributes: &[("operatingPatternIndex", None)] },
    Complex { name: "prk:OperatingRestriction", base: Some("prk:OperatingPattern"), is_abstract: false,
        elements: &[("context", UNUSED, 0, 1), ("type", "OperatingRestrictions", 1, 1)], attributes: &[] },
    Complex { name: "fac:Reference", base: None, is_abstract: false, elements: &[], attributes: &[ID, VERSION, FACILITY] },
    Complex { name: "prk:TableReference", base: None, is_abstract: false, elements: &[],
        attributes: &[ID, VERSION, ("targetClass", Some("prk:ParkingTable"))] },
    Complex { name: "loc:LocationReference", base: None, is_abstract: true, elements: &[], attributes: &[] },
    Complex { name: "loc:PointLocation", base: Some("loc:LocationReference"), is_abstract: false,
        elements: &[("pointByCoordinates", "loc:PointByCoordinates", 0, 1), ("pointAlongLinearElement", UNUSED, 0, MANY),
            ("alertCPoint", UNUSED, 0, MANY), ("tpegPointLocation", UNUSED, 0, 1), ("openlrPointLocationReference", UNUSED, 0, 1)],
        attributes: &[] },
    Complex { name: "loc:PointByCoordinates", base: None, is_abstract: false,
        elements: &[("bearing", UNUSED, 0, 1), ("pointCoordinates", "loc:PointCoordinates", 1, 1)], attributes: &[] },
    Complex { name: "loc:PointCoordinates", base: None, is_abstract: false,
        elements: &[("latitude", "Latitude", 1, 1), ("longitude", "Longitude", 1, 1), ("heightCoordinate", UNUSED, 0, 3),
            ("positionConfidenceEllipse", UNUSED, 0, 1), ("horizontalPositionAccuracy", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "prk:ParkingStatusPublication", base: Some("com:PayloadPublication"), is_abstract: false,
        elements: &[("parkingTableReference", "prk:TableReference", 0, MANY), ("headerInformation", "com:HeaderInformation", 0, 1),
            ("parkingStatusInformation", "prk:ParkingStatusInformation", 1, MANY)], attributes: &[] },
    Complex { name: "fac:FacilityObjectStatus", base: None, is_abstract: false,
        elements: &[("reference", "fac:Reference", 1, 1), ("lastUpdated", "DateTime", 0, 1), ("openingStatus", "OpeningStatus", 0, 1),
            ("regularOperatingHoursInForce", UNUSED, 0, 1), ("statusDescription", UNUSED, 0, 1), ("newOperatingHours", UNUSED, 0, 1),
            ("newRates", UNUSED, 0, 1), ("fault", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "fac:FacilityStatus", base: Some("fac:FacilityObjectStatus"), is_abstract: false,
        elements: &[("supplementalFacilityStatus", UNUSED, 0, MANY)], attributes: &[] },
    Complex { name: "prk:ParkingStatusInformation", base: Some("fac:FacilityStatus"), is_abstract: false,
        elements: &[("queueingTime", UNUSED, 0, 1), ("parkingConditions", UNUSED, 0, 1), ("blurredAvailability", UNUSED, 0, 1),
            ("parkingFault", "ParkingFault", 0, MANY), ("winterEquipmentManagementType", UNUSED, 0, MANY),
            ("parkingRouteStatus", UNUSED, 0, MANY), ("occupancy", "prk:Occupancy", 0, 1), ("statusValidity", UNUSED, 0, 1),
            ("operatingPatternStatus", UNUSED, 0, MANY), ("supply", UNUSED, 0, 1), ("demandTable", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "prk:PlaceStatus", base: Some("prk:ParkingStatusInformation"), is_abstract: false,
        elements: &[("status", "ParkingPlaceStatus", 0, MANY), ("parkingPlaceFullAtFloor", UNUSED, 0, MANY),
            ("declarationValidNow", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "prk:SpaceStatus", base: Some("prk:ParkingStatusInformation"), is_abstract: false,
        elements: &[("occupied", "Boolean", 1, 1), ("declarationValidNow", UNUSED, 0, 1),
            ("measurementOrCalculationTime", UNUSED, 0, 1), ("lastCalibration", UNUSED, 0, 1)], attributes: &[] },
    Complex { name: "prk:Occupancy", base: None, is_abstract: false,
        elements: &[("numberOfSpacesOverride", UNUSED, 0, 1), ("numberOfVacantSpaces", "Count", 0, 1),
            ("numberOfVacantSpacesLowerThan", UNUSED, 0, 1), ("numberOfVacantSpacesHigherThan", UNUSED, 0, 1),
            ("numberOfVacantSpacesGraded", UNUSED, 0, 1), ("numberOfOccupiedSpaces", "Count", 0, 1)], attributes: &[] },
];

/// Words of enumerations.
#[rustfmt::skip]
const WORDS: &[(&str, &[&str])] = &[
    ("Confidentiality", &["internalUse", "noRestriction"]),
    ("InformationStatus", &["real", "securityExercise", "technicalExercise", "test"]),
    ("HierarchyElementType", &["campus", "place", "subplaceElement", "identifiedArea", "space"]),
    ("SupplyViewType", &["spaceView", "vehicleView"]),
    ("StructureType", &["onStreet", "offStreetSurface", "offStreetStructure"]),
    ("OccupancyDetection", &["visual", "anpr", "imageAnalytics", "videoAnalytics", "videoSpace", "spaceSensor", "userDeclaration",
        "balancing", "modelBased", "none", "unknown", "other"]),
    ("OperatingRestrictions", &["disabledPersonPermitOnly", "electricVehicleOnly", "loadingZone", "loadingZoneCommercial"]),
    ("OpeningStatus", &["open", "openWithServiceLimitation", "closed", "closedOnHoliday", "closedOnMaintenance",
        "temporarilyClosed", "statusUnknown", "other"]),
    ("ParkingFault", &["communicationsFailure", "barrierMalfunction", "entranceExitObstructed", "erroneousOccupancyInformation",
        "erroneousOccupancyDisplayed", "paymentMachinesInoperative", "reservationServiceOutOfOrder",
        "noParkingInformationAvailable", "unspecified", "unknown", "other"]),
    ("ParkingPlaceStatus", &["full", "fullAtEntrance", "spacesAvailable", "almostFull", "overcrowding", "noOvercrowding", "unknown",
        "other"]),
    ("Boolean", &["true", "false"]),
];

/// Holds a document against the rules: one `payload`, a publication of parking.
pub(super) fn check(xml: &str) -> Result<(), String> {
    let document = roxmltree::Document::parse(xml).map_err(|error| error.to_string())?;
    let root = document.root_element();
    if root.tag_name().namespace() != Some("http://datex2.eu/schema/3/d2Payload")
        || root.tag_name().name() != "payload"
    {
        return Err(format!("{:?} is no payload", root.tag_name()));
    }
    element(root, "com:PayloadPublication").map_err(|error| format!("{error}\n{xml}"))
}

fn element(node: Node<'_, '_>, declared: &str) -> Result<(), String> {
    if !declared.contains(':') {
        return simple(node, declared);
    }
    let said = node.attribute((XSI, "type")).unwrap_or(declared);
    let (mut sequence, mut attributes) = (Vec::new(), Vec::new());
    let (mut next, mut derives) = (Some(said), false);
    while let Some(name) = next {
        let one = complex(name)?;
        if name == said && one.is_abstract {
            return Err(format!("{said} is abstract"));
        }
        derives |= name == declared;
        let (prefix, _) = name.split_once(':').unwrap_or_default();
        let own = one.elements.iter().map(|element| (prefix, element));
        sequence.splice(0..0, own);
        attributes.extend(one.attributes);
        next = one.base;
    }
    if !derives {
        return Err(format!("{said} stands where {declared} has to"));
    }
    let here = node.tag_name().name();
    for (name, fixed) in &attributes {
        let value = node
            .attribute(*name)
            .ok_or_else(|| format!("{here} has no {name}"))?;
        if value.is_empty() || fixed.is_some_and(|fixed| fixed != value) {
            return Err(format!("{here} has {name}={value}"));
        }
    }
    let is_known = |name: &str| attributes.iter().any(|(known, _)| *known == name);
    let mut others = node.attributes().filter(|one| one.namespace() != Some(XSI));
    if let Some(other) = others.find(|one| !is_known(one.name())) {
        return Err(format!("{here} may not have {}", other.name()));
    }
    if node
        .children()
        .any(|child| child.is_text() && !child.text().unwrap_or_default().trim().is_empty())
    {
        return Err(format!("{here} has text in it"));
    }
    let mut children = node.children().filter(Node::is_element).peekable();
    for (prefix, (name, kind, least, most)) in sequence {
        let mut count = 0;
        while let Some(child) = children.next_if(|child| is_named(*child, prefix, name)) {
            if kind.is_empty() {
                return Err(format!("nothing is known here of {name}"));
            }
            element(child, kind)?;
            count += 1;
        }
        if !(*least..=*most).contains(&count) {
            return Err(format!("{here} has {count} of {prefix}:{name}"));
        }
    }
    match children.next() {
        Some(child) => Err(format!("{:?} has no place in {here}", child.tag_name())),
        None => Ok(()),
    }
}

fn simple(node: Node<'_, '_>, kind: &str) -> Result<(), String> {
    let text = node.text().unwrap_or_default();
    let within = |most: f64| {
        text.parse()
            .is_ok_and(|degrees: f64| (-most..=most).contains(&degrees))
    };
    let holds = match kind {
        "DateTime" => text.parse::<Timestamp>().is_ok(),
        "Count" => text.parse::<u64>().is_ok(),
        "String" => !text.is_empty() && text.chars().count() <= 1024,
        "CountryCode" => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "Latitude" => within(90.0),
        "Longitude" => within(180.0),
        _ => WORDS
            .iter()
            .any(|(name, words)| *name == kind && words.contains(&text)),
    };
    if holds && node.children().all(|child| child.is_text()) {
        return Ok(());
    }
    Err(format!(
        "{} is {text:?}, which is no {kind}",
        node.tag_name().name()
    ))
}

fn complex(name: &str) -> Result<&'static Complex, String> {
    let found = TYPES.iter().find(|one| one.name == name);
    found.ok_or_else(|| format!("there is no type {name}"))
}

fn is_named(node: Node<'_, '_>, prefix: &str, name: &str) -> bool {
    let namespace = match prefix {
        "com" => "http://datex2.eu/schema/3/common",
        "fac" => "http://datex2.eu/schema/3/facilities",
        "loc" => "http://datex2.eu/schema/3/locationReferencing",
        _ => "http://datex2.eu/schema/3/parking",
    };
    node.tag_name().name() == name && node.tag_name().namespace() == Some(namespace)
}
