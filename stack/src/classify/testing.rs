//! IPv6 packets for the tests of the classifier, and a router with two ports to classify them for.

use super::Locals;
use crate::config::{PortConfig, PortId};
use smoltcp::wire::{EthernetAddress, Ipv6Address, Ipv6Cidr, checksum};
use std::vec::Vec;

/// The port by which the tests' packets come in.
pub(super) const PORT: PortId = PortId(0);
/// The other port.
pub(super) const OTHER: PortId = PortId(1);
/// Our address on `PORT`, and on `OTHER`.
pub(super) const US: &str = "2001:db8:1::1";
pub(super) const US_OTHER: &str = "2001:db8:2::1";
/// Our link-local addresses.
pub(super) const US_LINK: &str = "fe80::ff:fe00:1";
pub(super) const US_LINK_OTHER: &str = "fe80::2";
/// Hosts on the two links.
pub(super) const PEER: &str = "2001:db8:1::100";
pub(super) const FAR: &str = "2001:db8:2::100";
pub(super) const PEER_LINK: &str = "fe80::100";
pub(super) const ALL_NODES: &str = "ff02::1";
/// The solicited-node group of `US`.
pub(super) const SOLICITED: &str = "ff02::1:ff00:1";
/// A group that the router does not listen to.
pub(super) const STRANGERS: &str = "ff02::1:ff00:100";

pub(super) fn ip(text: &str) -> Ipv6Address {
    text.parse().unwrap()
}

pub(super) fn locals() -> Locals {
    let mut ports: Vec<_> =
        (1..=3).map(|last| PortConfig::new(EthernetAddress([2, 0, 0, 0, 0, last]), 1500)).collect();
    ports[0].ipv6.push(Ipv6Cidr::new(ip(US), 64)).unwrap();
    ports[1].ipv6.push(Ipv6Cidr::new(ip(US_OTHER), 64)).unwrap();
    ports[1].ipv6.push(Ipv6Cidr::new(ip(US_LINK_OTHER), 10)).unwrap();
    Locals::new(&ports)
}

/// A packet with hop limit 255.
pub(super) fn packet(source: &str, destination: &str, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::from([0x60, 0, 0, 0]);
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, 255]);
    packet.extend(ip(source).octets());
    packet.extend(ip(destination).octets());
    packet.extend(payload);
    packet
}

/// An extension header of type-length form around `body`, padded with zeroes, and what follows it.
pub(super) fn extension(next_header: u8, body: &[u8], rest: &[u8]) -> Vec<u8> {
    let units = (body.len() + 2).div_ceil(8);
    let mut header = Vec::from([next_header, units as u8 - 1]);
    header.extend(body);
    header.resize(units * 8, 0);
    header.extend(rest);
    header
}

/// A Fragment header and what follows it; `offset` in bytes.
pub(super) fn fragment(next_header: u8, offset: u16, more: bool, rest: &[u8]) -> Vec<u8> {
    let mut header = Vec::from([next_header, 0]);
    header.extend((offset | u16::from(more)).to_be_bytes());
    header.extend([1, 2, 3, 4]);
    header.extend(rest);
    header
}

/// `segment` with the checksum, at `at`, that it needs between these addresses.
pub(super) fn summed(source: &str, destination: &str, protocol: u8, at: usize, segment: &[u8]) -> Vec<u8> {
    let mut segment = Vec::from(segment);
    segment[at..at + 2].fill(0);
    let mut covered = Vec::new();
    covered.extend(ip(source).octets());
    covered.extend(ip(destination).octets());
    covered.extend((segment.len() as u32).to_be_bytes());
    covered.extend([0, 0, 0, protocol]);
    covered.extend(&segment);
    segment[at..at + 2].copy_from_slice(&(!checksum::data(&covered)).to_be_bytes());
    segment
}

/// A packet with an ICMPv6 message, whose checksum is filled in.
pub(super) fn icmp(source: &str, destination: &str, message: &[u8]) -> Vec<u8> {
    packet(source, destination, 58, &summed(source, destination, 58, 2, message))
}

/// An echo request from `PEER` to `US`, without the fixed header.
pub(super) fn echo() -> Vec<u8> {
    summed(PEER, US, 58, 2, &[128, 0, 0, 0, 0, 7, 0, 1, b'p', b'i', b'n', b'g'])
}

/// A UDP datagram from `PEER` to `US`.
pub(super) fn udp() -> Vec<u8> {
    summed(PEER, US, 17, 6, &[0x30, 0x39, 0, 7, 0, 12, 0, 0, 1, 2, 3, 4])
}

/// A TCP SYN with a Maximum Segment Size from `PEER` to `US`.
pub(super) fn tcp() -> Vec<u8> {
    let syn = [0x30, 0x39, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xa0];
    summed(PEER, US, 6, 16, &syn)
}

/// `count` Destination Options headers before an echo request.
pub(super) fn destinations(count: usize) -> Vec<u8> {
    (0..count).fold(echo(), |rest, done| extension(if done == 0 { 58 } else { 60 }, &[], &rest))
}
