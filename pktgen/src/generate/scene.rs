//! One frame's stage: who sends it, through which port, to whom, and the dice.
//!
//! Read first: RFC 791 §3.1; RFC 1812 §4.3.2.7 for the frames about which no error may be sent.

use crate::build::{self, Ipv4, Mac, ethertype, icmp_type, protocol};
use crate::dice::Draw;
use crate::world::{Host, Port, World};
use rand_pcg::Pcg64Mcg;
use std::net::Ipv4Addr;

/// Who sends, who receives, and the random numbers for everything that does not matter.
pub(super) struct Scene<'w> {
    pub(super) world: &'w World,
    pub(super) rng: Pcg64Mcg,
    /// Index of the ingress port.
    pub(super) port: usize,
    /// The sender, behind the ingress port.
    pub(super) host: Host,
    /// Index of another port.
    pub(super) peer_port: usize,
    /// A host behind that other port.
    pub(super) peer: Host,
}

impl<'w> Scene<'w> {
    pub(super) fn new(world: &'w World, mut rng: Pcg64Mcg) -> Self {
        let peopled: Vec<usize> =
            (0..world.ports.len()).filter(|&i| !world.ports[i].hosts.is_empty()).collect();
        let first = rng.below(peopled.len());
        let second = (first + 1 + rng.below(peopled.len() - 1)) % peopled.len();
        let (port, peer_port) = (peopled[first], peopled[second]);
        let host = *rng.pick(&world.ports[port].hosts);
        let peer = *rng.pick(&world.ports[peer_port].hosts);
        Self { world, rng, port, host, peer_port, peer }
    }

    pub(super) fn port_number(&self) -> u8 {
        self.port as u8
    }

    /// The router on the ingress port.
    pub(super) fn router(&self) -> &'w Port {
        &self.world.ports[self.port]
    }

    /// A header from the sender to anyone, the don't-cares random.
    pub(super) fn header(&mut self, destination: Ipv4Addr) -> Ipv4 {
        Ipv4 {
            service: *self.rng.pick(&[0, 0, 0, 0x10, 0x28, 0xb8, 0xc0, 0x02]),
            identification: self.rng.word(),
            ttl: *self.rng.pick(&self.world.ttls),
            ..Ipv4::new(self.host.address, destination)
        }
    }

    /// A header from the sender through the router.
    pub(super) fn transit(&mut self) -> Ipv4 {
        self.header(self.peer.address)
    }

    /// A header to one of the router's addresses, more often that of the ingress port. Time to live may be
    /// 0 or 1: to the router itself that is legal (RFC 1812 §4.2.2.9).
    pub(super) fn local(&mut self) -> Ipv4 {
        let port = if self.rng.one_in(4) { self.peer_port } else { self.port };
        let mut header = self.header(self.world.ports[port].address);
        if self.rng.one_in(8) {
            header.ttl = self.rng.below(2) as u8;
        }
        header
    }

    /// A header through the router or to it.
    pub(super) fn either(&mut self) -> Ipv4 {
        if self.rng.one_in(2) { self.transit() } else { self.local() }
    }

    /// A packet with a healthy UDP or TCP segment, of up to 200 bytes of data.
    pub(super) fn packet(&mut self, header: Ipv4) -> Vec<u8> {
        let len = self.rng.below(201);
        self.sized_packet(header, len)
    }

    /// A packet with a healthy UDP or TCP segment with this much data.
    pub(super) fn sized_packet(&mut self, mut header: Ipv4, len: usize) -> Vec<u8> {
        header.protocol = *self.rng.pick(&[protocol::UDP, protocol::TCP]);
        let segment = self.segment(&header, len);
        header.packet(&segment)
    }

    /// A healthy segment or message for the header's protocol; for ICMP an echo reply, which nobody answers.
    pub(super) fn segment(&mut self, header: &Ipv4, len: usize) -> Vec<u8> {
        match header.protocol {
            protocol::UDP | protocol::TCP => {
                self.ports_segment(header.source, header.destination, header.protocol, len)
            }
            _ => {
                let data = self.rng.bytes(len);
                build::icmp(icmp_type::ECHO_REPLY, 0, [0, 1, self.rng.byte(), 2], &data)
            }
        }
    }

    /// An ephemeral port and a well-known one, in either order.
    pub(super) fn l4_ports(&mut self) -> (u16, u16) {
        let client = self.rng.between(32_768, 60_999) as u16;
        let server = *self.rng.pick(&[22, 53, 80, 123, 443, 514, 5001, 8080]);
        if self.rng.one_in(2) { (client, server) } else { (server, client) }
    }

    /// The packet in a frame from the sender to the router; short frames are padded half of the time, as
    /// they are on a real link but not on a virtual one.
    pub(super) fn frame(&mut self, packet: &[u8]) -> Vec<u8> {
        let frame = self.bare_frame(packet);
        if self.rng.one_in(2) { build::pad(frame) } else { frame }
    }

    /// The packet in a frame from the sender to the router, never padded.
    pub(super) fn bare_frame(&self, packet: &[u8]) -> Vec<u8> {
        self.frame_to(self.router().mac, packet)
    }

    /// The packet in a frame from the sender to anyone.
    pub(super) fn frame_to(&self, destination: Mac, packet: &[u8]) -> Vec<u8> {
        build::ethernet(destination, self.host.mac, ethertype::IPV4, packet)
    }

    /// A group address: all stations, all hosts, or a bridge protocol's.
    pub(super) fn group_mac(&mut self) -> Mac {
        *self.rng.pick(&[build::BROADCAST, [1, 0, 0x5e, 0, 0, 1], [1, 0x80, 0xc2, 0, 0, 0x0e]])
    }

    /// An IP destination that means several hosts, the router among them, and its MAC address.
    pub(super) fn group(&mut self) -> (Ipv4Addr, Mac) {
        let all_hosts = (Ipv4Addr::new(224, 0, 0, 1), [1, 0, 0x5e, 0, 0, 1]);
        match (self.rng.below(3), self.router().broadcast()) {
            (0, _) => all_hosts,
            (1, Some(directed)) => (directed, build::BROADCAST),
            _ => (Ipv4Addr::BROADCAST, build::BROADCAST),
        }
    }

    /// The header and link destination for a packet whose error is still to be put in. One in three is made
    /// such that RFC 1812 §4.3.2.7 forbids an ICMP error about it, each time for another one of its causes.
    pub(super) fn maybe_unanswerable(&mut self) -> (Ipv4, Mac, Vec<u8>) {
        let mut header = self.either();
        let mut link = self.router().mac;
        header.protocol = *self.rng.pick(&[protocol::UDP, protocol::TCP, protocol::ICMP]);
        let len = self.rng.below(65);
        if self.rng.one_in(3) {
            match self.rng.below(5) {
                0 => (header.destination, link) = self.group(),
                1 => link = self.group_mac(),
                2 => header.offset = self.rng.between(2, 180) as u16,
                3 => {
                    let sources = [[0, 0, 0, 0], [224, 0, 0, 9], [127, 0, 0, 1], [255; 4], [240, 0, 0, 7]];
                    header.source = Ipv4Addr::from(*self.rng.pick(&sources));
                }
                _ => {
                    header.protocol = protocol::ICMP;
                    let quoted = self.quoted(len);
                    let kind = *self.rng.pick(&[icmp_type::UNREACHABLE, icmp_type::TIME_EXCEEDED]);
                    return (header, link, build::icmp(kind, 1, [0; 4], &quoted));
                }
            }
        }
        let segment = self.segment(&header, len);
        (header, link, segment)
    }

    /// What an ICMP error from the sender would quote: a packet that had been sent to it.
    pub(super) fn quoted(&mut self, len: usize) -> Vec<u8> {
        let mut sent = self.header(self.host.address);
        sent.source = self.router().address;
        build::icmp_error_quote(&self.sized_packet(sent, len))
    }
}
