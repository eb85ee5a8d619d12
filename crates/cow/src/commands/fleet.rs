#[cfg(feature = "fleet")]
mod service;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "fleet")]
pub(crate) use self::service::run;
use crate::logging::LogArgs;
use crate::output::JsonArgs;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
`cow up` runs it by itself. Elsewhere give it the hub's and the provisioning service's connection
strings, as variables: arguments are seen by everybody on this machine.

Examples:
  cow fleet --listen 0.0.0.0:8090 --public-url https://parking.example --behind-proxy
  cow fleet --database postgres://fleet@db.example/fleet     several of these share the work")]
pub(crate) struct Args {
    /// Where pages and API are served; port 0 takes any
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "COW_FLEET_LISTEN",
        default_value = "127.0.0.1:8090"
    )]
    listen: SocketAddr,
    /// How people reach it from elsewhere; without, as it listens
    #[arg(long, value_name = "URL", env = "COW_FLEET_PUBLIC_URL", value_parser = public_url)]
    public_url: Option<String>,
    /// A proxy stands before it, and says in X-Forwarded-For who asks
    #[arg(long, env = "COW_FLEET_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Where everything is kept: sqlite:FILE, or postgres://USER:PASSWORD@HOST/NAME
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "COW_FLEET_DATABASE",
        hide_env_values = true
    )]
    database: Option<Hidden>,
    /// The hub's connection string, of a policy that may read and write the registry and connect as a service. Of several
    /// hubs behind one provisioning service each, or all of them with commas between
    #[arg(
        long,
        value_name = "STRING",
        env = "COW_FLEET_HUB",
        hide_env_values = true,
        value_delimiter = ',',
        required = true
    )]
    hub: Vec<Hidden>,
    /// The connection string of the hub's Event Hubs-compatible endpoint; of several in the hubs' order
    #[arg(
        long,
        value_name = "STRING",
        env = "COW_FLEET_EVENTS",
        hide_env_values = true,
        value_delimiter = ',',
        required = true
    )]
    events: Vec<Hidden>,
    /// The consumer group to read events by; nobody else may use it
    #[arg(
        long,
        value_name = "NAME",
        env = "COW_FLEET_CONSUMER_GROUP",
        default_value = "$Default"
    )]
    consumer_group: String,
    /// The provisioning service's connection string
    #[arg(
        long,
        value_name = "STRING",
        env = "COW_FLEET_PROVISIONING",
        hide_env_values = true
    )]
    provisioning: Hidden,
    /// The provisioning service's id scope
    #[arg(long, value_name = "SCOPE", env = "COW_FLEET_ID_SCOPE")]
    id_scope: String,
    /// Trust these authorities, as PEM, in place of the system's
    #[arg(long, value_name = "FILE", env = "COW_FLEET_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// The enrolment group of devices that belong to no project yet
    #[arg(
        long,
        value_name = "NAME",
        env = "COW_FLEET_STOCK_GROUP",
        default_value = "stock"
    )]
    stock_group: String,
    /// After so long without a word a device is silent, and its bay unknown
    #[arg(
        long,
        value_name = "SECONDS",
        env = "COW_FLEET_SILENT_AFTER",
        default_value_t = 1800
    )]
    silent_after: u32,
    /// So long before it begins, a booking shows
    #[arg(
        long,
        value_name = "SECONDS",
        env = "COW_FLEET_RESERVED_SOON",
        default_value_t = 900
    )]
    reserved_soon: u32,
    /// So long after its begin, a booking nobody came for is over
    #[arg(
        long,
        value_name = "SECONDS",
        env = "COW_FLEET_NO_SHOW_AFTER",
        default_value_t = 900
    )]
    no_show_after: u32,
    /// For so long every change is kept, and after it only sums
    #[arg(long, value_name = "DAYS", env = "COW_FLEET_HISTORY_DAYS", default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    history_days: u32,
    /// The country that open data is published for, as two letters
    #[arg(long, value_name = "CODE", env = "COW_FLEET_COUNTRY", default_value = "BE", value_parser = country)]
    country: String,
    /// Street maps: where a tile server has its pictures, with {z}, {x} and {y} in the address
    #[arg(
        long,
        value_name = "URL-TEMPLATE",
        env = "COW_FLEET_TILES",
        requires = "tiles_attribution"
    )]
    tiles: Option<String>,
    /// What the tile server wants to be named by; an address at its end makes it a link
    #[arg(long, value_name = "TEXT", env = "COW_FLEET_TILES_ATTRIBUTION")]
    tiles_attribution: Option<String>,
    /// The deepest zoom the tile server has
    #[arg(long, value_name = "ZOOM", env = "COW_FLEET_TILES_MAX_ZOOM", default_value_t = 19,
        value_parser = clap::value_parser!(u8).range(1..=22))]
    tiles_max_zoom: u8,
    /// Devices of the street beside it, which are bays of a project from the beginning
    #[arg(long, hide = true, env = "COW_FLEET_STREET", value_delimiter = ',')]
    street: Vec<String>,
    /// Stop when standard input ends: whoever started this is gone
    #[arg(long, hide = true)]
    until_input_ends: bool,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// The ready object: where the service is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) ready: bool,
    /// Where its pages and API are.
    pub(crate) fleet: String,
    /// A link that makes the first administrator, once; only while there is nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) administrator: Option<String>,
}

/// A text that holds a secret.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "fleet"),
    expect(dead_code, reason = "told, and refused, without the service")
)]
struct Hidden(String);

impl FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Whether this program holds the service.
pub(crate) const IS_HERE: bool = cfg!(feature = "fleet");

#[cfg(not(feature = "fleet"))]
pub(crate) async fn run(_: Args) -> anyhow::Result<()> {
    anyhow::bail!(
        "this program was made without the operator's service: make it with `cargo install --locked --path crates/cow`"
    )
}

/// The variables for a service of the simulator that says this of itself. Its ports follow the host's name where they are
/// not the usual ones.
///
/// # Errors
/// When something is not said.
pub(crate) fn environment(ready: &Value) -> anyhow::Result<Vec<(&'static str, String)>> {
    let text = |name: &str| {
        let text = ready[name].as_str().map(str::to_owned);
        text.with_context(|| format!("no {name} in what the simulator says"))
    };
    let https: SocketAddr = text("https")?.parse()?;
    let at = |text: String| match https.port() {
        443 => text,
        port => text.replacen(';', &format!(":{port};"), 1),
    };
    Ok(vec![
        ("COW_FLEET_HUB", at(text("serviceConnectionString")?)),
        (
            "COW_FLEET_PROVISIONING",
            at(text("provisioningServiceConnectionString")?),
        ),
        ("COW_FLEET_ID_SCOPE", text("idScope")?),
        ("COW_FLEET_EVENTS", text("eventHubConnectionString")?),
        ("COW_FLEET_CONSUMER_GROUP", "fleet".to_owned()),
        ("COW_FLEET_CA_FILE", text("caFile")?),
    ])
}

/// `http://HOST[:PORT]` or `https://…`, without a path.
fn public_url(text: &str) -> Result<String, String> {
    let base = text.trim_end_matches('/');
    let is_one = base.parse::<hyper::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some()
            && uri.path() == "/"
            && uri.query().is_none()
    });
    if is_one {
        Ok(base.to_owned())
    } else {
        Err("write it like https://parking.example".to_owned())
    }
}

/// Two letters of ISO 3166-1, as capitals.
fn country(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("write two letters, such as BE".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(country("fr"), Ok("FR".to_owned()));
        for wrong in ["", "F", "FRA", "F1", "é"] {
            assert!(country(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_public_url_is_a_host() {
        assert_eq!(
            public_url("https://p.example/"),
            Ok("https://p.example".into())
        );
        assert!(public_url("http://10.0.0.1:8090").is_ok());
        for text in [
            "p.example",
            "ftp://p.example",
            "https://p.example/a",
            "https://p.example?a",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let hidden: Hidden = "SharedAccessKey=abc".parse().expect("a text");
        assert_eq!(format!("{hidden:?}"), "(hidden)");
    }
}
