//! The module as a program of its own; `cow module light` is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    light::entry()
}
