//! A slow, obvious router: what must become of one frame, decided by the oracle and a few plain lists.
//!
//! Read first: RFC 1812 §5.2.1, §5.2.6; RFC 8200 §3, §5; RFC 4291 §2.6.1, §2.8. Neighbours all answer, nothing is
//! held and no limit is ever reached. Routes are looked at one after the other, bit by bit; checksums are summed up
//! from scratch.

use crate::fragmenter::cut_ipv4;
use pktgen::build::{Mac, ethernet, ethertype, protocol, seal_ipv4};
use pktgen::oracle::{self, Judgement};
use pktgen::{World, world};
use stack::classify::TABLE;
use stack::{Anomaly, DropReason, Mode, PortId, Verdict};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The UDP port of the only service that this router has.
const ECHO: u16 = 7;

/// Where a way leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// The destination is looked up among the port's hosts.
    OnLink(u8),
    /// By this port to whom this MAC address belongs.
    Via(u8, Mac),
    /// Nowhere, for this reason.
    Nowhere(DropReason),
}

/// A destination network and the way to it.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The network's address.
    pub network: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// Where it leads.
    pub onward: Onward,
}

/// The reference router.
#[derive(Debug, Clone)]
pub struct Reference {
    world: World,
    ways: Vec<Way>,
}

/// What must become of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Sent on, with these bytes.
    Forwarded(u8, Vec<u8>),
    /// Sent on in fragments: these frames.
    Cut(u8, Vec<Vec<u8>>),
    /// Handed to the local host.
    Delivered,
    /// A fragment for the local host: what came before decides whether it is of use.
    Piece,
    /// ARP or Neighbour Discovery: used up.
    Consumed,
    /// Discarded for another reason than an anomaly.
    Dropped(DropReason),
    /// It is this anomaly: held if its row says so, else dropped.
    Odd(Anomaly),
    /// It has to wait for a neighbour that is in no list.
    Waits,
}

impl Fate {
    /// Is this the verdict (and, for a frame that is sent on, are these the frames) that the fate asks for?
    pub fn agrees_with(&self, verdict: Verdict, sent: &[(u8, Vec<u8>)]) -> bool {
        match self {
            Self::Forwarded(port, right) => {
                verdict == Verdict::Forward { port: PortId(*port) } && *sent == [(*port, right.clone())]
            }
            Self::Cut(port, right) => {
                let right = right.iter().map(|piece| (*port, piece.clone()));
                verdict == Verdict::Consume && right.eq(sent.iter().cloned())
            }
            Self::Delivered | Self::Piece => verdict == Verdict::Deliver && sent.is_empty(),
            Self::Consumed | Self::Waits => verdict == Verdict::Consume && sent.is_empty(),
            Self::Dropped(reason) => verdict == Verdict::Drop(*reason) && sent.is_empty(),
            Self::Odd(anomaly) => {
                let right = match TABLE[*anomaly as usize].mode {
                    Mode::Enforce => Verdict::Divert(*anomaly),
                    Mode::Off | Mode::Observe => Verdict::Drop(DropReason::Anomaly(*anomaly)),
                };
                verdict == right && sent.is_empty()
            }
        }
    }

    /// The fate without its particulars.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Forwarded(..) => "forwarded",
            Self::Cut(..) => "cut",
            Self::Delivered => "delivered",
            Self::Piece => "piece",
            Self::Consumed => "consumed",
            Self::Dropped(_) => "dropped",
            Self::Odd(_) => "odd",
            Self::Waits => "waits",
        }
    }
}

/// The bits of an address from the highest on.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

impl Way {
    fn leads_to(&self, address: IpAddr) -> bool {
        let prefix = usize::from(self.prefix);
        self.network.is_ipv4() == address.is_ipv4() && bits(self.network)[..prefix] == bits(address)[..prefix]
    }
}

impl Reference {
    /// A router that knows the connected networks of its ports, and these ways beyond.
    pub fn new(world: World, beyond: &[Way]) -> Self {
        let connected = world.ports.iter().enumerate().flat_map(|(index, port)| {
            let onward = Onward::OnLink(index as u8);
            [
                Way { network: port.address.into(), prefix: port.prefix, onward },
                Way { network: port.ipv6.into(), prefix: world::IPV6_PREFIX, onward },
            ]
        });
        let ways = connected.chain(beyond.iter().copied()).collect();
        Self { world, ways }
    }

    /// The fate of a frame that came in by `port`.
    pub fn fate(&self, port: u8, frame: &[u8]) -> Fate {
        match oracle::judge(&self.world, port, frame) {
            Judgement::Foreign => Fate::Dropped(DropReason::Foreign),
            // Legal but odd goes on as healthy traffic does; so does an echo request outside an experiment.
            Judgement::Anomaly(odd) if odd.must_pass() || odd == Anomaly::EchoRequest => {
                self.serve(port, frame)
            }
            Judgement::Anomaly(anomaly) => Fate::Odd(anomaly),
            Judgement::Healthy => self.serve(port, frame),
        }
    }

    fn serve(&self, port: u8, frame: &[u8]) -> Fate {
        let packet = &frame[14..];
        match u16::from_be_bytes([frame[12], frame[13]]) {
            ethertype::ARP => Fate::Consumed,
            ethertype::IPV4 => self.serve_ipv4(port, packet),
            _ => self.serve_ipv6(port, packet),
        }
    }

    fn serve_ipv4(&self, port: u8, packet: &[u8]) -> Fate {
        let to = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]);
        let header = usize::from(packet[0] & 15) * 4;
        if self.world.is_router(to) {
            let fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
            return if fragment { Fate::Piece } else { deliver(packet[9], &packet[header..]) };
        }
        let here = &self.world.ports[usize::from(port)];
        if to.is_multicast() || to.is_broadcast() || here.is_broadcast(to) {
            return Fate::Dropped(DropReason::GroupNotJoined);
        }
        let packet = &packet[..usize::from(u16::from_be_bytes([packet[2], packet[3]]))];
        self.forward(packet, packet[8], to.into())
    }

    fn serve_ipv6(&self, port: u8, packet: &[u8]) -> Fate {
        let packet = &packet[..40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))];
        let to = address_at(packet, 24);
        let group = self.world.ports[usize::from(port)].is_joined(to);
        let own = self.world.is_router_ipv6(usize::from(port), to);
        if !(own || group || self.world.is_subnet_router(to)) {
            return if to.is_multicast() {
                Fate::Dropped(DropReason::GroupNotJoined)
            } else {
                self.forward(packet, packet[7], to.into())
            };
        }
        let Some((upper, payload)) = upper_layer(packet) else { return Fate::Piece };
        match (upper, payload.first()) {
            (protocol::ICMPV6, Some(133..=136)) => Fate::Consumed,
            (protocol::ICMPV6, _) => Fate::Delivered,
            // No other service can answer for all who have the address.
            _ if !own => Fate::Dropped(DropReason::GroupNotJoined),
            _ => deliver(upper, payload),
        }
    }

    fn forward(&self, packet: &[u8], hops: u8, to: IpAddr) -> Fate {
        if hops < 2 {
            return Fate::Dropped(DropReason::TtlExpired);
        }
        // Every way that leads there, and of those the one that says most.
        let matching = self.ways.iter().filter(|way| way.leads_to(to));
        let (port, next_hop) = match matching.max_by_key(|way| way.prefix).map(|way| way.onward) {
            Some(Onward::OnLink(port)) => (port, None),
            Some(Onward::Via(port, mac)) => (port, Some(mac)),
            Some(Onward::Nowhere(reason)) => return Fate::Dropped(reason),
            None => return Fate::Dropped(DropReason::NoRoute),
        };
        let egress = &self.world.ports[usize::from(port)];
        let may_be_cut = to.is_ipv4() && packet[6] & 0x40 == 0;
        if packet.len() > egress.mtu && !may_be_cut {
            return Fate::Dropped(DropReason::FragmentationNeeded);
        }
        let host = egress.hosts.iter().find(|host| [host.address.into(), host.ipv6.into()].contains(&to));
        let Some(mac) = next_hop.or(host.map(|host| host.mac)) else { return Fate::Waits };
        let on_link = |packet: &[u8]| match to {
            IpAddr::V4(_) => ethernet(mac, egress.mac, ethertype::IPV4, packet),
            IpAddr::V6(_) => ethernet(mac, egress.mac, ethertype::IPV6, packet),
        };
        let mut packet = packet.to_vec();
        if to.is_ipv4() {
            packet[8] -= 1;
            seal_ipv4(&mut packet);
        } else {
            packet[7] -= 1;
        }
        if packet.len() > egress.mtu {
            return Fate::Cut(port, cut_ipv4(&packet, egress.mtu).iter().map(|cut| on_link(cut)).collect());
        }
        Fate::Forwarded(port, on_link(&packet))
    }
}

/// What the host does with a whole packet that carries this.
fn deliver(upper: u8, payload: &[u8]) -> Fate {
    match upper {
        protocol::ICMP | protocol::TCP => Fate::Delivered,
        protocol::UDP if payload[2..4] == ECHO.to_be_bytes() => Fate::Delivered,
        protocol::UDP => Fate::Dropped(DropReason::PortUnreachable),
        _ => Fate::Dropped(DropReason::ProtocolUnreachable),
    }
}

fn address_at(packet: &[u8], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&packet[at..at + 16]);
    octets.into()
}

/// What a healthy packet carries behind its extension headers; `None`: it is a fragment. A Fragment header that
/// says that there is but one piece is like any other.
fn upper_layer(packet: &[u8]) -> Option<(u8, &[u8])> {
    let (mut next, mut rest) = (packet[6], &packet[40..]);
    loop {
        let len = match next {
            protocol::HOP_BY_HOP | protocol::DESTINATION | protocol::ROUTING => {
                (usize::from(rest[1]) + 1) * 8
            }
            protocol::FRAGMENT if rest[2] != 0 || rest[3] & 0xf9 != 0 => return None,
            protocol::FRAGMENT => 8,
            _ => return Some((next, rest)),
        };
        (next, rest) = (rest[0], &rest[len..]);
    }
}
