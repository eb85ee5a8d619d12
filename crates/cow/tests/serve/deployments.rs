//! What becomes of a bay when its device is deployed to while it runs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::running::{cow, gone, processes, request, text, until};
use crate::street::up;

const AGENT: &str = "/control/twins/bay-01/modules/$edgeAgent";

struct Bay {
    control: String,
}

impl Bay {
    fn agent(&self) -> Value {
        let (status, twin) = request(&self.control, "GET", AGENT, "");
        assert_eq!(status, 200);
        twin["properties"].clone()
    }

    /// The modules' entries in the desired properties.
    fn modules(&self) -> Value {
        self.agent()["desired"]["modules"].clone()
    }

    /// Puts the device's own deployment on it, with other modules.
    fn deploy(&self, modules: &Value) {
        let mut desired = self.agent()["desired"].clone();
        let object = desired.as_object_mut().expect("desired properties");
        object.retain(|name, _| !name.starts_with('$'));
        desired["modules"] = modules.clone();
        let content = json!({"modulesContent": {
            "$edgeAgent": {"properties.desired": desired}, "$edgeHub": {},
        }});
        let path = "/control/devices/bay-01/deployment";
        let (status, fault) = request(&self.control, "POST", path, &content.to_string());
        assert!(status < 300, "{status} {fault}");
    }

    /// Waits until the agent has reported on the newest deployment, with this number, and as is wanted.
    fn reported(&self, code: u64, wanted: impl Fn(&Value) -> bool) -> Value {
        until(|| {
            let agent = self.agent();
            let reported = &agent["reported"];
            let is_newest = reported["lastDesiredVersion"] == agent["desired"]["$version"];
            let is_code = reported["lastDesiredStatus"]["code"] == code;
            (is_newest && is_code && wanted(&reported["modules"])).then(|| reported.clone())
        })
    }

    fn pids(&self) -> BTreeMap<String, u64> {
        let named = processes(&self.control).into_iter();
        named
            .map(|(name, pid)| (name.replace("bay-01/", ""), pid))
            .collect()
    }

    fn call(&self, method: &str, payload: &Value) -> Value {
        let payload = payload.to_string();
        let args = ["method", "bay-01/$edgeAgent", method, &payload, "--json"];
        let (_, answer, complaint) = cow(&[&args[..], &["--control", &self.control]].concat());
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer} {complaint}"))
    }
}

fn runs(module: &str) -> impl Fn(&Value) -> bool {
    move |modules| modules[module]["runtimeStatus"] == "running"
}

#[test]
fn a_deployment_takes_effect_while_the_bay_runs() {
    let (_up, ready) = up(&[]);
    let bay = Bay {
        control: text(&ready, "control").to_owned(),
    };
    let first = bay.reported(200, |modules| {
        let modules = modules.as_object().expect("modules");
        modules.len() == 4
            && modules
                .values()
                .all(|module| module["runtimeStatus"] == "running")
    });
    assert_eq!(
        first["systemModules"]["edgeHub"]["runtimeStatus"],
        "running"
    );
    let before = bay.pids();

    // Another environment, one module less, and one more.
    let mut modules = bay.modules();
    modules["battery"]["env"]["RuntimeLogLevel"] = json!({"value": "debug"});
    modules["spare"] = modules["battery"].clone();
    let all = modules.as_object_mut().expect("modules");
    let provisioning = all.shift_remove("provisioning").expect("it was there");
    bay.deploy(&modules);
    let reported = bay.reported(200, runs("spare"));
    assert_eq!(reported["modules"]["provisioning"], Value::Null);
    assert_eq!(
        reported["modules"]["battery"]["env"]["RuntimeLogLevel"],
        json!({"value": "debug"})
    );
    gone(before["provisioning"]);
    gone(before["battery"]);
    let changed = bay.pids();
    let names: Vec<_> = changed.keys().map(String::as_str).collect();
    assert_eq!(names, ["battery", "hc-sr04", "light", "spare"]);
    for undisturbed in ["hc-sr04", "light"] {
        assert_eq!(changed[undisturbed], before[undisturbed]);
    }
    // What was added is a module like any other.
    let path = "/control/twins/bay-01/modules/spare";
    until(|| {
        (request(&bay.control, "GET", path, "").1["connectionState"] == "Connected").then_some(())
    });

    // A bad one changes nothing, and is told.
    let mut bad = modules.clone();
    bad["light"] = json!({"type": "docker", "status": "running"});
    bay.deploy(&bad);
    let refused = bay.reported(400, |modules| modules["light"]["settings"].is_object());
    let why = refused["lastDesiredStatus"]["description"].as_str();
    assert!(why.is_some_and(|why| why.contains("settings")), "{why:?}");
    assert_eq!(bay.pids(), changed);

    // An image that is not to be had here is the failure of that module alone.
    modules["foreign"] = provisioning;
    modules["foreign"]["settings"]["image"] = "example.com/foreign:1".into();
    bay.deploy(&modules);
    let failed = bay.reported(500, |modules| {
        modules["foreign"]["runtimeStatus"] == "failed"
    });
    let why = failed["modules"]["foreign"]["statusDescription"].as_str();
    assert!(
        why.is_some_and(|why| why.contains("example.com/foreign:1")),
        "{why:?}"
    );
    assert_eq!(bay.pids(), changed);

    // A module that is to be stopped is, and is known.
    modules
        .as_object_mut()
        .expect("modules")
        .shift_remove("foreign");
    modules["spare"]["status"] = "stopped".into();
    bay.deploy(&modules);
    bay.reported(200, |modules| {
        modules["spare"]["runtimeStatus"] == "stopped"
    });
    gone(changed["spare"]);
}

#[test]
fn the_agent_answers_its_methods_and_waits_out_a_cut() {
    let (_up, ready) = up(&[]);
    let bay = Bay {
        control: text(&ready, "control").to_owned(),
    };
    assert_eq!(bay.call("ping", &json!({}))["status"], 200);
    let unknown = bay.call("Reboot", &json!({}));
    assert_eq!(unknown["status"], 400);
    assert!(text(&unknown["payload"], "message").contains("RestartModule"));
    let before = bay.pids();
    let restarted = bay.call(
        "RestartModule",
        &json!({"schemaVersion": "1.0", "id": "light"}),
    );
    assert_eq!(restarted["status"], 200);
    let light = until(|| {
        bay.pids()
            .get("light")
            .copied()
            .filter(|pid| *pid != before["light"])
    });
    let nobody = bay.call(
        "RestartModule",
        &json!({"schemaVersion": "1.0", "id": "lihgt"}),
    );
    assert_eq!(nobody["status"], 400);
    let items = json!({"schemaVersion": "1.0", "items": [{"id": ".*", "filter": {"tail": 5}}]});
    let logs = bay.call("GetModuleLogs", &items);
    assert_eq!(logs["status"], 200);
    assert_eq!(logs["payload"].as_array().map(Vec::len), Some(4));

    let lever = |state: &str| {
        let body = json!({"upstream": state}).to_string();
        assert_eq!(
            request(&bay.control, "POST", "/control/levers", &body).0,
            200
        );
    };
    lever("cut");
    let mut modules = bay.modules();
    modules
        .as_object_mut()
        .expect("modules")
        .shift_remove("battery");
    bay.deploy(&modules);
    let args = [
        "method",
        "bay-01/$edgeAgent",
        "ping",
        "--control",
        &bay.control,
    ];
    let (code, _, complaint) = cow(&args);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("404103"), "{complaint}");
    assert_eq!(bay.pids()["light"], light);
    assert!(bay.pids().contains_key("battery"));
    lever("up");
    bay.reported(200, |modules| modules["battery"] == Value::Null);
    gone(before["battery"]);

    let (code, shown, _) = cow(&["deployment", "show", "bay-01", "--control", &bay.control]);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("in effect") && shown.contains("● light"),
        "{shown}"
    );
    let template = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deployment.template.json"
    );
    let applied = cow(&[
        "deployment",
        "apply",
        "bay-01",
        template,
        "--control",
        &bay.control,
    ]);
    assert_eq!(applied.0, Some(0), "{}", applied.2);
    bay.reported(200, runs("battery"));
}
