//! The `softrouter` binary: reads the command line, sets the stop flag on Ctrl-C, and reports.

use clap::Parser;
use firmware_sim::cli::{Cli, Command, LabArgs};
use firmware_sim::lab::privilege::enter_unprivileged;
use firmware_sim::lab::run::LabPlan;
use firmware_sim::{anomalies, lab, run};
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The run went to its end, but healthy traffic was lost or an invariant is broken.
const FAILED: u8 = 1;
/// It could not run at all.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Anomalies => {
            let _ = write!(std::io::stdout(), "{}", anomalies::table());
            ExitCode::SUCCESS
        }
        Command::Run(args) => {
            finish(run::run(&args.config, args.decision_log.as_deref(), &stop_flag()).map(|()| true))
        }
        Command::Lab(args) => {
            // Before any thread exists: a process with threads cannot enter a user namespace.
            if let Err(refused) = enter_unprivileged()
                && !args.memory
            {
                eprintln!("{refused}");
            }
            finish(run_lab(&args))
        }
    }
}

/// Set by Ctrl-C and by SIGTERM.
fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&stop)) {
            eprintln!("signal {signal} will not end the run cleanly: {error}");
        }
    }
    stop
}

fn run_lab(args: &LabArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let plan = LabPlan {
        duration: Duration::from_secs(args.seconds),
        ping: args.ping.then_some(args.count),
        backend: args.backend.clone(),
        posture: args.posture.into(),
        seed: args.seed,
        memory: args.memory,
        // A capture is to show the frames that were sent, with their checksums.
        offload: !args.no_offload && args.capture.is_none(),
        decision_log: args.decision_log.clone(),
        capture: args.capture.clone(),
    };
    // Before the run, so that a wrong path costs no run.
    let json = args.json.as_ref().map(|path| match File::create(path) {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(format!("--json {}: {error}: name a file in a folder that exists", path.display())),
    });
    let json = json.transpose()?;
    let outcome = lab::run::run(&plan, &stop_flag())?;
    // A closed pipe (`| head`) is the reader's business.
    let _ = write!(std::io::stdout(), "{outcome}");
    if let Some((path, mut file)) = json {
        let text = serde_json::to_string_pretty(&outcome)? + "\n";
        file.write_all(text.as_bytes()).map_err(|error| format!("--json {}: {error}", path.display()))?;
    }
    Ok(outcome.success)
}

fn finish<E: std::fmt::Display>(result: Result<bool, E>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!("softrouter: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}
