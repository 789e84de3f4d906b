//! What a report says of how its run was made: all that it takes to do the same again.

use super::args::CASES;
use super::{FuzzPlan, TargetPlan};
use crate::cli::shell_word;
use serde::Serialize;
use stack::Posture;
use std::path::{Path, PathBuf};

/// How the frames of a run were made. The same version, seed, mix, captures and world make the same frames.
#[derive(Debug, Clone, Serialize)]
pub struct Recipe {
    /// Softrouter's.
    pub version: &'static str,
    /// Names all that is drawn.
    pub seed: u64,
    /// What frames were made of.
    pub mix: String,
    /// Frames a second.
    pub pps: u64,
    /// Captures whose frames were mutated.
    pub corpus: Vec<PathBuf>,
    /// So many frames of them.
    pub corpus_frames: usize,
    /// The command, as a shell takes it.
    pub again: String,
}

impl Recipe {
    fn new(plan: &FuzzPlan, corpus_frames: usize, again: String) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            seed: plan.seed,
            mix: plan.mix_text(),
            pps: plan.pps,
            corpus: plan.corpus.clone(),
            corpus_frames,
            again,
        }
    }

    /// That of a run in memory.
    pub(super) fn in_memory(plan: &FuzzPlan, corpus_frames: usize) -> Self {
        Self::new(plan, corpus_frames, in_memory(plan))
    }

    /// That of a file.
    pub(super) fn to_file(plan: &FuzzPlan, file: &Path, corpus_frames: usize) -> Self {
        let again = command(plan, &format!(" --write {} --ports {}", shell_word(file), plan.ports));
        Self::new(plan, corpus_frames, again)
    }

    /// That of a run at a device.
    pub(super) fn at(plan: &FuzzPlan, target: &TargetPlan, corpus_frames: usize) -> Self {
        let mut about =
            format!(" --target {} --peer {}", shell_word(Path::new(&target.interface)), target.peer_text());
        for address in &target.addresses {
            about += &format!(" --peer-ip {}/{}", address.address, address.prefix);
        }
        about += &format!(" --probe-every {}", target.probe_every);
        Self::new(plan, corpus_frames, command(plan, &about))
    }

    /// A line about the captures and the version.
    pub(super) fn about(&self) -> String {
        let corpus = match self.corpus.len() {
            0 => "no corpus".into(),
            files => format!("a corpus of {} frames in {files} file(s)", self.corpus_frames),
        };
        format!("{corpus}, softrouter {}", self.version)
    }
}

/// The command of this run in memory.
pub(super) fn in_memory(plan: &FuzzPlan) -> String {
    let posture = plan.posture.map(Posture::name).map_or(String::new(), |name| format!(" --posture {name}"));
    command(plan, &format!(" --ports {} --threads {}{posture}", plan.ports, plan.threads))
}

fn command(plan: &FuzzPlan, about: &str) -> String {
    let FuzzPlan { seed, pps, frames, seconds, until, .. } = plan;
    let mut text = format!("softrouter fuzz{about} --seed {seed} --mix {} --pps {pps}", plan.mix_text());
    let ends = [
        ("frames", frames.map(|frames| frames.to_string())),
        ("seconds", seconds.map(|seconds| seconds.to_string())),
        ("until", until.map(|until| until.to_string())),
    ];
    for (option, value) in ends {
        text += &value.map_or(String::new(), |value| format!(" --{option} {value}"));
    }
    if plan.cases != Path::new(CASES) {
        text += &format!(" --cases {}", shell_word(&plan.cases));
    }
    if !plan.corpus.is_empty() {
        text += " --corpus";
        plan.corpus.iter().for_each(|file| text += &format!(" {}", shell_word(file)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    /// Reads a command as a shell does that has no more than blanks and single quotes.
    fn words(command: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for char in command.chars() {
            match char {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                _ => words.last_mut().unwrap().push(char),
            }
        }
        words
    }

    fn plan_of(args: &[&str]) -> (FuzzPlan, Option<TargetPlan>) {
        let Command::Fuzz(args) = Cli::try_parse_from(args).unwrap().command else {
            panic!("another command")
        };
        (FuzzPlan::from(&args), args.target())
    }

    #[test]
    fn the_command_of_a_report_makes_the_same_plan() {
        let start = ["softrouter", "fuzz", "--seed", "9", "--mix", "odd=3,sequence=1", "--pps", "77"];
        let memory =
            ["--ports", "5", "--threads", "3", "--posture", "open", "--frames", "1234", "--cases", "/a b"];
        let corpus = ["--corpus", "a capture.pcap", "b.pcapng", "--seconds", "2.5"];
        let device = ["--target", "tap7", "--peer", "02:00:00:00:09:0a", "--peer-ip", "10.9.0.1/20"];
        let device = [&device[..], &["--peer-ip", "fd00:9::1", "--probe-every", "7"]].concat();
        for (more, write) in [(memory.to_vec(), false), (corpus.to_vec(), true), (device, false)] {
            let (plan, target) = plan_of(&[&start[..], &more].concat());
            let recipe = match &target {
                Some(target) => Recipe::at(&plan, target, 0),
                None if write => Recipe::to_file(&plan, Path::new("odd frames.pcapng"), 0),
                None => Recipe::in_memory(&plan, 0),
            };
            let words = words(&recipe.again);
            let (again, target_again) = plan_of(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(format!("{again:?}"), format!("{plan:?}"), "{}", recipe.again);
            assert_eq!(format!("{target_again:?}"), format!("{target:?}"), "{}", recipe.again);
            assert_eq!(recipe.again.contains("--write 'odd frames.pcapng'"), write);
        }
    }
}
