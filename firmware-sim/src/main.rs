//! The `softrouter` binary: reads the command line, sets the stop flag on Ctrl-C, and reports.

use clap::Parser;
use firmware_sim::cli::{Cli, Command, ExamArgs, LabArgs};
use firmware_sim::exam::{Exam, ExamPlan, Prices};
use firmware_sim::lab::privilege::enter_unprivileged;
use firmware_sim::lab::run::LabPlan;
use firmware_sim::{anomalies, lab, run};
use llm_slowpath::{BackendSpec, PingTask};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The run went to its end, but healthy traffic was lost, an invariant is broken, or a backend did not answer.
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
        Command::Exam(args) => finish(run_exam(args)),
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
    if args.full && matches!(args.backend, BackendSpec::OpenAi { .. }) {
        return Err("--full asks for whole frames, which only the embedded model is asked for in the lab\n  remedy: leave \
                    --full out, or use `softrouter exam`, which asks any backend"
            .into());
    }
    let plan = LabPlan {
        duration: Duration::from_secs(args.seconds),
        ping: args.ping.then_some(args.count),
        ping_task: if args.full { PingTask::Full } else { PingTask::Delta },
        backend: args.backend.clone(),
        posture: args.posture.into(),
        seed: args.seed,
        memory: args.memory,
        // A capture is to show the frames that were sent, with their checksums.
        offload: !args.no_offload && args.capture.is_none(),
        decision_log: args.decision_log.clone(),
        capture: args.capture.clone(),
    };
    let json = Output::create("--json", args.json.as_deref())?;
    let outcome = lab::run::run(&plan, &stop_flag())?;
    // A closed pipe (`| head`) is the reader's business.
    let _ = write!(std::io::stdout(), "{outcome}");
    json.write(&(serde_json::to_string_pretty(&outcome)? + "\n"))?;
    Ok(outcome.success)
}

fn run_exam(args: ExamArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let prices = args.price_in.zip(args.price_out).map(|(input, output)| Prices { input, output });
    // Whoever names a folder wants its frames sent to the server; whoever only has it in the environment may not.
    let local = args.backends.iter().all(|spec| matches!(spec, BackendSpec::Embedded { .. }));
    let from_environment =
        || std::env::var_os("SOFTROUTER_CAPTURES").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let plan = ExamPlan {
        backends: args.backends,
        quick: args.quick,
        seed: args.seed,
        tasks: args.tasks,
        captures: args.captures.or_else(|| if local { from_environment() } else { None }),
        prices,
        show_wrong: args.show_wrong,
    };
    let exam = Exam::new(plan)?;
    let json = Output::create("--json", args.json.as_deref())?;
    let html = Output::create("--html", args.html.as_deref())?;
    let stop = stop_flag();
    let report = exam.run(&stop);
    let _ = write!(std::io::stdout(), "{report}");
    json.write(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    html.write(&report.html())?;
    // Who ends the exam early gets what they asked for.
    Ok(report.is_complete() || stop.load(Ordering::Relaxed))
}

/// A file to write into at the end; made at the start, so that a wrong path costs no run.
struct Output<'a>(Option<(&'static str, &'a Path, File)>);

impl<'a> Output<'a> {
    fn create(option: &'static str, path: Option<&'a Path>) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self(None)) };
        let hint = "name a file in a folder that exists";
        let file =
            File::create(path).map_err(|error| format!("{option} {}: {error}: {hint}", path.display()))?;
        Ok(Self(Some((option, path, file))))
    }

    fn write(self, text: &str) -> Result<(), String> {
        let Some((option, path, mut file)) = self.0 else { return Ok(()) };
        file.write_all(text.as_bytes()).map_err(|error| format!("{option} {}: {error}", path.display()))
    }
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
