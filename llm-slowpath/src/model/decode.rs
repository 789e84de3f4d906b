//! Greedy decoding within the grammar of answers, of one prompt or of several in lockstep.

use super::cache::slot_for;
use super::forward::Row;
use super::session::{MAX_BATCH, Session};
use super::weights::Model;
use crate::prompt::tokens::{self, AnswerTokens, Choices, Prompt, Task};

/// An answer of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The answer, with its end token. It is always one that [`tokens::legal`] allows.
    pub tokens: AnswerTokens,
    /// How probable the model holds it, among the answers that the grammar allows.
    pub probability: f32,
}

/// A text in progress: a prompt that was read, and as much of its answer as there is.
#[derive(Debug)]
pub(super) struct Sequence {
    slot: usize,
    task: Task,
    /// Tokens in the slot.
    length: usize,
    /// Where the last one stands.
    place: u8,
    decoded: Decoded,
    ended: bool,
}

impl Model {
    /// The most probable answer, token by token, to `prompt`, which is one of this model's tasks: to others it
    /// knows no sensible answer. Tokens that the grammar excludes are not considered.
    ///
    /// # Panics
    /// If the session is another model's.
    pub fn answer(&self, session: &mut Session, prompt: &Prompt) -> Decoded {
        self.decode(session, std::slice::from_ref(prompt));
        session.sequences.remove(0).decoded
    }

    /// [`Self::answer`] to each prompt, with the same result, but reading each weight once for up to [`MAX_BATCH`]
    /// of them. `out` is cleared first.
    ///
    /// # Panics
    /// If the session is another model's.
    pub fn answer_batch(&self, session: &mut Session, prompts: &[Prompt], out: &mut Vec<Decoded>) {
        out.clear();
        for prompts in prompts.chunks(MAX_BATCH) {
            self.decode(session, prompts);
            out.extend(session.sequences.drain(..).map(|sequence| sequence.decoded));
        }
    }

    /// Answers at most [`MAX_BATCH`] prompts into the session's sequences.
    fn decode(&self, session: &mut Session, prompts: &[Prompt]) {
        session.begin(self);
        for prompt in prompts {
            self.read(session, prompt);
        }
        session.compute(self);
        for (sequence, prompt) in session.sequences.iter().zip(prompts) {
            session.slots[sequence.slot].keep(prompt);
        }
        loop {
            let Session { sequences, chosen, .. } = session;
            for (sequence, chosen) in sequences.iter_mut().filter(|s| !s.ended).zip(chosen.drain(..)) {
                sequence.decoded.probability *= chosen.share;
                sequence.push(chosen.token);
            }
            if session.sequences.iter().all(|sequence| sequence.ended) {
                return;
            }
            for at in 0..session.sequences.len() {
                if let Some(row) = session.sequences[at].next() {
                    session.feed(self, row);
                }
            }
            session.compute(self);
        }
    }

    /// Finds a slot for a prompt and feeds what that does not hold yet.
    fn read(&self, session: &mut Session, prompt: &Prompt) {
        let slot = slot_for(&session.slots, prompt, session.now);
        let shared = session.slots[slot].begin(prompt, session.now);
        let (tokens, places) = (prompt.tokens(), prompt.places());
        for at in shared..tokens.len() {
            let last = at + 1 == tokens.len();
            let offered = if last { tokens::choices(prompt.task(), &[]) } else { Choices::new() };
            session.feed(self, Row { slot, at, token: tokens[at], place: places[at], offered });
        }
        session.sequences.push(Sequence {
            slot,
            task: prompt.task(),
            length: tokens.len(),
            place: places.last().copied().unwrap_or(0),
            decoded: Decoded { tokens: AnswerTokens::new(), probability: 1.0 },
            ended: false,
        });
    }
}

impl Sequence {
    /// Goes on with a chosen token.
    fn push(&mut self, token: u16) {
        // The grammar ends every answer before it is full.
        self.ended = self.decoded.tokens.push(token).is_err() || token == tokens::EOS;
    }

    /// The row of the token that was chosen last. Where only the end may follow, the answer ends without one.
    fn next(&mut self) -> Option<Row> {
        let &token = self.decoded.tokens.last().filter(|_| !self.ended)?;
        let offered = tokens::choices(self.task, &self.decoded.tokens);
        if let [only] = &offered[..]
            && *only == (tokens::EOS..tokens::EOS + 1)
        {
            self.push(tokens::EOS);
            return None;
        }
        self.place += 1;
        let row = Row { slot: self.slot, at: self.length, token, place: self.place, offered };
        self.length += 1;
        Some(row)
    }
}
