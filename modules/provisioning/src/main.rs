//! The module as a program of its own; `cow module provisioning` is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    provisioning::entry()
}
