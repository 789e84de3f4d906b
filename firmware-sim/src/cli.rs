//! The command line of `softrouter`.

mod status;
mod values;

pub use status::{FAILED, UNUSABLE};
pub(crate) use values::{positive, shell_word};

use crate::fuzz::FuzzArgs;
use crate::logs::{LogLimit, LogPlan};
use crate::measure::Section;
use crate::measure::compare::THRESHOLD;
use crate::metrics::Listen;
use crate::rules::client::Ask;
use clap::{Args, Parser, Subcommand, ValueEnum};
use llm_slowpath::BackendSpec;
use llm_slowpath::prompt::tokens::Task;
use std::path::PathBuf;
use values::{price, probability, task};

/// A soft router: a deterministic fast path, and a language model as its slow path.
#[derive(Debug, Parser)]
#[command(name = "softrouter", version, about, after_help = status::HELP)]
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
    /// Play captures (pcap, pcapng) through the router, and report what becomes of each frame. Not a run of this router, but
    /// anybody's traffic: for what --record wrote, see replay-recording.
    Replay(ReplayArgs),
    /// Measure the router in one command: fast path against slow path, healthy traffic beside anomalies, latency, cost, and
    /// what rules spare; or compare two such reports.
    Measure(MeasureArgs),
    /// Do everything again that a recording of this router (--record) says, without ports, model or clock, and compare what
    /// it sends. For captures of any traffic, see replay.
    ReplayRecording(ReplayRecordingArgs),
    /// Throw generated frames at routers in memory and check every law on every frame, at another device, or into a file.
    Fuzz(FuzzArgs),
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
    /// Logs of anomalies.
    #[command(flatten)]
    pub logs: LogArgs,
    /// Keeps rules in this file: takes them from there at the start, and writes them there when they change.
    #[arg(long, value_name = "FILE")]
    pub rules_file: Option<PathBuf>,
    /// Opens a control socket there, for `softrouter rules --socket PATH`.
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// Serves what is counted at http://ADDRESS:PORT/metrics, for Prometheus; a port alone, as 9469 or :9469, is on this
    /// machine alone (127.0.0.1), and port 0 is one that is free.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<Listen>,
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
    /// Logs of anomalies.
    #[command(flatten)]
    pub logs: LogArgs,
    /// Where the control socket is [default: that of the configuration, or softrouter.sock in $XDG_RUNTIME_DIR or /run].
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// Serves what is counted at http://ADDRESS:PORT/metrics, for Prometheus, instead of where the configuration says; a port
    /// alone, as 9469 or :9469, is on this machine alone (127.0.0.1), and port 0 is one that is free.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<Listen>,
}

/// `softrouter replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Captures in pcap or pcapng, as they are or compressed with gzip, of Ethernet, raw IP, Linux cooked or loopback
    /// devices.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The router of this configuration (router.example.toml shows every field) instead of the lab's with default routes to
    /// its server.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who answers: embedded, embedded:FOLDER, openai:URL#MODEL, ollama:URL#MODEL, anthropic:URL#MODEL or transcript:FILE;
    /// openai+tools: and so on for tool calling. Given several times, they are asked in this order [default: as the
    /// configuration says, or embedded].
    #[arg(long = "backend", value_name = "BACKEND")]
    pub backends: Vec<BackendSpec>,
    /// Nothing is diverted: the default of each reason acts at once.
    #[arg(long, conflicts_with_all = ["backends", "transcript", "decision_log"])]
    pub no_slow_path: bool,
    /// Where RFCs leave a choice [default: that of the configuration, or balanced].
    #[arg(long, value_enum)]
    pub posture: Option<Posture>,
    /// The port that all frames come in by, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u8,
    /// Frames keep their destination MAC addresses; else unicast ones are addressed to the port, since they would all be for
    /// another station.
    #[arg(long)]
    pub keep_mac: bool,
    /// At the times of the capture, so many times as fast; each file follows the one before it. Without this and --pps:
    /// one frame after the other. The router's limits count in real time: at full speed they see everything in a moment.
    #[arg(long, value_name = "TIMES", value_parser = positive, conflicts_with = "pps")]
    pub speed: Option<f64>,
    /// With --speed: the longest pause of the capture that is kept, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = positive, requires = "speed")]
    pub max_gap: Option<f64>,
    /// So many frames a second.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub pps: Option<f64>,
    /// The next frame waits until the slow path is done with the one before, and until its token bucket is full again: no
    /// frame is refused since the captures are played too fast. It takes about a millisecond a diverted frame.
    #[arg(long, conflicts_with = "no_slow_path")]
    pub wait: bool,
    /// Loads all frames into memory first, and plays them so many times: what it takes to read the files is not counted.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub loops: Option<u64>,
    /// Writes every frame that came in, with a comment that says what became of it and why, and every frame that the router
    /// sent, as a pcapng file for Wireshark.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Logs of anomalies.
    #[command(flatten)]
    pub logs: LogArgs,
    /// Adds one JSON line to this file for everything that happens to a diverted frame.
    #[arg(long, value_name = "FILE")]
    pub decision_log: Option<PathBuf>,
    /// Adds what model servers answer to this transcript; the backend transcript:FILE answers from it without a model.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Writes the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Logs of anomalies that other tools read.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Adds a JSON line to this file for each anomaly, in the form of Suricata's EVE (event_type anomaly).
    #[arg(long, value_name = "FILE")]
    pub eve: Option<PathBuf>,
    /// Adds a line to this file for each anomaly, in the form of Zeek's weird.log.
    #[arg(long, value_name = "FILE")]
    pub weird: Option<PathBuf>,
    /// How many anomalies of one reason both logs tell: so many pass, then one in so many (0: none), and after so many
    /// seconds all anew; off: all of them.
    #[arg(long, value_name = "PASS,ONE_IN,SECONDS", default_value = "25,1000,600")]
    pub log_limit: LogLimit,
}

impl From<LogArgs> for LogPlan {
    fn from(args: LogArgs) -> Self {
        Self { eve: args.eve, weird: args.weird, limit: args.log_limit }
    }
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
    pub command: Ask,
}

/// `softrouter replay-recording`
#[derive(Debug, Args)]
pub struct ReplayRecordingArgs {
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

/// `softrouter measure`
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Who answers: embedded, embedded:FOLDER, openai:URL#MODEL, ollama:URL#MODEL, anthropic:URL#MODEL or transcript:FILE;
    /// openai+tools: and so on for tool calling. Given several times, they are asked in this order.
    #[arg(long = "backend", default_value = "embedded", value_name = "BACKEND")]
    pub backends: Vec<BackendSpec>,
    /// Backends with thresholds and prices, budget and values from this file, as for lab.
    #[arg(long, value_name = "FILE", conflicts_with = "backends")]
    pub slow_path: Option<PathBuf>,
    /// What the router does where RFCs leave a choice.
    #[arg(long, value_enum, default_value_t = Posture::Balanced)]
    pub posture: Posture,
    /// Seed of the generated frames.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// About 40 seconds instead of four minutes: fewer and shorter measurements.
    #[arg(long)]
    pub quick: bool,
    /// Frames a second that the sweep over anomaly shares and the fraction law offer.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub offered: u32,
    /// Frames that wait at a port before the next is lost.
    #[arg(long, value_name = "FRAMES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub ring: u32,
    /// Sends the same load through the Linux kernel and Open vSwitch, too, over real devices: as root, about two minutes more.
    #[arg(long)]
    pub peers: bool,
    /// Only these parts of the report [default: all but peers].
    #[arg(long, value_delimiter = ',', value_name = "PART,...")]
    pub only: Vec<Section>,
    /// Measures nothing: shows two reports beside each other, and flags what is worse in the second. Then the exit status
    /// is 1.
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"], conflicts_with_all = ["backends", "slow_path", "posture", "seed", "quick", "offered", "ring", "peers", "only", "write"])]
    pub compare: Option<Vec<PathBuf>>,
    /// With --compare: differences of so many percent are noise.
    #[arg(long, value_name = "PERCENT", requires = "compare", default_value_t = 100.0 * THRESHOLD, value_parser = positive)]
    pub threshold: f64,
    /// Writes the frames of the part mixed, with a comment that says what became of each and why, as a pcapng file for
    /// Wireshark.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Writes the report, or the comparison, as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes it as a page, too: one file with plots, for light and dark mode, that loads nothing.
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
