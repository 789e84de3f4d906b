//! Greedy decoding within the grammar of answers.

use super::forward::Session;
use super::kernel::dot;
use super::weights::Model;
use crate::prompt::tokens::{self, AnswerTokens, Prompt, VOCABULARY};

/// An answer of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The answer, with its end token. It is always one that [`tokens::legal`] allows.
    pub tokens: AnswerTokens,
    /// How probable the model holds it, among the answers that the grammar allows.
    pub probability: f32,
}

impl Model {
    /// The most probable answer, token by token, to `prompt`. Tokens that the grammar excludes are not
    /// considered, and where it leaves one token only the model is not asked.
    pub fn answer(&self, session: &mut Session, prompt: &Prompt) -> Decoded {
        session.clear();
        session.feed(self, prompt);
        let task = prompt.get(1).copied().unwrap_or(tokens::TRIAGE);
        let (mut answer, mut probability) = (AnswerTokens::new(), 1.0);
        loop {
            let (token, share) = self.choose(session, task, &answer);
            probability *= share;
            // The grammar ends every answer before it is full.
            if answer.push(token).is_err() || token == tokens::EOS {
                return Decoded { tokens: answer, probability };
            }
            if !tokens::legal(task, &answer, tokens::EOS) {
                session.feed(self, &[token]);
            }
        }
    }

    /// The most probable legal token and its share of the probability of all legal ones.
    fn choose(&self, session: &Session, task: u8, answer: &[u8]) -> (u8, f32) {
        if tokens::legal(task, answer, tokens::EOS) {
            return (tokens::EOS, 1.0);
        }
        let legal = |&token: &u8| tokens::legal(task, answer, token);
        let scored = (0..=u8::MAX).filter(legal).map(|token| (token, self.logit(session, token)));
        let mut logits = [f32::MIN; VOCABULARY];
        let mut best = tokens::EOS;
        for (token, logit) in scored {
            logits[usize::from(token)] = logit;
            if logit > logits[usize::from(best)] {
                best = token;
            }
        }
        let most = logits[usize::from(best)];
        let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
        (best, 1.0 / sum)
    }

    /// How much speaks for `token` to come next.
    pub(super) fn logit(&self, session: &Session, token: u8) -> f32 {
        let width = self.shape.width;
        let row = &self.embedding[usize::from(token) * width..][..width];
        dot(row, &session.features) * self.logit_scale
    }
}
