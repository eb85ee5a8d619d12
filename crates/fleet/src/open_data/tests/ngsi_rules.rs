//! The rules of the Smart Data Models' JSON schemas, written anew as far as what is published here can break them:
//! `ParkingSpot/schema.json` (0.1.0) and `OnStreetParking/schema.json` with what they refer to in `common-schema.json`, of
//! <https://github.com/smart-data-models/dataModel.Parking> (read 2026-11); and the normalized form of NGSI-LD, ETSI GS
//! CIM 009, 4.5.
//!
//! The schemas let pass what they do not know. Here a name they do not know is a mistake.

use jiff::Timestamp;
use serde_json::Value;

/// What a member's plain value has to be.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Text,
    /// An integer, 0 or more.
    Count,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, none twice.
    Words(&'static [&'static str]),
    Uri,
    Uris,
    /// A GeoJSON point: longitude, latitude.
    Point,
}

/// A model: its name, what it must have, and what it may have.
#[derive(Debug)]
pub(super) struct Model {
    kind: &'static str,
    required: &'static [&'static str],
    members: &'static [(&'static str, Rule)],
}

pub(super) const PARKING_SPOT: Model = Model {
    kind: "ParkingSpot",
    required: &["location", "status", "category", "refParkingSite"],
    members: &[
        ("name", Rule::Text),
        ("location", Rule::Point),
        (
            "status",
            Rule::Word(&["closed", "free", "occupied", "unknown"]),
        ),
        ("category", Rule::Words(&["onStreet", "offStreet"])),
        ("refParkingSite", Rule::Uri),
    ],
};

pub(super) const ON_STREET_PARKING: Model = Model {
    kind: "OnStreetParking",
    required: &["location"],
    members: &[
        ("name", Rule::Text),
        ("location", Rule::Point),
        ("totalSpotNumber", Rule::Count),
        ("availableSpotNumber", Rule::Count),
        ("extraSpotNumber", Rule::Count),
        (
            "occupancyDetectionType",
            Rule::Words(&[
                "balancing",
                "manual",
                "modelBased",
                "none",
                "singleSpaceDetection",
            ]),
        ),
        ("refParkingSpot", Rule::Uris),
    ],
};

impl Model {
    /// Holds an entity of plain values against the model.
    pub(super) fn check(&self, entity: &Value) -> Result<(), String> {
        self.check_frame(entity)?;
        for (name, value) in members(entity)? {
            let rule = self.rule(name)?;
            if !rule.holds(value) {
                return Err(format!("{name} is {value}, against {rule:?}"));
            }
        }
        if self.kind == "OnStreetParking" {
            let count = |name: &str| entity[name].as_i64().unwrap_or_default();
            if count("availableSpotNumber") + count("extraSpotNumber") > count("totalSpotNumber") {
                return Err("more is available than there is".to_owned());
            }
        }
        Ok(())
    }

    /// Holds a normalized entity against the form, and what is in it against the model.
    pub(super) fn check_normalized(&self, entity: &Value) -> Result<(), String> {
        self.check_frame(entity)?;
        for (name, member) in members(entity)? {
            let rule = self.rule(name)?;
            let (kind, held) = match rule {
                Rule::Uri | Rule::Uris => ("Relationship", "object"),
                Rule::Point => ("GeoProperty", "value"),
                _ => ("Property", "value"),
            };
            if member["type"] != kind || !rule.holds(&member[held]) {
                return Err(format!("{name} is {member}, against {kind} {rule:?}"));
            }
            for (part, value) in member.as_object().into_iter().flatten() {
                let is_moment = || {
                    let text = value.as_str().unwrap_or_default();
                    text.ends_with('Z') && text.parse::<Timestamp>().is_ok()
                };
                if part != "type" && part != held && !(part == "observedAt" && is_moment()) {
                    return Err(format!("{name} has {part}: {value}"));
                }
            }
        }
        Ok(())
    }

    fn check_frame(&self, entity: &Value) -> Result<(), String> {
        let id = entity["id"].as_str().unwrap_or_default();
        if !id.starts_with(&format!("urn:ngsi-ld:{}:", self.kind))
            || !Rule::Uri.holds(&entity["id"])
        {
            return Err(format!("{id:?} is no id of a {}", self.kind));
        }
        if entity["type"] != self.kind {
            return Err(format!("{} is no {}", entity["type"], self.kind));
        }
        // The core context is the last, so that nothing says otherwise what it says.
        let context = entity["@context"]
            .as_array()
            .ok_or("there is no @context")?;
        let core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";
        if !context.iter().all(|uri| Rule::Uri.holds(uri))
            || context.last().and_then(Value::as_str) != Some(core)
        {
            return Err(format!("{context:?} is no @context"));
        }
        match self
            .required
            .iter()
            .find(|name| entity.get(**name).is_none())
        {
            Some(name) => Err(format!("{name} is missing")),
            None => Ok(()),
        }
    }

    fn rule(&self, name: &str) -> Result<Rule, String> {
        let rule = self.members.iter().find(|(known, _)| *known == name);
        rule.map(|(_, rule)| *rule)
            .ok_or_else(|| format!("the model knows no {name}"))
    }
}

impl Rule {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Count => value.is_u64(),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Words(words) => value.as_array().is_some_and(|list| {
                let mut seen = Vec::new();
                !list.is_empty()
                    && list.iter().all(|word| {
                        let is_new = !seen.contains(&word);
                        seen.push(word);
                        is_new && Self::Word(words).holds(word)
                    })
            }),
            Self::Uri => value.as_str().is_some_and(|uri| {
                uri.split_once(':').is_some_and(|(scheme, rest)| {
                    scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
                        && !rest.is_empty()
                        && rest
                            .bytes()
                            .all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte))
                })
            }),
            Self::Uris => value
                .as_array()
                .is_some_and(|list| list.iter().all(|uri| Self::Uri.holds(uri))),
            Self::Point => {
                let at = |index: usize| value["coordinates"][index].as_f64().unwrap_or(f64::NAN);
                value["type"] == "Point"
                    && value["coordinates"].as_array().map(Vec::len) == Some(2)
                    && (-180.0..=180.0).contains(&at(0))
                    && (-90.0..=90.0).contains(&at(1))
            }
        }
    }
}

/// All but what every entity has.
fn members(entity: &Value) -> Result<impl Iterator<Item = (&String, &Value)>, String> {
    let members = entity.as_object().ok_or("it is no object")?;
    let frame = ["id", "type", "@context"];
    Ok(members
        .iter()
        .filter(move |(name, _)| !frame.contains(&name.as_str())))
}
