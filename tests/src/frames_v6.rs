//! IPv6 frames of the laboratory by hand: what its hosts send, and what the router must answer.
//!
//! Read first: RFC 8200 §3; RFC 4443 §2, §3; RFC 4861 §4.3, §4.4. Nothing here runs the router's code.

use crate::frames::{CLIENT, HOSTS, ROUTER, ROUTER_0, ROUTER_1, SERVER};
use pktgen::build::{
    self, Ipv6, Mac, adds_up, ethernet, ethertype, multicast_mac, nd_option, nd_option_type, protocol,
    solicited_node,
};
use pktgen::world::Host;
use std::net::Ipv6Addr;

/// Flags of a Neighbour Advertisement: router, solicited, override (RFC 4861 §4.4).
pub const R: u8 = 0x80;
/// The second of them.
pub const S: u8 = 0x40;
/// The third of them.
pub const O: u8 = 0x20;

/// All nodes of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// An address that no route of the laboratory leads to.
pub const NOWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 0x99);

/// An address.
///
/// # Panics
/// If the text is none.
pub fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an IPv6 address")
}

/// An IPv6 packet on the link from one station to another.
pub fn link(from: Mac, to: Mac, packet: &[u8]) -> Vec<u8> {
    ethernet(to, from, ethertype::IPV6, packet)
}

/// A packet from the client to the router's MAC address.
pub fn from_client(packet: &[u8]) -> Vec<u8> {
    link(CLIENT.mac, ROUTER_0.mac, packet)
}

/// A packet from the server to the router's MAC address.
pub fn from_server(packet: &[u8]) -> Vec<u8> {
    link(SERVER.mac, ROUTER_1.mac, packet)
}

/// A header from the client through the router to the server.
pub const fn transit() -> Ipv6 {
    Ipv6::new(CLIENT.ipv6, SERVER.ipv6)
}

/// A header from the client to this address.
pub const fn to(destination: Ipv6Addr) -> Ipv6 {
    Ipv6::new(CLIENT.ipv6, destination)
}

/// A UDP datagram under this header, from port 4000 to `to`.
pub fn udp(header: &Ipv6, to: u16, data: &[u8]) -> Vec<u8> {
    header.packet(&build::udp(header.source, header.destination, 4000, to, data))
}

/// An ICMPv6 message under this header.
pub fn icmp(header: &Ipv6, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let header = Ipv6 { protocol: protocol::ICMPV6, ..header.clone() };
    header.packet(&build::icmpv6(header.source, header.destination, kind, code, rest, body))
}

/// The ICMPv6 error that the router must send from `source` by `port` to `destination`, who has this MAC address,
/// about `original` (the packet as received, without padding): RFC 4443 §2.2, §3; as much as fits 1280 bytes.
pub fn error_to(
    port: usize,
    (source, destination, mac): (Ipv6Addr, Ipv6Addr, Mac),
    (kind, code, rest): (u8, u8, u32),
    original: &[u8],
) -> Vec<u8> {
    let quote = &original[..original.len().min(1280 - 48)];
    let header = Ipv6::new(source, destination);
    link(ROUTER[port].mac, mac, &icmp(&header, kind, code, rest.to_be_bytes(), quote))
}

/// The same to the host of the laboratory there, from the router's global address.
pub fn error(port: usize, kind: u8, code: u8, rest: u32, original: &[u8]) -> Vec<u8> {
    let ends = (ROUTER[port].ipv6, HOSTS[port].ipv6, HOSTS[port].mac);
    error_to(port, ends, (kind, code, rest), original)
}

/// The frame as it leaves a router: padding trimmed, hop limit one less, link-layer addresses new.
///
/// # Panics
/// If it is not a whole IPv6 packet with a hop limit of 2 or more.
pub fn forwarded(frame: &[u8], source: Mac, destination: Mac) -> Vec<u8> {
    assert!(frame[12..15] == [0x86, 0xdd, frame[14]] && frame[14] >> 4 == 6 && frame[21] >= 2);
    let len = 40 + usize::from(u16::from_be_bytes([frame[18], frame[19]]));
    let mut packet = frame[14..14 + len].to_vec();
    packet[7] -= 1;
    link(source, destination, &packet)
}

/// Where a Neighbour Discovery message comes from and where it goes: address and MAC address of both.
pub type Ends = ((Ipv6Addr, Mac), (Ipv6Addr, Mac));

/// A Neighbour Discovery message on the link.
fn nd(((source, from), (destination, to)): Ends, message: &[u8]) -> Vec<u8> {
    let header = Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..Ipv6::new(source, destination) };
    link(from, to, &header.packet(message))
}

/// A Neighbour Solicitation for `target`; `lladdr`: with the Source Link-Layer Address of the sender.
pub fn solicitation(ends: Ends, target: Ipv6Addr, lladdr: bool) -> Vec<u8> {
    let ((source, mac), (destination, _)) = ends;
    let option = if lladdr { nd_option(nd_option_type::SOURCE_LINK, &mac) } else { Vec::new() };
    nd(ends, &build::solicitation(source, destination, target, &option))
}

/// A Neighbour Advertisement of `target` with these flags; `lladdr`: its Target Link-Layer Address.
pub fn advertisement(ends: Ends, flags: u8, target: Ipv6Addr, lladdr: Option<Mac>) -> Vec<u8> {
    let ((source, _), (destination, _)) = ends;
    let option = lladdr.map_or(Vec::new(), |mac| nd_option(nd_option_type::TARGET_LINK, &mac));
    nd(ends, &build::advertisement(source, destination, flags, target, &option))
}

/// Asks everybody whose solicited-node group it is (RFC 4861 §7.2.2), as host and router do alike.
pub fn asks((source, mac): (Ipv6Addr, Mac), target: Ipv6Addr) -> Vec<u8> {
    let group = solicited_node(target);
    solicitation(((source, mac), (group, multicast_mac(group))), target, true)
}

/// What a host answers to the router that asked it from its global address.
pub fn answers(port: usize, host: &Host) -> Vec<u8> {
    let ends = ((host.ipv6, host.mac), (ROUTER[port].ipv6, ROUTER[port].mac));
    advertisement(ends, S | O, host.ipv6, Some(host.mac))
}

/// The ICMPv6 message in a frame that the router made, if headers and checksum are right.
///
/// # Panics
/// If they are not.
pub fn message(frame: &[u8]) -> Vec<u8> {
    let packet = &frame[14..];
    let len = u16::from_be_bytes([packet[4], packet[5]]);
    assert!(frame[12..14] == [0x86, 0xdd] && packet[0] >> 4 == 6 && packet[6] == protocol::ICMPV6);
    assert_eq!(packet.len(), 40 + usize::from(len));
    let mut covered = packet[8..].to_vec();
    covered.extend([len.to_be_bytes(), [0, protocol::ICMPV6]].concat());
    assert!(adds_up(&covered), "checksum of {frame:02x?}");
    packet[40..].to_vec()
}
