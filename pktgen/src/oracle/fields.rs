//! The fields that a decision consults, read from the frame itself: what a class key ought to hold.
//!
//! Read first: RFC 1812 §4.3.2.7 (when an ICMP error is forbidden), RFC 7126 §4, IEEE 802.1Q §9.3.

use super::judge::{Judgement, judge, word};
use super::{judge_ipv4, judge_ipv6, triage};
use crate::world::World;
use stack::divert::{Field, FieldValue};
use stack::{ActionKind, Anomaly, ClassKey, Direction, PortId, Posture};
use std::net::Ipv4Addr;

/// [`Field::Inner`] of something that is neither IPv4 nor, in a tag, IPv6.
const NOT_IP: u16 = 255;

/// What `frame` is, and the value of each field that its reason consults. `None`: no anomaly.
///
/// # Panics
/// If the world has no such port.
pub fn fields(world: &World, port: u8, frame: &[u8]) -> Option<(Anomaly, Vec<FieldValue>)> {
    let Judgement::Anomaly(reason) = judge(world, port, frame) else { return None };
    let value = |&field: &Field| FieldValue { field, value: read(world, port, frame, field) };
    Some((reason, ClassKey::consulted(reason).iter().map(value).collect()))
}

/// What ought to be done with this very frame: its fields, then [`triage`]. `None`: no anomaly.
///
/// # Panics
/// If the world has no such port.
pub fn right_action(world: &World, port: u8, posture: Posture, frame: &[u8]) -> Option<ActionKind> {
    let (reason, values) = fields(world, port, frame)?;
    // No rule asks for the direction: each reason that binds only one has been judged with it.
    let direction = Direction::ToSelf;
    let mut key = ClassKey { reason, port: PortId(port), direction, posture, fields: Default::default() };
    for value in values {
        key.fields.push(value).ok()?;
    }
    Some(triage(&key))
}

/// Reads one field; the frame has been judged, so it is long enough for the fields of its reason.
fn read(world: &World, port: u8, frame: &[u8], field: Field) -> u16 {
    let tagged = matches!(word(frame, 12), 0x8100 | 0x88a8);
    match field {
        Field::EtherType => word(frame, if tagged { 16 } else { 12 }),
        Field::LinkDestination => match frame[0] & 1 {
            0 => 0,
            _ if frame[..6] == [0xff; 6] => 1,
            _ => 2,
        },
        Field::Priority => u16::from(frame[14] >> 5),
        Field::Inner => inner(world, port, frame, tagged),
        Field::Options => options(&frame[14..]),
        Field::ErrorForbidden => u16::from(error_forbidden(world, frame)),
        Field::IcmpType => u16::from(icmp(frame)[0]),
        Field::IcmpCode => u16::from(icmp(frame)[1]),
        Field::IcmpLength => icmp(frame).len() as u16,
    }
}

/// The packet inside a tag or an LLC/SNAP envelope, judged as if it had come without.
fn inner(world: &World, port: u8, frame: &[u8], tagged: bool) -> u16 {
    let (kind, packet) = if tagged {
        (word(frame, 16), &frame[18..])
    } else {
        (word(frame, 20), &frame[22..14 + usize::from(word(frame, 12))])
    };
    let (port, link_group) = (usize::from(port), frame[0] & 1 == 1);
    let judged = match kind {
        0x0800 => judge_ipv4::packet(world, port, link_group, packet),
        0x86dd => judge_ipv6::packet(world, port, link_group, packet),
        _ => return NOT_IP,
    };
    match judged {
        // An echo request is healthy, and what is odd and legal has to pass.
        Ok(()) | Err(Anomaly::EchoRequest) => 0,
        Err(anomaly) if anomaly.must_pass() => 0,
        Err(anomaly) => 1 + u16::from(anomaly.code()),
    }
}

/// The options present, as bits.
fn options(packet: &[u8]) -> u16 {
    let header_len = usize::from(packet[0] & 15) * 4;
    let kinds = judge_ipv4::option_kinds(&packet[20..header_len]).unwrap_or_default();
    kinds.iter().fold(0, |bits, kind| {
        bits | match kind {
            7 => 1,
            68 => 2,
            136 => 4,
            148 => 8,
            11 | 12 | 82 => 16,
            _ => 32,
        }
    })
}

/// RFC 1812 §4.3.2.7: no ICMP error about an ICMP error, a packet to several hosts in IP or on the link, one
/// whose source is not a single host, or a fragment other than the first.
fn error_forbidden(world: &World, frame: &[u8]) -> bool {
    let packet = &frame[14..];
    let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let (source, destination) = (address(12), address(16));
    let several = |at: Ipv4Addr| at.is_multicast() || at.is_broadcast() || world.is_directed_broadcast(at);
    let zero_or_class_e = source.octets()[0] == 0 || source.octets()[0] >= 240;
    let no_host = several(source) || zero_or_class_e || source.is_loopback() || world.is_router(source);
    let later_fragment = word(packet, 6) & 0x1fff != 0;
    // RFC 1122 §3.2.2 lists the errors; what is in nobody's list may be one, and so may be a message whose
    // type has been cut off.
    let header_len = usize::from(packet[0] & 15) * 4;
    let query = matches!(packet.get(header_len), Some(0 | 8..=10 | 13..=18));
    let icmp_error = packet[9] == 1 && !query;
    frame[0] & 1 == 1 || several(destination) || no_host || later_fragment || icmp_error
}

/// The ICMP message of an untagged frame.
fn icmp(frame: &[u8]) -> &[u8] {
    let packet = &frame[14..];
    &packet[usize::from(packet[0] & 15) * 4..usize::from(word(packet, 2))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generator;

    fn made(anomaly: Anomaly) -> impl Iterator<Item = (Generator, crate::Generated)> {
        let generator = Generator::new(World::lab(), 21);
        (0..600).filter_map(move |index| Some((generator.clone(), generator.of(anomaly, index)?)))
    }

    fn actions(anomaly: Anomaly, posture: Posture) -> std::collections::BTreeSet<ActionKind> {
        made(anomaly)
            .filter_map(|(generator, made)| right_action(generator.world(), made.port, posture, &made.bytes))
            .collect()
    }

    /// A discretionary reason with one answer for all its frames would teach nothing and examine nothing.
    #[test]
    fn generated_frames_fall_on_both_sides_of_every_decision() {
        use ActionKind as K;
        let rows = [
            (Anomaly::VlanPriorityTag, vec![K::Drop, K::StripTag], vec![K::Drop, K::StripTag]),
            (Anomaly::SnapIpv4, vec![K::Drop, K::Decapsulate], vec![K::Drop, K::Decapsulate]),
            (Anomaly::Ipv4OptionTransit, vec![K::Drop, K::ClearOptions], vec![K::Drop, K::Forward]),
            (
                Anomaly::IcmpTimestampRequest,
                vec![K::Drop, K::TimestampReply],
                vec![K::Drop, K::TimestampReply],
            ),
            (
                Anomaly::Ipv4OptionMalformed,
                vec![K::Drop, K::ParameterProblem],
                vec![K::Drop, K::ParameterProblem],
            ),
            (
                Anomaly::Ipv4TotalLengthOverrun,
                vec![K::Drop, K::ParameterProblem],
                vec![K::Drop, K::ParameterProblem],
            ),
            (Anomaly::Ipv4TotalLengthShort, vec![K::Drop], vec![K::Drop, K::ParameterProblem]),
        ];
        for (anomaly, balanced, open) in rows {
            assert_eq!(actions(anomaly, Posture::Balanced), balanced.into_iter().collect(), "{anomaly}");
            assert_eq!(actions(anomaly, Posture::Open), open.into_iter().collect(), "{anomaly}");
            assert_eq!(actions(anomaly, Posture::Strict), [K::Drop].into(), "{anomaly}");
        }
    }

    #[test]
    fn every_frame_of_a_reason_has_every_field_of_the_reason() {
        for &anomaly in Anomaly::ALL {
            for (generator, made) in made(anomaly).take(100) {
                let (reason, values) = fields(generator.world(), made.port, &made.bytes).expect("an anomaly");
                assert_eq!(reason, anomaly);
                let names: Vec<Field> = values.iter().map(|value| value.field).collect();
                assert_eq!(names, ClassKey::consulted(anomaly));
            }
        }
    }

    #[test]
    fn repairs_leave_something_wherever_a_repair_is_right() {
        let (source, destination) = ([2, 0, 0, 0, 2, 1], [2, 0, 0, 0, 2, 2]);
        for anomaly in [Anomaly::VlanPriorityTag, Anomaly::SnapIpv4, Anomaly::Ipv4OptionTransit] {
            for (generator, made) in made(anomaly) {
                let world = generator.world();
                let action =
                    right_action(world, made.port, Posture::Balanced, &made.bytes).expect("an anomaly");
                let out = super::super::repair(action, &made.bytes, source, destination);
                // Time to live may end here in a packet to the router: that one is delivered, not sent on.
                if let Some(out) = out {
                    assert_ne!(action, ActionKind::Drop);
                    assert_eq!(out[..12], [destination, source].concat());
                    assert!(out.len() <= made.bytes.len());
                } else {
                    let ttl_at = match (anomaly, &made.bytes[16..18]) {
                        (Anomaly::VlanPriorityTag, [0x86, 0xdd]) => 25,
                        (Anomaly::VlanPriorityTag, _) => 26,
                        _ => 30,
                    };
                    assert!(action == ActionKind::Drop || made.bytes[ttl_at] < 2, "{anomaly} {action}");
                }
            }
        }
    }
}
