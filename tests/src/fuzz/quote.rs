//! ICMP and ICMPv6 errors about any bytes: each is well-formed, is allowed at all, and quotes what was received.

use super::{Input, SMALL};
use crate::{Sim, frames};
use pktgen::build::{ethernet, internet_checksum, protocol, seal_ipv4, seal_segment};
use pktgen::oracle::judge_error;
use smoltcp::time::Duration;
use stack::{Action, Origin, Rate};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What ought to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    TimeToLive,
    NoRoute,
    TooLarge,
    Protocol,
    Port,
    NoSuchHost,
    Parameter,
}

/// Every cause.
pub(super) const CAUSES: [Cause; 7] = [
    Cause::TimeToLive,
    Cause::NoRoute,
    Cause::TooLarge,
    Cause::Protocol,
    Cause::Port,
    Cause::NoSuchHost,
    Cause::Parameter,
];

/// Bits of the second byte: what is left as it is in the input, and which family it is.
pub(super) mod keep {
    pub(in crate::fuzz) const ADDRESSES: u8 = 1;
    pub(in crate::fuzz) const HEADER_LENGTH: u8 = 2;
    pub(in crate::fuzz) const TOTAL_LENGTH: u8 = 4;
    pub(in crate::fuzz) const CHECKSUM: u8 = 8;
    pub(in crate::fuzz) const PROTOCOL: u8 = 16;
    pub(in crate::fuzz) const GROUP: u8 = 32;
    pub(in crate::fuzz) const IPV6: u8 = 64;
}

/// The MTU behind port 1: the least that a port with IPv6 has.
const SMALL_MTU: usize = 1280;

/// One byte for the cause, one for what is kept; the rest is an IP packet, whose header is put right otherwise.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let cause = input.pick(&CAUSES);
    let fix = Fix { cause, keep: input.byte() };
    let mut packet = input.0[..input.0.len().min(1500)].to_vec();
    if cause == Cause::TooLarge {
        packet.resize(packet.len().max(SMALL_MTU + 1), 0);
    }
    let mut frame = if fix.keeps(keep::IPV6) {
        ethernet(frames::ROUTER_0.mac, frames::CLIENT.mac, 0x86dd, &fix.ipv6(packet))
    } else {
        frames::from_client(&fix.ipv4(packet))
    };
    if fix.keeps(keep::GROUP) {
        frame[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    }
    let mut sim = Sim::cold(
        |config| {
            config.ports[1].mtu = SMALL_MTU;
            config.limits.divert_rate = Rate { per_second: 100, burst: 100 };
        },
        SMALL,
    );
    sim.prime();
    let _ = sim.send(0, &frame);
    for divert in sim.diverts() {
        // It may be refused: only some reasons have one.
        let _ = sim.answer(&divert.answer(Action::ParameterProblem));
    }
    // As long as it takes to find out that a host is not there.
    sim.advance(Duration::from_secs(30));
    judge(&mut sim, cause, &frame);
}

/// Judges every error among the frames that the router made.
fn judge(sim: &mut Sim, cause: Cause, frame: &[u8]) {
    let world = sim.world().clone();
    let mut count = 0;
    for sent in sim.transmitted() {
        if matches!(sent.origin, Origin::Forwarded { .. } | Origin::Fragment) {
            continue;
        }
        let is_error = match (&sent.bytes[12..14], &sent.bytes[14..]) {
            ([8, 0], packet) => packet[9] == 1 && matches!(packet[20], 3 | 11 | 12),
            ([0x86, 0xdd], packet) => packet[6] == 58 && packet[40] < 128,
            _ => false,
        };
        if !is_error {
            continue;
        }
        count += 1;
        if let Err(fault) = judge_error(&world, frame, (sent.port, &sent.bytes)) {
            panic!("{fault}: {cause:?}\nabout {frame:02x?}\nsent {:02x?}", sent.bytes);
        }
    }
    assert!(count <= 1, "{count} errors about one frame");
}

/// Puts a packet of the client right, so that it causes what it ought to.
struct Fix {
    cause: Cause,
    keep: u8,
}

impl Fix {
    const fn keeps(&self, bit: u8) -> bool {
        self.keep & bit != 0
    }

    /// UDP for somebody who is not there; anything else as it is.
    fn protocol(&self, given: u8) -> u8 {
        if self.cause == Cause::Port && !self.keeps(keep::PROTOCOL) { protocol::UDP } else { given }
    }

    fn hops(&self, given: u8) -> u8 {
        if self.cause == Cause::TimeToLive { 1 } else { given.max(2) }
    }

    fn ipv4(&self, mut packet: Vec<u8>) -> Vec<u8> {
        packet.resize(packet.len().max(20), 0);
        if !self.keeps(keep::HEADER_LENGTH) {
            let words = usize::from(packet[0] & 15).clamp(5, packet.len() / 4);
            packet[0] = 0x40 | words as u8;
        }
        if !self.keeps(keep::TOTAL_LENGTH) {
            let len = packet.len() as u16;
            packet[2..4].copy_from_slice(&len.to_be_bytes());
        }
        if self.cause == Cause::TooLarge {
            packet[6] |= 0x40;
        }
        (packet[8], packet[9]) = (self.hops(packet[8]), self.protocol(packet[9]));
        let destination = match self.cause {
            Cause::TimeToLive | Cause::TooLarge | Cause::Parameter => frames::SERVER.address,
            Cause::NoRoute => Ipv4Addr::new(203, 0, 113, 9),
            Cause::Protocol | Cause::Port => frames::ROUTER_0.address,
            Cause::NoSuchHost => Ipv4Addr::new(10, 0, 2, 77),
        };
        if !self.keeps(keep::ADDRESSES) {
            packet[12..16].copy_from_slice(&frames::CLIENT.address.octets());
            packet[16..20].copy_from_slice(&destination.octets());
        }
        let header = usize::from(packet[0] & 15) * 4;
        if !self.keeps(keep::CHECKSUM) && (20..=packet.len()).contains(&header) {
            seal_ipv4(&mut packet);
            let address =
                |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
            let (source, destination, kind) = (address(12), address(16), packet[9]);
            self.measure_udp(&mut packet[header..], kind);
            seal_segment(source, destination, kind, &mut packet[header..]);
        }
        packet
    }

    fn ipv6(&self, mut packet: Vec<u8>) -> Vec<u8> {
        packet.resize(packet.len().max(40), 0);
        packet[0] = 0x60 | (packet[0] & 15);
        if !self.keeps(keep::TOTAL_LENGTH) {
            let len = (packet.len() - 40) as u16;
            packet[4..6].copy_from_slice(&len.to_be_bytes());
        }
        (packet[6], packet[7]) = (self.protocol(packet[6]), self.hops(packet[7]));
        let destination = match self.cause {
            Cause::TimeToLive | Cause::TooLarge | Cause::Parameter => frames::SERVER.ipv6,
            Cause::NoRoute => Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0, 0, 1),
            Cause::Protocol | Cause::Port => frames::ROUTER_0.ipv6,
            Cause::NoSuchHost => Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 77),
        };
        if !self.keeps(keep::ADDRESSES) {
            packet[8..24].copy_from_slice(&frames::CLIENT.ipv6.octets());
            packet[24..40].copy_from_slice(&destination.octets());
        }
        let (kind, message) = (packet[6], packet.len() - 40);
        let at = match kind {
            6 => 16,
            17 => 6,
            58 => 2,
            _ => return packet,
        };
        if !self.keeps(keep::CHECKSUM) && message >= at + 2 {
            self.measure_udp(&mut packet[40..], kind);
            packet[40 + at..42 + at].fill(0);
            let len = (message as u32).to_be_bytes();
            let covered = [&packet[8..40], &len, &[0, 0, 0, kind], &packet[40..]].concat();
            let sum = internet_checksum(&covered);
            packet[40 + at..42 + at].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    }

    fn measure_udp(&self, datagram: &mut [u8], kind: u8) {
        if kind == protocol::UDP && datagram.len() >= 8 && !self.keeps(keep::PROTOCOL) {
            let len = datagram.len() as u16;
            datagram[4..6].copy_from_slice(&len.to_be_bytes());
        }
    }
}
