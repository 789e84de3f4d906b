//! Streams training samples to the trainer, and tells what another inference of the same weights must know.

mod answers;
mod grammar;
mod samples;
mod speech;

use clap::{Parser, Subcommand};
use llm_slowpath::prompt::tokens::{self, Task};
use samples::Sample;
use std::error::Error;
use std::io::{self, BufWriter, ErrorKind, Write};

#[derive(Parser)]
#[command(about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write samples to stdout, each a record of 16-bit numbers: lengths of prompt and answer, tokens, places.
    Samples {
        /// Which task: triage, repair, ping_delta, ping_full or by_example.
        #[arg(long, value_parser = task)]
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
        hard: usize,
    },
    /// Write what the samples hold: numbers of a record, tokens that there are.
    Describe,
    /// Write the tokens' names, one a line, in order of their numbers.
    Vocabulary,
    /// Write the grammar of a task's answers, as llama.cpp reads it (GBNF).
    Grammar {
        /// Which task.
        #[arg(long, value_parser = task)]
        task: Task,
    },
    /// Write prompts as text, as the HTTP backends send them, and the right answers as JSON, a line of JSON each.
    Speech(speech::Arguments),
    /// Write prompts that training never saw, their right answers and the model's own, a line of JSON each.
    Answers(answers::Arguments),
}

fn task(name: &str) -> Result<Task, String> {
    let names = || Task::ALL.map(Task::name).join(", ");
    Task::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| format!("one of {}", names()))
}

fn main() -> Result<(), Box<dyn Error>> {
    match Cli::parse().command {
        Command::Samples { task, seed, start, count, hard } => stream(task, seed, start, count, hard)?,
        Command::Describe => {
            use tokens::{MAX_TOKENS, PAD, SEP, VOCABULARY};
            println!(
                r#"{{"width": {MAX_TOKENS}, "vocabulary": {VOCABULARY}, "pad": {PAD}, "separator": {SEP}}}"#
            );
        }
        Command::Vocabulary => {
            (0..tokens::VOCABULARY as u16).for_each(|token| println!("{}", tokens::name(token)));
        }
        Command::Grammar { task } => print!("{}", grammar::gbnf(task)),
        Command::Speech(arguments) => speech::write(&arguments)?,
        Command::Answers(arguments) => answers::write(&arguments)?,
    }
    Ok(())
}

fn stream(task: Task, seed: u64, start: u64, count: u64, hard: usize) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let end = if count == 0 { u64::MAX } else { start.saturating_add(count) };
    for index in start..end {
        let record = Sample::training(task, seed, index, hard).record();
        let written = record.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()));
        match written {
            // The reader has had enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    out.flush()
}
