//! Packets and fragments for the tests of reassembly.

mod bytes;
mod random;
mod slots;

use super::*;
use crate::forward::Fragments;
use crate::wire::checksum;
use smoltcp::wire::{Ipv4Address, Ipv6Address};
use std::vec;
use std::vec::Vec;

const START: Instant = Instant::from_micros_const(1_000_000_000);

/// An IPv4 packet from 10.0.1.`host`, its payload counting up from `seed`.
fn ipv4(host: u8, ident: u16, options: &[u8], payload_len: usize, seed: u8) -> Vec<u8> {
    let header_len = 20 + options.len();
    let mut packet = vec![0x40 | (header_len / 4) as u8, 0xb8];
    packet.extend(((header_len + payload_len) as u16).to_be_bytes());
    packet.extend(ident.to_be_bytes());
    packet.extend([0, 0, 64, 17, 0, 0, 10, 0, 1, host, 10, 0, 1, 1]);
    packet.extend(options);
    let sum = checksum::compute(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend((0..payload_len).map(|at| seed.wrapping_add((at ^ at >> 8) as u8)));
    packet
}

/// An IPv6 packet from fd00::`host`.
fn ipv6(host: u8, payload_len: usize, seed: u8) -> Vec<u8> {
    let mut packet = vec![0x6b, 0x8a, 0xbc, 0xde];
    packet.extend((payload_len as u16).to_be_bytes());
    packet.extend([58, 64]);
    for last in [host, 1] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend((0..payload_len).map(|at| seed.wrapping_add((at ^ at >> 8) as u8)));
    packet
}

/// The packet's fragments for this MTU, each as an IP packet. `id` matters to IPv6 only.
fn cut(packet: &[u8], mtu: usize, id: u32) -> Vec<Vec<u8>> {
    let mut fragments = match packet[0] >> 4 {
        4 => Fragments::ipv4(packet, mtu, None),
        _ => Fragments::ipv6(packet, mtu, id),
    }
    .unwrap();
    let mut out = vec![0; mtu];
    core::iter::from_fn(|| fragments.next(packet, &mut out).map(|len| out[..len].to_vec())).collect()
}

/// Reads a fragment; IPv6 with the Fragment header as the last extension header.
fn read(packet: &[u8], port: u8) -> Fragment<'_> {
    let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    if packet[0] >> 4 == 4 {
        let (header, payload) = packet.split_at(usize::from(packet[0] & 0x0f) * 4);
        let address = |at: usize| Ipv4Address::from_octets(packet[at..at + 4].try_into().unwrap()).into();
        return Fragment {
            source: address(12),
            destination: address(16),
            protocol: packet[9],
            id: word(4).into(),
            port: PortId(port),
            offset: usize::from(word(6) & 0x1fff) * 8,
            more: word(6) & 0x2000 != 0,
            header,
            payload,
        };
    }
    let address = |at: usize| Ipv6Address::from_octets(packet[at..at + 16].try_into().unwrap()).into();
    let (mut next, mut at) = (packet[6], 40);
    while next != 44 {
        next = packet[at];
        at += (usize::from(packet[at + 1]) + 1) * 8;
    }
    Fragment {
        source: address(8),
        destination: address(24),
        protocol: packet[at],
        id: u32::from(word(at + 4)) << 16 | u32::from(word(at + 6)),
        port: PortId(port),
        offset: usize::from(word(at + 2) & 0xfff8),
        more: word(at + 2) & 1 != 0,
        header: &packet[..at + 8],
        payload: &packet[at + 8..],
    }
}

fn reassembly(slots: usize) -> Reassembly<'static> {
    Reassembly::new(vec![ReassemblySlot::EMPTY; slots].leak().into())
}

/// Inserts all; the outcome of each, and the packets that came out.
fn insert_all(reassembly: &mut Reassembly<'_>, fragments: &[Vec<u8>]) -> (Vec<Outcome>, Vec<Vec<u8>>) {
    let mut out = [0xee; REASSEMBLED_MAX];
    let mut packets = Vec::new();
    let outcomes = fragments.iter().map(|fragment| {
        let outcome = reassembly.insert(START, &read(fragment, 0), &mut out);
        if let Outcome::Complete(len) = outcome {
            packets.push(out[..len].to_vec());
        }
        outcome
    });
    (outcomes.collect(), packets)
}

const KEPT: Outcome = Outcome::Incomplete { evicted: false };

/// A fragment by hand: `offset` and `payload_len` in bytes.
fn piece<'a>(header: &'a [u8], offset: usize, more: bool, payload: &'a [u8]) -> Fragment<'a> {
    let source = if header[0] >> 4 == 4 {
        IpAddress::v4(10, 0, 1, 2)
    } else {
        IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 2)
    };
    Fragment {
        source,
        destination: source,
        protocol: 17,
        id: 1,
        port: PortId(3),
        offset,
        more,
        header,
        payload,
    }
}

/// The IPv4 header and the IPv6 headers of a fragment.
fn headers() -> [Vec<u8>; 2] {
    let mut six = ipv6(2, 0, 0);
    six[6] = 44;
    six.extend([58, 0, 0, 0, 0, 0, 0, 1]);
    [ipv4(2, 1, &[], 0, 0), six]
}
