//! Programs of others: whether they are here, and what they say.

use super::Failure;
use crate::lab::netns::Namespace;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is to be installed, if anything of this is missing: each program with what makes it say its version.
pub(super) fn missing(programs: &[[&'static str; 2]]) -> Option<String> {
    programs.iter().find_map(|[program, version]| {
        let asked = Command::new(program).arg(version).stdin(Stdio::null()).output();
        let gone = asked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        gone.then(|| format!("{program} is not installed: make setup-peers"))
    })
}

/// Runs `ip` with these words in the namespace; what it shows.
pub(super) fn ip(namespace: &Namespace, words: &str) -> Result<String, Failure> {
    let mut command = Command::new("ip");
    command.args(words.split_whitespace());
    shown(namespace, command)
}

/// Runs a program in the namespace to its end; what it shows.
pub(super) fn shown(namespace: &Namespace, mut command: Command) -> Result<String, Failure> {
    let name = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = namespace.start_process(command)?.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()).into())
}

/// Waits until `done`, while the process lives.
pub(super) fn wait_for(process: &mut Child, what: &str, done: impl Fn() -> bool) -> Result<(), Failure> {
    let start = Instant::now();
    while !done() {
        if let Some(status) = process.try_wait()? {
            return Err(format!("{what}: it has ended ({status})").into());
        }
        if start.elapsed() > Duration::from_secs(10) {
            return Err(format!("{what}: not ready after 10 s").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
