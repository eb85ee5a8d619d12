//! A service that has nobody to talk to: for tests, and for the benchmark, which is another crate and includes this file.

use fleet::hub::{Asked, Call, Hub, HubError, MethodAnswer};
use fleet::settings::{HubStrings, Settings};
use serde_json::Value;
use transport::Trust;

/// How it is started. Nobody is behind the names.
pub(crate) fn settings(database: String) -> Settings {
    let key = "SharedAccessKey=c2VjcmV0";
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: "http://parking.example".into(),
        behind_proxy: false,
        database,
        hubs: vec![HubStrings {
            service: format!("HostName=hub.example;SharedAccessKeyName=service;{key}"),
            events: format!(
                "Endpoint=sb://events.example/;SharedAccessKeyName=service;{key};EntityPath=events"
            ),
        }],
        provisioning: format!("HostName=dps.example;SharedAccessKeyName=provisioning;{key}"),
        id_scope: "0ne00000001".into(),
        consumer_group: "fleet".into(),
        trust: Trust::System,
        stock_group: "stock".into(),
        silent_after_s: 6 * 3600,
        reserved_soon_s: 15 * 60,
        no_show_after_s: 15 * 60,
        country: "BE".into(),
        history_days: 30,
        tiles: None,
    }
}

/// Knows no device.
#[derive(Debug)]
pub(crate) struct EmptyHub;

impl Hub for EmptyHub {
    fn invoke<'a>(&'a self, _: Call<'a>) -> Asked<'a, MethodAnswer> {
        Box::pin(async { Err(HubError::Unknown) })
    }

    fn twin<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> Asked<'a, Option<Value>> {
        Box::pin(async { Ok(None) })
    }

    fn patch_twin<'a>(&'a self, _: &'a str, _: Option<&'a str>, _: Value) -> Asked<'a, ()> {
        Box::pin(async { Err(HubError::Unknown) })
    }

    fn device<'a>(&'a self, _: &'a str) -> Asked<'a, Option<Value>> {
        Box::pin(async { Ok(None) })
    }

    fn enable<'a>(&'a self, _: &'a str, _: bool) -> Asked<'a, ()> {
        Box::pin(async { Err(HubError::Unknown) })
    }

    fn delete<'a>(&'a self, _: &'a str) -> Asked<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
