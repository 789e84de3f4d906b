//! Neighbour Discovery messages to the router: validity, and what they say.
//! Read first: RFC 4861 §4, §6.1, §7.1; RFC 4862 §5.4.

use super::icmpv6::kind;
use super::locals_v6::is_solicited_node;
use super::{Anomaly, Locals};
use crate::config::PortId;
use crate::wire::Ipv6Info;
use smoltcp::wire::{EthernetAddress, Ipv6Address};

/// The hop limit of a message that no router has forwarded.
pub(crate) const HOP_LIMIT: u8 = 255;

/// The option with the sender's link-layer address.
const SOURCE_LINK_LAYER: u8 = 1;
/// The option with the target's link-layer address.
const TARGET_LINK_LAYER: u8 = 2;

/// A Neighbour Discovery message that may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NdInfo {
    /// Neighbor Solicitation.
    Solicitation {
        /// Whose link-layer address is asked for.
        target: Ipv6Address,
        /// Who asks; unspecified in Duplicate Address Detection (RFC 4862 §5.4.3).
        source: Ipv6Address,
        /// The asker's link-layer address, if it says so.
        lladdr: Option<EthernetAddress>,
    },
    /// Neighbor Advertisement.
    Advertisement {
        /// Whose link-layer address is told.
        target: Ipv6Address,
        /// The target's link-layer address, if it says so.
        lladdr: Option<EthernetAddress>,
        /// R flag: the sender is a router.
        router: bool,
        /// S flag: it answers a solicitation.
        solicited: bool,
        /// O flag: it overrides what was known.
        override_: bool,
    },
    /// Router Solicitation.
    RouterSolicitation {
        /// Who asks; may be unspecified.
        source: Ipv6Address,
        /// The asker's link-layer address, if it says so.
        lladdr: Option<EthernetAddress>,
    },
    /// Router Advertisement of another router.
    RouterAdvertisement {
        /// The other router's link-local address.
        source: Ipv6Address,
        /// Its link-layer address, if it says so.
        lladdr: Option<EthernetAddress>,
    },
}

/// Judges a message of type 133 to 136, of at least 8 bytes, whose checksum is right, and reads it.
///
/// # Errors
/// The anomaly. A solicitation from the unspecified address for one of our addresses is none: it asks whether
/// somebody has it (RFC 4862 §5.4.3).
pub(super) fn classify(
    message: &[u8],
    info: &Ipv6Info,
    port: PortId,
    locals: &Locals,
) -> Result<NdInfo, Anomaly> {
    if info.hop_limit != HOP_LIMIT {
        return Err(Anomaly::NdHopLimit);
    }
    let source = info.source;
    let unspecified = source.is_unspecified();
    let valid = |condition: bool| if condition { Ok(()) } else { Err(Anomaly::NdMalformed) };
    valid(message[1] == 0)?;
    match message[0] {
        kind::ROUTER_SOLICITATION => {
            let lladdr = link_layer(&message[8..], SOURCE_LINK_LAYER)?;
            valid(!unspecified || lladdr.is_none())?;
            Ok(NdInfo::RouterSolicitation { source, lladdr })
        }
        kind::ROUTER_ADVERTISEMENT => {
            valid(source.is_unicast_link_local() && message.len() >= 16)?;
            let lladdr = link_layer(&message[16..], SOURCE_LINK_LAYER)?;
            Ok(NdInfo::RouterAdvertisement { source, lladdr })
        }
        kind::NEIGHBOR_SOLICITATION => {
            let target = target(message)?;
            let lladdr = link_layer(&message[24..], SOURCE_LINK_LAYER)?;
            valid(!unspecified || (lladdr.is_none() && is_solicited_node(info.destination)))?;
            Ok(NdInfo::Solicitation { target, source, lladdr })
        }
        _ => {
            let target = target(message)?;
            let lladdr = link_layer(&message[24..], TARGET_LINK_LAYER)?;
            let [router, solicited, override_] = [0x80, 0x40, 0x20].map(|flag| message[4] & flag != 0);
            valid(!(solicited && info.destination.is_multicast()))?;
            if locals.v6.is_us(target, port) {
                return Err(Anomaly::NdClaimsOurAddress);
            }
            Ok(NdInfo::Advertisement { target, lladdr, router, solicited, override_ })
        }
    }
}

/// The target of a solicitation or advertisement, which is 24 bytes long at least (RFC 4861 §7.1).
fn target(message: &[u8]) -> Result<Ipv6Address, Anomaly> {
    match message.get(8..24).map(<[u8; 16]>::try_from) {
        Some(Ok(octets)) if octets[0] != 0xff => Ok(Ipv6Address::from(octets)),
        _ => Err(Anomaly::NdMalformed),
    }
}

/// The address in the first option of type `kind`, if there is one; the others need a length that is not 0
/// and fits (RFC 4861 §4.6). An address that is not one station's must not be believed.
fn link_layer(options: &[u8], kind: u8) -> Result<Option<EthernetAddress>, Anomaly> {
    let mut rest = options;
    let mut found = None;
    while !rest.is_empty() {
        let length = rest.get(1).map_or(0, |&units| usize::from(units) * 8);
        if length == 0 || length > rest.len() {
            return Err(Anomaly::NdMalformed);
        }
        let (option, after) = rest.split_at(length);
        if option[0] == kind && found.is_none() {
            let address = EthernetAddress::from_bytes(&option[2..8]);
            // RFC 2464 §6: the length is 1.
            if length != 8 || !address.is_unicast() || address.0 == [0; 6] {
                return Err(Anomaly::NdMalformed);
            }
            found = Some(address);
        }
        rest = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::ipv6::{Path, classify};
    use super::super::testing::*;
    use super::*;
    use std::vec::Vec;

    const MAC: EthernetAddress = EthernetAddress([2, 9, 9, 9, 9, 9]);
    const SOURCE: &[u8] = &[1, 1, 2, 9, 9, 9, 9, 9];
    const TARGET: &[u8] = &[2, 1, 2, 9, 9, 9, 9, 9];

    fn judge(packet: &[u8]) -> Result<NdInfo, Anomaly> {
        match classify(packet, false, PORT, &locals())?.path {
            Path::Neighbor(info) => Ok(info),
            other @ (Path::Transit | Path::Local) => panic!("{other:?}"),
        }
    }

    /// A solicitation or an advertisement.
    fn neighbor(icmp_type: u8, flags: u8, target: &str, options: &[u8]) -> Vec<u8> {
        [&[icmp_type, 0, 0, 0, flags, 0, 0, 0], ip(target).octets().as_slice(), options].concat()
    }

    fn ns(source: &str, destination: &str, target: &str, options: &[u8]) -> Result<NdInfo, Anomaly> {
        judge(&icmp(source, destination, &neighbor(135, 0, target, options)))
    }

    fn na(destination: &str, flags: u8, target: &str, options: &[u8]) -> Result<NdInfo, Anomaly> {
        judge(&icmp(PEER, destination, &neighbor(136, flags, target, options)))
    }

    const MALFORMED: Result<NdInfo, Anomaly> = Err(Anomaly::NdMalformed);

    #[test]
    fn solicitations() {
        let asked = |source, lladdr| NdInfo::Solicitation { target: ip(US), source: ip(source), lladdr };
        assert_eq!(ns(PEER, SOLICITED, US, SOURCE), Ok(asked(PEER, Some(MAC))));
        assert_eq!(ns(PEER_LINK, US, US, &[]), Ok(asked(PEER_LINK, None)));
        assert_eq!(ns(PEER, US, US, TARGET), Ok(asked(PEER, None)), "an option of another sort");
        assert_eq!(ns("::", SOLICITED, US, &[]), Ok(asked("::", None)), "it must be defended");
        assert_eq!(ns("::", SOLICITED, US, &[14, 1, 1, 2, 3, 4, 5, 6]), Ok(asked("::", None)));
        assert_eq!(ns("::", SOLICITED, US, SOURCE), MALFORMED);
        assert_eq!(ns("::", ALL_NODES, US, &[]), MALFORMED);
        assert_eq!(ns(PEER, US, "ff02::1", SOURCE), MALFORMED);
        assert_eq!(ns(US_OTHER, US, US, SOURCE), Err(Anomaly::Ipv6SourceOwn));
        let short = neighbor(135, 0, US, &[]);
        assert_eq!(judge(&icmp(PEER, US, &short[..23])), MALFORMED);
    }

    #[test]
    fn advertisements() {
        let told = |flags: u8, lladdr| NdInfo::Advertisement {
            target: ip(PEER),
            lladdr,
            router: flags & 0x80 != 0,
            solicited: flags & 0x40 != 0,
            override_: flags & 0x20 != 0,
        };
        for flags in [0, 0x80, 0x40, 0x20, 0xe0, 0x1f] {
            assert_eq!(na(US, flags, PEER, TARGET), Ok(told(flags, Some(MAC))));
            let to_all = na(ALL_NODES, flags, PEER, &[]);
            assert_eq!(to_all, if flags & 0x40 == 0 { Ok(told(flags, None)) } else { MALFORMED });
        }
        assert_eq!(na(US, 0, "ff05::2", TARGET), MALFORMED);
        for ours in [US, US_OTHER, US_LINK] {
            assert_eq!(na(ALL_NODES, 0x20, ours, TARGET), Err(Anomaly::NdClaimsOurAddress));
        }
        assert!(na(ALL_NODES, 0x20, US_LINK_OTHER, TARGET).is_ok(), "on this link it is not ours");
        let short = neighbor(136, 0, PEER, &[]);
        assert_eq!(judge(&icmp(PEER, US, &short[..23])), MALFORMED);
    }

    #[test]
    fn routers() {
        let rs = |source, rest: &[u8]| {
            judge(&icmp(source, "ff02::2", &[&[133, 0, 0, 0, 0, 0, 0, 0], rest].concat()))
        };
        let solicitation = |source, lladdr| NdInfo::RouterSolicitation { source: ip(source), lladdr };
        assert_eq!(rs(PEER_LINK, SOURCE), Ok(solicitation(PEER_LINK, Some(MAC))));
        assert_eq!(rs("::", &[]), Ok(solicitation("::", None)));
        assert_eq!(rs("::", SOURCE), MALFORMED);
        let ra = |source, rest: &[u8]| {
            judge(&icmp(source, ALL_NODES, &[&[134, 0, 0, 0, 64, 0, 7, 8], rest].concat()))
        };
        let fixed = [0; 8];
        let advertisement = NdInfo::RouterAdvertisement { source: ip(PEER_LINK), lladdr: Some(MAC) };
        assert_eq!(ra(PEER_LINK, &[&fixed, SOURCE].concat()), Ok(advertisement));
        assert_eq!(ra(PEER_LINK, &fixed[..7]), MALFORMED);
        assert_eq!(ra(PEER, &fixed), MALFORMED);
    }

    #[test]
    fn options() {
        for option in [
            &[1, 0, 2, 9, 9, 9, 9, 9][..],
            &[1, 2, 2, 9, 9, 9, 9, 9],
            &[1, 2, 2, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0],
            &[14, 0, 0, 0, 0, 0, 0, 0],
            &[14, 1, 0, 0, 0, 0, 0],
            &[14],
            &[1, 1, 3, 9, 9, 9, 9, 9],
            &[1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[1, 1, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(ns(PEER, US, US, option), MALFORMED, "{option:?}");
        }
        let two = [&[14, 2], &[0; 14][..], SOURCE].concat();
        assert_eq!(link_layer(&two, SOURCE_LINK_LAYER), Ok(Some(MAC)));
    }

    #[test]
    fn hop_limit_and_code() {
        let message = neighbor(135, 0, US, SOURCE);
        let mut packet = icmp(PEER, US, &message);
        packet[7] = 254;
        assert_eq!(judge(&packet), Err(Anomaly::NdHopLimit));
        let mut coded = message;
        coded[1] = 1;
        assert_eq!(judge(&icmp(PEER, US, &coded)), MALFORMED);
    }
}
