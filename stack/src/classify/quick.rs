//! Accepts plain transit packets in one look, and names nothing: whatever is not accepted, the whole classifier looks
//! at. Most frames of a router are plain, and to name what one is not costs more than to see that it is.
//!
//! The promise: what is accepted here, [`super::classify`] calls [`super::Class::Transit`] without any oddity, with
//! the same digest. Tests hold both to it.

use super::{Locals, ipv4, special};
use crate::frame::ETHERNET_HEADER;
use crate::wire::{IPV6_HEADER, Ipv4Info, Ipv6Info, MIN_HEADER, checksum};
use smoltcp::wire::EthernetAddress;

/// Bytes of both headers.
const IPV4_HEADERS: usize = ETHERNET_HEADER + MIN_HEADER;
const IPV6_HEADERS: usize = ETHERNET_HEADER + IPV6_HEADER;

/// What was accepted.
pub(crate) enum Plain {
    /// IPv4 without options, not a fragment.
    V4(Ipv4Info),
    /// IPv6 without Hop-by-Hop Options.
    V6(Ipv6Info),
}

/// Looks at a frame received by a port with address `mac`.
#[inline(always)]
pub(crate) fn accept(frame: &[u8], mac: EthernetAddress, locals: &Locals) -> Option<Plain> {
    let headers: &[u8; IPV4_HEADERS] = frame.first_chunk()?;
    let &[a, b, c, d, e, f, g, h, i, j, k, l, ..] = headers;
    let ours = mac_bits(mac.0);
    let (to, from) = (mac_bits([a, b, c, d, e, f]), mac_bits([g, h, i, j, k, l]));
    if to != ours || from == ours || g & 1 != 0 {
        return None;
    }
    match (headers[12], headers[13]) {
        (0x08, 0x00) => ipv4(frame, headers, locals).map(Plain::V4),
        (0x86, 0xdd) => ipv6(frame, locals).map(Plain::V6),
        _ => None,
    }
}

const fn mac_bits([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[inline(always)]
fn ipv4(frame: &[u8], headers: &[u8; IPV4_HEADERS], locals: &Locals) -> Option<Ipv4Info> {
    let (_, header) = headers.split_last_chunk::<MIN_HEADER>()?;
    accept_ipv4(header, frame.len() - ETHERNET_HEADER, locals)
}

/// Looks at an IPv4 packet to this router's own MAC address, of which there are `len` bytes.
#[inline(always)]
pub(crate) fn accept_ipv4(header: &[u8; MIN_HEADER], len: usize, locals: &Locals) -> Option<Ipv4Info> {
    let info = Ipv4Info::read(header, 0);
    let (source, destination) = (info.source().to_bits(), info.destination().to_bits());
    let sound = header[0] == 0x45
        && checksum::verify_min_header(header)
        && info.total_len() >= MIN_HEADER
        && info.total_len() <= len;
    let plain = info.is_unfragmented_plain()
        && source != destination
        && is_plain_v4(source)
        && is_plain_v4(destination)
        && info.protocol != special::ICMPV6
        && !locals.may_mean(info.source())
        && !locals.may_mean(info.destination());
    (sound && plain).then_some(info)
}

/// An address of one host whose first octet alone says that nothing is special about it: not 0, 127, 169, 192, 198,
/// 203, nor 224 and above.
#[inline(always)]
const fn is_plain_v4(address: u32) -> bool {
    /// One bit for each first octet.
    const SPECIAL: [u64; 4] = {
        let mut bits = [0_u64; 4];
        let mut octet = 0;
        while octet < 256 {
            if matches!(octet, 0 | 127 | 169 | 192 | 198 | 203 | 224..) {
                bits[octet / 64] |= 1 << (octet % 64);
            }
            octet += 1;
        }
        bits
    };
    let octet = address >> 24;
    SPECIAL[(octet >> 6) as usize] >> (octet & 63) & 1 == 0
}

#[inline(always)]
fn ipv6(frame: &[u8], locals: &Locals) -> Option<Ipv6Info> {
    let headers: &[u8; IPV6_HEADERS] = frame.first_chunk()?;
    let (_, header) = headers.split_last_chunk::<IPV6_HEADER>()?;
    let info = Ipv6Info::read(header);
    let (source, destination) = (info.source.to_bits(), info.destination.to_bits());
    // Global unicast and unique local addresses (RFC 4291 §2.5.4, RFC 4193 §3.1): all others are looked at in full.
    let is_plain = |address: u128| address >> 125 == 0b001 || address >> 121 == 0xfc >> 1;
    let plain = header[0] >> 4 == 6
        && info.total_len() <= frame.len() - ETHERNET_HEADER
        // Hop-by-Hop Options are the router's to look at, and ICMP for IPv4 is odd.
        && info.next_header > ipv4::protocol::ICMP
        && is_plain(source)
        && is_plain(destination)
        && source != destination
        && !locals.v6.may_mean(info.source)
        && !locals.v6.may_mean(info.destination);
    plain.then_some(info)
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Packet, classify};
    use super::*;
    use crate::config::{PortConfig, PortId};
    use crate::draws::draws;
    use smoltcp::wire::{Ipv4Cidr, Ipv6Address, Ipv6Cidr};
    use std::println;
    use std::vec::Vec;

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 1, 1]);

    fn locals() -> Locals {
        let mut port = PortConfig::new(MAC, 1500);
        port.addresses.push(Ipv4Cidr::new([10, 0, 1, 1].into(), 24)).unwrap();
        port.ipv6.push(Ipv6Cidr::new(Ipv6Address::new(0xfd00, 1, 0, 0, 0, 0, 0, 1), 64)).unwrap();
        Locals::new(&[port])
    }

    fn ipv4_frame() -> Vec<u8> {
        let mut frame = [&MAC.0[..], &[2, 0, 0, 0, 1, 2, 8, 0]].concat();
        frame.extend([0x45, 0, 0, 28, 1, 2, 0x40, 0, 64, 17, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2]);
        frame.extend([0, 9, 0, 9, 0, 8, 0, 0, 0, 0, 0, 0]);
        frame
    }

    fn ipv6_frame() -> Vec<u8> {
        let mut frame = [&MAC.0[..], &[2, 0, 0, 0, 1, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64]].concat();
        frame.extend(Ipv6Address::new(0xfd00, 1, 0, 0, 0, 0, 0, 2).octets());
        frame.extend(Ipv6Address::new(0xfd00, 2, 0, 0, 0, 0, 0, 2).octets());
        frame.extend([0, 9, 0, 9, 0, 8, 0, 0, 0, 0]);
        frame
    }

    fn fill_checksum(frame: &mut [u8]) {
        frame[24..26].fill(0);
        let sum = checksum::compute(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }

    /// Whatever one to three changed bytes make of a plain packet.
    #[test]
    fn what_is_accepted_the_classifier_calls_transit_without_oddity() {
        let (seed, locals) = (7_u64, locals());
        println!("seed {seed}");
        let mut draw = draws(seed);
        let interesting = [0, 1, 2, 6, 10, 17, 58, 59, 127, 128, 169, 192, 198, 203, 223, 224, 240, 254, 255];
        let (mut accepted, mut refused) = ([0_u32; 2], [0_u32; 2]);
        for round in 0..400_000 {
            let v6 = round % 2;
            let mut frame = if v6 == 1 { ipv6_frame() } else { ipv4_frame() };
            for _ in 0..draw(4) {
                let at = draw(54.min(frame.len()));
                frame[at] = if draw(2) == 0 { interesting[draw(interesting.len())] } else { draw(256) as u8 };
            }
            if v6 == 0 && draw(8) != 0 {
                fill_checksum(&mut frame);
            }
            frame.truncate(if draw(8) == 0 { draw(frame.len() + 1) } else { frame.len() });
            let class = classify(&frame, PortId(0), MAC, &locals);
            let quick = accept(&frame, MAC, &locals).map(|plain| match plain {
                Plain::V4(info) => Packet::V4(info),
                Plain::V6(info) => Packet::V6(info),
            });
            match quick {
                Some(packet) => {
                    accepted[v6] += 1;
                    assert_eq!(class, Class::Transit(packet, None), "round {round}: {frame:02x?}");
                }
                None => refused[v6] += 1,
            }
        }
        println!("accepted {accepted:?}, refused {refused:?}");
        assert!(accepted.iter().chain(&refused).all(|&count| count > 20_000));
    }

    #[test]
    fn the_plain_packets_are_accepted() {
        let locals = locals();
        let mut frame = ipv4_frame();
        fill_checksum(&mut frame);
        assert!(matches!(accept(&frame, MAC, &locals), Some(Plain::V4(_))));
        assert!(matches!(accept(&ipv6_frame(), MAC, &locals), Some(Plain::V6(_))));
    }
}
