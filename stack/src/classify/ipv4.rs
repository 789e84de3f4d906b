//! IPv4: header validation, options, addresses, fragments.
//! Read first: RFC 1812 §5.2.2, §5.3.7, §5.3.13; RFC 7126; RFC 1858.

use super::{Anomaly, Locals, icmp, special, tcp, udp};
use crate::config::PortId;
use crate::wire::{Ipv4Info, MIN_HEADER, checksum, options};

/// Protocol numbers that the router itself looks into.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
}

/// A datagram that passed: where it goes, and what is odd about it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The header's digest.
    pub info: Ipv4Info,
    /// For the router, or a group on this link; else in transit.
    pub local: bool,
    /// Legal, but of interest ([`super::Kind::Oddity`]).
    pub oddity: Option<Anomaly>,
}

/// Checks the header as RFC 1812 §5.2.2 asks, and reads it.
///
/// The header checksum is checked before the total length, so that a total length can be believed
/// to be what the sender wrote.
pub(crate) fn header(packet: &[u8]) -> Result<Ipv4Info, Anomaly> {
    let Some(fixed) = packet.first_chunk::<MIN_HEADER>() else { return Err(Anomaly::Ipv4Truncated) };
    let (sound, seen) = if fixed[0] == 0x45 {
        (checksum::verify_min_header(fixed), Ok(0))
    } else {
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        if fixed[0] >> 4 != 4 {
            return Err(Anomaly::Ipv4Version);
        }
        if header_len < MIN_HEADER || header_len > packet.len() {
            return Err(Anomaly::Ipv4HeaderLength);
        }
        (checksum::verify(&packet[..header_len]), options::survey(&packet[MIN_HEADER..header_len]))
    };
    if !sound {
        return Err(Anomaly::Ipv4Checksum);
    }
    let info = Ipv4Info::read(fixed, *seen.as_ref().unwrap_or(&0));
    if info.total_len() < info.header_len() {
        return Err(Anomaly::Ipv4TotalLengthShort);
    }
    if info.total_len() > packet.len() {
        return Err(Anomaly::Ipv4TotalLengthOverrun);
    }
    if seen.is_err() {
        return Err(Anomaly::Ipv4OptionMalformed);
    }
    Ok(info)
}

/// Classifies an IPv4 datagram (what follows the link-layer header) received by `port`.
/// `link_group`: it came in a link-layer broadcast or multicast.
///
/// # Errors
/// The anomaly.
pub(crate) fn classify(
    packet: &[u8],
    link_group: bool,
    port: PortId,
    locals: &Locals,
) -> Result<Passed, Anomaly> {
    let info = header(packet)?;
    let at = locals.locate(&info, port);
    let [first, ..] = info.source().octets();
    let [destination_first, ..] = info.destination().octets();
    let destination_group =
        destination_first >= 224 && (destination_first < 240 || info.destination().is_broadcast());
    if link_group && !destination_group && !at.destination_broadcast {
        return Err(Anomaly::IpInLinkGroup);
    }
    if first == 0 || first >= 224 {
        return Err(Anomaly::Ipv4SourceMartian);
    }
    if first == 127 || destination_first == 127 {
        return Err(Anomaly::Ipv4Loopback);
    }
    if destination_first == 0 || (destination_first >= 240 && !destination_group) {
        return Err(Anomaly::Ipv4DestinationMartian);
    }
    if at.source_own {
        return Err(Anomaly::Ipv4SourceOwn);
    }
    if info.source() == info.destination() {
        return Err(Anomaly::Ipv4Land);
    }
    if at.source_broadcast {
        return Err(Anomaly::Ipv4SourceBroadcast);
    }
    if info.options & options::SOURCE_ROUTE != 0 {
        return Err(Anomaly::Ipv4SourceRoute);
    }
    if info.protocol == protocol::TCP && info.fragment_offset() == 8 {
        return Err(Anomaly::Ipv4TinyFragment);
    }
    let group = destination_group || (at.destination_broadcast && at.on_ingress);
    let local = at.destination_own || group;
    if local {
        for_us(&packet[..info.total_len()], &info, group)?;
    } else {
        in_transit(&info, at.destination_broadcast)?;
    }
    Ok(Passed { info, local, oddity: oddity(&info, local) })
}

fn for_us(packet: &[u8], info: &Ipv4Info, group: bool) -> Result<(), Anomaly> {
    let payload = &packet[info.header_len()..];
    if info.is_fragment() {
        // The reassembled datagram has a header, too.
        if info.fragment_offset() + packet.len() > usize::from(u16::MAX) {
            return Err(Anomaly::Ipv4FragmentTooLarge);
        }
        if payload.is_empty() || (info.more_fragments() && !payload.len().is_multiple_of(8)) {
            return Err(Anomaly::Ipv4FragmentLength);
        }
        // Layer 4 of a fragment can only be judged after reassembly, which is the host's.
        return Ok(());
    }
    match info.protocol {
        protocol::ICMP => icmp::classify(payload, group),
        protocol::UDP => udp::classify(payload, info),
        protocol::TCP => tcp::classify(payload, info),
        _ => Ok(()),
    }
}

fn in_transit(info: &Ipv4Info, directed_broadcast: bool) -> Result<(), Anomaly> {
    if info.source().is_link_local() || info.destination().is_link_local() {
        return Err(Anomaly::Ipv4LinkLocal);
    }
    if directed_broadcast {
        return Err(Anomaly::Ipv4DirectedBroadcast);
    }
    if info.options & options::KNOB != 0 {
        return Err(Anomaly::Ipv4OptionTransit);
    }
    Ok(())
}

fn oddity(info: &Ipv4Info, local: bool) -> Option<Anomaly> {
    if info.options == 0 && info.is_unfragmented_plain() {
        return special::ipv4_oddity(info, local);
    }
    if !local && info.options & options::UNKNOWN != 0 {
        Some(Anomaly::Ipv4OptionUnknown)
    } else if info.reserved_flag() {
        Some(Anomaly::Ipv4ReservedFlag)
    } else if info.dont_fragment() && info.is_fragment() {
        Some(Anomaly::Ipv4FragmentDf)
    } else {
        special::ipv4_oddity(info, local)
    }
}
