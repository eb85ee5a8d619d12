//! The module as a program of its own; `cow module battery` is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    battery::entry()
}
