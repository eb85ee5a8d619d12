//! The identity file of a freshly imaged card: who a device is before it has ever been asked.
//!
//! The device takes it over at its first boot and removes it from the card, so it holds what one device may know: its
//! own key, never a group's.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::SymmetricKey;
use provisioning::edge_config::Endpoint;

/// What the file is called on a card's boot partition.
pub(crate) const FILE: &str = "cow-identity.toml";

/// Digits of a PIN made here. The portal slows down who guesses, so this is many enough.
const PIN_DIGITS: usize = 8;

/// What an identity file says.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) id_scope: IdScope,
    pub(crate) registration_id: RegistrationId,
    pub(crate) key: SymmetricKey,
    /// Where to register, if not where all the world does.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) pin: Pin,
}

impl Card {
    /// Writes it for its owner alone. Nothing is ever half written over: an old file is replaced whole, and only when
    /// `replace` says so.
    pub(crate) fn write(&self, path: &Path, replace: bool) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        if !replace {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(path);
            return match file {
                Ok(file) => fill(&file, &self.toml()).with_context(cannot),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    bail!("{} exists: --force replaces it", path.display())
                }
                Err(error) => Err(error).with_context(cannot),
            };
        }
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        // Made for its owner alone, too.
        let new = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")));
        let new = new.with_context(cannot)?;
        fill(new.as_file(), &self.toml()).with_context(cannot)?;
        new.persist(path).with_context(cannot)?;
        Ok(())
    }

    /// None of the values can hold what TOML would need escaped: their types see to that.
    fn toml(&self) -> String {
        let mut text = String::from(
            "# Who this device is. It takes this over at its first boot and removes the file.\n",
        );
        let mut say = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = \"{value}\"");
        };
        say("id_scope", &self.id_scope.0);
        say("registration_id", self.registration_id.as_str());
        say("symmetric_key", &self.key.to_base64());
        if let Some(endpoint) = &self.endpoint {
            say("global_endpoint", endpoint.as_str());
        }
        say("portal_pin", &self.pin.0);
        text
    }
}

/// A card is pulled out as soon as the command ends, so the text has to be on it by then.
fn fill(mut file: &File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The id scope of a provisioning service: letters and digits, as in `0ne00AA1BB2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdScope(String);

impl FromStr for IdScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err("an id scope is letters and digits, as in 0ne00AA1BB2".into())
        }
    }
}

/// The serial number of a Raspberry Pi: 16 hexadecimal digits, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Serial(RegistrationId);

impl Serial {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn into_registration_id(self) -> RegistrationId {
        self.0
    }
}

impl FromStr for Serial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a board serial is 16 hexadecimal digits, as in 10000000a1b2c3d4".to_owned();
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits {
            return Err(wrong());
        }
        let id = text.to_ascii_lowercase().parse();
        id.map(Self).map_err(|_| wrong())
    }
}

/// What unlocks the device's own page: 6 to 16 digits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pin(String);

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

impl Pin {
    /// One that nobody can guess.
    pub(crate) fn random() -> anyhow::Result<Self> {
        let mut digits = String::with_capacity(PIN_DIGITS);
        while digits.len() < PIN_DIGITS {
            let mut bytes = [0; PIN_DIGITS];
            getrandom::fill(&mut bytes)
                .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
            // 250 is a multiple of ten: what is above would make some digits likelier than others.
            let fair = bytes.into_iter().filter(|&byte| byte < 250);
            let room = PIN_DIGITS - digits.len();
            digits.extend(fair.take(room).map(|byte| char::from(b'0' + byte % 10)));
        }
        Ok(Self(digits))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (6..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err("a PIN is 6 to 16 digits".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn card(pin: &str) -> Card {
        Card {
            id_scope: "0ne00AA".parse().expect("a scope"),
            registration_id: "10000000a1b2c3d4".parse().expect("an id"),
            key: SymmetricKey::from_bytes(*b"sixteen bytes ok"),
            endpoint: Some("localhost:8443".parse().expect("an endpoint")),
            pin: pin.parse().expect("a PIN"),
        }
    }

    #[test]
    fn a_file_is_for_its_owner_and_is_replaced_only_on_demand() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        card("111111").write(&path, false).expect("it is new");
        let refused = card("222222").write(&path, false).expect_err("it exists");
        assert_eq!(
            refused.to_string(),
            format!("{} exists: --force replaces it", path.display())
        );
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.ends_with(
            "id_scope = \"0ne00AA\"\nregistration_id = \"10000000a1b2c3d4\"\n\
             symmetric_key = \"c2l4dGVlbiBieXRlcyBvaw==\"\nglobal_endpoint = \"https://localhost:8443\"\n\
             portal_pin = \"111111\"\n"
        ), "{text}");
        let default = Endpoint::default();
        let read = provisioning::card::Card::read(text.as_bytes(), &default).expect("its form");
        assert_eq!(read.identity.registration_id.as_str(), "10000000a1b2c3d4");
        assert!(read.pin.is_some());
        card("222222").write(&path, true).expect("it may");
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.contains("\"222222\""));
        let mode = fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let left = fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(left, 1, "nothing else is left there");
    }

    #[test]
    fn nothing_that_toml_would_misread_gets_in() {
        for wrong in ["", "0ne\"", "0ne 1", "0ne\n"] {
            assert!(wrong.parse::<IdScope>().is_err(), "{wrong:?}");
        }
        for wrong in ["", "12345", "12345678901234567", "12345a"] {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong:?}");
        }
        for wrong in ["", "10000000a1b2c3d", "10000000a1b2c3dg"] {
            assert!(wrong.parse::<Serial>().is_err(), "{wrong:?}");
        }
        let upper: Serial = "10000000A1B2C3D4".parse().expect("a serial");
        assert_eq!(upper.into_registration_id().as_str(), "10000000a1b2c3d4");
    }

    #[test]
    fn pins_are_digits_and_differ() {
        let pin = || Pin::random().expect("random numbers");
        let (one, other) = (pin(), pin());
        assert!(one.as_str().parse::<Pin>().is_ok());
        assert_eq!(one.as_str().len(), PIN_DIGITS);
        assert_ne!(one, other);
    }
}
