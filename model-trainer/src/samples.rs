//! Samples as the trainer reads them: prompts in tokens, and the oracle's answers.

use llm_slowpath::prompt::tokens::{self, AnswerTokens, MAX_TOKENS, Prompt, Task};
use pktgen::tasks::{Item, Question, Right, Split, example, ping, repair, triage};

/// A prompt and the one right answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// What the model is asked.
    pub(crate) prompt: Prompt,
    /// What it must answer, with the end token.
    pub(crate) answer: AnswerTokens,
}

/// 16-bit numbers of one sample on the pipe to the trainer: the lengths of prompt and answer, the tokens of both,
/// padded to a constant width, and their places.
pub(crate) const RECORD: usize = 2 + 2 * MAX_TOKENS;

impl Sample {
    /// Sample number `index` of a task's stream, from what may be trained on. Of 100 pings, `hard` are steered to
    /// where carries run far.
    pub(crate) fn training(task: Task, seed: u64, index: u64, hard: usize) -> Self {
        Self::drawn(Split::Training, task, seed, index, hard)
    }

    /// Sample number `index` of what training never draws.
    pub(crate) fn held_out(task: Task, seed: u64, index: u64) -> Self {
        Self::drawn(Split::HeldOut, task, seed, index, 0)
    }

    fn drawn(split: Split, task: Task, seed: u64, index: u64, hard: usize) -> Self {
        Self::of(&match task {
            // Reasons that leave a choice have most to teach.
            Task::Triage if !index.is_multiple_of(4) => {
                triage::item(split, triage::Focus::Discretionary, seed, index)
            }
            Task::Triage => triage::item(split, triage::Focus::Fixed, seed, index),
            Task::Repair => repair::item(split, seed, index),
            Task::PingDelta => ping::delta(split, seed, index, hard),
            Task::PingFull => ping::full(split, seed, index, hard),
            Task::Example => example::item(split, seed, index),
        })
    }

    /// The question in tokens, with its answer.
    ///
    /// # Panics
    /// If the generator poses what no prompt can say.
    pub(crate) fn of(item: &Item) -> Self {
        let prompt = match &item.question {
            Question::Triage(key) => Some(tokens::triage_prompt(key)),
            Question::Repair { allowed, faults } => Some(tokens::repair_prompt(*allowed, faults)),
            Question::PingDelta(frame) => tokens::delta_prompt(frame),
            Question::PingFull(frame) => tokens::frame_prompt(frame),
            Question::Example { exchanges, .. } => {
                let exchanges: Vec<_> = exchanges.iter().map(|(a, b)| (&a[..], &b[..])).collect();
                tokens::example_prompt(&exchanges)
            }
        };
        let answer = match &item.right {
            Right::Triage(kind, advice) => tokens::triage_answer(*kind, *advice),
            Right::Repair(fixes) => tokens::repair_answer(*fixes),
            Right::PingDelta(delta) => tokens::delta_answer(*delta),
            Right::PingFull(reply) => tokens::frame_answer(reply),
            Right::Example { template, .. } => tokens::template_answer(template),
        };
        Self { prompt: prompt.expect("a prompt can say every question"), answer }
    }

    /// The sample as it crosses the pipe. The answer's places follow the prompt's last one.
    pub(crate) fn record(&self) -> [u16; RECORD] {
        let mut record = [tokens::PAD; RECORD];
        let (prompt, answer) = (self.prompt.tokens(), &self.answer);
        record[0] = prompt.len() as u16;
        record[1] = answer.len() as u16;
        let (words, places) = record[2..].split_at_mut(MAX_TOKENS);
        for (word, &token) in words.iter_mut().zip(prompt.iter().chain(answer)) {
            *word = token;
        }
        let last = self.prompt.places().last().map_or(0, |&last| u16::from(last));
        let after = last + 1..=last + answer.len() as u16;
        let all = self.prompt.places().iter().map(|&place| u16::from(place)).chain(after);
        places.fill(0);
        for (place, value) in places.iter_mut().zip(all) {
            *place = value;
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_and_index_determine_a_sample_and_a_record_holds_it() {
        for task in Task::ALL {
            for index in 0..300 {
                let sample = Sample::training(task, 5, index, 50);
                assert_eq!(sample, Sample::training(task, 5, index, 50));
                let record = sample.record();
                let (prompt, answer) = (usize::from(record[0]), usize::from(record[1]));
                assert_eq!(record[2..][..prompt], *sample.prompt.tokens());
                assert_eq!(record[2 + prompt..][..answer], *sample.answer);
                assert!(record[2..][prompt + answer..MAX_TOKENS].iter().all(|&token| token == tokens::PAD));
                let places = &record[2 + MAX_TOKENS..][..prompt + answer];
                assert!(
                    places.is_sorted_by(|a, b| a < b) && usize::from(places[places.len() - 1]) < MAX_TOKENS
                );
                for at in 0..answer {
                    assert!(tokens::legal(task, &sample.answer[..at], sample.answer[at]), "{task:?} {index}");
                }
            }
        }
    }
}
