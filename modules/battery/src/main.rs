//! Runs the module as a process.

fn main() {}
