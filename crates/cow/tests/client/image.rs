//! `cow image prepare`: what it writes, for whom, and what it never writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{PATIENCE, cow, failed};
use crate::fake_control::{Answer, FakeControl};

const NOBODY: &str = "http://127.0.0.1:1";
const SERIAL: &str = "10000000a1b2c3d4";
/// Of the documentation's example: the key of `sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6` in this group is known.
const GROUP_KEY: &str =
    "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
const DERIVED: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";
const ID: &str = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("it was written");
    let mode = fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner may read it");
    text.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_groups_key_stays_where_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("stock.key");
    fs::write(&key, format!("{GROUP_KEY}\n")).expect("writable");
    let card = directory.path().join("boot");
    fs::create_dir(&card).expect("it is new");
    let args = [
        "image",
        "prepare",
        "--id-scope",
        "0ne00AA",
        "--registration-id",
        ID,
        "--group-key-file",
        key.to_str().expect("UTF-8"),
        "--pin",
        "424242",
        "--out",
        card.to_str().expect("UTF-8"),
    ];
    let (code, stdout, note) = cow(NOBODY, &args).await;
    assert_eq!(code, 0, "{note}");
    let file = card.join("cow-identity.toml");
    assert_eq!(
        stdout,
        format!("{} for {ID}, portal PIN 424242\n", file.display())
    );
    assert!(note.starts_with("note: next: "), "{note}");
    assert_eq!(
        lines(&file),
        [
            "id_scope = \"0ne00AA\"".to_owned(),
            format!("registration_id = \"{ID}\""),
            format!("symmetric_key = \"{DERIVED}\""),
            "portal_pin = \"424242\"".to_owned(),
        ]
    );
    assert_eq!(
        cow(NOBODY, &args).await,
        failed(&format!("{} exists: --force replaces it", file.display()))
    );
    assert_eq!(cow(NOBODY, &[&args[..], &["--force"]].concat()).await.0, 0);
}

#[tokio::test]
async fn many_cards_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| {
        directory
            .path()
            .join(name)
            .to_str()
            .expect("UTF-8")
            .to_owned()
    };
    let (key, list, out) = (path("key"), path("serials"), path("cards"));
    fs::write(&key, GROUP_KEY).expect("writable");
    fs::write(&list, "10000000A1B2C3D4\n10000000a1b2c3d5 # second\n").expect("writable");
    let args = [
        "image",
        "prepare",
        "--id-scope",
        "0ne00AA",
        "--serials",
        &list,
        "--group-key-file",
        &key,
        "--out",
        &out,
        "--json",
    ];
    let (code, stdout, complaint) = cow(NOBODY, &args).await;
    assert_eq!((code, complaint.as_str()), (0, ""));
    let written: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(written[0]["registrationId"], SERIAL);
    assert_eq!(written[1]["registrationId"], "10000000a1b2c3d5");
    assert_ne!(written[0]["portalPin"], written[1]["portalPin"]);
    let mut keys = Vec::new();
    for one in &written {
        let file = one["file"].as_str().expect("a path");
        let text = lines(Path::new(file));
        assert_eq!(text[3], format!("portal_pin = {}", one["portalPin"]));
        keys.push(text[2].clone());
    }
    assert_ne!(keys[0], keys[1]);

    // One file in the way, and none is touched.
    fs::remove_file(path("cards/10000000a1b2c3d4.toml")).expect("it is there");
    let (code, _, complaint) = cow(NOBODY, &args).await;
    assert_eq!(code, 1);
    assert!(
        complaint.contains("10000000a1b2c3d5.toml exists"),
        "{complaint}"
    );
    assert!(!Path::new(&path("cards/10000000a1b2c3d4.toml")).exists());

    fs::write(&list, "10000000a1b2c3d4\nnonsense\n").expect("writable");
    let (code, _, complaint) = cow(NOBODY, &args).await;
    assert_eq!(code, 1);
    assert!(complaint.ends_with(
        "has mistakes:\nline 2: a board serial is 16 hexadecimal digits, as in 10000000a1b2c3d4\n"
    ), "{complaint}");
}

#[tokio::test]
async fn the_running_simulator_gives_scope_key_and_address() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("card.toml");
    let info =
        json!({"idScope": "0neF00D", "provisioningHost": "localhost", "https": "127.0.0.1:8443"});
    let derived = json!({"registrationId": SERIAL, "key": DERIVED});
    let control = FakeControl::start([
        ("GET /control/info", Answer::Json(200, info)),
        (
            "GET /control/dps/groups/stock/keys/10000000a1b2c3d4",
            Answer::Json(200, derived),
        ),
    ])
    .await;
    let args = [
        "image",
        "prepare",
        "--serial",
        "10000000A1B2C3D4",
        "--group",
        "stock",
        "--out",
        out.to_str().expect("UTF-8"),
    ];
    let (code, _, complaint) = cow(&control.url(), &args).await;
    assert_eq!(code, 0, "{complaint}");
    assert_eq!(
        lines(&out)[..4],
        [
            "id_scope = \"0neF00D\"".to_owned(),
            format!("registration_id = \"{SERIAL}\""),
            format!("symmetric_key = \"{DERIVED}\""),
            "global_endpoint = \"https://localhost:8443\"".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_key_may_come_through_a_pipe() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("card.toml");
    let mut cow = Command::new(env!("CARGO_BIN_EXE_cow"))
        .args([
            "image",
            "prepare",
            "--id-scope",
            "0ne00AA",
            "--serial",
            SERIAL,
        ])
        .args(["--key-file", "-", "--out"])
        .arg(&out)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("cow starts");
    let mut stdin = cow.stdin.take().expect("it is piped");
    let key = format!("{DERIVED}\n");
    stdin.write_all(key.as_bytes()).await.expect("it reads");
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, cow.wait()).await;
    assert!(ended.expect("cow ends").expect("it is ours").success());
    assert_eq!(lines(&out)[2], format!("symmetric_key = \"{DERIVED}\""));
}

#[tokio::test]
async fn a_wrong_key_is_not_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key");
    fs::write(&key, "s3cret and no base64").expect("writable");
    let key = key.to_str().expect("UTF-8");
    let args = [
        "image",
        "prepare",
        "--id-scope",
        "0ne00AA",
        "--serial",
        SERIAL,
        "--key-file",
        key,
        "--out",
        "/nowhere/card.toml",
    ];
    assert_eq!(
        cow(NOBODY, &args).await,
        failed(&format!("{key} is no key: key is not base64"))
    );
    // What no service takes would only be found out in the car park.
    fs::write(key, "c2hvcnQ=").expect("writable");
    let problem = format!("{key} is no key: key has 5 bytes, and the service takes 16 to 64");
    assert_eq!(cow(NOBODY, &args).await, failed(&problem));
}
