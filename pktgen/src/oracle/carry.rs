//! What the oracle's decisions are as rules and as answers: for whoever plays a model that is right.

use super::triage;
use crate::echo::echo_reply;
use crate::tasks::ping::delta_of;
use stack::rules::{Edit, Edits, Reply, RuleAction};
use stack::{ActionKind, ClassKey, Direction, EchoDelta};

/// What a rule would do to carry out what [`triage`] says of the class; what no rule can do is dropped.
pub fn rule_action(class: &ClassKey) -> RuleAction {
    let with = |edit| match class.direction {
        Direction::Transit => RuleAction::Forward(Edits { edit, dscp: None }),
        Direction::ToSelf => RuleAction::Deliver(Edits { edit, dscp: None }),
    };
    match triage(class) {
        ActionKind::Forward => with(Edit::None),
        ActionKind::StripTag => with(Edit::StripTag),
        ActionKind::Decapsulate => with(Edit::Decapsulate),
        ActionKind::ClearOptions => with(Edit::ClearOptions),
        ActionKind::TimestampReply => RuleAction::Reply(Reply::Timestamp),
        ActionKind::ParameterProblem => RuleAction::Reply(Reply::ParameterProblem),
        ActionKind::Drop | ActionKind::EchoReply | ActionKind::Inject => RuleAction::Drop,
    }
}

/// The header bytes of the right reply to an echo request, from scratch; `None`: there is no right reply.
pub fn echo_delta(request: &[u8]) -> Option<EchoDelta> {
    echo_reply(request).map(|reply| delta_of(&reply))
}
