//! Frames of the laboratory by hand: who is there, what they send, and what the router must answer.
//!
//! Built with `pktgen`'s from-scratch builders; nothing here runs the router's code.

use pktgen::build::{self, Arp, BROADCAST, Ipv4, Mac, ethernet, ethertype, protocol};
use pktgen::world::Host;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The client, behind port 0.
pub const CLIENT: Host = Host {
    mac: [2, 0, 0, 0, 1, 2],
    address: Ipv4Addr::new(10, 0, 1, 2),
    ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2),
};
/// The server, behind port 1.
pub const SERVER: Host = Host {
    mac: [2, 0, 0, 0, 2, 2],
    address: Ipv4Addr::new(10, 0, 2, 2),
    ipv6: Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2),
};
/// The router on port 0.
pub const ROUTER_0: Host = Host {
    mac: [2, 0, 0, 0, 1, 1],
    address: Ipv4Addr::new(10, 0, 1, 1),
    ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1),
};
/// The router on port 1.
pub const ROUTER_1: Host = Host {
    mac: [2, 0, 0, 0, 2, 1],
    address: Ipv4Addr::new(10, 0, 2, 1),
    ipv6: Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1),
};
/// The router, by port.
pub const ROUTER: [Host; 2] = [ROUTER_0, ROUTER_1];
/// The hosts, by port.
pub const HOSTS: [Host; 2] = [CLIENT, SERVER];

/// An IPv4 packet on the link from one station to another.
pub fn link(from: Mac, to: Mac, packet: &[u8]) -> Vec<u8> {
    ethernet(to, from, ethertype::IPV4, packet)
}

/// A packet from the client to the router's MAC address.
pub fn from_client(packet: &[u8]) -> Vec<u8> {
    link(CLIENT.mac, ROUTER_0.mac, packet)
}

/// A packet from the server to the router's MAC address.
pub fn from_server(packet: &[u8]) -> Vec<u8> {
    link(SERVER.mac, ROUTER_1.mac, packet)
}

/// A UDP datagram under this header, from l4_port 4000 to `to`.
pub fn udp(header: &Ipv4, to: u16, data: &[u8]) -> Vec<u8> {
    header.packet(&build::udp(header.source, header.destination, 4000, to, data))
}

/// A header from the client through the router to the server.
pub const fn transit() -> Ipv4 {
    Ipv4::new(CLIENT.address, SERVER.address)
}

/// A header from the client to this address.
pub const fn to(destination: Ipv4Addr) -> Ipv4 {
    Ipv4::new(CLIENT.address, destination)
}

/// An ICMP message under this header.
pub fn icmp(header: &Ipv4, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let header = Ipv4 { protocol: protocol::ICMP, ..header.clone() };
    header.packet(&build::icmp(kind, code, rest, body))
}

/// An echo request under this header, with 56 bytes of data as `ping` sends.
pub fn echo_request(header: &Ipv4, sequence: u8) -> Vec<u8> {
    icmp(header, 8, 0, [0x12, 0x34, 0, sequence], &build::pattern(56))
}

/// A broadcast ARP request.
pub fn arp_request(from: &Host, target: Ipv4Addr) -> Vec<u8> {
    ethernet(BROADCAST, from.mac, ethertype::ARP, &Arp::request(from.mac, from.address, target).packet())
}

/// An ARP reply from one station to another.
pub fn arp_reply(from: &Host, to: &Host) -> Vec<u8> {
    let packet = Arp { operation: 2, target_mac: to.mac, ..Arp::request(from.mac, from.address, to.address) };
    ethernet(to.mac, from.mac, ethertype::ARP, &packet.packet())
}

/// The ICMP error that the router must send from `port` to the host there about `original` (the packet as
/// received, without padding): RFC 1812 §4.3.2 with precedence 6, TTL 64, and as much of the packet as fits 576.
pub fn icmp_error(port: usize, kind: u8, code: u8, rest: [u8; 4], original: &[u8]) -> Vec<u8> {
    let service = 0xc0 | (original[1] & 0x1c);
    let header = Ipv4 { service, ..Ipv4::new(ROUTER[port].address, HOSTS[port].address) };
    let quote = &original[..original.len().min(576 - 28)];
    link(ROUTER[port].mac, HOSTS[port].mac, &icmp(&header, kind, code, rest, quote))
}

/// The echo reply that a host behind `port` must get, byte for byte but for what RFC 791 leaves to the sender:
/// identification and flags are zeroed in both, and the header checksum checked and zeroed.
pub fn comparable(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    assert!(build::adds_up(&frame[14..34]), "header checksum of {frame:02x?}");
    frame[18..22].fill(0);
    frame[24..26].fill(0);
    frame
}
