//! The embedded models as a backend: diverted frames in, untrusted actions out.

use crate::answer::OwnedAction;
use crate::model::{Decoded, MAX_BATCH, Model, ModelError, Session, Specialist};
use crate::prompt::tokens::{self, Prompt, Task};
use crate::question::{Question, Said, Spoken, borrowed};
use stack::answer::Advice;
use stack::{ActionKind, Anomaly, ClassKey, Diverted, PortId};
use std::path::{Path, PathBuf};

/// The embedded models and the memory that they work in.
#[derive(Debug)]
pub struct Embedded {
    /// In the order of [`Specialist::ALL`].
    specialists: [(Model, Session); Specialist::ALL.len()],
    /// Prompts of one task, and where among a caller's prompts each stands.
    gathered: Vec<Prompt>,
    places: Vec<usize>,
    decoded: Vec<Decoded>,
    ping: PingTask,
}

/// What the model is asked about an echo request that is held for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PingTask {
    /// The header fields of the reply; code tells whether the request's checksums are right.
    #[default]
    Delta,
    /// The whole reply, from the whole request and nothing else. A request that is too long for that is asked about
    /// as with [`PingTask::Delta`].
    Full,
}

/// What the embedded models answer.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedAnswer {
    /// What to do. Untrusted, like every answer.
    pub action: OwnedAction,
    /// How far the answer reaches, where the task says that.
    pub advice: Option<Advice>,
    /// How probable the model holds it, among the answers that the grammar allows.
    pub probability: f32,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written, with the end token.
    pub answer_tokens: u32,
}

/// Why a folder of weights is refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct FolderError {
    /// The file that is not good.
    pub file: PathBuf,
    /// What is wrong with it.
    pub source: ModelError,
}

impl Embedded {
    /// The models that are part of this program.
    ///
    /// # Errors
    /// None, unless the program was built with a damaged file.
    pub fn new() -> Result<Self, ModelError> {
        let [decide, ping, example] = Specialist::ALL.map(Model::embedded);
        Ok(Self::of([decide?, ping?, example?]))
    }

    /// Models from a folder that holds the file of each: [`Specialist::file`].
    ///
    /// # Errors
    /// If one cannot be read, is foreign, damaged, of another version or of another specialist.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, FolderError> {
        let [decide, ping, example] = Specialist::ALL.map(|specialist| {
            let file = folder.as_ref().join(specialist.file());
            Model::from_file(specialist, &file).map_err(|source| FolderError { file, source })
        });
        Ok(Self::of([decide?, ping?, example?]))
    }

    fn of(models: [Model; Specialist::ALL.len()]) -> Self {
        Self {
            specialists: models.map(|model| {
                let session = model.session();
                (model, session)
            }),
            gathered: Vec::with_capacity(MAX_BATCH),
            places: Vec::with_capacity(MAX_BATCH),
            decoded: Vec::with_capacity(MAX_BATCH),
            ping: PingTask::default(),
        }
    }

    /// The same models, asked this about echo requests.
    #[must_use]
    pub const fn with_ping(mut self, ping: PingTask) -> Self {
        self.ping = ping;
        self
    }

    /// Answers for one diverted frame.
    pub fn answer(&mut self, diverted: &Diverted, frame: &[u8]) -> EmbeddedAnswer {
        let prompt = prompt(&diverted.class, frame, self.ping);
        let decoded = self.complete(&prompt);
        spell(diverted.class.port, &prompt, &decoded)
    }

    /// Answers for several diverted frames, those of one task in one pass, quick tasks first. `done` gets each
    /// answer as soon as there is one, with its frame's number.
    pub fn answer_batch<'a>(
        &mut self,
        frames: impl Iterator<Item = (&'a Diverted, &'a [u8])> + Clone,
        mut done: impl FnMut(usize, EmbeddedAnswer),
    ) {
        for task in Task::ALL {
            self.gathered.clear();
            self.places.clear();
            for (place, (diverted, frame)) in frames.clone().enumerate() {
                let prompt = prompt(&diverted.class, frame, self.ping);
                if prompt.task() == task {
                    self.gathered.push(prompt);
                    self.places.push(place);
                }
            }
            let (model, session) = &mut self.specialists[Specialist::of(task) as usize];
            model.answer_batch(session, &self.gathered, &mut self.decoded);
            for ((prompt, decoded), &place) in self.gathered.iter().zip(&self.decoded).zip(&self.places) {
                let port = frames.clone().nth(place).map_or(PortId(0), |(diverted, _)| diverted.class.port);
                done(place, spell(port, prompt, decoded));
            }
        }
    }

    /// Answers any question. `None`: no prompt can say it (an echo request with options, a message that is too long).
    pub fn ask(&mut self, question: &Question<'_>) -> Option<Spoken> {
        let prompt = question.tokens()?;
        let Decoded { tokens: answer, probability } = self.complete(&prompt);
        let said = match question {
            Question::Triage(_) => {
                let (kind, advice) = tokens::triage_of(&answer)?;
                Said::Triage(kind, Some(advice))
            }
            Question::Repair { .. } => Said::Repair(tokens::repair_of(&answer)),
            Question::PingDelta(_) => Said::PingDelta(tokens::delta_of(&answer)),
            Question::PingFull(_) => Said::PingFull(tokens::frame_of(&answer)?),
            Question::Example { exchanges, request } => {
                let exchanges = borrowed(exchanges);
                let template = tokens::template_of(&answer, &exchanges);
                Said::Example(
                    template.and_then(|template| template.reply(request)).map(|reply| reply.to_vec()),
                )
            }
        };
        Some(Spoken {
            said,
            probability: Some(probability),
            prompt_tokens: prompt.tokens().len() as u32,
            answer_tokens: answer.len() as u32,
        })
    }

    /// The most probable answer to any prompt.
    pub fn complete(&mut self, prompt: &Prompt) -> Decoded {
        let (model, session) = &mut self.specialists[Specialist::of(prompt.task()) as usize];
        model.answer(session, prompt)
    }

    /// The most probable answer to each of `prompts`, which are all of one specialist's tasks. `out` is cleared first.
    pub fn complete_batch(&mut self, specialist: Specialist, prompts: &[Prompt], out: &mut Vec<Decoded>) {
        debug_assert!(prompts.iter().all(|prompt| Specialist::of(prompt.task()) == specialist));
        let (model, session) = &mut self.specialists[specialist as usize];
        model.answer_batch(session, prompts, out);
    }

    /// One of the models.
    pub const fn model(&self, specialist: Specialist) -> &Model {
        &self.specialists[specialist as usize].0
    }

    /// How many parameters the models have together.
    pub fn parameters(&self) -> usize {
        self.specialists.iter().map(|(model, _)| model.parameters()).sum()
    }

    /// One line for reports: sizes, hash, training of each, then the kernel.
    pub fn describe(&self) -> String {
        let models: Vec<String> = self.specialists.iter().map(|(model, _)| model.describe()).collect();
        format!("{}; int8 on {}", models.join("; "), self.specialists[0].1.backend().name())
    }
}

/// What was decoded, as an answer about a frame that came in by `port`.
fn spell(port: PortId, prompt: &Prompt, decoded: &Decoded) -> EmbeddedAnswer {
    EmbeddedAnswer {
        action: action(port, prompt.task(), &decoded.tokens),
        advice: tokens::triage_of(&decoded.tokens).map(|(_, advice)| advice),
        probability: decoded.probability,
        prompt_tokens: prompt.tokens().len() as u32,
        answer_tokens: decoded.tokens.len() as u32,
    }
}

/// Does the prompt for a frame of this reason hold the class key alone?
pub const fn asks_by_class(reason: Anomaly) -> bool {
    !matches!(reason, Anomaly::EchoRequest | Anomaly::IcmpChecksum)
}

/// The prompt for a frame: a ping task for echo requests that were diverted as such (or, with the verdicts of
/// ping-delta, for their checksum), otherwise the class key.
pub fn prompt(key: &ClassKey, frame: &[u8], ping: PingTask) -> Prompt {
    let full = ping == PingTask::Full && key.reason == Anomaly::EchoRequest;
    let delta = !asks_by_class(key.reason);
    (full.then(|| tokens::frame_prompt(frame)).flatten())
        .or_else(|| delta.then(|| tokens::delta_prompt(frame)).flatten())
        .unwrap_or_else(|| tokens::triage_prompt(key))
}

/// What an answer to a prompt of this task says. Decoding keeps to the grammar, so it always says something. A
/// whole frame is to leave by the port that the request came in by.
pub fn action(port: PortId, task: Task, answer: &[u16]) -> OwnedAction {
    let drop = OwnedAction::Symbolic(ActionKind::Drop);
    match task {
        Task::PingDelta => tokens::delta_of(answer).map_or(drop, OwnedAction::EchoReply),
        Task::PingFull => tokens::frame_of(answer).map_or(drop, |frame| OwnedAction::Inject { port, frame }),
        Task::Triage | Task::Repair | Task::Example => {
            tokens::triage_of(answer).map_or(drop, |(kind, _)| OwnedAction::Symbolic(kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{diverted, echo_request};
    use stack::{Direction, PortId, Posture};

    fn key(reason: Anomaly) -> ClassKey {
        let fields = heapless::Vec::new();
        ClassKey { reason, port: PortId(0), direction: Direction::ToSelf, posture: Posture::Balanced, fields }
    }

    #[test]
    fn the_task_depends_on_the_reason_and_on_what_the_frame_is() {
        let frame = echo_request(b"0123");
        let task = |reason, frame: &[u8]| prompt(&key(reason), frame, PingTask::Delta).task();
        assert_eq!(task(Anomaly::EchoRequest, &frame), Task::PingDelta);
        assert_eq!(task(Anomaly::IcmpChecksum, &frame), Task::PingDelta);
        assert_eq!(task(Anomaly::Ipv4Land, &frame), Task::Triage);
        for cut in 0..frame.len() - 4 {
            assert_eq!(task(Anomaly::EchoRequest, &frame[..cut]), Task::Triage, "{cut}");
        }
        let mut reply = frame;
        reply[34] = 0;
        assert_eq!(task(Anomaly::EchoRequest, &reply), Task::Triage);
    }

    #[test]
    fn whole_frames_are_asked_for_where_they_fit_and_come_back_as_frames() {
        let task =
            |reason, payload: &[u8]| prompt(&key(reason), &echo_request(payload), PingTask::Full).task();
        assert_eq!(task(Anomaly::EchoRequest, &[0; 56]), Task::PingFull);
        assert_eq!(task(Anomaly::EchoRequest, &[0; 57]), Task::PingDelta);
        assert_eq!(task(Anomaly::IcmpChecksum, &[0; 8]), Task::PingDelta);
        let mut embedded = Embedded::new().unwrap().with_ping(PingTask::Full);
        let request = echo_request(b"payload");
        let answer = embedded.answer(&diverted(Anomaly::EchoRequest), &request);
        let OwnedAction::Inject { port: PortId(0), frame } = answer.action else { panic!("{answer:?}") };
        // Addresses on both layers change places; the payload comes back.
        assert_eq!([&frame[..6], &frame[6..12]], [&request[6..12], &request[..6]]);
        assert_eq!([&frame[26..30], &frame[30..34]], [&request[30..34], &request[26..30]]);
        assert_eq!(frame[38..], request[38..]);
    }

    #[test]
    fn wrong_checksums_are_told_to_the_model() {
        for (byte, verdicts) in [
            (24, [tokens::CHECKSUM_BAD, tokens::CHECKSUM_OK]),
            (36, [tokens::CHECKSUM_OK, tokens::CHECKSUM_BAD]),
        ] {
            let mut frame = echo_request(b"0123");
            frame[byte] ^= 0x10;
            assert_eq!(prompt(&key(Anomaly::IcmpChecksum), &frame, PingTask::Full).tokens()[2..4], verdicts);
        }
    }

    #[test]
    fn batches_of_mixed_tasks_answer_as_single_frames_do() {
        let mut embedded = Embedded::new().unwrap();
        let frames: Vec<_> = (0..40_u8)
            .map(|number| match number % 3 {
                0 => (diverted(Anomaly::EchoRequest), echo_request(&[number; 9])),
                1 => (diverted(Anomaly::SnapIpv4), vec![number; 60]),
                _ => (diverted(Anomaly::ALL[usize::from(number)]), echo_request(&[number])),
            })
            .collect();
        let mut found = vec![None; frames.len()];
        let mut order = Vec::new();
        embedded.answer_batch(frames.iter().map(|(d, frame)| (d, &frame[..])), |at, answer| {
            assert_eq!(found[at].replace(answer), None);
            order.push(prompt(&frames[at].0.class, &frames[at].1, PingTask::Delta).task());
        });
        assert!(order.is_sorted() && order.first() < order.last());
        for ((diverted, frame), found) in frames.iter().zip(found) {
            assert_eq!(found.unwrap(), embedded.answer(diverted, frame));
        }
    }

    #[test]
    fn every_question_has_an_answer_that_counts_its_tokens() {
        let mut embedded = Embedded::new().unwrap();
        let (key, frame) = (key(Anomaly::SnapIpv4), echo_request(b"0123"));
        let exchanges = [(vec![1, 2], vec![2, 1])];
        for question in [
            Question::Triage(&key),
            Question::Repair { allowed: stack::answer::Fixes::default(), faults: &[Anomaly::SnapIpv4] },
            Question::PingDelta(&frame),
            Question::PingFull(&frame),
            Question::Example { exchanges: &exchanges, request: &[3, 4] },
        ] {
            let spoken = embedded.ask(&question).unwrap();
            assert!(spoken.prompt_tokens > 2 && spoken.answer_tokens > 1, "{spoken:?}");
        }
        assert_eq!(embedded.ask(&Question::PingFull(&frame[..20])), None);
    }

    #[test]
    fn any_tokens_mean_an_action() {
        let drop = OwnedAction::Symbolic(ActionKind::Drop);
        for task in Task::ALL {
            assert_eq!(action(PortId(0), task, &[]), drop);
            assert_eq!(action(PortId(0), task, &[tokens::PAD, tokens::EOS]), drop);
            let cut = [tokens::action(ActionKind::EchoReply), 4, 0, tokens::EOS];
            assert_eq!(action(PortId(0), task, &cut), drop);
        }
    }
}
