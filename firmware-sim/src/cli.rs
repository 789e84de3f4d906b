//! The command line of `softrouter`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use llm_slowpath::BackendSpec;
use std::path::PathBuf;

/// A soft router: a deterministic fast path, and a language model as its slow path.
#[derive(Debug, Parser)]
#[command(name = "softrouter", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Route between two Linux hosts in namespaces under a mixed load, and report.
    Lab(LabArgs),
    /// Route between TAP devices that a configuration names, until Ctrl-C.
    Run(RunArgs),
    /// Print the table of anomalies.
    Anomalies,
}

/// `softrouter lab`
#[derive(Debug, Args)]
pub struct LabArgs {
    /// How long the load lasts.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// The article's experiment: echo requests to the router are held for the model.
    #[arg(long)]
    pub ping: bool,
    /// How many requests --ping sends.
    #[arg(long, default_value_t = 1000, requires = "ping", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    /// Who answers: embedded, embedded:WEIGHTS or openai:URL[#MODEL].
    #[arg(long, default_value = "embedded")]
    pub backend: BackendSpec,
    /// Where RFCs leave a choice.
    #[arg(long, value_enum, default_value_t = Posture::Balanced)]
    pub posture: Posture,
    /// Seeds the odd frames.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// In-memory ports and hosts, even where TAPs are to be had.
    #[arg(long)]
    pub memory: bool,
    /// Super-frames and unfinished checksums over the TAPs, where the kernel grants them: the default; undoes
    /// an earlier --no-offload.
    #[arg(long, overrides_with = "no_offload")]
    pub offload: bool,
    /// One frame of at most the MTU at a time, with its checksums.
    #[arg(long)]
    pub no_offload: bool,
    /// Writes the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes one JSON line for everything that happens to a diverted frame.
    #[arg(long, value_name = "FILE")]
    pub decision_log: Option<PathBuf>,
    /// Writes what each host received as pcap files into this folder (not with --memory; without offload).
    #[arg(long, value_name = "FOLDER", conflicts_with = "memory")]
    pub capture: Option<PathBuf>,
}

/// `softrouter run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration; router.example.toml shows every field.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Writes one JSON line for everything that happens to a diverted frame.
    #[arg(long, value_name = "FILE")]
    pub decision_log: Option<PathBuf>,
}

/// [`stack::Posture`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Posture {
    /// Discard whatever may be discarded.
    Strict,
    /// Serve what is harmless once it is normalised.
    Balanced,
    /// Serve whatever the RFCs permit.
    Open,
}

impl From<Posture> for stack::Posture {
    fn from(posture: Posture) -> Self {
        match posture {
            Posture::Strict => Self::Strict,
            Posture::Balanced => Self::Balanced,
            Posture::Open => Self::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_offload_counts() {
        for (args, off) in [
            (&[][..], false),
            (&["--no-offload"], true),
            (&["--no-offload", "--offload"], false),
            (&["--offload", "--no-offload"], true),
        ] {
            let Command::Lab(lab) = Cli::parse_from([&["softrouter", "lab"], args].concat()).command else {
                panic!("another command");
            };
            assert_eq!(lab.no_offload, off, "{args:?}");
        }
    }
}
