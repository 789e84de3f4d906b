//! What the operator's posture and the RFCs grant for each reason, whoever the model is.

use super::ActionKind;
use crate::classify::{Anomaly, Kind, Latitude};
use crate::config::Posture;

const FORWARD: &[ActionKind] = &[ActionKind::Forward];
const DROP: &[ActionKind] = &[ActionKind::Drop];

/// The actions that an answer about `reason` may be approved for.
///
/// - What must pass may only pass; what RFCs say MUST be discarded may only be dropped.
/// - Under [`Posture::Strict`] every discretionary reason is dropped.
/// - [`ActionKind::Inject`] is never in the list: such a frame is approved as whichever granted
///   action would have made the same bytes.
pub const fn granted(reason: Anomaly, posture: Posture) -> &'static [ActionKind] {
    let row = reason.row();
    match (row.kind, row.latitude) {
        (Kind::Oddity, _) => return FORWARD,
        (Kind::Experiment, _) => return &[ActionKind::Drop, ActionKind::EchoReply],
        (Kind::Malformed | Kind::Misbehaving | Kind::Unsupported, Latitude::Fixed) => return DROP,
        (Kind::Malformed | Kind::Misbehaving | Kind::Unsupported, Latitude::Discretionary) => {}
    }
    if matches!(posture, Posture::Strict) {
        return DROP;
    }
    let open = matches!(posture, Posture::Open);
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever grants more than a drop is named")]
    match reason {
        // IEEE 802.1Q §6.8: a priority-tagged frame belongs to no VLAN; it is the port's own.
        Anomaly::VlanPriorityTag => &[ActionKind::Drop, ActionKind::StripTag],
        // RFC 1122 §2.3.3: SHOULD be able to receive RFC 1042 encapsulation.
        Anomaly::SnapIpv4 => &[ActionKind::Drop, ActionKind::Decapsulate],
        // RFC 7126 §4.5-§4.11: drop by default, or forward as if the option were not there.
        Anomaly::Ipv4OptionTransit if open => {
            &[ActionKind::Drop, ActionKind::ClearOptions, ActionKind::Forward]
        }
        Anomaly::Ipv4OptionTransit => &[ActionKind::Drop, ActionKind::ClearOptions],
        // RFC 1812 §4.3.3.8: MAY answer.
        Anomaly::IcmpTimestampRequest => &[ActionKind::Drop, ActionKind::TimestampReply],
        // RFC 1812 §5.2.2: MAY (truncated: SHOULD) send a Parameter Problem.
        Anomaly::Ipv4OptionMalformed | Anomaly::Ipv4TotalLengthShort | Anomaly::Ipv4TotalLengthOverrun => {
            &[ActionKind::Drop, ActionKind::ParameterProblem]
        }
        _ => DROP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{DefaultAction, TABLE};

    #[test]
    fn every_default_is_granted_and_strict_grants_nothing_but_it() {
        for row in &TABLE {
            for posture in Posture::ALL {
                let granted = granted(row.anomaly, posture);
                match (row.kind, row.default) {
                    (Kind::Experiment, _) => assert!(granted.contains(&ActionKind::EchoReply)),
                    (_, DefaultAction::Pass) => assert_eq!(granted, [ActionKind::Forward]),
                    (_, DefaultAction::Drop | DefaultAction::Report) => {
                        assert!(granted.contains(&ActionKind::Drop));
                    }
                }
                assert!(!granted.contains(&ActionKind::Inject));
                if posture == Posture::Strict && row.kind != Kind::Experiment {
                    assert_eq!(granted.len(), 1, "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn a_bad_header_checksum_is_never_forwarded() {
        for posture in Posture::ALL {
            assert_eq!(granted(Anomaly::Ipv4Checksum, posture), [ActionKind::Drop]);
        }
    }
}
