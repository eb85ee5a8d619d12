//! What modules need of the board they run on, in create options: device nodes, and the groups they belong to.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::Platform;
use crate::create_options;

/// The variable in which a module is told of its board.
const VARIABLE: &str = "BAY_BOARD";

/// The bay of `docs/raspberry-pi.md`, with whatever gauge answers.
const WIRING: &str = "trigger=GPIO23,echo=GPIO24,green=GPIO17,red=GPIO27,gauge=probe";

/// A kind of Raspberry Pi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// `pi3`: 3 A+, 3 B, 3 B+.
    Pi3,
    /// `pi4`: 4 B, 400.
    Pi4,
    /// `pi5`: 5, 500.
    Pi5,
    /// `pi-zero-2`: Zero 2 W.
    PiZero2,
}

/// A board that a manifest is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// The GPIO chip its header is on: 0 for `/dev/gpiochip0`.
    pub gpio_chip: u32,
    /// Whose group the chip is on the host. By its number, for an image from scratch knows no names.
    pub gpio_group: u32,
    /// Whose group `/dev/i2c-1` is on the host, by its number.
    pub i2c_group: u32,
    /// Whose group `/dev/spidev*` are on the host, by its number.
    pub spi_group: u32,
    /// What is wired to it, as `BAY_BOARD` has it after `linux:`.
    pub wiring: String,
}

/// What a module asks for in `devices` of its `module.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// `gpio`: the chip of the header.
    Gpio,
    /// `i2c`: the bus of the header.
    I2c,
    /// `lamp`: the chip of the header, or the bus of a strip, as the board is wired.
    Lamp,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 4] = [Self::Pi3, Self::Pi4, Self::Pi5, Self::PiZero2];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pi3 => "pi3",
            Self::Pi4 => "pi4",
            Self::Pi5 => "pi5",
            Self::PiZero2 => "pi-zero-2",
        }
    }

    /// The platform of the system it usually runs: the 64-bit one.
    pub fn platform(self) -> Platform {
        Platform::Arm64v8
    }

    /// The model as Raspberry Pi OS 12 shows it, wired like the bay of `docs/raspberry-pi.md`.
    pub fn board(self) -> Board {
        Board {
            gpio_chip: 0,
            gpio_group: 993,
            i2c_group: 994,
            spi_group: 995,
            wiring: WIRING.to_owned(),
        }
    }

    /// Whether the header's chip has this number under every kernel. That of a Pi 5 was 4 up to 6.6.44, then 0, and 15
    /// from 6.12.96 on (raspberrypi/linux#6144, adafruit/Adafruit_Blinka#1119).
    pub fn has_one_chip_number(self) -> bool {
        self != Self::Pi5
    }
}

impl Board {
    /// The SPI device of the strip that is wired to it: `spidev0.0`.
    fn strip(&self) -> Option<&str> {
        let mut pairs = self.wiring.split(',');
        pairs.find_map(|pair| pair.trim().strip_prefix("strip="))
    }
}

impl Device {
    const NAMES: [(&'static str, Self); 3] = [
        ("gpio", Self::Gpio),
        ("i2c", Self::I2c),
        ("lamp", Self::Lamp),
    ];

    /// The device of a name.
    ///
    /// # Errors
    ///
    /// The names there are.
    pub(super) fn of(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, device)| *device)
            .ok_or_else(|| format!("there are {}", Self::NAMES.map(|(name, _)| name).join(", ")))
    }

    /// Its node, and the number of the node's group.
    fn node(self, board: &Board) -> (String, u32) {
        match (self, board.strip()) {
            (Self::I2c, _) => ("/dev/i2c-1".to_owned(), board.i2c_group),
            (Self::Lamp, Some(strip)) => (format!("/dev/{strip}"), board.spi_group),
            (Self::Gpio, _) | (Self::Lamp, None) => (
                format!("/dev/gpiochip{}", board.gpio_chip),
                board.gpio_group,
            ),
        }
    }
}

/// Fits a manifest to a board: its modules get the devices they ask for, by their image, and those of a simulated board
/// get this one. A module that names another machine's parts already keeps them. Returns the modules that were simulated
/// and whose image nobody asks anything for, by the name they have.
pub(super) fn fit(
    json: &mut Json,
    board: &Board,
    asked: &BTreeMap<String, Vec<Device>>,
) -> Vec<String> {
    let mut unknown = Vec::new();
    fit_all(json, board, asked, &mut unknown);
    unknown
}

fn fit_all(
    json: &mut Json,
    board: &Board,
    asked: &BTreeMap<String, Vec<Device>>,
    unknown: &mut Vec<String>,
) {
    let Json::Object(fields) = json else {
        return;
    };
    for (name, value) in fields.iter_mut() {
        match value {
            Json::Object(module) if module.get("settings").is_some_and(Json::is_object) => {
                if !fit_module(module, board, asked) {
                    unknown.push(name.clone());
                }
            }
            value => fit_all(value, board, asked, unknown),
        }
    }
}

/// False when it is not known what the module asks for, and it was on a simulated board.
fn fit_module(
    module: &mut Map<String, Json>,
    board: &Board,
    asked: &BTreeMap<String, Vec<Device>>,
) -> bool {
    let socket = leave_simulation(module, board);
    let Some(Json::Object(settings)) = module.get_mut("settings") else {
        return true;
    };
    let image = settings.get("image").and_then(Json::as_str);
    let known = image.and_then(|image| asked.get(image));
    let devices = known.map_or(&[][..], Vec::as_slice);
    let is_known = known.is_some() || socket.is_none();
    if socket.is_none() && devices.is_empty() {
        return is_known;
    }
    // What is no object is reported where it is read.
    let Some(mut options) = take_options(settings) else {
        return is_known;
    };
    let host = options.entry("HostConfig").or_insert_with(|| json!({}));
    if let Json::Object(host) = host {
        if let Some(socket) = socket {
            unbind(host, Path::new(&socket));
        }
        give(host, devices, board);
    }
    settings.insert(create_options::key(0), Json::Object(options));
    is_known
}

/// The socket of the simulated board that the module had until now, if it had one.
fn leave_simulation(module: &mut Map<String, Json>, board: &Board) -> Option<String> {
    let value = module.get_mut("env")?.get_mut(VARIABLE)?.get_mut("value")?;
    let socket = value.as_str()?.strip_prefix("sim:")?.to_owned();
    *value = format!("linux:{}", board.wiring).into();
    Some(socket)
}

/// The create options, joined. None, and nothing taken, when they are no object.
fn take_options(settings: &mut Map<String, Json>) -> Option<Map<String, Json>> {
    let pieces: Vec<String> = settings
        .keys()
        .filter(|key| create_options::is_piece(key))
        .cloned()
        .collect();
    let texts = pieces.iter().map(|key| match &settings[key] {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        options => options.to_string(),
    });
    let whole: String = texts.collect();
    let options = match whole.trim() {
        "" => Map::new(),
        whole => serde_json::from_str(whole).ok()?,
    };
    for key in pieces {
        settings.shift_remove(&key);
    }
    Some(options)
}

/// Takes the simulated board's socket, or its directory, from what is bound.
fn unbind(host: &mut Map<String, Json>, socket: &Path) {
    let Some(Json::Array(binds)) = host.get_mut("Binds") else {
        return;
    };
    let directory = socket.parent();
    binds.retain(|bind| {
        let target = bind.as_str().and_then(|bind| bind.split(':').nth(1));
        let target = target.map(Path::new);
        target != Some(socket) && target != directory
    });
}

fn give(host: &mut Map<String, Json>, devices: &[Device], board: &Board) {
    for device in devices {
        let (node, group) = device.node(board);
        let given = json!({"PathOnHost": node, "PathInContainer": node, "CgroupPermissions": "rw"});
        add(host, "Devices", given);
        add(host, "GroupAdd", group.to_string().into());
    }
    for (key, value) in [
        ("CapDrop", json!(["ALL"])),
        ("ReadonlyRootfs", json!(true)),
        ("SecurityOpt", json!(["no-new-privileges:true"])),
    ] {
        host.entry(key).or_insert(value);
    }
}

fn add(host: &mut Map<String, Json>, list: &str, item: Json) {
    if let Json::Array(items) = host.entry(list).or_insert_with(|| json!([]))
        && !items.contains(&item)
    {
        items.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted_with_unknown(module: Json) -> (Json, Vec<String>) {
        let asked = BTreeMap::from([("light:1".to_owned(), vec![Device::Gpio, Device::I2c])]);
        let mut modules = json!({"modules": {"lamp": module}});
        let unknown = fit(&mut modules, &Model::Pi4.board(), &asked);
        (modules["modules"]["lamp"].take(), unknown)
    }

    fn fitted(module: Json) -> Json {
        fitted_with_unknown(module).0
    }

    #[test]
    fn a_module_gets_what_it_asks_for_and_no_more() {
        let module = fitted(json!({
            "env": {"BAY_BOARD": {"value": "sim:/run/bay/board.sock"}, "OTHER": {"value": "sim:x"}},
            "settings": {"image": "light:1", "createOptions": {
                "User": "7", "HostConfig": {"Binds": ["state:/var/lib/bay", "/tmp/x:/run/bay:ro"], "CapDrop": ["NET_RAW"]}}},
        }));
        assert_eq!(
            module["env"],
            json!({"BAY_BOARD": {"value": format!("linux:{WIRING}")}, "OTHER": {"value": "sim:x"}})
        );
        let device = |node: &str| json!({"PathOnHost": node, "PathInContainer": node, "CgroupPermissions": "rw"});
        assert_eq!(
            module["settings"]["createOptions"],
            json!({"User": "7", "HostConfig": {
                "Binds": ["state:/var/lib/bay"],
                "CapDrop": ["NET_RAW"],
                "Devices": [device("/dev/gpiochip0"), device("/dev/i2c-1")],
                "GroupAdd": ["993", "994"],
                "ReadonlyRootfs": true,
                "SecurityOpt": ["no-new-privileges:true"],
            }})
        );
    }

    #[test]
    fn a_lamp_is_on_lines_or_on_a_bus() {
        let board = Model::Pi4.board();
        let chip = ("/dev/gpiochip0".to_owned(), 993);
        assert_eq!(Device::Lamp.node(&board), chip);
        let wiring = "trigger=GPIO23,echo=GPIO24, strip=spidev0.1,leds=8".to_owned();
        let board = Board { wiring, ..board };
        assert_eq!(
            Device::Lamp.node(&board),
            ("/dev/spidev0.1".to_owned(), 995)
        );
        assert_eq!(Device::Gpio.node(&board), chip);
    }

    #[test]
    fn what_asks_for_nothing_is_left_alone() {
        for module in [
            json!({"settings": {"image": "other:1", "createOptions": "{}"}}),
            json!({"env": {"BAY_BOARD": {"value": "linux:gauge=sbs"}}, "settings": {"image": "other:1"}}),
            json!({"settings": {"image": "light:1", "createOptions": "[]"}}),
            json!({"settings": "text", "env": 5}),
        ] {
            assert_eq!(fitted(module.clone()), module);
        }
    }

    #[test]
    fn who_was_simulated_and_asks_for_nothing_known_is_named() {
        for (image, unknown) in [("light:1", vec![]), ("other:1", vec!["lamp".to_owned()])] {
            let (module, found) = fitted_with_unknown(json!({
                "env": {"BAY_BOARD": {"value": "sim:/run/bay/board.sock"}},
                "settings": {"image": image},
            }));
            assert_eq!(found, unknown, "{module}");
        }
    }

    #[test]
    fn options_may_come_as_pieces_or_not_at_all() {
        let group = json!(["993", "994"]);
        for settings in [
            json!({"image": "light:1"}),
            json!({"image": "light:1", "createOptions": null}),
            json!({"image": "light:1", "createOptions": "{\"HostConfig\":", "createOptions01": "{}}"}),
        ] {
            let module = fitted(json!({"settings": settings}));
            let options = &module["settings"]["createOptions"];
            assert_eq!(options["HostConfig"]["GroupAdd"], group, "{module}");
            assert_eq!(module["settings"].get("createOptions01"), None);
        }
    }
}
