//! The stage for IPv6, and for what IPv4 and IPv6 carry alike.
//!
//! Read first: RFC 8200 §3; RFC 4291 §2.5 to §2.8; RFC 2464 (IPv6 over Ethernet).

use super::scene::Scene;
use crate::build::{self, Ipv4, Ipv6, Mac, Tcp, ethertype, flags, icmpv6_type, protocol};
use crate::dice::Draw;
use std::net::{IpAddr, Ipv6Addr};

/// A header of either family.
pub(super) enum Header {
    V4(Ipv4),
    V6(Ipv6),
}

impl Header {
    pub(super) fn carrying(self, protocol: u8) -> Self {
        match self {
            Self::V4(header) => Self::V4(Ipv4 { protocol, ..header }),
            Self::V6(header) => Self::V6(Ipv6 { protocol, ..header }),
        }
    }

    pub(super) const fn protocol(&self) -> u8 {
        match self {
            Self::V4(header) => header.protocol,
            Self::V6(header) => header.protocol,
        }
    }

    /// Source and destination.
    pub(super) const fn addresses(&self) -> (IpAddr, IpAddr) {
        match self {
            Self::V4(header) => (IpAddr::V4(header.source), IpAddr::V4(header.destination)),
            Self::V6(header) => (IpAddr::V6(header.source), IpAddr::V6(header.destination)),
        }
    }

    /// Is the source a link-local IPv6 address?
    pub(super) const fn is_link_local(&self) -> bool {
        matches!(self, Self::V6(header) if header.source.is_unicast_link_local())
    }

    /// Puts the checksum of what it carries right.
    pub(super) fn seal(&self, segment: &mut [u8]) {
        let (source, destination) = self.addresses();
        build::seal_segment(source, destination, self.protocol(), segment);
    }

    /// Does the checksum of what it carries hold?
    pub(super) fn checks(&self, segment: &[u8]) -> bool {
        let (source, destination) = self.addresses();
        build::segment_checksum(source, destination, self.protocol(), segment) == 0
    }
}

/// What holds for either family.
impl Scene<'_> {
    /// A header to the router.
    pub(super) fn any_local(&mut self) -> Header {
        if self.rng.one_in(2) { Header::V4(self.local()) } else { Header::V6(self.local6()) }
    }

    /// A header through the router.
    pub(super) fn any_transit(&mut self) -> Header {
        if self.rng.one_in(2) { Header::V4(self.transit()) } else { Header::V6(self.transit6()) }
    }

    /// A header through the router or to it.
    pub(super) fn any_either(&mut self) -> Header {
        if self.rng.one_in(2) { self.any_transit() } else { self.any_local() }
    }

    /// A healthy segment or message for the header's protocol.
    pub(super) fn any_segment(&mut self, header: &Header, len: usize) -> Vec<u8> {
        match header {
            Header::V4(header) => self.segment(header, len),
            Header::V6(header) => self.segment6(header, len),
        }
    }

    /// A frame from the sender to the router, perhaps padded.
    pub(super) fn any_frame(&mut self, header: &Header, payload: &[u8]) -> Vec<u8> {
        match header {
            Header::V4(header) => self.frame(&header.packet(payload)),
            Header::V6(header) => self.frame6(&header.packet(payload)),
        }
    }

    /// The same, never padded.
    pub(super) fn any_bare_frame(&self, header: &Header, payload: &[u8]) -> Vec<u8> {
        match header {
            Header::V4(header) => self.bare_frame(&header.packet(payload)),
            Header::V6(header) => self.bare_frame6(&header.packet(payload)),
        }
    }

    /// A frame with a healthy UDP datagram or TCP segment, through the router or to it.
    pub(super) fn healthy_frame(&mut self) -> Vec<u8> {
        let header = self.any_either();
        let header = header.carrying(*self.rng.pick(&[protocol::UDP, protocol::TCP]));
        let len = self.rng.below(201);
        let segment = self.any_segment(&header, len);
        self.any_frame(&header, &segment)
    }

    /// A healthy UDP datagram or TCP segment.
    pub(super) fn ports_segment(
        &mut self,
        source: impl Into<IpAddr>,
        destination: impl Into<IpAddr>,
        protocol: u8,
        len: usize,
    ) -> Vec<u8> {
        let data = self.rng.bytes(len);
        let (from, to) = self.l4_ports();
        if protocol == protocol::UDP {
            return build::udp(source, destination, from, to, &data);
        }
        let flags =
            *self.rng.pick(&[flags::SYN, flags::ACK, flags::ACK | flags::PSH, flags::FIN | flags::ACK]);
        let sequence = self.rng.word().into();
        Tcp { flags, sequence, ..Tcp::new(from, to) }.segment(source, destination, &data)
    }
}

/// What is IPv6's own.
impl Scene<'_> {
    /// A header from the sender to anyone, the don't-cares random.
    pub(super) fn header6(&mut self, destination: Ipv6Addr) -> Ipv6 {
        Ipv6 {
            traffic_class: *self.rng.pick(&[0, 0, 0, 0x10, 0x28, 0xb8, 0xc0, 0x02]),
            flow_label: if self.rng.one_in(2) { 0 } else { u32::from(self.rng.word()) << 4 },
            hop_limit: *self.rng.pick(&self.world.ttls),
            ..Ipv6::new(self.host.ipv6, destination)
        }
    }

    /// A header from the sender through the router.
    pub(super) fn transit6(&mut self) -> Ipv6 {
        self.header6(self.peer.ipv6)
    }

    /// A header to one of the router's addresses, more often that of the ingress port, now and then link-local.
    /// Hop limit may be 0 or 1: a packet that has arrived is not discarded for it (RFC 8200 §3).
    pub(super) fn local6(&mut self) -> Ipv6 {
        let mut header = match self.rng.below(8) {
            0 => {
                let header = self.header6(self.router().link_local());
                Ipv6 { source: self.host.link_local(), ..header }
            }
            1 | 2 => self.header6(self.world.ports[self.peer_port].ipv6),
            _ => self.header6(self.router().ipv6),
        };
        if self.rng.one_in(8) {
            header.hop_limit = self.rng.below(2) as u8;
        }
        header
    }

    /// A header through the router or to it.
    pub(super) fn either6(&mut self) -> Ipv6 {
        if self.rng.one_in(2) { self.transit6() } else { self.local6() }
    }

    /// A packet with a healthy UDP or TCP segment, of up to 200 bytes of data.
    pub(super) fn packet6(&mut self, mut header: Ipv6) -> Vec<u8> {
        header.protocol = *self.rng.pick(&[protocol::UDP, protocol::TCP]);
        let len = self.rng.below(201);
        let segment = self.segment6(&header, len);
        header.packet(&segment)
    }

    /// A healthy segment or message for the header's protocol; for ICMPv6 an echo reply, which nobody answers.
    pub(super) fn segment6(&mut self, header: &Ipv6, len: usize) -> Vec<u8> {
        let (source, destination) = (header.source, header.destination);
        match header.protocol {
            protocol::UDP | protocol::TCP => self.ports_segment(source, destination, header.protocol, len),
            protocol::NO_NEXT => self.rng.bytes(len),
            _ => {
                let rest = [0, 1, self.rng.byte(), 2];
                let data = self.rng.bytes(len);
                build::icmpv6(source, destination, icmpv6_type::ECHO_REPLY, 0, rest, &data)
            }
        }
    }

    /// The packet in a frame from the sender to the router; short frames are padded half of the time.
    pub(super) fn frame6(&mut self, packet: &[u8]) -> Vec<u8> {
        let frame = self.bare_frame6(packet);
        if self.rng.one_in(2) { build::pad(frame) } else { frame }
    }

    /// The packet in a frame from the sender to the router, never padded.
    pub(super) fn bare_frame6(&self, packet: &[u8]) -> Vec<u8> {
        self.frame6_to(self.router().mac, packet)
    }

    /// The packet in a frame from the sender to anyone.
    pub(super) fn frame6_to(&self, destination: Mac, packet: &[u8]) -> Vec<u8> {
        build::ethernet(destination, self.host.mac, ethertype::IPV6, packet)
    }

    /// What an ICMPv6 error from the sender would quote: a packet that had been sent to it.
    pub(super) fn quoted6(&mut self, len: usize) -> Vec<u8> {
        let mut sent = self.header6(self.host.ipv6);
        sent.source = self.router().ipv6;
        sent.protocol = protocol::UDP;
        let segment = self.segment6(&sent, len);
        sent.packet(&segment)
    }
}
