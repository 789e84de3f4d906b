//! A slow, obvious router: what must become of one frame, decided by the oracle and a few plain lists.
//!
//! Read first: RFC 1812 §5.2.1. Neighbours all answer, nothing is held and no limit is ever reached.

use pktgen::build::Mac;
use pktgen::oracle::{self, Judgement};
use pktgen::{World, build};
use stack::{Anomaly, DropReason, PortId, Verdict};
use std::net::Ipv4Addr;

/// A destination network and the way to it.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The network's address.
    pub network: Ipv4Addr,
    /// Its prefix length.
    pub prefix: u8,
    /// Egress port.
    pub port: u8,
    /// MAC address of the next hop; `None`: of the destination, looked up among the port's hosts.
    pub next_hop: Option<Mac>,
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
    /// Handed to the local host.
    Delivered,
    /// ARP: used up.
    Consumed,
    /// Discarded for another reason than an anomaly.
    Dropped(DropReason),
    /// It is this anomaly, and its row's mode decides.
    Odd(Anomaly),
    /// It has to wait for a neighbour that is in no list.
    Waits,
}

impl Fate {
    /// Is this the verdict (and, for a frame that is sent on, are these the bytes) that the fate asks for?
    pub fn agrees_with(&self, verdict: Verdict, bytes: &[u8]) -> bool {
        match self {
            Self::Forwarded(port, right) => {
                verdict == Verdict::Forward { port: PortId(*port) } && bytes == right.as_slice()
            }
            Self::Delivered => verdict == Verdict::Deliver,
            Self::Consumed | Self::Waits => verdict == Verdict::Consume,
            Self::Dropped(reason) => verdict == Verdict::Drop(*reason),
            Self::Odd(anomaly) => verdict == Verdict::Divert(*anomaly),
        }
    }
}

impl Reference {
    /// A router that knows the connected networks of its ports, and these ways beyond.
    pub fn new(world: World, beyond: &[Way]) -> Self {
        let connected = world.ports.iter().enumerate().map(|(index, port)| Way {
            network: port.address,
            prefix: port.prefix,
            port: index as u8,
            next_hop: None,
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
        if frame[12..14] == build::ethertype::ARP.to_be_bytes() {
            return Fate::Consumed;
        }
        let packet = &frame[14..];
        let to = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]);
        if self.world.is_router(to) {
            return self.deliver(packet);
        }
        let here = &self.world.ports[usize::from(port)];
        if to.is_multicast() || to.is_broadcast() || here.is_broadcast(to) {
            return Fate::Dropped(DropReason::GroupNotJoined);
        }
        self.forward(frame, to)
    }

    fn deliver(&self, packet: &[u8]) -> Fate {
        let header = usize::from(packet[0] & 15) * 4;
        let whole = packet[6] & 0x3f == 0 && packet[7] == 0;
        match packet[9] {
            _ if !whole => Fate::Delivered,
            1 | 6 => Fate::Delivered,
            // The echo service is the only one here.
            17 if packet[header + 2..header + 4] == [0, 7] => Fate::Delivered,
            17 => Fate::Dropped(DropReason::PortUnreachable),
            _ => Fate::Dropped(DropReason::ProtocolUnreachable),
        }
    }

    fn forward(&self, frame: &[u8], to: Ipv4Addr) -> Fate {
        if frame[22] < 2 {
            return Fate::Dropped(DropReason::TtlExpired);
        }
        // Every way that leads there, and of those the one that says most.
        let matching = self.ways.iter().filter(|way| {
            (0..way.prefix).all(|bit| {
                let mask = 1 << (31 - u32::from(bit));
                u32::from(to) & mask == u32::from(way.network) & mask
            })
        });
        let Some(way) = matching.max_by_key(|way| way.prefix) else {
            return Fate::Dropped(DropReason::NoRoute);
        };
        let egress = &self.world.ports[usize::from(way.port)];
        let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        if total > egress.mtu {
            let dont_fragment = frame[20] & 0x40 != 0;
            let reason = if dont_fragment { DropReason::FragmentationNeeded } else { DropReason::TooLarge };
            return Fate::Dropped(reason);
        }
        let host = egress.hosts.iter().find(|host| host.address == to).map(|host| host.mac);
        let Some(mac) = way.next_hop.or(host) else { return Fate::Waits };
        let bytes = oracle::forward(frame, egress.mac, mac).expect("a healthy frame with time to live");
        Fate::Forwarded(way.port, bytes)
    }
}
