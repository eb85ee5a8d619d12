//! What the templates are given.

use askama::Template;
use bay::model::{LIGHT, Model, PROVISIONING};
use board::simulated::{BoardState, Outcome, Rain};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::forms::{self, Method, Setting};
use super::{Bay, Street};

#[derive(Template)]
#[template(path = "street.html")]
pub(super) struct StreetPage<'a> {
    hub: &'a str,
    bays: Vec<BayLine<'a>>,
}

#[derive(Template)]
#[template(path = "bay.html")]
pub(super) struct BayPage<'a> {
    hub: &'a str,
    street: Vec<BayLine<'a>>,
    bay: BayLine<'a>,
    state: BoardState,
    air: String,
    battery: String,
    rain: &'static str,
    rains: [(&'static str, &'static str); 3],
    modules: Vec<ModuleView<'a>>,
    /// The module that books; empty where the bay has none.
    light: &'a str,
    /// The module that changes who the machine is; empty where the bay has none.
    provisioning: &'a str,
    /// The state once more, for the scripts.
    first: String,
}

/// A bay whose machine has no identity.
#[derive(Template)]
#[template(path = "stock.html")]
pub(super) struct StockPage<'a> {
    hub: &'a str,
    street: Vec<BayLine<'a>>,
    bay: BayLine<'a>,
    /// As on the other page; there is nothing to ask for here.
    provisioning: &'a str,
}

/// A bay among others.
struct BayLine<'a> {
    name: &'a str,
    /// The name as a part of an address.
    path: String,
    /// The device its machine is; empty where it is none.
    device: String,
    /// Of its board.
    serial: &'a str,
    /// Whether its machine serves a page of its own.
    has_portal: bool,
    lamp: String,
    distance: String,
}

struct ModuleView<'a> {
    id: &'a str,
    settings: Vec<Setting>,
    methods: Vec<Method>,
}

pub(super) fn street_page(street: &Street) -> StreetPage<'_> {
    StreetPage {
        hub: &street.hub,
        bays: lines(street),
    }
}

pub(super) fn bay_page<'a>(street: &'a Street, bay: &'a Bay) -> BayPage<'a> {
    let state = bay.board.state();
    let battery = state.battery.registers;
    BayPage {
        hub: &street.hub,
        street: lines(street),
        bay: line(bay, &state),
        air: format!("{:.1} °C", state.temperature.celsius),
        battery: format!(
            "{} %, {:.2} V",
            battery.charge_percent,
            f64::from(battery.voltage_mv) / 1000.0
        ),
        rain: match state.rain {
            Rain::None => "none",
            Rain::Light => "light",
            Rain::Heavy => "heavy",
        },
        rains: [("none", "Dry"), ("light", "Light"), ("heavy", "Heavy")],
        modules: bay.modules.iter().map(module).collect(),
        light: holding(bay, LIGHT),
        provisioning: holding(bay, PROVISIONING),
        first: for_script(&state),
        state,
    }
}

pub(super) fn stock_page<'a>(street: &'a Street, bay: &'a Bay) -> StockPage<'a> {
    StockPage {
        hub: &street.hub,
        street: lines(street),
        bay: line(bay, &bay.board.state()),
        provisioning: "",
    }
}

fn lines(street: &Street) -> Vec<BayLine<'_>> {
    street
        .bays
        .iter()
        .map(|bay| line(bay, &bay.board.state()))
        .collect()
}

fn line<'a>(bay: &'a Bay, state: &BoardState) -> BayLine<'a> {
    BayLine {
        name: &bay.name,
        path: utf8_percent_encode(&bay.name, NON_ALPHANUMERIC).to_string(),
        device: bay.device.borrow().clone().unwrap_or_default(),
        serial: &bay.serial,
        has_portal: bay.has_portal,
        lamp: state.lamp.colour.to_string(),
        distance: match state
            .sample
            .map(|sample| (sample.outcome, sample.distance_mm))
        {
            Some((Outcome::Returned, Some(mm))) => format!("{mm} mm"),
            Some((Outcome::Stuck, _)) => "echo stuck".into(),
            Some((Outcome::Fault, _)) => "no sensor".into(),
            Some(_) => "no echo".into(),
            None => "not measured yet".into(),
        },
    }
}

fn module(module: &super::Module) -> ModuleView<'_> {
    let (settings, methods) = module.model.as_ref().map(forms::of).unwrap_or_default();
    ModuleView {
        id: &module.id,
        settings,
        methods,
    }
}

/// The module with this interface.
fn holding(bay: &Bay, model: Model) -> &str {
    let mut modules = bay.modules.iter();
    let found = modules.find(|module| module.model == Some(model));
    found.map(|module| module.id.as_str()).unwrap_or_default()
}

/// JSON that cannot end the script element it stands in.
fn for_script(state: &BoardState) -> String {
    serde_json::to_string(state)
        .unwrap_or_default()
        .replace('<', "\\u003c")
}
