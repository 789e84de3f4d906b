//! The right action for a class key: one small function for each discretionary reason.
//!
//! Read first: RFC 1812 §4.3.2.7 and §4.3.3; RFC 7126 §4; RFC 6918 §3; IEEE 802.1Q §6.8 and Annex I.

use stack::classify::{Kind, Latitude};
use stack::divert::Field;
use stack::{ActionKind, Anomaly, ClassKey, Posture};

/// Bits of [`Field::Options`], as the class key documents them.
const RECORD_ROUTE: u16 = 1;
const TIMESTAMP: u16 = 2;
const STREAM_ID: u16 = 4;
const PROBE: u16 = 16;

/// What ought to be done with every frame of this class.
///
/// The key must hold every field that its reason consults ([`ClassKey::consulted`]); where one is
/// missing the answer is the safe one, `drop`.
pub fn triage(key: &ClassKey) -> ActionKind {
    let row = key.reason.row();
    // RFC 1812 §4.2.2.3, §5.3.13.1; RFC 791 §3.1: looks wrong, is legal, goes on unchanged. No posture
    // may take legal traffic away.
    if row.kind == Kind::Oddity {
        return ActionKind::Forward;
    }
    // RFC 1812 §4.3.3.6: a router MUST implement an echo server, so a posture cannot refuse it either.
    if key.reason == Anomaly::EchoRequest {
        return ActionKind::EchoReply;
    }
    // A fixed reason has one answer (RFC 1812 §4.2.1: silent discard), a strict router gives that answer to
    // whatever it may.
    if row.latitude == Latitude::Fixed || key.posture == Posture::Strict {
        return ActionKind::Drop;
    }
    discretionary(key).unwrap_or(ActionKind::Drop)
}

/// The rules for reasons that leave a choice, under a posture other than strict. `None`: a field is missing.
fn discretionary(key: &ClassKey) -> Option<ActionKind> {
    let open = key.posture == Posture::Open;
    let field = |which: Field| key.field(which);
    let serve = match key.reason {
        // IEEE 802.1Q §6.8: VLAN id 0 says nothing but a priority, so the packet inside belongs to the
        // port's own network. Priorities 6 and 7 are for network control (Annex I): a host that claims
        // them is served only by an open router. A broken inner packet is not worth unwrapping.
        Anomaly::VlanPriorityTag => {
            let allowed = open || field(Field::Priority)? <= 5;
            (field(Field::Inner)? == 0 && allowed).then_some(ActionKind::StripTag)
        }
        // RFC 1122 §2.3.3: a host MAY send, SHOULD be able to receive RFC 1042 encapsulation. Only what was
        // sent to the router itself: a group frame would be answered by many.
        Anomaly::SnapIpv4 => {
            let healthy_unicast = field(Field::Inner)? == 0 && field(Field::LinkDestination)? == 0;
            healthy_unicast.then_some(ActionKind::Decapsulate)
        }
        Anomaly::Ipv4OptionTransit => return Some(option_in_transit(open, field(Field::Options)?)),
        // RFC 792: a timestamp message is 20 bytes with code 0; RFC 1812 §4.3.3.8: a router MAY answer.
        Anomaly::IcmpTimestampRequest => {
            let exact = field(Field::IcmpCode)? == 0 && field(Field::IcmpLength)? == 20;
            exact.then_some(ActionKind::TimestampReply)
        }
        // RFC 1812 §4.3.3.5 (options) and §5.2.2 (total length): the source SHOULD or MAY be told where the
        // error is, unless §4.3.2.7 forbids any error about such a frame.
        Anomaly::Ipv4OptionMalformed | Anomaly::Ipv4TotalLengthOverrun => {
            (field(Field::ErrorForbidden)? == 0).then_some(ActionKind::ParameterProblem)
        }
        // RFC 1812 §5.2.2: here only MAY, and the header itself is in doubt: an open router tells.
        Anomaly::Ipv4TotalLengthShort => {
            (open && field(Field::ErrorForbidden)? == 0).then_some(ActionKind::ParameterProblem)
        }
        // RFC 1812 §4.3.2.1 and RFC 6918 §3: unknown and deprecated ICMP is silently discarded. An EtherType
        // that is not served has no error message at all.
        _ => None,
    };
    Some(serve.unwrap_or(ActionKind::Drop))
}

/// RFC 7126 §4.5-§4.11: dropping is the default, and a knob is wanted.
fn option_in_transit(open: bool, options: u16) -> ActionKind {
    if open {
        // Harmless to forward: what RFC 7126 would drop for privacy or because nobody uses it any more.
        let known = RECORD_ROUTE | TIMESTAMP | STREAM_ID | PROBE;
        return if options & !known == 0 { ActionKind::Forward } else { ActionKind::Drop };
    }
    // Record Route (§4.6) and Timestamp (§4.7) only report: the packet means the same without them.
    if options != 0 && options & !(RECORD_ROUTE | TIMESTAMP) == 0 {
        ActionKind::ClearOptions
    } else {
        ActionKind::Drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack::divert::FieldValue;
    use stack::{Direction, PortId};

    fn key(reason: Anomaly, posture: Posture, fields: &[(Field, u16)]) -> ClassKey {
        let mut key = ClassKey {
            reason,
            port: PortId(0),
            direction: Direction::Transit,
            posture,
            fields: Default::default(),
        };
        for &(field, value) in fields {
            key.fields.push(FieldValue { field, value }).expect("at most MAX_FIELDS");
        }
        key
    }

    /// `[balanced, open]` for a reason and its fields; strict must be `drop`.
    fn answers(reason: Anomaly, fields: &[(Field, u16)]) -> [ActionKind; 2] {
        assert_eq!(triage(&key(reason, Posture::Strict, fields)), ActionKind::Drop, "{reason}");
        [Posture::Balanced, Posture::Open].map(|posture| triage(&key(reason, posture, fields)))
    }

    #[test]
    fn fixed_reasons_drop_and_oddities_pass_under_every_posture() {
        for &anomaly in Anomaly::ALL {
            for posture in Posture::ALL {
                let action = triage(&key(anomaly, posture, &[]));
                let row = anomaly.row();
                match (row.kind, row.latitude) {
                    (Kind::Oddity, _) => assert_eq!(action, ActionKind::Forward, "{anomaly}"),
                    (Kind::Experiment, _) => assert_eq!(action, ActionKind::EchoReply),
                    (_, Latitude::Fixed) => assert_eq!(action, ActionKind::Drop, "{anomaly}"),
                    // Without its fields a discretionary reason is dropped.
                    (_, Latitude::Discretionary) => assert_eq!(action, ActionKind::Drop, "{anomaly}"),
                }
            }
        }
    }

    #[test]
    fn a_priority_tag_is_stripped_up_to_priority_five_unless_open() {
        use ActionKind::{Drop, StripTag};
        for priority in 0..8 {
            let balanced = if priority <= 5 { StripTag } else { Drop };
            let fields = |inner| [(Field::Priority, priority), (Field::Inner, inner)];
            assert_eq!(answers(Anomaly::VlanPriorityTag, &fields(0)), [balanced, StripTag]);
            for inner in [1, 25, 255] {
                assert_eq!(answers(Anomaly::VlanPriorityTag, &fields(inner)), [Drop, Drop]);
            }
        }
    }

    #[test]
    fn snap_is_unwrapped_only_when_healthy_and_for_us() {
        use ActionKind::{Decapsulate, Drop};
        for destination in 0..3 {
            for inner in [0, 20, 255] {
                let fields = [(Field::LinkDestination, destination), (Field::Inner, inner)];
                let right = if (destination, inner) == (0, 0) { Decapsulate } else { Drop };
                assert_eq!(answers(Anomaly::SnapIpv4, &fields), [right; 2]);
            }
        }
    }

    #[test]
    fn options_in_transit_follow_the_posture() {
        use ActionKind::{ClearOptions, Drop, Forward};
        let rows: [(u16, [ActionKind; 2]); 10] = [
            (1, [ClearOptions, Forward]),
            (2, [ClearOptions, Forward]),
            (3, [ClearOptions, Forward]),
            (4, [Drop, Forward]),
            (5, [Drop, Forward]),
            (16, [Drop, Forward]),
            (23, [Drop, Forward]),
            (9, [Drop, Drop]),
            (33, [Drop, Drop]),
            (0, [Drop, Forward]),
        ];
        for (options, right) in rows {
            assert_eq!(answers(Anomaly::Ipv4OptionTransit, &[(Field::Options, options)]), right, "{options}");
        }
    }

    #[test]
    fn icmp_and_length_reasons() {
        use ActionKind::{Drop, ParameterProblem, TimestampReply};
        for (code, length, right) in [(0, 20, TimestampReply), (1, 20, Drop), (0, 19, Drop), (0, 24, Drop)] {
            let fields = [(Field::IcmpCode, code), (Field::IcmpLength, length)];
            assert_eq!(answers(Anomaly::IcmpTimestampRequest, &fields), [right; 2]);
        }
        for reason in [Anomaly::Ipv4OptionMalformed, Anomaly::Ipv4TotalLengthOverrun] {
            assert_eq!(answers(reason, &[(Field::ErrorForbidden, 0)]), [ParameterProblem; 2]);
            assert_eq!(answers(reason, &[(Field::ErrorForbidden, 1)]), [Drop; 2]);
        }
        let short = Anomaly::Ipv4TotalLengthShort;
        assert_eq!(answers(short, &[(Field::ErrorForbidden, 0)]), [Drop, ParameterProblem]);
        assert_eq!(answers(short, &[(Field::ErrorForbidden, 1)]), [Drop, Drop]);
        for reason in [Anomaly::IcmpTypeUnknown, Anomaly::IcmpDeprecated, Anomaly::EthertypeUnknown] {
            assert_eq!(answers(reason, &[(Field::IcmpType, 17), (Field::IcmpCode, 0)]), [Drop; 2]);
        }
    }
}
