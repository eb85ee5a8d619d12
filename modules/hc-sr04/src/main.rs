//! The module as a program of its own; `cow module hc-sr04` is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    hc_sr04::entry()
}
