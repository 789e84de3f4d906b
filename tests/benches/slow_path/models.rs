//! The embedded models alone, in the calling thread: time for each task's answers, and triage answers a second,
//! one by one and in batches.

use crate::micros;
use llm_slowpath::Embedded;
use llm_slowpath::model::{Decoded, Specialist};
use llm_slowpath::prompt::tokens::{MAX_PROMPT, Prompt};
use pktgen::tasks::triage::Focus;
use pktgen::tasks::{Item, Split, example, ping, repair, triage};
use std::time::{Duration, Instant};
use tests::questions::asked;

/// Different prompts of each task.
const PROMPTS: usize = 256;
/// Sizes of batches.
const BATCHES: [usize; 4] = [1, 4, 8, 16];

/// Prints a row for each task, answers of `rounds` times [`PROMPTS`] prompts in each, and one for each batch.
pub(crate) fn rows(rounds: usize) {
    let mut embedded = Embedded::new().expect("the embedded models load");
    println!("\nembedded models: {}", embedded.describe());
    println!("{:<30}{:>8}{:>8}{:>10}{:>10}{:>10}", "an answer", "read", "written", "p50", "p99", "max");
    let triage = prompts(|index| triage::item(Split::HeldOut, Focus::Discretionary, 1, index));
    let tasks = [
        ("triage", prompts(|index| triage::item(Split::HeldOut, Focus::Discretionary, 1, index))),
        ("repair", prompts(|index| repair::item(Split::HeldOut, 1, index))),
        ("ping-delta", prompts(|index| ping::delta(Split::HeldOut, 1, index, 0))),
        ("ping-full", prompts(|index| ping::full(Split::HeldOut, 1, index, 0))),
        ("ping-full, 56 bytes of payload", whole_pings()),
        ("by example", prompts(|index| example::item(Split::HeldOut, 1, index))),
    ];
    for (name, prompts) in &tasks {
        one_by_one(&mut embedded, name, prompts, rounds);
    }
    println!("{:<30}{:>12}", "triage", "answers/s");
    for batch in BATCHES {
        let rate = batches(&mut embedded, &triage, batch, 4 * rounds);
        println!("{:<30}{rate:>12.0}", format!("in batches of {batch}"));
    }
}

fn prompts(item: impl Fn(u64) -> Item) -> Vec<Prompt> {
    (0..).filter_map(|index| asked(&item(index).question).tokens()).take(PROMPTS).collect()
}

/// What the Linux kernel's `ping` sends.
fn whole_pings() -> Vec<Prompt> {
    let all = (0..).filter_map(|index| asked(&ping::full(Split::HeldOut, 1, index, 0).question).tokens());
    all.filter(|prompt| prompt.tokens().len() == MAX_PROMPT).take(PROMPTS).collect()
}

fn one_by_one(embedded: &mut Embedded, name: &str, prompts: &[Prompt], rounds: usize) {
    let mut took = Vec::with_capacity(rounds * prompts.len());
    let (mut read, mut written) = (0, 0);
    for round in 0..=rounds {
        for prompt in prompts {
            let start = Instant::now();
            let Decoded { tokens, .. } = embedded.complete(prompt);
            // The first round warms up.
            if round > 0 {
                took.push(start.elapsed());
                read += prompt.tokens().len();
                written += tokens.len();
            }
        }
    }
    took.sort_unstable();
    let at = |quantile: f64| micros(took[((took.len() - 1) as f64 * quantile) as usize]);
    let mean = |tokens: usize| tokens as f64 / took.len() as f64;
    println!(
        "{name:<30}{:>8.1}{:>8.1}{:>10}{:>10}{:>10}",
        mean(read),
        mean(written),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Answers a second, from the median round.
fn batches(embedded: &mut Embedded, prompts: &[Prompt], batch: usize, rounds: usize) -> f64 {
    let mut answers = Vec::with_capacity(batch);
    let mut took: Vec<Duration> = Vec::with_capacity(rounds);
    for _ in 0..=rounds {
        let start = Instant::now();
        for prompts in prompts.chunks(batch) {
            embedded.complete_batch(Specialist::Decide, prompts, &mut answers);
            assert_eq!(answers.len(), prompts.len());
        }
        took.push(start.elapsed());
    }
    took.sort_unstable();
    prompts.len() as f64 / took[took.len() / 2].as_secs_f64()
}
