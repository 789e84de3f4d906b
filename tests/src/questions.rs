//! `pktgen`'s questions as backends take them.

use llm_slowpath::Question;
use pktgen::tasks;

/// The same question, borrowed.
pub fn asked(question: &tasks::Question) -> Question<'_> {
    match question {
        tasks::Question::Triage(key) => Question::Triage(key),
        tasks::Question::Repair { allowed, faults } => Question::Repair { allowed: *allowed, faults },
        tasks::Question::PingDelta(frame) => Question::PingDelta(frame),
        tasks::Question::PingFull(frame) => Question::PingFull(frame),
        tasks::Question::Example { exchanges, request } => Question::Example { exchanges, request },
    }
}
