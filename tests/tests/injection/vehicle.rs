//! What is wrong around a payload: one frame for each fault or oddity that an IP packet can have.
//!
//! Read first: RFC 1812 §4.2.2, §5.3.7; RFC 7126; RFC 8200 §3; RFC 4291 §2.5.

use pktgen::build::{
    BROADCAST, Extension, Ipv4, Ipv6, ethernet, ethertype, option, protocol, seal_icmp, seal_ipv4, snap, tag,
};
use std::net::{Ipv4Addr, Ipv6Addr};
use tests::frames::{CLIENT, ROUTER_0, ROUTER_1, SERVER, from_client};
use tests::frames_v6;

/// A frame and where it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vehicle {
    /// The port.
    pub(crate) port: u8,
    /// The frame, without FCS.
    pub(crate) frame: Vec<u8>,
}

impl Vehicle {
    pub(crate) const fn new(port: u8, frame: Vec<u8>) -> Self {
        Self { port, frame }
    }
}

/// Makes what a packet between two addresses carries.
type Upper<'a, A> = &'a dyn Fn(A, A) -> Vec<u8>;

/// The IPv4 packet under this header, which is a healthy one in transit but perhaps for its options, in every trouble.
pub(crate) fn ipv4(header: &Ipv4, carried: u8, upper: Upper<'_, Ipv4Addr>) -> Vec<Vehicle> {
    let header = Ipv4 { protocol: carried, ..header.clone() };
    let packet = |header: &Ipv4| header.packet(&upper(header.source, header.destination));
    let plain = packet(&header);
    let mut frames = vec![
        tag(&from_client(&plain), ethertype::VLAN, 5 << 13),
        snap(ROUTER_0.mac, CLIENT.mac, ethertype::IPV4, &plain),
        ethernet(BROADCAST, CLIENT.mac, ethertype::IPV4, &plain),
        ethernet(ROUTER_0.mac, [3, 0, 0, 0, 0, 9], ethertype::IPV4, &plain),
        ethernet(ROUTER_0.mac, ROUTER_0.mac, ethertype::IPV4, &plain),
        ethernet(ROUTER_0.mac, CLIENT.mac, 0x88b5, &plain),
        tag(&from_client(&plain), ethertype::VLAN, 7),
        tag(&tag(&from_client(&plain), ethertype::VLAN, 7), ethertype::SERVICE_VLAN, 8),
    ];
    // Lies of the header itself.
    let len = plain.len() as u16;
    let lies: [fn(&mut [u8], u16); 5] = [
        |packet, len| packet[2..4].copy_from_slice(&(len + 100).to_be_bytes()),
        |packet, _| packet[2..4].copy_from_slice(&4_u16.to_be_bytes()),
        |packet, _| packet[0] = 0x55,
        |packet, _| packet[0] = 0x44,
        |packet, _| packet[6] |= 0x80,
    ];
    for lie in lies {
        let mut packet = plain.clone();
        lie(&mut packet, len);
        seal_ipv4(&mut packet);
        frames.push(from_client(&packet));
    }
    let mut damaged = plain.clone();
    damaged[10] ^= 0x40;
    frames.extend([from_client(&damaged), tag(&from_client(&damaged), ethertype::VLAN, 0)]);
    frames.push(from_client(&packet(&Ipv4 { more_fragments: true, dont_fragment: true, ..header.clone() })));
    if header.options.is_empty() {
        for options in
            [vec![7, 7, 4, 0, 0, 0, 0], vec![7, 1, 4], vec![131, 7, 4, 10, 0, 2, 9], vec![158, 4, 0, 0]]
        {
            let header = Ipv4 { options, ..header.clone() };
            let packet = packet(&header);
            frames.extend([from_client(&packet), tag(&from_client(&packet), ethertype::VLAN, 0)]);
        }
    } else {
        frames.push(from_client(&plain));
    }
    // Addresses that nobody may have, or may send to.
    let sources = [
        [0, 1, 2, 3],
        [240, 0, 0, 1],
        [127, 0, 0, 1],
        [169, 254, 1, 1],
        ROUTER_1.address.octets(),
        SERVER.address.octets(),
        [10, 0, 1, 255],
        [192, 0, 2, 7],
    ];
    for source in sources {
        frames.push(from_client(&packet(&Ipv4 { source: Ipv4Addr::from(source), ..header.clone() })));
    }
    for destination in [[240, 0, 0, 9], [127, 0, 0, 9], [10, 0, 2, 255], [198, 51, 100, 9]] {
        frames
            .push(from_client(&packet(&Ipv4 { destination: Ipv4Addr::from(destination), ..header.clone() })));
    }
    frames.extend(to_router(&header, &packet(&Ipv4 { destination: ROUTER_0.address, ..header.clone() })));
    frames.into_iter().map(|frame| Vehicle::new(0, frame)).collect()
}

/// A packet to the router itself: as it is, where that is an echo request, and with what it carries spoilt.
fn to_router(header: &Ipv4, packet: &[u8]) -> Vec<Vec<u8>> {
    let at = header.header_len();
    let mut frames = vec![from_client(packet)];
    let mut change = |edit: &dyn Fn(&mut [u8])| {
        let mut packet = packet.to_vec();
        edit(&mut packet[at..]);
        frames.push(from_client(&packet));
    };
    match header.protocol {
        protocol::ICMP => {
            change(&|message| message[2] ^= 0x55);
            for kind in [4, 5, 13, 17, 99] {
                change(&|message| {
                    message[0] = kind;
                    seal_icmp(message);
                });
            }
        }
        protocol::UDP => {
            change(&|datagram| datagram[6] ^= 0x55);
            change(&|datagram| datagram[4..6].copy_from_slice(&[0xff, 0xff]));
            change(&|datagram| datagram[2..4].fill(0));
        }
        _ => {
            change(&|segment| segment[16] ^= 0x55);
            change(&|segment| segment[12] = 0xf0);
            change(&|segment| segment[13] = 0x29);
        }
    }
    frames
}

/// The IPv6 packet under this header, which is a healthy one in transit but perhaps for its options, in every trouble.
pub(crate) fn ipv6(header: &Ipv6, upper: Upper<'_, Ipv6Addr>) -> Vec<Vehicle> {
    let packet = |header: &Ipv6| header.packet(&upper(header.source, header.destination));
    let plain = packet(header);
    let sent = frames_v6::from_client;
    let mut frames = vec![
        tag(&sent(&plain), ethertype::VLAN, 5 << 13),
        snap(ROUTER_0.mac, CLIENT.mac, ethertype::IPV6, &plain),
        ethernet(BROADCAST, CLIENT.mac, ethertype::IPV6, &plain),
        tag(&sent(&plain), ethertype::VLAN, 7),
    ];
    let mut overrun = plain.clone();
    overrun[4..6].copy_from_slice(&(plain.len() as u16 + 60).to_be_bytes());
    let mut version = plain.clone();
    version[0] = 0x56;
    frames.extend([sent(&overrun), sent(&version)]);
    if header.extensions.is_empty() {
        for kind in [0x5e, 0x9e] {
            let extensions = vec![Extension::HopByHop(option(kind, &[0; 4]))];
            frames.push(sent(&packet(&Ipv6 { extensions, ..header.clone() })));
        }
    } else {
        frames.push(sent(&plain));
    }
    for source in ["ff02::9", "::ffff:10.0.1.2", "::1", "::", "fe80::9", "fd00:2::1", "fd00:2::2"] {
        frames.push(sent(&packet(&Ipv6 { source: frames_v6::ip(source), ..header.clone() })));
    }
    let mut to_router = packet(&Ipv6 { destination: ROUTER_0.ipv6, ..header.clone() });
    let at = header.header_len();
    // ICMPv6 has its checksum here, and UDP its destination port.
    to_router[at + 2] ^= 0x55;
    frames.push(sent(&to_router));
    frames.into_iter().map(|frame| Vehicle::new(0, frame)).collect()
}
