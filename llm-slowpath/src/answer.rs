//! An answer that owns its bytes: what crosses from the slow path's threads to the owner loop.

use stack::answer::Advice;
use stack::{Action, ActionKind, Anomaly, Answer, DivertId, EchoDelta, PortId, Source, Witness};

/// [`Action`], owning its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedAction {
    /// An action that its kind alone describes.
    Symbolic(ActionKind),
    /// [`Action::EchoReply`].
    EchoReply(EchoDelta),
    /// [`Action::Inject`].
    Inject {
        /// Egress port.
        port: PortId,
        /// The frame, without FCS.
        frame: Vec<u8>,
    },
}

/// [`Answer`], owning its frame. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedAnswer {
    /// The diverted frame that is answered.
    pub id: DivertId,
    /// The nonce, echoed.
    pub nonce: u32,
    /// The reason, echoed.
    pub reason: Anomaly,
    /// What to do.
    pub action: OwnedAction,
    /// Where the answer came from.
    pub source: Source,
    /// How far it reaches, where the backend says so.
    pub advice: Option<Advice>,
    /// Who said it.
    pub witness: Witness,
}

impl OwnedAnswer {
    /// The answer as `Router::approve` takes it. A symbolic kind that needs bytes it does not have
    /// ([`ActionKind::EchoReply`], [`ActionKind::Inject`]) becomes [`Action::Drop`].
    pub fn as_answer(&self) -> Answer<'_> {
        let action = match &self.action {
            OwnedAction::Symbolic(kind) => kind.symbolic().unwrap_or(Action::Drop),
            OwnedAction::EchoReply(delta) => Action::EchoReply(*delta),
            OwnedAction::Inject { port, frame } => Action::Inject { port: *port, frame },
        };
        let Self { id, nonce, reason, source, advice, witness, .. } = *self;
        Answer { id, nonce, reason, action, source, advice, witness }
    }
}
