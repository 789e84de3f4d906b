//! Right or wrong.

use llm_slowpath::Said;
use pktgen::tasks::Right;

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Judgement {
    /// All that was said is right.
    pub(super) right: bool,
    /// The action is; scope and lifetime of a triage may be wrong.
    pub(super) action: bool,
}

/// Judges one answer. Who advises neither scope nor lifetime is judged on the action alone.
pub(super) fn judge(right: &Right, said: &Said) -> Judgement {
    let whole = |right: bool| Judgement { right, action: right };
    match (right, said) {
        (Right::Triage(kind, advice), Said::Triage(said, advised)) => {
            let action = kind == said;
            Judgement { right: action && advised.is_none_or(|advised| advised == *advice), action }
        }
        (Right::Repair(right), Said::Repair(said)) => whole(right == said),
        (Right::PingDelta(right), Said::PingDelta(said)) => whole(right == said),
        (Right::PingFull(right), Said::PingFull(said)) => whole(right == said),
        (Right::Example { reply, .. }, Said::Example(said)) => whole(said.as_ref() == Some(reply)),
        _ => whole(false),
    }
}
