//! What the source of an IPv6 packet is told about an anomaly whose default is to report it.
//! Read first: RFC 4443 §3.1, §3.4; RFC 8200 §4.

use super::Anomaly;
use super::extension::{self, Problem};
use super::ipv6::is_link_local;
use super::upper::clip;
use smoltcp::wire::Ipv6Packet;

/// The ICMPv6 error that an anomaly asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// Parameter Problem.
    ParameterProblem(Problem),
    /// Destination Unreachable, code 2: beyond the scope of the source address.
    BeyondScope,
}

/// What to tell the source of `packet`, which was classified as `anomaly`; `None`: nothing. Whether an error
/// may be sent at all (RFC 4443 §2.4(e)) is the caller's to decide.
pub(crate) fn problem(packet: &[u8], anomaly: Anomaly) -> Option<Report> {
    let packet = clip(packet)?;
    if anomaly == Anomaly::Ipv6LinkLocal {
        let view = Ipv6Packet::new_unchecked(packet);
        // A packet to a link-local address does not leave the scope of its source.
        let beyond = is_link_local(view.src_addr()) && !is_link_local(view.dst_addr());
        return beyond.then_some(Report::BeyondScope);
    }
    let fault = extension::walk(packet).err().filter(|fault| fault.anomaly == anomaly)?;
    fault.problem.map(Report::ParameterProblem)
}

#[cfg(test)]
mod tests {
    use super::super::DefaultAction;
    use super::super::ipv6::classify;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn every_row_that_is_reported_by_default_has_a_report() {
        let told = |code, pointer, multicast_allowed| {
            Some(Report::ParameterProblem(Problem { code, pointer, multicast_allowed }))
        };
        let hop = |option| extension(58, &[option, 0], &echo());
        let cases = [
            (packet(PEER_LINK, FAR, 59, &[]), Anomaly::Ipv6LinkLocal, Some(Report::BeyondScope)),
            (packet(PEER, "fe80::5", 59, &[]), Anomaly::Ipv6LinkLocal, None),
            (packet(PEER_LINK, "fe80::5", 59, &[]), Anomaly::Ipv6LinkLocal, None),
            (packet(PEER, FAR, 0, &hop(0x80)), Anomaly::Ipv6OptionUnknown, told(2, 42, true)),
            (packet(PEER, ALL_NODES, 0, &hop(0xc2)), Anomaly::Ipv6OptionUnknown, told(2, 42, false)),
            (packet(PEER, US, 60, &hop(0xc9)), Anomaly::Ipv6OptionUnknown, told(2, 42, false)),
            (
                packet(PEER, US, 60, &extension(0, &[], &hop(1))),
                Anomaly::Ipv6HopByHopMisplaced,
                told(1, 40, false),
            ),
            (packet(PEER, US, 254, &[]), Anomaly::Ipv6NextHeaderUnknown, told(1, 6, false)),
            (
                packet(PEER, US, 43, &extension(58, &[0, 1], &[])),
                Anomaly::Ipv6RoutingHeader,
                told(0, 42, false),
            ),
            (
                packet(PEER, US, 44, &fragment(17, 0, true, &[0; 9])),
                Anomaly::Ipv6FragmentLength,
                told(0, 4, false),
            ),
            (
                packet(PEER, US, 44, &fragment(17, 65_528, false, &[0; 8])),
                Anomaly::Ipv6FragmentTooLarge,
                told(0, 42, false),
            ),
            (
                packet(PEER, US, 44, &fragment(6, 0, true, &[0; 8])),
                Anomaly::Ipv6FirstFragmentShort,
                told(3, 0, false),
            ),
            (packet(PEER, FAR, 0, &hop(0x41)), Anomaly::Ipv6OptionDiscard, None),
        ];
        for (packet, anomaly, expected) in &cases {
            assert_eq!(classify(packet, false, PORT, &locals()).err(), Some(*anomaly), "{packet:02x?}");
            assert_eq!(problem(packet, *anomaly), *expected, "{packet:02x?}");
        }
        for row in &super::super::TABLE {
            let reported =
                cases.iter().any(|(_, anomaly, report)| *anomaly == row.anomaly && report.is_some());
            assert_eq!(reported, row.default == DefaultAction::Report, "{}", row.name);
        }
    }

    #[test]
    fn nothing_is_reported_about_another_anomaly() {
        let unknown = packet(PEER, US, 254, &[]);
        assert_eq!(problem(&unknown, Anomaly::Ipv6RoutingHeader), None);
        assert_eq!(problem(&unknown[..39], Anomaly::Ipv6NextHeaderUnknown), None);
    }
}
