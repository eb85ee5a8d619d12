//! What others are told of a module's settings, held against its table. For the tests of the modules.

use serde_json::Value;

use super::{InForce, Table, snapshot};
use crate::Acknowledgement;
use crate::model::Model;

/// Where a module's DTDL interface or its README says something else than `defaults`: the interface has to declare
/// every setting and no other, with a schema that accepts the default; the README has to have a table row
/// ``| `name` | default |`` for each. Empty when all agree.
pub fn disagreements<S: Table>(defaults: &S, model: &Model, readme: &str) -> Vec<String> {
    let values = snapshot(defaults);
    let declared = match model.interface() {
        Ok(interface) => interface.writable,
        Err(error) => return vec![error.to_string()],
    };
    let mut found = Vec::new();
    for property in &declared {
        match values.get(&property.name) {
            None => found.push(format!("{}: declared, and no setting", property.name)),
            Some(value) if !property.schema.accepts(value) => found.push(format!(
                "{}: {value} is not {:?}",
                property.name, property.schema
            )),
            Some(_) => {}
        }
    }
    for (name, value) in &values {
        if !declared.iter().any(|property| property.name == *name) {
            found.push(format!("{name}: not declared"));
        }
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let row = format!("| `{name}` | {shown} |");
        if !readme.contains(&row) {
            found.push(format!("{name}: the README has no row {row}"));
        }
    }
    found
}

/// How the settings answer `wish`, a patch of desired properties: code and words for each property of it.
pub fn answers<S: Table>(defaults: S, wish: &Value) -> Vec<(u16, String)> {
    let patch = wish.as_object().cloned().unwrap_or_default();
    InForce::new(defaults)
        .handle_desired(&patch, 2)
        .values()
        .filter_map(|answer| serde_json::from_value::<Acknowledgement>(answer.clone()).ok())
        .map(|answer| (answer.ac, answer.ad))
        .collect()
}
