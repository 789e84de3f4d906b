//! Samples for models that read text: the very prompts that the HTTP backends send, and the right answers as JSON.

use clap::{Args, ValueEnum};
use llm_slowpath::Question;
use llm_slowpath::prompt::schema::{ACTION, Form, LIFETIME, NONCE, REASON, SCOPE};
use llm_slowpath::prompt::tokens::Task;
use llm_slowpath::prompt::{PromptOptions, exam, text};
use pktgen::tasks::triage::{self, Focus};
use pktgen::tasks::{Item, Question as Asked, Right, Split};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::json;
use smoltcp::time::Instant;
use stack::answer::Advice;
use stack::{ActionKind, ClassKey, DivertId, Diverted, Mode};
use std::io::{self, BufWriter, ErrorKind, Write};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asker {
    /// The slow path, about a class of frames.
    Router,
    /// The exam's triage.
    Exam,
}

/// What is written.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Who asks.
    #[arg(long)]
    by: Asker,
    /// How many.
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// Seed of the questions, of the router's nonces and of its boundaries.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Questions that training never draws.
    #[arg(long)]
    held_out: bool,
}

/// A prompt's two parts and the right answer.
#[derive(Debug, PartialEq, Eq)]
struct Sample {
    system: &'static str,
    user: String,
    answer: String,
}

/// Writes the samples to stdout, a line of JSON each: `system`, `user`, `answer`.
///
/// # Errors
/// If writing fails for another reason than that nobody reads any more.
pub(crate) fn write(arguments: &Arguments) -> io::Result<()> {
    let &Arguments { by, count, seed, held_out } = arguments;
    let split = if held_out { Split::HeldOut } else { Split::Training };
    let mut out = BufWriter::new(io::stdout().lock());
    for Sample { system, user, answer } in (0..count).map(|index| sample(by, split, seed, index)) {
        match writeln!(out, "{}", json!({ "system": system, "user": user, "answer": answer })) {
            // The reader has had enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    out.flush()
}

/// Sample number `index`. Reasons that leave a choice have most to teach, but the slow path's answers name the reason, so
/// they must all be seen often.
fn sample(by: Asker, split: Split, seed: u64, index: u64) -> Sample {
    let one_in = if by == Asker::Router { 2 } else { 4 };
    let focus = if index.is_multiple_of(one_in) { Focus::Fixed } else { Focus::Discretionary };
    let (key, kind, advice) = drawn(split, focus, seed, index);
    match by {
        Asker::Exam => {
            let exam::Prompt { nonce, text, .. } =
                exam::prompt(&Question::Triage(&key)).expect("a prompt says every class");
            let answer = json!({
                NONCE: hex(nonce), ACTION: kind.name(), SCOPE: advice.scope.name(), LIFETIME: advice.lifetime.name(),
            });
            Sample { system: exam::system(Task::Triage), user: text, answer: answer.to_string() }
        }
        Asker::Router => {
            let mut dice = Pcg64Mcg::seed_from_u64(seed ^ index.rotate_left(32));
            let diverted = diverted(key, dice.random(), dice.random());
            let user = text::frame_part(&diverted, &[], &PromptOptions::default())
                .expect("a class prompt says every class");
            let answer = json!({
                NONCE: hex(diverted.nonce), REASON: diverted.reason().name(), ACTION: kind.name(),
            });
            Sample { system: text::system(), user, answer: answer.to_string() }
        }
    }
}

/// A class and what is right about it. The slow path asks another question about an echo request.
fn drawn(split: Split, focus: Focus, seed: u64, index: u64) -> (ClassKey, ActionKind, Advice) {
    let mut seed = seed;
    loop {
        let Item { question, right } = triage::item(split, focus, seed, index);
        let (Asked::Triage(key), Right::Triage(kind, advice)) = (question, right) else {
            unreachable!("triage draws its own questions")
        };
        if Form::of(key.reason) == Form::Triage {
            return (key, kind, advice);
        }
        // Far from the seeds that anybody chooses.
        seed = seed.wrapping_add(1 << 40);
    }
}

fn diverted(class: ClassKey, nonce: u32, boundary: u32) -> Diverted {
    Diverted {
        id: DivertId { slot: 0, generation: 0 },
        nonce,
        boundary,
        class,
        mode: Mode::Enforce,
        received_at: Instant::ZERO,
        deadline: Instant::from_secs(1),
        len: 60,
        flow: None,
    }
}

fn hex(nonce: u32) -> String {
    format!("{nonce:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_slowpath::Said;
    use llm_slowpath::prompt::decode::decode;
    use std::collections::BTreeSet;

    #[test]
    fn answers_decode_to_what_is_right_and_echo_what_the_prompt_says() {
        for (by, form) in [(Asker::Router, Form::Triage), (Asker::Exam, Form::Exam(Task::Triage))] {
            for index in 0..300 {
                let Sample { user, answer, .. } = sample(by, Split::Training, 5, index);
                let decoded = decode(form, &answer).unwrap();
                assert_eq!(
                    user.matches(&format!("\"{NONCE}\":\"{}\"", hex(decoded.nonce))).count(),
                    1,
                    "{user}"
                );
                assert_eq!(decoded.reason.is_some(), by == Asker::Router);
                if let Some(reason) = decoded.reason {
                    assert!(user.contains(&format!("\"{REASON}\":\"{reason}\"")), "{user}");
                }
                let Said::Triage(action, advice) = decoded.said else { panic!("{answer}") };
                assert!(user.contains(&format!("\"{action}\"")), "{action} is not offered: {user}");
                assert_eq!(advice.is_some(), by == Asker::Exam);
            }
        }
    }

    #[test]
    fn seed_index_and_split_determine_a_sample() {
        for by in [Asker::Router, Asker::Exam] {
            let users = |split, seed| -> BTreeSet<String> {
                let samples = (0..200).map(|index| sample(by, split, seed, index));
                // The router's nonces differ even where the question is the same.
                samples.map(|Sample { user, .. }| user).collect()
            };
            assert_eq!(users(Split::Training, 1), users(Split::Training, 1));
            assert_ne!(users(Split::Training, 1), users(Split::Training, 2));
            assert_ne!(users(Split::Training, 1), users(Split::HeldOut, 1));
        }
    }
}
