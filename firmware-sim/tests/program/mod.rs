//! The `softrouter` binary under test.

use std::process::{Command, Output, Stdio};

/// A command of it, with nothing to read.
pub(crate) fn softrouter(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softrouter"));
    command.args(args).stdin(Stdio::null());
    command
}

/// All that it printed.
pub(crate) fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
