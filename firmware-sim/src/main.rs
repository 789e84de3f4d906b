//! The `softrouter` binary: reads the command line, sets the stop flag on Ctrl-C, and reports.

use clap::Parser;
use firmware_sim::cli::{
    Cli, Command, ExamArgs, FAILED, LabArgs, MeasureArgs, PromptArgs, ReplayArgs, ReplayRecordingArgs,
    RulesArgs, UNUSABLE,
};
use firmware_sim::exam::{Exam, ExamPlan, Prices};
use firmware_sim::fuzz::{self, FuzzArgs, FuzzPlan};
use firmware_sim::lab::privilege::enter_unprivileged;
use firmware_sim::lab::run::LabPlan;
use firmware_sim::measure::compare::{Comparison, read};
use firmware_sim::measure::{self, MeasurePlan, Section};
use firmware_sim::output::{Output, distinct};
use firmware_sim::prompt_command::{self, PromptPlan};
use firmware_sim::replay::{self, Pace, ReplayPlan};
use firmware_sim::rules::client::ask;
use firmware_sim::rules::{ControlPlan, RulesPlan};
use firmware_sim::run::Outputs;
use firmware_sim::slow_path::SlowPathPlan;
use firmware_sim::{anomalies, config, lab, recording, run};
use llm_slowpath::prompt::{Detail, PromptOptions};
use llm_slowpath::{BackendSpec, PingTask};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Anomalies => {
            let _ = write!(std::io::stdout(), "{}", anomalies::table());
            ExitCode::SUCCESS
        }
        Command::Run(args) => {
            let outputs = Outputs {
                decision_log: args.decision_log,
                transcript: args.transcript,
                record: args.record,
                logs: args.logs.into(),
                control: args.control,
                metrics: args.metrics,
            };
            finish(run::run(&args.config, &outputs, &stop_flag()).map(|()| true))
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
        Command::Measure(args) => finish(run_measure(args)),
        Command::Exam(args) => finish(run_exam(args)),
        Command::Replay(args) => finish(run_replay(args)),
        Command::ReplayRecording(args) => finish(replay_recording(&args)),
        Command::Fuzz(args) => finish(run_fuzz(&args)),
        Command::Prompt(args) => finish(run_prompt(&args)),
        Command::Rules(args) => finish(ask_about_rules(&args)),
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
    let mut slow_path = match &args.slow_path {
        Some(path) => config::load_slow_path(path)?,
        None => SlowPathPlan::of(args.backends.iter().cloned()),
    };
    slow_path.transcript.clone_from(&args.transcript);
    if args.threshold.is_some() && args.backends.len() == 1 {
        return Err("--threshold says when the next backend is asked, but there is only one\n  remedy: give --backend twice"
            .into());
    }
    if let (Some(threshold), Some((_, others))) = (args.threshold, slow_path.backends.split_last_mut()) {
        others.iter_mut().for_each(|backend| backend.threshold = threshold);
    }
    if args.full && !slow_path.is_local() {
        return Err("--full asks for whole frames, which only the embedded model is asked for in the lab\n  remedy: leave \
                    --full out, or use `softrouter exam`, which asks any backend"
            .into());
    }
    let plan = LabPlan {
        duration: Duration::from_secs(args.seconds),
        ping: args.ping.then_some(args.count),
        ping_task: args.ping.then_some(if args.full { PingTask::Full } else { PingTask::Delta }),
        slow_path,
        posture: args.posture.into(),
        seed: args.seed,
        memory: args.memory,
        // A capture is to show the frames that were sent, with their checksums.
        offload: !args.no_offload && args.capture.is_none(),
        decision_log: args.decision_log.clone(),
        capture: args.capture.clone(),
        record: args.record.clone(),
        logs: args.logs.clone().into(),
        rules: RulesPlan {
            file: args.rules_file.clone(),
            control: args.control.clone().map_or(ControlPlan::None, ControlPlan::At),
        },
        metrics: args.metrics,
    };
    let json = Output::create("--json", args.json.as_deref())?;
    let outcome = lab::run::run(&plan, &stop_flag())?;
    // A closed pipe (`| head`) is the reader's business.
    let _ = write!(std::io::stdout(), "{outcome}");
    json.write(&(serde_json::to_string_pretty(&outcome)? + "\n"))?;
    Ok(outcome.success)
}

fn run_replay(args: ReplayArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let read: Vec<&Path> = args.files.iter().chain(&args.config).map(PathBuf::as_path).collect();
    distinct(
        &read,
        &[
            ("--json", args.json.as_deref()),
            ("--write", args.write.as_deref()),
            ("--eve", args.logs.eve.as_deref()),
            ("--weird", args.logs.weird.as_deref()),
            ("--decision-log", args.decision_log.as_deref()),
            ("--transcript", args.transcript.as_deref()),
        ],
    )?;
    let json = Output::create("--json", args.json.as_deref())?;
    let longest_gap = args.max_gap.map(Duration::try_from_secs_f64).transpose()?;
    let plan = ReplayPlan {
        pace: match (args.speed, args.pps) {
            (Some(speed), _) => Pace::Captured { speed, longest_gap },
            (None, Some(rate)) => Pace::Rate(rate),
            (None, None) => Pace::Full,
        },
        files: args.files,
        config: args.config,
        posture: args.posture.map(Into::into),
        backends: args.backends,
        no_slow_path: args.no_slow_path,
        port: args.port,
        keep_mac: args.keep_mac,
        wait: args.wait,
        rounds: args.loops,
        write: args.write,
        logs: args.logs.into(),
        decision_log: args.decision_log,
        transcript: args.transcript,
    };
    let report = replay::run(&plan, &stop_flag())?;
    let _ = write!(std::io::stdout(), "{report}");
    json.write(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    if let Some(annotated) = report.annotated.filter(|annotated| annotated.error.is_some()) {
        return Err(annotated.to_string().into());
    }
    Ok(report.success)
}

fn run_measure(args: MeasureArgs) -> Result<bool, Box<dyn std::error::Error>> {
    // Read before a file of that name is replaced.
    let runs = args
        .compare
        .as_deref()
        .map(|files| files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>());
    let runs = runs.transpose()?;
    let inputs: Vec<&Path> =
        args.compare.iter().flatten().chain(&args.slow_path).map(PathBuf::as_path).collect();
    let outputs = [
        ("--json", args.json.as_deref()),
        ("--html", args.html.as_deref()),
        ("--write", args.write.as_deref()),
    ];
    distinct(&inputs, &outputs)?;
    let json = Output::create("--json", args.json.as_deref())?;
    let html = Output::create("--html", args.html.as_deref())?;
    if let Some([a, b]) = runs.as_deref() {
        let comparison = Comparison::of(a, b, args.threshold / 100.0);
        let _ = write!(std::io::stdout(), "{comparison}");
        json.write(&(serde_json::to_string_pretty(&comparison)? + "\n"))?;
        html.write(&comparison.html())?;
        return Ok(comparison.regressions().next().is_none());
    }
    let mut plan = MeasurePlan {
        slow_path: match &args.slow_path {
            Some(path) => config::load_slow_path(path)?,
            None => SlowPathPlan::of(args.backends),
        },
        posture: args.posture.into(),
        seed: args.seed,
        offered: f64::from(args.offered),
        ring: args.ring as usize,
        quick: args.quick,
        sections: if args.only.is_empty() { Section::USUAL.into() } else { args.only.into_iter().collect() },
        write: args.write,
    };
    if args.peers {
        plan.sections.insert(Section::Peers);
    }
    if plan.write.is_some() && !plan.sections.contains(&Section::Mixed) {
        return Err("--write keeps the frames of the part mixed, which is not among those to be measured\n  remedy: add mixed to \
                    --only, or leave --write out"
            .into());
    }
    // As for the lab, which the pings run in; where that is refused they do without, and say so.
    if [Section::Pings, Section::Peers].iter().any(|section| plan.sections.contains(section))
        && let Err(refused) = enter_unprivileged()
    {
        eprintln!("{refused}");
    }
    let report = measure::run(&plan, &stop_flag())?;
    let _ = write!(std::io::stdout(), "{report}");
    json.write(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    html.write(&report.html())?;
    Ok(report.failures.is_empty() && report.not_measured.is_empty())
}

fn replay_recording(args: &ReplayRecordingArgs) -> Result<bool, Box<dyn std::error::Error>> {
    distinct(&[&args.recording], &[("--json", args.json.as_deref())])?;
    let json = Output::create("--json", args.json.as_deref())?;
    let report = recording::replay(&args.recording)?;
    let _ = write!(std::io::stdout(), "{report}");
    json.write(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    Ok(report.identical)
}

fn run_fuzz(args: &FuzzArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let read: Vec<&Path> = args.corpus.iter().chain(&args.replay_case).map(PathBuf::as_path).collect();
    distinct(&read, &[("--json", args.json.as_deref()), ("--write", args.write.as_deref())])?;
    let json = Output::create("--json", args.json.as_deref())?;
    let (plan, stop) = (FuzzPlan::from(args), stop_flag());
    let (text, document, success, not_written) = if let Some(case) = &args.replay_case {
        let report = fuzz::replay_case(case)?;
        (report.to_string(), serde_json::to_string_pretty(&report)?, report.success, None)
    } else if let Some(file) = &args.write {
        let report = fuzz::write(&plan, file, &stop)?;
        (report.to_string(), serde_json::to_string_pretty(&report)?, report.success, None)
    } else if let Some(target) = args.target() {
        let report = fuzz::target(&plan, &target, &stop)?;
        let not_written = report.not_written().map(str::to_owned);
        (report.to_string(), serde_json::to_string_pretty(&report)?, report.success, not_written)
    } else {
        let report = fuzz::run(&plan, &stop)?;
        let not_written = report.not_written().map(str::to_owned);
        (report.to_string(), serde_json::to_string_pretty(&report)?, report.success, not_written)
    };
    let _ = write!(std::io::stdout(), "{text}");
    let written = json.write(&(document + "\n"));
    let problems: Vec<String> = not_written.into_iter().chain(written.err()).collect();
    if problems.is_empty() { Ok(success) } else { Err(problems.join("\nsoftrouter: ").into()) }
}

fn run_exam(args: ExamArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let prices = args.price_in.zip(args.price_out).map(|(input, output)| Prices { input, output });
    // Whoever names a folder wants its frames sent to the server; whoever only has it in the environment may not.
    let local = args.backends.iter().all(BackendSpec::is_local);
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
    let report = exam.run(&stop_flag());
    let _ = write!(std::io::stdout(), "{report}");
    json.write(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    html.write(&report.html())?;
    // Who ends the exam early gets what they asked for.
    Ok(!report.has_given_up())
}

fn run_prompt(args: &PromptArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let plan = PromptPlan {
        frame: args.frame.join(" "),
        config: args.config.clone(),
        posture: args.posture.map(Into::into),
        port: args.port,
        ping: args.ping,
        options: (args.frame_prompt || args.real_addresses).then(|| PromptOptions {
            detail: if args.frame_prompt { Detail::Frame } else { Detail::Class },
            payload: args.payload,
            real_addresses: args.real_addresses,
            ..PromptOptions::default()
        }),
        tools: args.tools,
        embedded: args.embedded,
    };
    let told = prompt_command::run(&plan, &mut std::io::stdin())?;
    let text = if args.json { serde_json::to_string_pretty(&told)? + "\n" } else { told.to_string() };
    let _ = write!(std::io::stdout(), "{text}");
    Ok(true)
}

fn ask_about_rules(args: &RulesArgs) -> Result<bool, Box<dyn std::error::Error>> {
    let (answer, shown) = ask(&args.command, args.socket.as_deref())?;
    if args.json {
        let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&answer)?);
    } else if answer.ok {
        let _ = write!(std::io::stdout(), "{shown}");
    } else {
        eprint!("softrouter: {shown}");
    }
    Ok(answer.ok)
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
