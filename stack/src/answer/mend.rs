//! Puts one header field of a frame right, in a copy. What it writes is computed or an RFC constant.
//!
//! Read first: RFC 791 §3.1, RFC 8200 §3 and §8.1, RFC 768, RFC 9293 §3.1, RFC 792, RFC 4443 §2.3.

use super::instantiate;
use super::repair::Fix;
use crate::classify::ethernet::word;
use crate::classify::ipv4::protocol;
use crate::frame::ETHERNET_HEADER;
use crate::wire::{IPV6_HEADER, MIN_HEADER};
use smoltcp::wire::{
    EthernetAddress, Icmpv4Packet, Icmpv6Packet, IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};

/// ICMPv6's next header (RFC 8200 §8.1).
const ICMPV6: u8 = 58;

/// Copies `frame` with what `fix` names put right; the copy's length. `router` is the MAC address of the port that the
/// frame came in by. `None`: the frame is not one that the fix is about, or the copy does not fit into `out`.
pub fn mend(fix: Fix, frame: &[u8], router: EthernetAddress, out: &mut [u8]) -> Option<usize> {
    match fix {
        Fix::StripTag if instantiate::has_tag(frame) => return instantiate::unwrap(frame, out).ok(),
        Fix::Decapsulate if instantiate::has_envelope(frame) => return instantiate::unwrap(frame, out).ok(),
        Fix::StripTag | Fix::Decapsulate => return None,
        Fix::ClearOptions => return instantiate::clear_options(frame, out).ok(),
        Fix::TotalLength
        | Fix::ReservedFlag
        | Fix::DontFragment
        | Fix::PayloadLength
        | Fix::UdpLength
        | Fix::UdpChecksum
        | Fix::TcpChecksum
        | Fix::IcmpChecksum
        | Fix::LinkDestination => {}
    }
    let out = out.get_mut(..frame.len())?;
    out.copy_from_slice(frame);
    if fix == Fix::LinkDestination {
        out.get_mut(..6)?.copy_from_slice(router.as_bytes());
        return Some(out.len());
    }
    let ethertype = word(frame, 12);
    let packet = out.get_mut(ETHERNET_HEADER..)?;
    match ethertype {
        0x0800 => ipv4(fix, packet)?,
        0x86dd => ipv6(fix, packet)?,
        _ => return None,
    }
    Some(out.len())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "any other fix is not about this header")]
fn ipv4(fix: Fix, packet: &mut [u8]) -> Option<()> {
    let held = u16::try_from(packet.len()).ok()?;
    if usize::from(held) < MIN_HEADER {
        return None;
    }
    // The high bit of the flags (RFC 791 §3.1), which smoltcp does not name.
    let reserved = packet[6] & 0x80 != 0;
    let mut ip = Ipv4Packet::new_unchecked(&mut *packet);
    if ip.version() != 4 {
        return None;
    }
    match fix {
        Fix::TotalLength if ip.total_len() > held => ip.set_total_len(held),
        Fix::ReservedFlag if reserved => packet[6] &= 0x7f,
        Fix::DontFragment if ip.more_frags() || ip.frag_offset() != 0 => ip.set_dont_frag(false),
        Fix::UdpLength | Fix::UdpChecksum | Fix::TcpChecksum | Fix::IcmpChecksum => {
            let ip = Ipv4Packet::new_checked(&mut *packet).ok()?;
            if ip.more_frags() || ip.frag_offset() != 0 {
                return None;
            }
            let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
            let (start, end, upper) =
                (usize::from(ip.header_len()), usize::from(ip.total_len()), ip.next_header());
            return segment(fix, upper.into(), source, destination, packet.get_mut(start..end)?);
        }
        _ => return None,
    }
    let mut ip = Ipv4Packet::new_checked(packet).ok()?;
    ip.fill_checksum();
    Some(())
}

/// A packet without extension headers.
#[expect(clippy::wildcard_enum_match_arm, reason = "any other fix is not about this header")]
fn ipv6(fix: Fix, packet: &mut [u8]) -> Option<()> {
    let held = u16::try_from(packet.len().checked_sub(IPV6_HEADER)?).ok()?;
    let mut ip = Ipv6Packet::new_unchecked(&mut *packet);
    match fix {
        Fix::PayloadLength if ip.payload_len() > held => ip.set_payload_len(held),
        Fix::UdpLength | Fix::UdpChecksum | Fix::TcpChecksum | Fix::IcmpChecksum => {
            let ip = Ipv6Packet::new_checked(&mut *packet).ok()?;
            let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
            let (end, upper) = (IPV6_HEADER + usize::from(ip.payload_len()), ip.next_header());
            return segment(fix, upper.into(), source, destination, packet.get_mut(IPV6_HEADER..end)?);
        }
        _ => return None,
    }
    Some(())
}

fn segment(fix: Fix, upper: u8, source: IpAddress, destination: IpAddress, segment: &mut [u8]) -> Option<()> {
    let len = u16::try_from(segment.len()).ok()?;
    match (fix, upper) {
        (Fix::UdpLength | Fix::UdpChecksum, protocol::UDP) if len >= 8 => {
            let mut udp = UdpPacket::new_unchecked(&mut *segment);
            if fix == Fix::UdpLength {
                udp.set_len(len);
            }
            UdpPacket::new_checked(segment).ok()?.fill_checksum(&source, &destination);
        }
        (Fix::TcpChecksum, protocol::TCP) => {
            TcpPacket::new_checked(segment).ok()?.fill_checksum(&source, &destination);
        }
        (Fix::IcmpChecksum, protocol::ICMP) => Icmpv4Packet::new_checked(segment).ok()?.fill_checksum(),
        (Fix::IcmpChecksum, ICMPV6) => {
            let (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) = (source, destination) else {
                return None;
            };
            Icmpv6Packet::new_checked(segment).ok()?.fill_checksum(&source, &destination);
        }
        _ => return None,
    }
    Some(())
}
