use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{ArgGroup, Subcommand};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::SymmetricKey;
use provisioning::edge_config::Endpoint;
use serde_json::json;

use crate::card::{self, Card, IdScope, Pin, Serial};
use crate::control::{Control, ControlArgs};
use crate::enrolment_arg;
use crate::output::{self, JsonArgs, STRONG, UsedWrongly, paint};
use crate::place::make_private;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the file that gives a freshly imaged card its first identity
    Prepare(Box<Prepare>),
}

#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("devices").required(true),
    group = ArgGroup::new("keys").required(true),
    after_help = "\
Examples:
  cow image prepare --serial 10000000a1b2c3d4 --group stock --out /media/bootfs
  cow image prepare --id-scope 0ne00AA1BB2 --serials list.txt --group-key-file stock.key --out cards
  pass dps/stock | cow image prepare --id-scope 0ne00AA1BB2 --serials list.txt --group-key-file - \\
    --out cards

The file holds the device's own key, derived from the group's; the group's key is never written.
Put it on the card's boot partition as cow-identity.toml. The bay takes it over at its first boot."
)]
pub(crate) struct Prepare {
    /// Id scope of the provisioning service; with --group, that of the running simulator
    #[arg(long, value_name = "SCOPE", required_unless_present = "group")]
    id_scope: Option<IdScope>,
    /// Serial number of the board
    #[arg(long, group = "devices")]
    serial: Option<Serial>,
    /// Registration id, for a device that does not go by its board's serial number
    #[arg(long, value_name = "ID", group = "devices")]
    registration_id: Option<RegistrationId>,
    /// Serial numbers of many boards, one a line; # begins a comment
    #[arg(long, value_name = "FILE", group = "devices", requires = "out")]
    serials: Option<PathBuf>,
    /// Key of the enrolment group, in base64, in a file; - reads it from standard input
    #[arg(long, value_name = "FILE", group = "keys")]
    group_key_file: Option<PathBuf>,
    /// The device's own key, in base64, in a file; - reads it from standard input
    #[arg(long, value_name = "FILE", group = "keys", conflicts_with = "serials")]
    key_file: Option<PathBuf>,
    /// Enrolment group of the running simulator, which derives the key
    #[arg(long, value_name = "NAME", group = "keys", value_parser = enrolment_arg::group)]
    group: Option<String>,
    /// Where to register: HOST or HOST:PORT; Azure's global endpoint when left out, with --group the running simulator
    #[arg(long, value_name = "HOST")]
    endpoint: Option<Endpoint>,
    /// PIN of the device's own page, 6 to 16 digits; one is made when left out
    #[arg(long)]
    pin: Option<Pin>,
    /// File or directory to write to; this directory when left out. With --serials, the directory of SERIAL.toml files
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Prepare(args) = command;
    args.run().await
}

impl Prepare {
    async fn run(self) -> anyhow::Result<()> {
        let targets = self.targets()?;
        if !self.force
            && let Some((_, path)) = targets.iter().find(|(_, path)| path.exists())
        {
            bail!("{} exists: --force replaces it", path.display());
        }
        let source = self.source().await?;
        let mut cards = Vec::with_capacity(targets.len());
        for (registration_id, path) in targets {
            let card = Card {
                id_scope: source.id_scope.clone(),
                key: source.keys.key(&registration_id).await?,
                registration_id,
                endpoint: source.endpoint.clone(),
                pin: self.pin.clone().map_or_else(Pin::random, Ok)?,
            };
            cards.push((card, path));
        }
        // Every key is there: from here on only the disk can fail.
        if let (Some(_), Some(directory)) = (&self.serials, &self.out) {
            make_private(directory)?;
        }
        for (card, path) in &cards {
            card.write(path, self.force)?;
            self.say(card, path)?;
        }
        if !self.json.json {
            output::note(if self.serials.is_some() {
                "next: copy each file to its card's boot partition as cow-identity.toml, then remove it here; it holds a key"
            } else {
                "next: it belongs on the card's boot partition, as cow-identity.toml; the bay takes it over at its first boot"
            });
        }
        Ok(())
    }

    fn say(&self, card: &Card, path: &Path) -> anyhow::Result<()> {
        let (id, pin) = (&card.registration_id, card.pin.as_str());
        if self.json.json {
            let written = json!({"registrationId": id, "file": path, "portalPin": pin});
            return output::document(&written, self.json);
        }
        output::line(&format!(
            "{} for {id}, portal PIN {}",
            path.display(),
            paint(pin, STRONG)
        ))
    }

    /// Who gets a file, and where.
    fn targets(&self) -> anyhow::Result<Vec<(RegistrationId, PathBuf)>> {
        if let (Some(list), Some(directory)) = (&self.serials, &self.out) {
            let text = fs::read_to_string(list)
                .with_context(|| format!("cannot read the serial numbers {}", list.display()))?;
            let serials = serials(&text)
                .map_err(|mistakes| anyhow!("{} has mistakes:\n{mistakes}", list.display()))?;
            let target = |id: RegistrationId| {
                let path = directory.join(format!("{id}.toml"));
                (id, path)
            };
            return Ok(serials.into_iter().map(target).collect());
        }
        let serial = self.serial.clone().map(Serial::into_registration_id);
        let id = serial.or_else(|| self.registration_id.clone());
        let id = id.ok_or_else(|| UsedWrongly("say for which device, with --serial".into()))?;
        // The service compares without case, but derives from the very letters.
        let id = id.to_lowercase().parse()?;
        let path = match &self.out {
            None => card::FILE.into(),
            Some(directory) if directory.is_dir() => directory.join(card::FILE),
            Some(file) => file.clone(),
        };
        Ok(vec![(id, path)])
    }

    async fn source(&self) -> anyhow::Result<Source> {
        let keys = match (&self.group_key_file, &self.key_file, &self.group) {
            (Some(file), ..) => Keys::Derived(read_key(file)?),
            (_, Some(file), _) => Keys::Own(read_key(file)?),
            (.., Some(group)) => {
                let control = Control::new(self.control.clone());
                return self.simulated(control, group.clone()).await;
            }
            (None, None, None) => bail!(UsedWrongly("say which key, with --group-key-file".into())),
        };
        let id_scope = self.id_scope.clone();
        Ok(Source {
            id_scope: id_scope
                .ok_or_else(|| UsedWrongly("say which service, with --id-scope".into()))?,
            endpoint: self.endpoint.clone(),
            keys,
        })
    }

    async fn simulated(&self, control: Control, group: String) -> anyhow::Result<Source> {
        let info = control.get(&["info"]).await?;
        let member = |name: &str| {
            let text = info[name].as_str();
            text.with_context(|| {
                format!("this simulator does not say its {name}: is it older than this cow?")
            })
        };
        let id_scope = match &self.id_scope {
            Some(given) => given.clone(),
            None => member("idScope")?.parse().map_err(anyhow::Error::msg)?,
        };
        let endpoint = match &self.endpoint {
            Some(given) => given.clone(),
            None => simulated_endpoint(member("provisioningHost")?, member("https")?)?,
        };
        Ok(Source {
            id_scope,
            endpoint: Some(endpoint),
            keys: Keys::Simulated { control, group },
        })
    }
}

/// Where the files' contents come from.
struct Source {
    id_scope: IdScope,
    endpoint: Option<Endpoint>,
    keys: Keys,
}

enum Keys {
    /// From a group's, here.
    Derived(SymmetricKey),
    /// From a group's, by the running simulator.
    Simulated { control: Control, group: String },
    /// An individual enrolment's.
    Own(SymmetricKey),
}

impl Keys {
    async fn key(&self, id: &RegistrationId) -> anyhow::Result<SymmetricKey> {
        match self {
            Self::Own(key) => Ok(key.clone()),
            Self::Derived(group) => Ok(group.derive(id.as_str())),
            Self::Simulated { control, group } => {
                let path = ["dps", "groups", group, "keys", id.as_str()];
                let derived = control.get(&path).await?;
                let key = derived["key"].as_str().unwrap_or_default();
                SymmetricKey::from_base64(key).context("the simulator's answer holds no key")
            }
        }
    }
}

/// The simulator's address, with the port where it is not the official one.
pub(crate) fn simulated_endpoint(host: &str, https: &str) -> anyhow::Result<Endpoint> {
    let port = https.rsplit(':').next().unwrap_or_default();
    let text = if port == "443" {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    Ok(text.parse()?)
}

fn read_key(file: &Path) -> anyhow::Result<SymmetricKey> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read a key from standard input")?;
    } else {
        text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the key {}", file.display()))?;
    }
    let whence = if file == Path::new("-") {
        "what came on standard input".into()
    } else {
        file.display().to_string()
    };
    enrolment_arg::key(&text).map_err(|why| anyhow!("{whence} is no key: {why}"))
}

/// The serial numbers of a list, or every mistake in it, one a line.
fn serials(text: &str) -> Result<Vec<RegistrationId>, String> {
    let (mut found, mut seen, mut mistakes) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let word = line.split('#').next().unwrap_or_default().trim();
        if word.is_empty() {
            continue;
        }
        match word.parse().map(Serial::into_registration_id) {
            Ok(id) if seen.insert(id.to_lowercase()) => found.push(id),
            Ok(id) => mistakes.push(format!("line {}: {id} is there twice", number + 1)),
            Err(mistake) => mistakes.push(format!("line {}: {mistake}", number + 1)),
        }
    }
    if found.is_empty() && mistakes.is_empty() {
        mistakes.push("there is no serial number in it".into());
    }
    if mistakes.is_empty() {
        Ok(found)
    } else {
        Err(mistakes.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_whole_or_every_mistake_is_told() {
        let list = "# first batch\n10000000a1b2c3d4\n\n10000000A1B2C3D5  # upper floor\n";
        let found = serials(list).expect("it is sound");
        let found: Vec<_> = found.iter().map(RegistrationId::as_str).collect();
        assert_eq!(found, ["10000000a1b2c3d4", "10000000a1b2c3d5"]);
        let mistakes = serials("10000000a1b2c3d4\nx\n10000000A1B2C3D4\n").expect_err("two");
        assert_eq!(
            mistakes,
            "line 2: a board serial is 16 hexadecimal digits, as in 10000000a1b2c3d4\n\
             line 3: 10000000a1b2c3d4 is there twice"
        );
        assert!(serials("# none\n").is_err());
    }

    #[test]
    fn the_official_port_goes_without_saying() {
        let endpoint = |https| simulated_endpoint("localhost", https).expect("an endpoint");
        assert_eq!(endpoint("127.0.0.1:443"), "localhost".parse().expect("one"));
        assert_eq!(
            endpoint("127.0.0.1:8443"),
            "localhost:8443".parse().expect("one")
        );
    }
}
