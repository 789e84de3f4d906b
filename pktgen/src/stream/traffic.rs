//! Healthy traffic between hosts: flows of several protocols, both ways, in the sizes of a mix.
//!
//! Read first: RFC 2544 §9 and RFC 6985 for sizes; RFC 768, RFC 9293, RFC 792, RFC 4443 for what flows.

use super::packet::Packet;
use super::party::Parties;
use super::payload::Payload;
use super::segment::{Data, Segment};
use super::weighted::Weighted;
use super::{FRAME_MAX, StreamPlan};
use crate::build::{ETHERNET_HEADER, flags, icmp_type, icmpv6_type};
use crate::dice::{Counter, Draw, key};
use crate::world::World;

/// Simple IMIX: of twelve frames seven have 64 bytes, four 594 and one 1518, FCS counted. No standard defines it;
/// it is the mix that traffic generators have in common (RFC 6985 is how to write any mix down).
pub const SIMPLE_IMIX: [(u32, u16); 3] = [(7, 64), (4, 594), (1, 1518)];

/// The sizes of RFC 2544 §9.1 for Ethernet, each as often, FCS counted.
pub const RFC_2544_SIZES: [(u32, u16); 7] =
    [(1, 64), (1, 128), (1, 256), (1, 512), (1, 1024), (1, 1280), (1, 1518)];

/// What flows: relative weights, of which at least one is not 0. A flow is of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// UDP over IPv4.
    pub udp: u32,
    /// TCP over IPv4.
    pub tcp: u32,
    /// Echo requests and replies over IPv4.
    pub icmp: u32,
    /// UDP over IPv6.
    pub udp6: u32,
    /// TCP over IPv6.
    pub tcp6: u32,
    /// Echo requests and replies over IPv6.
    pub icmp6: u32,
}

impl Protocols {
    /// Only UDP over IPv4, as RFC 2544 §C.2.6.4 tests with.
    pub const UDP: Self = Self { udp: 1, tcp: 0, icmp: 0, udp6: 0, tcp6: 0, icmp6: 0 };
    /// IPv4 only.
    pub const IPV4: Self = Self { udp6: 0, tcp6: 0, icmp6: 0, ..Self::BOTH };
    /// IPv6 only.
    pub const IPV6: Self = Self { udp: 0, tcp: 0, icmp: 0, ..Self::BOTH };
    /// Both families alike.
    const BOTH: Self = Self { udp: 6, tcp: 12, icmp: 1, udp6: 6, tcp6: 12, icmp6: 1 };

    const fn weights(self) -> [u32; 6] {
        [self.udp, self.tcp, self.icmp, self.udp6, self.tcp6, self.icmp6]
    }

    pub(super) fn has_weight(self) -> bool {
        self.weights() != [0; 6]
    }
}

impl Default for Protocols {
    /// Both families alike, two TCP flows for each UDP flow, and a ping now and then.
    fn default() -> Self {
        Self::BOTH
    }
}

/// Flows differ in their client's port and then in their server's; more would be the same again.
pub(super) const FLOWS_MAX: u32 = CLIENT_PORTS * SERVER_PORTS.len() as u32;
const CLIENT_PORTS: u32 = 64_512;
const FIRST_CLIENT_PORT: u32 = 1_024;
const SERVER_PORTS: [u16; 16] =
    [443, 80, 53, 22, 123, 25, 110, 143, 179, 389, 514, 993, 5060, 5432, 6379, 8080];

const STREAM: u64 = 0x702;

#[derive(Debug, Clone)]
pub(super) struct Traffic {
    key: u64,
    flows: u32,
    protocols: Weighted,
    sizes: Weighted,
    /// Bytes of the IP packet, for each size.
    totals: Vec<usize>,
    ttls: Vec<u8>,
}

impl Traffic {
    /// `None` if nothing has a weight.
    pub(super) fn new(world: &World, plan: &StreamPlan) -> Option<Self> {
        // A frame's length with FCS, less Ethernet header and FCS.
        let total = |&(_, frame): &(u32, u16)| {
            usize::from(frame).saturating_sub(ETHERNET_HEADER + 4).min(world.path_mtu())
        };
        Some(Self {
            key: key(plan.seed, STREAM),
            flows: plan.flows,
            protocols: Weighted::new(plan.protocols.weights())?,
            sizes: Weighted::new(plan.sizes.iter().map(|&(weight, _)| weight))?,
            totals: plan.sizes.iter().map(total).collect(),
            ttls: world.ttls.clone(),
        })
    }

    /// Writes a packet of any flow: its length, its port, and the flow.
    pub(super) fn frame(
        &self,
        parties: &Parties,
        payload: &Payload,
        rng: &mut Counter,
        index: u64,
        buffer: &mut [u8; FRAME_MAX],
    ) -> (usize, u8, u32) {
        let flow = rng.below(self.flows as usize) as u32;
        let mut of_flow = Counter::new(self.key, flow.into());
        let (client, server) = parties.two(&mut of_flow);
        let protocol = self.protocols.draw(&mut of_flow);
        let hops = *of_flow.pick(&self.ttls);
        let answer = rng.one_in(2);
        let (from, to) = if answer { (server, client) } else { (client, server) };
        let ipv6 = protocol >= 3;
        let packet = Packet {
            hops,
            id: index as u32,
            dont_fragment: protocol % 3 == 1,
            ..Packet::transit(from, to, ipv6)
        };
        let segment = self.segment(flow, protocol, answer, index);
        let head = if ipv6 { 40 } else { 20 } + segment.header_len();
        let len = self.totals[self.sizes.draw(rng)].saturating_sub(head);
        let len = packet.whole(buffer, &segment, Data { payload, len, mark: Some(index) });
        (len, from.port, flow)
    }

    fn segment(&self, flow: u32, protocol: usize, answer: bool, index: u64) -> Segment {
        let client = (FIRST_CLIENT_PORT + flow % CLIENT_PORTS) as u16;
        let server = SERVER_PORTS[(flow / CLIENT_PORTS) as usize % SERVER_PORTS.len()];
        let (from, to) = if answer { (server, client) } else { (client, server) };
        match protocol {
            0 | 3 => Segment::Udp { from, to },
            1 | 4 => Segment::Tcp {
                from,
                to,
                sequence: index as u32,
                acknowledgment: (index >> 8) as u32,
                flags: flags::ACK | flags::PSH,
            },
            _ => {
                let kind = match (protocol, answer) {
                    (2, false) => icmp_type::ECHO,
                    (2, true) => icmp_type::ECHO_REPLY,
                    (_, false) => icmpv6_type::ECHO,
                    (_, true) => icmpv6_type::ECHO_REPLY,
                };
                let [a, b] = (flow as u16).to_be_bytes();
                let [c, d] = (index as u16).to_be_bytes();
                Segment::Icmp { kind, rest: [a, b, c, d] }
            }
        }
    }
}
