//! The models against the training framework, their kernels against each other, batches and kept prefixes against
//! single answers.

use super::forward::Row;
use super::session::{MAX_BATCH, Session};
use super::{Backend, Decoded, Model, Precision, Specialist};
use crate::prompt::tokens::{self, Choices, MAX_PROMPT, Prompt, Task, VOCABULARY};
use safetensors::SafeTensors;

mod files;

/// Prompts, right answers and the training framework's logits at every eighth place of the answers.
const fn parity(specialist: Specialist) -> &'static [u8] {
    match specialist {
        Specialist::Decide => include_bytes!("../../model/parity-decide.safetensors"),
        Specialist::Ping => include_bytes!("../../model/parity-ping.safetensors"),
        Specialist::Example => include_bytes!("../../model/parity-example.safetensors"),
    }
}

/// A prompt and its answer, with the places of both.
struct Text {
    prompt: usize,
    tokens: Vec<u16>,
    places: Vec<u8>,
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<u16> {
    file.tensor(name).unwrap().data().as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect()
}

/// The texts of a parity file, and its logits.
fn texts(specialist: Specialist) -> (Vec<Text>, Vec<f32>) {
    let file = SafeTensors::deserialize(parity(specialist)).unwrap();
    let width = file.tensor("tokens").unwrap().shape()[1];
    let (tokens, places) = (numbers(&file, "tokens"), numbers(&file, "places"));
    let lengths = numbers(&file, "prompts").into_iter().zip(numbers(&file, "answers"));
    let rows = tokens.chunks_exact(width).zip(places.chunks_exact(width)).zip(lengths);
    let texts = rows.map(|((tokens, places), (prompt, answer))| {
        let length = usize::from(prompt + answer);
        let places = places[..length].iter().map(|&place| u8::try_from(place).unwrap()).collect();
        Text { prompt: prompt.into(), tokens: tokens[..length].to_vec(), places }
    });
    let logits = file.tensor("logits").unwrap().data().as_chunks::<4>().0.iter().copied();
    (texts.collect(), logits.map(f32::from_le_bytes).collect())
}

/// Logits of all tokens after the tokens of a text up to `end`.
fn logits(model: &Model, session: &mut Session, text: &Text, end: usize) -> Vec<f32> {
    session.begin(model);
    for at in 0..end {
        let mut offered = Choices::new();
        if at + 1 == end {
            offered.push(0..VOCABULARY as u16).unwrap();
        }
        session.feed(model, Row { slot: 0, at, token: text.tokens[at], place: text.places[at], offered });
    }
    session.compute(model);
    session.scratch.logits.clone()
}

/// A small generator: `pktgen` is not among this crate's dependencies.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % sides
    }

    /// A prompt of any tokens at all, at places that skip some.
    fn prompt(&mut self, task: Task) -> Prompt {
        let mut prompt = Prompt::new(task);
        for _ in 0..self.roll(MAX_PROMPT - 2) {
            let place = usize::from(*prompt.places().last().unwrap()) + 1;
            let skipped =
                if place < MAX_PROMPT - 4 && prompt.tokens().len() + 4 > place { self.roll(3) } else { 0 };
            if place + skipped < MAX_PROMPT {
                prompt.push_at(self.roll(VOCABULARY) as u16, place + skipped);
            }
        }
        prompt
    }

    /// A prompt with as much of `other`'s start as chance wants.
    fn like(&mut self, other: &Prompt) -> Prompt {
        let mut prompt = Prompt::new(other.task());
        let kept = self.roll(other.tokens().len());
        for (&token, &place) in other.tokens().iter().zip(other.places()).take(kept).skip(2) {
            prompt.push_at(token, place.into());
        }
        if prompt.tokens().len() < MAX_PROMPT && *prompt.places().last().unwrap() < MAX_PROMPT as u8 - 1 {
            prompt.push(self.roll(VOCABULARY) as u16);
        }
        prompt
    }
}

fn tasks(specialist: Specialist) -> impl Iterator<Item = Task> + Clone {
    Task::ALL.into_iter().filter(move |&task| Specialist::of(task) == specialist)
}

/// Equal to the last bit.
fn assert_same(found: &Decoded, wanted: &Decoded) {
    assert_eq!(found.tokens, wanted.tokens);
    assert_eq!(found.probability.to_bits(), wanted.probability.to_bits());
}

#[test]
fn logits_are_those_of_the_training_framework() {
    for specialist in Specialist::ALL {
        let model = Model::embedded(specialist).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(parity(specialist)).unwrap();
        let hash = &metadata.metadata().as_ref().unwrap()["hash"];
        assert_eq!(*hash, format!("{:016x}", model.hash()), "the fixture belongs to other weights");
        let mut floats = model.session_on(Backend::Portable, Precision::Float32);
        let mut bytes = model.session();
        let (texts, wanted) = texts(specialist);
        let shapes = SafeTensors::deserialize(parity(specialist)).unwrap();
        let vocabulary = shapes.tensor("logits").unwrap().shape()[1];
        let mut wanted = wanted.chunks_exact(vocabulary);
        for text in texts {
            for end in (text.prompt..text.tokens.len()).step_by(8) {
                let wanted = wanted.next().unwrap();
                let found = logits(&model, &mut floats, &text, end);
                for (found, wanted) in found.iter().zip(wanted) {
                    assert!((found - wanted).abs() < 2e-3, "{specialist:?} {end}: {found}, not {wanted}");
                }
                // Eight bits an activation: near, relative to the largest.
                let most = wanted.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
                for (found, wanted) in logits(&model, &mut bytes, &text, end).iter().zip(wanted) {
                    assert!(
                        (found - wanted).abs() < 0.1 * most,
                        "{specialist:?} {end}: {found}, not {wanted}"
                    );
                }
            }
        }
        assert_eq!(wanted.next(), None);
    }
}

#[test]
fn all_kernels_give_the_same_logits() {
    for specialist in Specialist::ALL {
        let model = Model::embedded(specialist).unwrap();
        let mut portable = model.session_on(Backend::Portable, Precision::Int8);
        for backend in Backend::ALL.into_iter().filter(|backend| backend.available()) {
            let mut session = model.session_on(backend, Precision::Int8);
            assert_eq!(session.backend(), backend);
            for text in texts(specialist).0 {
                for end in [text.prompt, text.tokens.len()] {
                    let wanted = logits(&model, &mut portable, &text, end);
                    let most = wanted.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
                    for (found, wanted) in logits(&model, &mut session, &text, end).iter().zip(&wanted) {
                        // A rounding difference may move an activation to the next of its 255 steps.
                        assert!((found - wanted).abs() < 0.05 * most, "{backend:?}: {found}, not {wanted}");
                    }
                }
            }
        }
    }
}

#[test]
fn batches_answer_as_single_prompts_do_to_the_last_bit() {
    let mut dice = Dice(2);
    let mut out = Vec::new();
    for specialist in Specialist::ALL {
        let model = Model::embedded(specialist).unwrap();
        let prompts: Vec<Prompt> =
            tasks(specialist).cycle().take(2 * MAX_BATCH + 5).map(|task| dice.prompt(task)).collect();
        for backend in Backend::ALL.into_iter().filter(|backend| backend.available()) {
            let single = |prompt| model.answer(&mut model.session_on(backend, Precision::Int8), prompt);
            let wanted: Vec<Decoded> = prompts.iter().map(single).collect();
            let mut session = model.session_on(backend, Precision::Int8);
            for size in [1, 2, 3, 7, MAX_BATCH, prompts.len()] {
                for (prompts, wanted) in prompts.chunks(size).zip(wanted.chunks(size)) {
                    model.answer_batch(&mut session, prompts, &mut out);
                    assert_eq!(out.len(), wanted.len());
                    out.iter().zip(wanted).for_each(|(found, wanted)| assert_same(found, wanted));
                }
            }
        }
        model.answer_batch(&mut model.session(), &[], &mut out);
        assert!(out.is_empty());
    }
}

#[test]
fn what_is_kept_of_earlier_prompts_changes_no_bit() {
    let mut dice = Dice(3);
    for specialist in Specialist::ALL {
        let model = Model::embedded(specialist).unwrap();
        let mut session = model.session();
        for task in tasks(specialist) {
            let mut prompt = dice.prompt(task);
            for _ in 0..60 {
                prompt = if dice.roll(8) == 0 { dice.prompt(task) } else { dice.like(&prompt) };
                let wanted = model.answer(&mut model.session(), &prompt);
                assert_same(&model.answer(&mut session, &prompt), &wanted);
                // Asked again, all but the last token is there.
                let kept = session.slots.iter().map(|slot| slot.shared(&prompt)).max();
                assert_eq!(kept, Some(prompt.tokens().len() - 1));
                assert_same(&model.answer(&mut session, &prompt), &wanted);
            }
        }
    }
}

#[test]
fn different_prompts_spread_over_the_slots() {
    let model = Model::embedded(Specialist::Decide).unwrap();
    let mut session = model.session();
    let mut dice = Dice(4);
    let long = |dice: &mut Dice| loop {
        let prompt = dice.prompt(Task::Triage);
        if prompt.tokens().len() > 8 {
            return prompt;
        }
    };
    let prompts: Vec<Prompt> = (0..MAX_BATCH).map(|_| long(&mut dice)).collect();
    prompts.iter().for_each(|prompt| drop(model.answer(&mut session, prompt)));
    for prompt in &prompts {
        let kept = session.slots.iter().map(|slot| slot.shared(prompt)).max();
        assert_eq!(kept, Some(prompt.tokens().len() - 1));
    }
}

#[test]
fn answers_keep_to_the_grammar_and_probabilities_to_their_range() {
    let mut dice = Dice(5);
    for specialist in Specialist::ALL {
        let model = Model::embedded(specialist).unwrap();
        let mut session = model.session();
        // Prompts of any tokens and any task, even of other specialists: none can break the answer.
        for task in Task::ALL.into_iter().cycle().take(100) {
            let answer = model.answer(&mut session, &dice.prompt(task));
            for at in 0..answer.tokens.len() {
                assert!(tokens::legal(task, &answer.tokens[..at], answer.tokens[at]));
            }
            assert_eq!(answer.tokens.last(), Some(&tokens::EOS));
            assert!((0.0..=1.0).contains(&answer.probability), "{}", answer.probability);
        }
    }
}

#[test]
#[should_panic(expected = "a session of another model")]
fn a_session_belongs_to_its_model() {
    let [decide, ping, _] = Specialist::ALL.map(|specialist| Model::embedded(specialist).unwrap());
    let _ = decide.answer(&mut ping.session(), &Prompt::new(Task::Triage));
}
