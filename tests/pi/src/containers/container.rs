//! A module's container, started by runc as an engine has it made.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::{major, minor};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::programs::{Running, ask, cow};

/// A module's container.
pub(super) struct Container {
    name: String,
    runc: Running,
    process: String,
}

impl Container {
    pub(super) fn start(module: &str, options: &Value, env: &[String]) -> Result<Self> {
        let (bundle, pid) = (format!("/tmp/{module}"), format!("/tmp/{module}.pid"));
        fs::create_dir_all(format!("/tmp/{module}/state"))?;
        fs::set_permissions(
            format!("/tmp/{module}/state"),
            fs::Permissions::from_mode(0o1777),
        )?;
        fs::write(
            format!("{bundle}/config.json"),
            specification(module, options, env)?.to_string(),
        )?;
        let mut runc = Command::new("/usr/sbin/runc");
        runc.args([
            "--root",
            "/tmp/runc",
            "run",
            "--no-pivot",
            "--pid-file",
            &pid,
            "--bundle",
            &bundle,
            module,
        ]);
        let runc = Running::start_printing(&mut runc, &format!("/tmp/{module}.log"))?;
        cow(&["wait", "connected", &format!("bay-01/{module}")])?;
        Ok(Self {
            name: module.to_owned(),
            runc,
            process: fs::read_to_string(pid)?,
        })
    }

    /// A path of the container's, as this process reaches it.
    pub(super) fn sees(&self, path: &Path) -> Result<PathBuf> {
        Ok(Path::new("/proc")
            .join(&self.process)
            .join("root")
            .join(path.strip_prefix("/")?))
    }

    /// It is nobody, may do nothing, and has of this machine's devices the chip alone.
    pub(super) fn is_unprivileged(&self, machine: &Machine) -> Result<()> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process))?;
        for line in [
            "Uid:\t1000\t1000\t1000\t1000",
            "CapEff:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
        ] {
            ensure!(status.contains(line), "not {line:?}: {status}");
        }
        let chip = machine.chip.file_name().context("a chip")?;
        let mut chips = Vec::new();
        for entry in fs::read_dir(self.sees(Path::new("/dev"))?)? {
            let name = entry?.file_name();
            if name.to_string_lossy().starts_with("gpiochip") {
                chips.push(name);
            }
        }
        ensure!(chips == [chip], "it has {chips:?}");
        ensure!(
            fs::write(self.sees(Path::new("/bin/module"))?, "").is_err(),
            "its root can be written to"
        );
        Ok(())
    }

    pub(super) fn stop(mut self) -> Result<()> {
        ask(Command::new("/usr/sbin/runc").args([
            "--root",
            "/tmp/runc",
            "kill",
            &self.name,
            "TERM",
        ]))?;
        self.runc.0.wait()?;
        cow(&["wait", "disconnected", &format!("bay-01/{}", self.name)])?;
        Ok(())
    }
}

/// What an engine hands to runc for these create options.
fn specification(module: &str, options: &Value, env: &[String]) -> Result<Value> {
    let host = &options["HostConfig"];
    let words = |value: &Value| -> Vec<String> {
        let words = value.as_array().into_iter().flatten();
        words
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    ensure!(
        words(&host["CapDrop"]) == ["ALL"] && host["ReadonlyRootfs"] == true,
        "{host}"
    );
    ensure!(
        words(&host["SecurityOpt"]) == ["no-new-privileges:true"],
        "{host}"
    );
    let user = options["User"]
        .as_str()
        .and_then(|user| user.split_once(':'))
        .context("no user")?;
    let groups: Vec<u32> = words(&host["GroupAdd"])
        .iter()
        .map(|group| group.parse())
        .collect::<Result<_, _>>()?;

    let (mut devices, mut rules) = (Vec::new(), vec![json!({"allow": false, "access": "rwm"})]);
    for device in host["Devices"].as_array().into_iter().flatten() {
        let node = fs::metadata(device["PathOnHost"].as_str().context("no path")?)?;
        let (major, minor) = (major(node.rdev()), minor(node.rdev()));
        devices.push(json!({
            "path": device["PathInContainer"], "type": "c", "major": major, "minor": minor,
            "fileMode": node.mode() & 0o777, "uid": node.uid(), "gid": node.gid(),
        }));
        rules.push(json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": device["CgroupPermissions"]}));
    }
    for rule in words(&host["DeviceCgroupRules"]) {
        let (numbers, access) = rule
            .trim_start_matches("c ")
            .split_once(' ')
            .context("a rule")?;
        let (major, minor) = numbers.split_once(':').context("a rule")?;
        let (major, minor): (u32, u32) = (major.parse()?, minor.parse()?);
        rules.push(
            json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": access}),
        );
    }
    let bind = |from: &str, to: &str, access: &str| json!({"destination": to, "source": from, "type": "bind", "options": ["bind", access]});
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": user.0.parse::<u32>()?, "gid": user.1.parse::<u32>()?, "additionalGids": groups},
            "args": ["/bin/module"], "cwd": "/", "env": env,
            "capabilities": {"bounding": [], "effective": [], "permitted": [], "ambient": [], "inheritable": []},
            "noNewPrivileges": true,
        },
        "root": {"path": format!("/images/{module}"), "readonly": true},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            bind("/etc/hosts", "/etc/hosts", "ro"),
            bind("/tmp/hub/pki/ca.pem", "/run/iotedge/ca.pem", "ro"),
            bind(&format!("/tmp/{module}/state"), "/var/lib/bay", "rw"),
        ],
        "linux": {
            "cgroupsPath": format!("/{module}"),
            "devices": devices,
            "resources": {"devices": rules},
            "namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
        },
    }))
}
