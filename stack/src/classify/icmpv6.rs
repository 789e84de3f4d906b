//! ICMPv6 addressed to the router. Read first: RFC 4443 §2, RFC 4861 §8.2, RFC 6980 §5.

use super::nd::{self, NdInfo};
use super::special::ICMPV6;
use super::{Anomaly, Locals};
use crate::config::PortId;
use crate::wire::checksum::PseudoHeader;
use crate::wire::{IPV6_HEADER, Ipv6Info};

/// ICMPv6 types that the router names.
pub(crate) mod kind {
    pub(crate) const UNREACHABLE: u8 = 1;
    pub(crate) const PARAMETER_PROBLEM: u8 = 4;
    pub(crate) const ECHO_REQUEST: u8 = 128;
    pub(crate) const ECHO_REPLY: u8 = 129;
    pub(crate) const LISTENER_QUERY: u8 = 130;
    pub(crate) const LISTENER_DONE: u8 = 132;
    pub(crate) const ROUTER_SOLICITATION: u8 = 133;
    pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(crate) const NEIGHBOR_SOLICITATION: u8 = 135;
    pub(crate) const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    pub(crate) const REDIRECT: u8 = 137;
    pub(crate) const LISTENER_REPORT_V2: u8 = 143;
}

/// Bytes of an ICMPv6 header, with the four that each known type has before its body.
pub(crate) const HEADER: usize = 8;

/// Is this type one of Neighbour Discovery, which must not come in fragments (RFC 6980 §5)?
pub(super) const fn is_discovery(icmp_type: u8) -> bool {
    matches!(icmp_type, kind::ROUTER_SOLICITATION..=kind::REDIRECT)
}

/// Is this message an error, or may it be one, or a Redirect? An error about it is then forbidden
/// (RFC 4443 §2.4(e)). `None`: too short to tell, so it may be.
pub(crate) fn may_be_error(icmp_type: Option<u8>) -> bool {
    icmp_type.is_none_or(|icmp_type| icmp_type < 128 || icmp_type == kind::REDIRECT)
}

/// Judges an ICMPv6 message that is whole; `info` is its packet's digest.
///
/// # Errors
/// The anomaly. A valid Neighbour Discovery message is read.
pub(super) fn classify(
    message: &[u8],
    info: &Ipv6Info,
    port: PortId,
    locals: &Locals,
) -> Result<Option<NdInfo>, Anomaly> {
    if message.len() < HEADER {
        return Err(Anomaly::Icmpv6Truncated);
    }
    let icmp_type = message[0];
    if is_discovery(icmp_type) && info.fragment.is_some() {
        return Err(Anomaly::NdFragment);
    }
    if !PseudoHeader::from(info).verify(ICMPV6, message) {
        return Err(Anomaly::Icmpv6Checksum);
    }
    match icmp_type {
        kind::UNREACHABLE..=kind::PARAMETER_PROBLEM => quote(&message[HEADER..]).map(|()| None),
        kind::ECHO_REQUEST
        | kind::ECHO_REPLY
        | kind::LISTENER_QUERY..=kind::LISTENER_DONE
        | kind::LISTENER_REPORT_V2 => Ok(None),
        kind::REDIRECT if info.hop_limit != nd::HOP_LIMIT => Err(Anomaly::NdHopLimit),
        kind::REDIRECT => Err(Anomaly::Icmpv6Redirect),
        kind::ROUTER_SOLICITATION..=kind::NEIGHBOR_ADVERTISEMENT => {
            nd::classify(message, info, port, locals).map(Some)
        }
        _ => Err(Anomaly::Icmpv6TypeUnknown),
    }
}

/// An error quotes as much of the packet as fits (RFC 4443 §2.4(c)): an IPv6 header always does.
fn quote(quoted: &[u8]) -> Result<(), Anomaly> {
    match quoted.first() {
        Some(&first) if first >> 4 == 6 && quoted.len() >= IPV6_HEADER => Ok(()),
        _ => Err(Anomaly::Icmpv6ErrorQuote),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ipv6::{Path, classify};
    use super::super::testing::*;
    use super::*;
    use std::vec::Vec;

    fn judge(packet: &[u8]) -> Result<Path, Anomaly> {
        classify(packet, false, PORT, &locals()).map(|passed| passed.path)
    }

    #[test]
    fn messages_to_the_router() {
        use Anomaly as A;
        let quoted = packet(US, PEER, 17, &udp());
        let of = |icmp_type: u8, body: &[u8]| [&[icmp_type, 0, 0, 0, 0, 0, 0, 0], body].concat();
        let mut wrong_version = quoted.clone();
        wrong_version[0] = 0x45;
        let mut cases: Vec<(Vec<u8>, Result<Path, A>)> = Vec::from([
            (of(128, &[1, 2, 3]), Ok(Path::Local)),
            (of(129, &[]), Ok(Path::Local)),
            (of(128, &[])[..7].to_vec(), Err(A::Icmpv6Truncated)),
            (of(143, &[]), Ok(Path::Local)),
            (of(137, &[0; 32]), Err(A::Icmpv6Redirect)),
        ]);
        for icmp_type in 1..=4 {
            cases.push((of(icmp_type, &quoted), Ok(Path::Local)));
            cases.push((of(icmp_type, &quoted[..40]), Ok(Path::Local)));
            cases.push((of(icmp_type, &quoted[..39]), Err(A::Icmpv6ErrorQuote)));
            cases.push((of(icmp_type, &[]), Err(A::Icmpv6ErrorQuote)));
            cases.push((of(icmp_type, &wrong_version), Err(A::Icmpv6ErrorQuote)));
        }
        cases.extend((130..=132).map(|listener| (of(listener, &[0; 16]), Ok(Path::Local))));
        let unknown = [0, 5, 100, 127, 138, 139, 141, 148, 151, 200, 255];
        cases.extend(unknown.map(|icmp_type| (of(icmp_type, &quoted), Err(A::Icmpv6TypeUnknown))));
        for (message, expected) in cases {
            assert_eq!(judge(&icmp(PEER, US, &message)), expected, "{message:02x?}");
        }
    }

    #[test]
    fn the_checksum_covers_addresses_and_message() {
        for at in [8, 23, 40, 47] {
            let mut wrong = icmp(PEER, US, &[128, 0, 0, 0, 0, 1, 0, 1]);
            assert_eq!(judge(&wrong), Ok(Path::Local));
            wrong[at] ^= 4;
            assert_eq!(judge(&wrong), Err(Anomaly::Icmpv6Checksum), "{at}");
        }
    }

    #[test]
    fn discovery_must_not_come_in_fragments() {
        for (icmp_type, anomaly) in
            [(128, None), (133, Some(Anomaly::NdFragment)), (137, Some(Anomaly::NdFragment))]
        {
            let message = summed(PEER, US, 58, 2, &[icmp_type, 0, 0, 0, 0, 0, 0, 0]);
            for more in [false, true] {
                let judged = judge(&packet(PEER, US, 44, &fragment(58, 0, more, &message)));
                assert_eq!(judged.err(), anomaly, "{icmp_type} {more}");
            }
        }
    }

    #[test]
    fn a_redirect_from_another_link_is_named_as_such() {
        let mut redirect = icmp(PEER, US, &[137, 0, 0, 0, 0, 0, 0, 0]);
        redirect[7] = 254;
        assert_eq!(judge(&redirect), Err(Anomaly::NdHopLimit));
    }

    #[test]
    fn no_error_about_what_may_be_an_error() {
        for (icmp_type, expected) in
            [(None, true), (Some(1), true), (Some(127), true), (Some(137), true), (Some(128), false)]
        {
            assert_eq!(may_be_error(icmp_type), expected);
        }
    }
}
