//! Frames that carry given bytes in a given place, one for each oddity around it that brings them to the slow path.
//!
//! Read first: RFC 791 §3.1 (options), RFC 792, RFC 826, RFC 1035 §4.1, RFC 2131 §2 and RFC 2132 §9.9, RFC 8200 §4.

use crate::corpus::Carrier;
use crate::vehicle::{self, Vehicle};
use pktgen::build::{
    self, Arp, BROADCAST, Extension, Ipv4, Ipv6, Tcp, ethernet, ethertype, flags, llc, option, protocol,
    snap, tag,
};
use pktgen::{Generator, World};
use stack::Anomaly;
use std::net::Ipv4Addr;
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER};
use tests::frames_v6;

/// Longest frame that is sent.
const LONGEST: usize = 1500;
/// Frames that the generator makes of each reason.
const OF_EACH_REASON: usize = 3;
/// A label of a domain name (RFC 1035 §2.3.4).
const LABEL: usize = 63;

impl Carrier {
    /// How many bytes it has room for.
    pub(crate) const fn room(self) -> usize {
        match self {
            // 40 bytes less kind, length, pointer and flags.
            Self::Ipv4TimestampOption => 36,
            Self::Ipv4RecordRouteOption => 37,
            Self::Ipv4UnknownOption => 38,
            Self::DnsName => 245,
            Self::DhcpOption | Self::HopByHopOption => 250,
            Self::EthernetTrailer => 700,
            Self::IcmpEchoData
            | Self::UdpPayload
            | Self::TcpPayload
            | Self::ArpPadding
            | Self::HttpHeader
            | Self::SnapBody
            | Self::PriorityTaggedBody
            | Self::LlcBody
            | Self::EthertypeBody
            | Self::IcmpErrorQuote
            | Self::Icmpv6EchoData => 1100,
        }
    }

    /// Every frame that carries these bytes here.
    pub(crate) fn frames(self, bytes: &[u8]) -> Vec<Vehicle> {
        let plain = frames::transit();
        match self {
            Self::IcmpEchoData => {
                vehicle::ipv4(&plain, protocol::ICMP, &|_, _| build::icmp(8, 0, [0x12, 0x34, 0, 1], bytes))
            }
            Self::UdpPayload => {
                vehicle::ipv4(&plain, protocol::UDP, &|from, to| build::udp(from, to, 4000, 9, bytes))
            }
            Self::TcpPayload => vehicle::ipv4(&plain, protocol::TCP, &|from, to| tcp(9, from, to, bytes)),
            Self::HttpHeader => {
                let request = [b"GET / HTTP/1.1\r\nHost: example\r\nX-Note: ", bytes, b"\r\n\r\n"].concat();
                vehicle::ipv4(&plain, protocol::TCP, &|from, to| tcp(80, from, to, &request))
            }
            Self::DnsName => vehicle::ipv4(&plain, protocol::UDP, &|from, to| {
                build::udp(from, to, 4000, 53, &query(bytes))
            }),
            Self::DhcpOption => vehicle::ipv4(&plain, protocol::UDP, &|from, to| {
                build::udp(from, to, 68, 67, &discover(bytes))
            }),
            Self::IcmpErrorQuote => {
                let quoted = frames::udp(&Ipv4::new(SERVER.address, CLIENT.address), 9, bytes);
                vehicle::ipv4(&plain, protocol::ICMP, &|_, _| build::icmp(3, 1, [0; 4], &quoted))
            }
            Self::Ipv4TimestampOption => options([68, 0, 5, 0], bytes),
            Self::Ipv4RecordRouteOption => options([7, 0, 4], bytes),
            Self::Ipv4UnknownOption => options([158, 0], bytes),
            Self::HopByHopOption => [0x1e, 0x5e, 0x9e, 0xde]
                .into_iter()
                .flat_map(|kind| {
                    let extensions = vec![Extension::HopByHop(option(kind, bytes))];
                    let header = Ipv6 { extensions, ..frames_v6::transit() };
                    vehicle::ipv6(&header, &|from, to| build::udp(from, to, 4000, 9, b"x"))
                })
                .collect(),
            Self::Icmpv6EchoData => {
                let header = Ipv6 { protocol: protocol::ICMPV6, ..frames_v6::transit() };
                vehicle::ipv6(&header, &|from, to| build::icmpv6(from, to, 128, 0, [0x12, 0x34, 0, 1], bytes))
            }
            Self::ArpPadding => arp(bytes),
            Self::EthernetTrailer => trailers(bytes),
            Self::SnapBody => link_bodies(bytes, |kind, body| snap(ROUTER_0.mac, CLIENT.mac, kind, body)),
            Self::PriorityTaggedBody => link_bodies(bytes, |kind, body| {
                tag(&ethernet(ROUTER_0.mac, CLIENT.mac, kind, body), ethertype::VLAN, 6 << 13)
            }),
            Self::LlcBody => [[0x42, 0x42, 3], [0xe0, 0xe0, 3], [0xf0, 0xf0, 3]]
                .map(|header| Vehicle::new(0, llc(ROUTER_0.mac, CLIENT.mac, header, bytes)))
                .into(),
            Self::EthertypeBody => ethertypes(bytes),
        }
    }
}

fn tcp(to_port: u16, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    Tcp { flags: flags::ACK | flags::PSH, ..Tcp::new(4000, to_port) }.segment(from, to, payload)
}

/// A query for the address of a name made of these bytes.
fn query(name: &[u8]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.chunks(LABEL) {
        message.push(label.len() as u8);
        message.extend(label);
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// A DHCPDISCOVER with these bytes as its message option.
fn discover(text: &[u8]) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78];
    message.resize(28, 0);
    message.extend(CLIENT.mac);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1, 56, text.len() as u8]);
    message.extend(text);
    message.push(255);
    message
}

/// The bytes in an IPv4 option that begins so; the second byte is its length.
fn options(head: impl AsRef<[u8]>, bytes: &[u8]) -> Vec<Vehicle> {
    let mut option = [head.as_ref(), bytes].concat();
    option[1] = option.len() as u8;
    let header = Ipv4 { options: option, ..frames::transit() };
    vehicle::ipv4(&header, protocol::UDP, &|from, to| build::udp(from, to, 4000, 9, b"x"))
}

/// ARP packets that are wrong somewhere, with the bytes behind them.
fn arp(bytes: &[u8]) -> Vec<Vehicle> {
    let right = Arp::request(CLIENT.mac, CLIENT.address, ROUTER_0.address);
    [
        Arp { hardware: 6, ..right },
        Arp { protocol: ethertype::IPV6, ..right },
        Arp { hardware_size: 8, ..right },
        Arp { operation: 9, ..right },
        Arp { sender_mac: BROADCAST, ..right },
        Arp { sender: ROUTER_0.address, ..right },
    ]
    .map(|arp| {
        let body = [&arp.packet()[..], bytes].concat();
        Vehicle::new(0, ethernet(BROADCAST, CLIENT.mac, ethertype::ARP, &body))
    })
    .into()
}

/// Frames of every reason that one frame can show, with the bytes behind the packet.
fn trailers(bytes: &[u8]) -> Vec<Vehicle> {
    let generator = Generator::new(World::lab(), 1042);
    let of_reason = |&anomaly: &Anomaly| {
        let made = (0..40).filter_map(|index| generator.of(anomaly, index));
        let short = made.filter(|made| made.bytes.len() + bytes.len() <= LONGEST).take(OF_EACH_REASON);
        short.map(|made| Vehicle::new(made.port, [&made.bytes[..], bytes].concat())).collect::<Vec<_>>()
    };
    let plain =
        vehicle::ipv4(&frames::transit(), protocol::UDP, &|from, to| build::udp(from, to, 4000, 9, b"x"));
    let plain = plain.into_iter().map(|made| Vehicle { frame: [&made.frame[..], bytes].concat(), ..made });
    Anomaly::ALL.iter().flat_map(of_reason).chain(plain).collect()
}

/// The bytes in what a link-layer envelope holds: as a datagram's payload, as no packet at all, and in a packet that is
/// itself not what it should be.
fn link_bodies(bytes: &[u8], wrap: impl Fn(u16, &[u8]) -> Vec<u8>) -> Vec<Vehicle> {
    let datagram = frames::udp(&frames::transit(), 9, bytes);
    let to_router = frames::udp(&frames::to(ROUTER_0.address), 9, bytes);
    let to_far_side = frames::udp(&frames::to(ROUTER_1.address), 9, bytes);
    let nowhere = frames::udp(&frames::to(Ipv4Addr::new(203, 0, 113, 9)), 9, bytes);
    let martian = frames::udp(&Ipv4::new(Ipv4Addr::new(240, 0, 0, 1), SERVER.address), 9, bytes);
    let dying = frames::udp(&Ipv4 { ttl: 1, ..frames::transit() }, 9, bytes);
    let mut damaged = datagram.clone();
    damaged[10] ^= 0x40;
    let ipv4 = [&datagram[..], &to_router, &to_far_side, &nowhere, &martian, &dying, &damaged, bytes];
    let ipv6 = [frames_v6::udp(&frames_v6::transit(), 9, bytes), bytes.to_vec()];
    let wrapped = ipv4.into_iter().map(|packet| wrap(ethertype::IPV4, packet));
    let wrapped = wrapped.chain(ipv6.iter().map(|packet| wrap(ethertype::IPV6, packet)));
    wrapped
        .chain([wrap(0x88b5, bytes), wrap(ethertype::ARP, bytes)])
        .map(|frame| Vehicle::new(0, frame))
        .collect()
}

/// The bytes as the body of what the router does not serve: LLDP, EAPOL, PPPoE, an experiment, a type that is none.
fn ethertypes(bytes: &[u8]) -> Vec<Vehicle> {
    let nearest = [1, 0x80, 0xc2, 0, 0, 0x0e];
    [
        (nearest, 0x88cc),
        (ROUTER_0.mac, 0x88cc),
        (ROUTER_0.mac, 0x888e),
        (ROUTER_0.mac, 0x8863),
        (BROADCAST, 0x88b5),
        (ROUTER_0.mac, 0x05f0),
    ]
    .map(|(to, kind)| Vehicle::new(0, ethernet(to, CLIENT.mac, kind, bytes)))
    .into()
}
