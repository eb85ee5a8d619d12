//! What a person sees of the command line without anything running: help, and complaints about wrong use.
//!
//! Help is compared with the files in `tests/surface/`; `COW_BLESS=1 cargo test -p cow --test surface` writes them.

use std::path::PathBuf;
use std::process::{Command, Output};

fn cow(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cow"))
        .args(args)
        .env_remove("COW_CONTROL")
        .output()
        .expect("cow starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn help() {
    let commands = [
        "",
        "up",
        "sim",
        "fleet",
        "module",
        "device",
        "device add",
        "device list",
        "device remove",
        "deployment",
        "deployment apply",
        "deployment show",
        "dps",
        "dps group",
        "dps group add",
        "dps group remove",
        "dps enrollment",
        "dps enrollment add",
        "dps enrollment remove",
        "dps derive-key",
        "dps setup-code",
        "dps list",
        "dps registrations",
        "dps explain",
        "board",
        "board probe",
        "board watch",
        "image",
        "image prepare",
        "monitor",
        "twin",
        "twin get",
        "twin patch",
        "method",
        "send",
        "manifest",
        "manifest check",
        "manifest build",
        "route",
        "route check",
        "seed",
        "wait",
        "reset",
        "snapshot",
        "snapshot save",
        "snapshot restore",
        "bench",
        "completion",
    ];
    for command in commands {
        let mut args: Vec<_> = command.split_whitespace().collect();
        args.push("--help");
        let output = cow(&args);
        assert!(output.status.success(), "cow {command} --help");
        let name = if command.is_empty() {
            "cow".into()
        } else {
            command.replace(' ', "-")
        };
        compare(&format!("{name}.txt"), text(&output.stdout));
    }
}

fn compare(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/surface")
        .join(name);
    if std::env::var_os("COW_BLESS").is_some() {
        std::fs::write(&path, actual).expect("the snapshot is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{name} differs; COW_BLESS=1 writes it if that is meant"
    );
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = cow(&["completion", shell]);
        assert!(output.status.success(), "{shell}");
        for word in ["deployment", "derive-key", "control-address"] {
            assert!(text(&output.stdout).contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("man");
    let output = cow(&["manual", pages.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for page in ["cow.1", "cow-sim.1", "cow-twin-patch.1"] {
        let page = std::fs::read_to_string(pages.join(page)).expect(page);
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }

    let taken = directory.path().join("file");
    std::fs::write(&taken, "").expect("it is writable");
    let output = cow(&["manual", taken.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot write to "));
}

#[test]
fn wrong_use_exits_with_2_and_says_what_to_write() {
    for (args, complaint) in [
        (&["fly"][..], "unrecognized subcommand 'fly'"),
        (
            &["twin", "patch", "d", "1"],
            "not a JSON object: write {\"name\": value}",
        ),
        (
            &["method", "d", "m", "{a"],
            "not JSON: key must be a string at line 1 column 2",
        ),
        (
            &["method", "d", "m", "--response-timeout", "4"],
            "4 is not in 5..=300",
        ),
        (
            &["send", "d", "b", "--property", "a"],
            "write it as NAME=VALUE",
        ),
        (
            &["device", "list", "--control", "localhost:8080"],
            "write it like http://127.0.0.1:8080",
        ),
        (&["monitor", "--count", "0"], "0 is not in 1.."),
        (&["twin", "get", "a b"], "device id contains ' '"),
        (
            &["module", "wheel"],
            "[possible values: hc-sr04, light, battery, provisioning]",
        ),
        (&["up", "--bays", "0"], "0 is not in 1..=99"),
        (
            &["dps", "enrollment", "add", "a b"],
            "registration id contains ' '",
        ),
        (
            &["dps", "group", "add", "g", "--key", "s3cret"],
            "key is not base64",
        ),
        (
            &["dps", "group", "add", "g", "--key", "c2hvcnQ="],
            "key has 5 bytes, and the service takes 16 to 64",
        ),
        (&["dps", "group", "add", ""], "group name is empty"),
        (
            &["dps", "derive-key", "../g", "d"],
            "group name contains '/'",
        ),
        (
            &["image", "prepare", "--serial", "1", "--group", "g"],
            "a board serial is 16 hexadecimal digits",
        ),
        (
            &["image", "prepare", "--group", "g"],
            "required arguments were not provided",
        ),
        (
            &["up", "--port-base", "80"],
            "give a number from 1024 to 65400",
        ),
        (
            &["manifest", "build", "t.json", "--board", "pi6"],
            "write pi3, pi4, pi5, pi-zero-2",
        ),
        (
            &[
                "manifest",
                "build",
                "t.json",
                "--board",
                "pi4",
                "--wiring",
                "triger=GPIO23",
            ],
            "triger: is not known; there are ranger, trigger",
        ),
        (
            &["manifest", "build", "t.json", "--gpio-chip", "4"],
            "--board <MODEL>",
        ),
        (&["up", "--exec", "sensor"], "write it as MODULE=COMMAND"),
        (
            &["up", "--exec", "wheel=true"],
            "--exec is for module wheel, which is not in the manifest (it has light, battery, hc-sr04, provisioning)",
        ),
    ] {
        let output = cow(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "cow {args:?}: {stderr}");
        assert!(stderr.contains(complaint), "cow {args:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn no_command_shows_help() {
    let output = cow(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("Usage: cow <COMMAND>"));
}
