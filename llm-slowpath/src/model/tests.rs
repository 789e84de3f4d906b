//! The model against the training framework, its kernels against each other, and its file against damage.

use super::weights::FORMAT;
use super::{Backend, Model, ModelError, Precision};
use crate::prompt::tokens::{self, MAX_TOKENS, Prompt, VOCABULARY};
use safetensors::SafeTensors;
use stack::divert::FieldValue;
use stack::{Anomaly, ClassKey, Direction, PortId, Posture};

static WEIGHTS: &[u8] = include_bytes!("../../model/softrouter-tiny.safetensors");
/// Prompts, right answers and the training framework's logits at each place of the answers.
static PARITY: &[u8] = include_bytes!("../../model/parity.safetensors");

/// A small generator: `pktgen` is not among this crate's dependencies.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % sides
    }

    /// A ping prompt with random digits where they vary. Its checksums need not be right to be added to.
    fn ping(&mut self) -> Prompt {
        let mut prompt = Prompt::from_slice(&[tokens::BOS, tokens::PING]).unwrap();
        let verdict = |bad| if bad { tokens::CHECKSUM_BAD } else { tokens::CHECKSUM_OK };
        prompt.extend_from_slice(&[verdict(self.roll(20) == 0), verdict(self.roll(20) == 0)]).unwrap();
        prompt.extend_from_slice(&[4, 5, 0, 0, 0, 0, 5, 4]).unwrap();
        (0..32).for_each(|_| prompt.push(self.roll(16) as u8).unwrap());
        let ttl = [64, 64, 63, 128, 117, 255, 247, 1 + self.roll(255)][self.roll(8) as usize];
        let words = [ttl << 8 | 1, self.roll(0x1_0000), 0x0800, self.roll(0x1_0000)];
        for word in words {
            [12, 8, 4, 0].iter().for_each(|shift| prompt.push((word >> shift & 15) as u8).unwrap());
        }
        prompt.push(tokens::SEP).unwrap();
        prompt
    }

    fn triage(&mut self) -> Prompt {
        let reason = Anomaly::ALL[self.roll(Anomaly::COUNT as u64) as usize];
        let value =
            |dice: &mut Self| [0, 1, 2, 20, dice.roll(64), dice.roll(65_536)][dice.roll(6) as usize] as u16;
        tokens::triage_prompt(&ClassKey {
            reason,
            port: PortId(0),
            direction: [Direction::ToSelf, Direction::Transit][self.roll(2) as usize],
            posture: Posture::ALL[self.roll(3) as usize],
            fields: ClassKey::consulted(reason)
                .iter()
                .map(|&field| FieldValue { field, value: value(self) })
                .collect(),
        })
    }
}

#[test]
fn logits_are_those_of_the_training_framework_token_for_token() {
    let model = Model::embedded().unwrap();
    let (_, metadata) = SafeTensors::read_metadata(PARITY).unwrap();
    let hash = &metadata.metadata().as_ref().unwrap()["hash"];
    assert_eq!(*hash, format!("{:016x}", model.hash()), "the fixture belongs to other weights");
    let file = SafeTensors::deserialize(PARITY).unwrap();
    let bytes = |name| file.tensor(name).unwrap().data();
    let mut wanted =
        file.tensor("logits").unwrap().data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b));
    let mut session = model.session_on(Backend::Portable, Precision::Float32);
    let texts = bytes("tokens").chunks_exact(MAX_TOKENS);
    for ((text, &length), &answer) in texts.zip(bytes("lengths")).zip(bytes("answers")) {
        session.clear();
        let (prompt, answer) = text[..usize::from(length + answer)].split_at(usize::from(length));
        session.feed(&model, prompt);
        for at in 0..answer.len() {
            for token in 0..VOCABULARY {
                let (found, wanted) = (model.logit(&session, token as u8), wanted.next().unwrap());
                assert!((found - wanted).abs() < 2e-3, "{token} at {at}: {found}, not {wanted}");
            }
            if at + 1 < answer.len() {
                session.feed(&model, &answer[at..=at]);
            }
        }
    }
    assert_eq!(wanted.next(), None);
}

#[test]
fn eight_bits_answer_as_floats_do() {
    let model = Model::embedded().unwrap();
    let mut floats = model.session_on(Backend::Portable, Precision::Float32);
    let mut bytes = model.session();
    let mut dice = Dice(1);
    let (mut same, total) = (0, 3_000);
    for index in 0..total {
        let prompt = if index % 6 == 0 { dice.ping() } else { dice.triage() };
        let (a, b) = (model.answer(&mut floats, &prompt), model.answer(&mut bytes, &prompt));
        same += usize::from(a.tokens == b.tokens);
    }
    assert!(same * 1000 >= total * 999, "{same} of {total}");
}

#[test]
fn all_kernels_give_the_same_features() {
    let model = Model::embedded().unwrap();
    let mut portable = model.session_on(Backend::Portable, Precision::Int8);
    let mut dice = Dice(2);
    for backend in Backend::ALL.into_iter().filter(|b| b.available()) {
        let mut session = model.session_on(backend, Precision::Int8);
        assert_eq!(session.backend(), backend);
        for _ in 0..40 {
            let prompt = dice.ping();
            portable.clear();
            session.clear();
            portable.feed(&model, &prompt);
            session.feed(&model, &prompt);
            let largest = portable.features.iter().fold(0.0_f32, |most, f| most.max(f.abs()));
            for (a, b) in portable.features.iter().zip(&session.features) {
                // A rounding difference may move an activation to the next of its 255 steps.
                assert!((a - b).abs() < 0.05 * largest, "{backend:?}: {a} {b}");
            }
            assert_eq!(
                model.answer(&mut portable, &prompt).tokens,
                model.answer(&mut session, &prompt).tokens
            );
        }
    }
}

#[test]
fn answers_keep_to_the_grammar_and_probabilities_to_their_range() {
    let model = Model::embedded().unwrap();
    let mut session = model.session();
    let mut dice = Dice(3);
    for _ in 0..300 {
        // Prompts of any tokens at all: nothing that stands in a prompt can break the answer.
        let mut prompt =
            Prompt::from_slice(&[tokens::BOS, [tokens::PING, tokens::TRIAGE][dice.roll(2) as usize]])
                .unwrap();
        (0..dice.roll(60)).for_each(|_| prompt.push(dice.roll(256) as u8).unwrap());
        let answer = model.answer(&mut session, &prompt);
        for at in 0..answer.tokens.len() {
            assert!(tokens::legal(prompt[1], &answer.tokens[..at], answer.tokens[at]));
        }
        assert_eq!(answer.tokens.last(), Some(&tokens::EOS));
        assert!((0.0..=1.0).contains(&answer.probability), "{}", answer.probability);
    }
}

#[test]
fn damaged_foreign_and_outdated_files_are_refused_with_the_reason() {
    let refused = |bytes: &[u8]| Model::from_bytes(bytes).unwrap_err();
    for cut in [0, 7, 100, 5_000, WEIGHTS.len() - 1] {
        let error = refused(&WEIGHTS[..cut]);
        assert!(
            matches!(error, ModelError::NotSafetensors(_) | ModelError::Damaged { .. }),
            "{cut}: {error}"
        );
    }
    let mut damaged = WEIGHTS.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(refused(&damaged), ModelError::Damaged { .. }));
    assert!(matches!(refused(PARITY), ModelError::Foreign("format")));
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = WEIGHTS.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut bytes = WEIGHTS.to_vec();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let error = refused(&replaced(FORMAT, "softrouter-tiny-0"));
    assert!(error.to_string().contains("softrouter-tiny-0") && matches!(error, ModelError::Version { .. }));
    assert!(matches!(refused(&replaced(r#""heads":"4""#, r#""heads":"3""#)), ModelError::Shape(_)));
    assert!(matches!(refused(&replaced("norm.weight", "form.weight")), ModelError::Tensor { .. }));
    assert!(matches!(Model::from_file("no/such/file").unwrap_err(), ModelError::Read { .. }));
}
