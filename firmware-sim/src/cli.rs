//! The command line of `softrouter`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use llm_slowpath::BackendSpec;
use llm_slowpath::prompt::tokens::Task;
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
    /// Examine backends on questions with known right answers, beside two baselines.
    Exam(ExamArgs),
    /// Do everything again that a recording says, without ports, model or clock, and compare what the router sends.
    ReplayRecording(ReplayArgs),
    /// Print what a model would be sent about a frame, without asking one.
    Prompt(PromptArgs),
    /// Look at the rules of a running router, and change them.
    Rules(RulesArgs),
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
    /// With --ping: the embedded model gets the whole request without any hint and writes the whole reply, the article's
    /// very task, instead of the header fields that change.
    #[arg(long, requires = "ping")]
    pub full: bool,
    /// How many requests --ping sends.
    #[arg(long, default_value_t = 1000, requires = "ping", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    /// Who answers: embedded, embedded:FOLDER, openai:URL#MODEL, ollama:URL#MODEL, anthropic:URL#MODEL or transcript:FILE;
    /// openai+tools: and so on for tool calling. Given several times, they are asked in this order.
    #[arg(long = "backend", default_value = "embedded", value_name = "BACKEND")]
    pub backends: Vec<BackendSpec>,
    /// With several backends: an answer of any but the last that its model holds less probable than this is not used, and
    /// the next backend is asked.
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub threshold: Option<f32>,
    /// Backends with thresholds and prices, budget and values from the tables backend, slow_path and value of this file,
    /// which holds nothing else; router.example.toml shows them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backends", "threshold"])]
    pub slow_path: Option<PathBuf>,
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
    /// Adds one JSON line to this file for everything that happens to a diverted frame.
    #[arg(long, value_name = "FILE")]
    pub decision_log: Option<PathBuf>,
    /// Adds what model servers answer to this transcript; the backend transcript:FILE answers from it without a model.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Writes what each host received as pcap files into this folder (not with --memory; without offload).
    #[arg(long, value_name = "FOLDER", conflicts_with = "memory")]
    pub capture: Option<PathBuf>,
    /// Records everything that is done to the router, and every frame that it sends, as a pcapng file for `softrouter
    /// replay-recording` and Wireshark. It holds the traffic itself; super-frames are cut before the router.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Keeps rules in this file: takes them from there at the start, and writes them there when they change.
    #[arg(long, value_name = "FILE")]
    pub rules_file: Option<PathBuf>,
    /// Opens a control socket there, for `softrouter rules --socket PATH`.
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
}

/// `softrouter run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration; router.example.toml shows every field.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Adds one JSON line to this file for everything that happens to a diverted frame.
    #[arg(long, value_name = "FILE")]
    pub decision_log: Option<PathBuf>,
    /// Adds what model servers answer to this transcript; the backend transcript:FILE answers from it without a model.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Records everything that is done to the router, and every frame that it sends, as a pcapng file for `softrouter
    /// replay-recording` and Wireshark. It holds the traffic itself; super-frames are cut before the router.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Where the control socket is [default: that of the configuration, or softrouter.sock in $XDG_RUNTIME_DIR or /run].
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
}

/// `softrouter rules`
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// The router's control socket [default: softrouter.sock in $XDG_RUNTIME_DIR or /run].
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The router's answer as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What is wanted.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// What is wanted of a router.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// All rules as a table.
    List,
    /// All of one rule, as in files.
    Show {
        /// Its id.
        id: u32,
    },
    /// Where one rule comes from, what it matches, what it did, and when it ends, in words.
    Explain {
        /// Its id.
        id: u32,
    },
    /// Keep a rule until it is revoked.
    Pin {
        /// Its id.
        id: u32,
    },
    /// Let a rule end when its time is over.
    Unpin {
        /// Its id.
        id: u32,
    },
    /// Remove a rule.
    Revoke {
        /// Its id.
        id: u32,
    },
    /// Remove all rules that are not pinned, and forget all that is being learnt.
    Flush,
    /// Write all rules to a file, or to standard output.
    Export {
        /// The file, which is replaced.
        file: Option<PathBuf>,
    },
    /// Install the rules of a file: none if any of them is no rule, else each that the router takes.
    Import {
        /// What `export` wrote, or docs/rules.md describes; - for standard input.
        file: PathBuf,
    },
}

/// `softrouter replay-recording`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// What --record wrote.
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,
    /// Writes the summary as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `softrouter exam`
#[derive(Debug, Args)]
pub struct ExamArgs {
    /// Whom to examine: embedded, embedded:FOLDER, openai:URL#MODEL, ollama:URL#MODEL or anthropic:URL#MODEL; openai+tools:
    /// and so on for tool calling. May be given several times.
    #[arg(long = "backend", default_value = "embedded", value_name = "BACKEND")]
    pub backends: Vec<BackendSpec>,
    /// 500 generated questions instead of 27,000: for backends that take seconds.
    #[arg(long)]
    pub quick: bool,
    /// Which questions; the same seed asks the same ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only these tasks: triage, repair, ping_delta, ping_full, by_example.
    #[arg(long, value_delimiter = ',', value_parser = task, value_name = "TASK,...")]
    pub tasks: Vec<Task>,
    /// Questions from the pcap files of this folder, too; a server as backend is sent their frames whole [default: that of
    /// SOFTROUTER_CAPTURES, if it is set and every backend is embedded].
    #[arg(long, value_name = "FOLDER")]
    pub captures: Option<PathBuf>,
    /// What an HTTP backend takes for a million tokens that it reads.
    #[arg(long, value_name = "PRICE", requires = "price_out", value_parser = price)]
    pub price_in: Option<f64>,
    /// What it takes for a million tokens that it writes.
    #[arg(long, value_name = "PRICE", requires = "price_in", value_parser = price)]
    pub price_out: Option<f64>,
    /// Shows so many wrong answers of each backend.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub show_wrong: usize,
    /// Writes the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes the report as a page with plots, too.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `softrouter prompt`
#[derive(Debug, Args)]
pub struct PromptArgs {
    /// The Ethernet frame without its check sequence, as hex (spaces and colons allowed); @FILE.pcap or @FILE.pcap:N for the
    /// N-th frame of a capture; - for hex on standard input.
    #[arg(required = true, value_name = "FRAME")]
    pub frame: Vec<String>,
    /// The router of this configuration instead of the lab's (router.example.toml shows every field).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where RFCs leave a choice [default: that of the configuration, or balanced].
    #[arg(long, value_enum)]
    pub posture: Option<Posture>,
    /// The port that the frame comes in by, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u8,
    /// The article's experiment: echo requests to the router are held for the model.
    #[arg(long)]
    pub ping: bool,
    /// A frame prompt: the frame's decoded fields and its flow, too, instead of the class alone [default: as the
    /// configuration says].
    #[arg(long)]
    pub frame_prompt: bool,
    /// As a model is told that calls tools.
    #[arg(long)]
    pub tools: bool,
    /// So many bytes of the payload as hex, as far as there is room.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "frame_prompt")]
    pub payload: usize,
    /// Real addresses instead of pseudonyms, in a frame prompt or with --ping.
    #[arg(long)]
    pub real_addresses: bool,
    /// The tokens that the embedded model is given, too.
    #[arg(long)]
    pub embedded: bool,
    /// All of it as JSON.
    #[arg(long)]
    pub json: bool,
}

fn task(name: &str) -> Result<Task, String> {
    let names = || Task::ALL.map(Task::name).join(", ");
    Task::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| format!("name some of {}", names()))
}

fn probability(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|p| (0.0..=1.0).contains(p)).ok_or_else(|| "name a number from 0 to 1".into())
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "name a number that is not negative".into())
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
