//! Streams training samples to the trainer and examines what it exports.

mod diverted;
mod exam;
mod samples;
mod triage;

use clap::{Parser, Subcommand, ValueEnum};
use std::error::Error;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write samples to stdout: prompt length, answer length, tokens padded to a constant width.
    Samples {
        /// Which task.
        #[arg(long)]
        task: Task,
        /// Seed of the stream.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Number of the first sample.
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// How many samples; 0 for as long as someone reads.
        #[arg(long, default_value_t = 0)]
        count: u64,
        /// Of 100 ping samples, how many have checksums near a carry.
        #[arg(long, default_value_t = 0)]
        hard: u32,
    },
    /// Examine a model on fresh samples, in the router's own inference code.
    Exam {
        /// Weights; those in this program if left out.
        #[arg(long)]
        model: Option<PathBuf>,
        /// Samples of each task.
        #[arg(long, default_value_t = 20_000)]
        count: u64,
        /// Seed of the streams; training must have had another.
        #[arg(long, default_value_t = 1_000_000_007)]
        seed: u64,
        /// Of 100 ping samples, how many have checksums near a carry.
        #[arg(long, default_value_t = 0)]
        hard: u32,
        /// Also answer with 32-bit floats and count the agreements.
        #[arg(long)]
        compare: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Task {
    /// Class keys and the action that they deserve.
    Triage,
    /// Echo requests and the header digits of their replies.
    Ping,
    /// One triage sample, then three ping samples, and so on.
    Mix,
}

fn main() -> Result<(), Box<dyn Error>> {
    match Cli::parse().command {
        Command::Samples { task, seed, start, count, hard } => stream(task, seed, start, count, hard)?,
        Command::Exam { model, count, seed, hard, compare } => {
            let exam = exam::Exam { count, seed, hard, compare };
            let model = exam::model(model.as_deref())?;
            exam::run(&model, &exam);
            exam::always_drop(&exam);
            exam::speeds(&model, &exam);
        }
    }
    Ok(())
}

fn stream(task: Task, seed: u64, start: u64, count: u64, hard: u32) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let end = if count == 0 { u64::MAX } else { start.saturating_add(count) };
    for index in start..end {
        let sample = match task {
            Task::Triage => triage::sample(seed, index),
            Task::Mix if index % 4 == 0 => triage::sample(seed, index),
            Task::Ping | Task::Mix => samples::ping(seed, index, hard),
        };
        match out.write_all(&sample.record()) {
            // The reader has had enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    out.flush()
}
