//! The two baselines that a model must beat: the anomaly table's defaults, and dropping everything.

use llm_slowpath::{Question, Said};
use stack::ActionKind;
use stack::classify::DefaultAction;

/// Who needs no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Baseline {
    /// The deterministic default of the reason; where a table has no answer, none.
    DefaultTable,
    /// Drops everything.
    AlwaysDrop,
}

impl Baseline {
    pub(super) const ALL: [Self; 2] = [Self::DefaultTable, Self::AlwaysDrop];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::DefaultTable => "default-table",
            Self::AlwaysDrop => "always-drop",
        }
    }

    /// What it says; it advises nothing. `None`: no answer.
    pub(super) fn say(self, question: &Question<'_>) -> Option<Said> {
        match question {
            Question::Triage(key) => {
                let passes = self == Self::DefaultTable && key.reason.row().default == DefaultAction::Pass;
                Some(Said::Triage(if passes { ActionKind::Forward } else { ActionKind::Drop }, None))
            }
            Question::Repair { .. } => Some(Said::Repair(None)),
            Question::PingDelta(_) => Some(Said::PingDelta(None)),
            Question::PingFull(_) | Question::Example { .. } => None,
        }
    }
}
