//! How far the right answer for a class key reaches, and how long it should hold.
//!
//! No RFC says this; the table is this project's policy, in the spirit of Open vSwitch's flow timeouts. What is sent
//! for one frame serves that frame. A discard of something that a correct sender cannot make serves its class; of
//! something that only a certain sender does, that source. A repair serves a flow, or for an open operator the class.

use stack::answer::{Advice, Lifetime, Scope};
use stack::classify::Kind;
use stack::{ActionKind, ClassKey, Posture};

/// Scope and lifetime of `action` for frames of this class.
pub fn advice(key: &ClassKey, action: ActionKind) -> Advice {
    let misbehaves = key.reason.row().kind == Kind::Misbehaving;
    let (scope, lifetime) = match (action, key.posture) {
        (
            ActionKind::EchoReply
            | ActionKind::TimestampReply
            | ActionKind::ParameterProblem
            | ActionKind::Inject,
            _,
        ) => (Scope::Frame, Lifetime::Once),
        (ActionKind::Drop, posture) => {
            let scope = if misbehaves { Scope::Source } else { Scope::Class };
            let lifetime = match posture {
                Posture::Strict => Lifetime::Long,
                Posture::Balanced => Lifetime::Medium,
                Posture::Open => Lifetime::Short,
            };
            (scope, lifetime)
        }
        (
            ActionKind::Forward | ActionKind::StripTag | ActionKind::Decapsulate | ActionKind::ClearOptions,
            posture,
        ) => match posture {
            Posture::Strict => (Scope::Flow, Lifetime::Short),
            Posture::Balanced => (Scope::Flow, Lifetime::Medium),
            Posture::Open => (Scope::Class, Lifetime::Long),
        },
    };
    Advice { scope, lifetime }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack::{Anomaly, Direction, PortId};

    #[test]
    fn what_is_sent_serves_one_frame_and_a_stricter_operator_discards_for_longer() {
        let key = |reason, posture| {
            let (port, direction) = (PortId(0), Direction::Transit);
            ClassKey { reason, port, direction, posture, fields: Default::default() }
        };
        for &reason in Anomaly::ALL {
            for action in [ActionKind::EchoReply, ActionKind::TimestampReply, ActionKind::ParameterProblem] {
                let said = advice(&key(reason, Posture::Open), action);
                assert_eq!(said, Advice { scope: Scope::Frame, lifetime: Lifetime::Once });
            }
            let drops = Posture::ALL.map(|posture| advice(&key(reason, posture), ActionKind::Drop));
            assert!(drops.is_sorted_by_key(|said| std::cmp::Reverse(said.lifetime)));
            assert!(drops.iter().all(|said| said.scope == drops[0].scope));
        }
        let land = advice(&key(Anomaly::Ipv4Land, Posture::Strict), ActionKind::Drop);
        assert_eq!(land, Advice { scope: Scope::Source, lifetime: Lifetime::Long });
    }
}
