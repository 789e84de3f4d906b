//! What a frame is, link layer first: a second opinion on every frame, generated, mutated or captured.
//!
//! Read first: IEEE 802.3 §3.2, IEEE 802.1Q §9, RFC 1042, RFC 826, RFC 1812 §3.3.2. The first thing wrong
//! decides. The order of the checks is the table's promise to its readers, so it is written out here again.

use super::{judge_ipv4, judge_ipv6, judge_reverse_path};
use crate::generate::Expected;
use crate::world::World;
use stack::Anomaly;

/// What a frame turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// For another station on the link: ignored.
    Foreign,
    /// To be served on the fast path. A packet whose time to live ends here or that has no route is healthy
    /// too: the router knows the answer.
    Healthy,
    /// The first of the table's anomalies that it has. An echo request to the router is always
    /// [`Anomaly::EchoRequest`], whether or not an experiment holds it.
    Anomaly(Anomaly),
}

impl Judgement {
    /// Is this what the generator meant?
    pub fn agrees_with(self, expected: Expected) -> bool {
        match expected {
            Expected::Unknown => true,
            Expected::Healthy => matches!(self, Self::Healthy | Self::Anomaly(Anomaly::EchoRequest)),
            Expected::Anomaly(anomaly) => self == Self::Anomaly(anomaly),
        }
    }
}

/// Fails with an anomaly where something is wrong.
pub(super) type Check<T> = Result<T, Anomaly>;

/// `Err(anomaly)` if `wrong`.
pub(super) fn reject_if(wrong: bool, anomaly: Anomaly) -> Check<()> {
    if wrong { Err(anomaly) } else { Ok(()) }
}

/// The 16-bit number at `at`; the caller has checked that it is there.
pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// What `frame` is that came in by `port`.
///
/// # Panics
/// If the world has no such port.
pub fn judge(world: &World, port: u8, frame: &[u8]) -> Judgement {
    let port = usize::from(port);
    let judged = match link(world, port, frame) {
        Ok(true) => Judgement::Healthy,
        Ok(false) => Judgement::Foreign,
        Err(anomaly) => Judgement::Anomaly(anomaly),
    };
    // Where it comes from is asked only of what would be served.
    let served = match judged {
        Judgement::Foreign => false,
        Judgement::Healthy => true,
        Judgement::Anomaly(anomaly) => anomaly.must_pass() || anomaly == Anomaly::EchoRequest,
    };
    if served && judge_reverse_path::is_astray(world, port, frame) {
        Judgement::Anomaly(Anomaly::ReversePath)
    } else {
        judged
    }
}

/// Ethernet: `Ok(false)` is a frame for another station.
fn link(world: &World, port: usize, frame: &[u8]) -> Check<bool> {
    reject_if(frame.len() < 14, Anomaly::EthernetTruncated)?;
    let is_group = |first: u8| first & 1 == 1;
    reject_if(is_group(frame[6]), Anomaly::EthernetSourceGroup)?;
    let to_group = is_group(frame[0]);
    if !to_group && frame[..6] != world.ports[port].mac {
        return Ok(false);
    }
    // What this port has sent cannot come back to it but by a loop in the bridges, or a lie.
    reject_if(frame[6..12] == world.ports[port].mac, Anomaly::EthernetSourceOwn)?;
    let (kind, payload) = (word(frame, 12), &frame[14..]);
    match kind {
        0..=1500 => Err(llc(usize::from(kind), payload)),
        1501..=1535 => Err(Anomaly::EthertypeInvalid),
        0x8100 | 0x88a8 => Err(tag(payload)),
        0x0806 => arp(world, payload).map(|()| true),
        0x0800 => judge_ipv4::packet(world, port, to_group, payload).map(|()| true),
        0x86dd => judge_ipv6::packet(world, port, to_group, payload).map(|()| true),
        _ => Err(Anomaly::EthertypeUnknown),
    }
}

/// IEEE 802.2 after a length field. Padding beyond the length is no part of it.
fn llc(length: usize, payload: &[u8]) -> Anomaly {
    if length > payload.len() || length < 3 {
        return Anomaly::LlcTruncated;
    }
    let body = &payload[..length];
    if body[..3] != [0xaa, 0xaa, 3] {
        return Anomaly::LlcUnsupported;
    }
    if body.len() < 8 {
        return Anomaly::LlcTruncated;
    }
    // RFC 1042: organisation code 00-00-00, then an EtherType.
    if body[3..8] == [0, 0, 0, 8, 0] { Anomaly::SnapIpv4 } else { Anomaly::LlcUnsupported }
}

/// Behind a tag's type: 3 bits priority, 1 bit drop eligible, 12 bits VLAN id, then the inner type.
fn tag(payload: &[u8]) -> Anomaly {
    if payload.len() < 4 {
        return Anomaly::VlanTruncated;
    }
    let (vlan, inner) = (word(payload, 0) & 0x0fff, word(payload, 2));
    if inner == 0x8100 || inner == 0x88a8 {
        Anomaly::VlanNested
    } else if vlan != 0 {
        Anomaly::VlanUnexpected
    } else if matches!(inner, 0x0800 | 0x86dd) {
        Anomaly::VlanPriorityTag
    } else {
        Anomaly::EthertypeUnknown
    }
}

/// RFC 826's own order: is the hardware mine, is the protocol mine, then the sizes, then who speaks.
fn arp(world: &World, packet: &[u8]) -> Check<()> {
    reject_if(packet.len() < 8, Anomaly::ArpTruncated)?;
    reject_if(word(packet, 0) != 1, Anomaly::ArpHardwareType)?;
    reject_if(word(packet, 2) != 0x0800, Anomaly::ArpProtocolType)?;
    reject_if(packet[4..6] != [6, 4], Anomaly::ArpAddressSize)?;
    reject_if(packet.len() < 28, Anomaly::ArpTruncated)?;
    reject_if(!matches!(word(packet, 6), 1 | 2), Anomaly::ArpOperation)?;
    let sender_mac = &packet[8..14];
    reject_if(sender_mac[0] & 1 == 1 || sender_mac == [0; 6], Anomaly::ArpSenderGroup)?;
    let sender = [packet[14], packet[15], packet[16], packet[17]].into();
    reject_if(world.is_router(sender), Anomaly::ArpClaimsOurAddress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::{Draw, rng_for};
    use crate::{Family, Generator};

    /// What the configuration decides, and what takes two frames.
    const NOT_IN_ONE_FRAME: [Anomaly; 3] =
        [Anomaly::ReversePath, Anomaly::Ipv4FragmentOverlap, Anomaly::Ipv6FragmentOverlap];

    /// A near miss of every anomaly passes; the table says which oddity it may be.
    #[test]
    fn near_misses_pass() {
        for (world, seed) in [(World::lab(), 21), (World::with_ports(5), 22)] {
            let generator = Generator::new(world.clone(), seed);
            for &anomaly in Anomaly::ALL {
                for index in 0..300 {
                    let Some(made) = generator.near_miss(anomaly, index) else {
                        assert!(NOT_IN_ONE_FRAME.contains(&anomaly), "{anomaly}");
                        break;
                    };
                    let judgement = judge(&world, made.port, &made.bytes);
                    assert!(
                        judgement.agrees_with(made.expected),
                        "{anomaly} {index} {}: {judgement:?}, {:02x?}",
                        made.template,
                        made.bytes
                    );
                    if let Expected::Anomaly(oddity) = made.expected {
                        assert!(oddity.must_pass() && oddity != anomaly, "{anomaly}");
                    }
                }
            }
        }
    }

    /// The heart of the crate's tests: two pieces of code that know nothing of each other agree.
    #[test]
    fn every_anomaly_is_reachable_and_trips_its_own_check() {
        for (world, seed) in [(World::lab(), 1), (World::with_ports(5), 2)] {
            let generator = Generator::new(world.clone(), seed);
            for &anomaly in Anomaly::ALL {
                for index in 0..400 {
                    let Some(made) = generator.of(anomaly, index) else {
                        assert!(NOT_IN_ONE_FRAME.contains(&anomaly), "{anomaly}");
                        break;
                    };
                    let judgement = judge(&world, made.port, &made.bytes);
                    assert!(
                        judgement.agrees_with(made.expected),
                        "{anomaly} {index} {}: {judgement:?}, {:02x?}",
                        made.template,
                        made.bytes
                    );
                }
            }
        }
    }

    #[test]
    fn healthy_frames_are_healthy_and_fit_every_port() {
        let generator = Generator::new(World::lab(), 3);
        for index in 0..5_000 {
            let made = generator.healthy(index);
            let judgement = judge(generator.world(), made.port, &made.bytes);
            assert!(judgement.agrees_with(made.expected), "{index} {}: {judgement:?}", made.template);
            assert!(made.bytes.len() <= 14 + 1500, "{} {}", made.template, made.bytes.len());
        }
        for made in generator.greetings() {
            assert_eq!(judge(generator.world(), made.port, &made.bytes), Judgement::Healthy);
        }
    }

    /// Mutants must reach far into the table, not die at the first check.
    #[test]
    fn mutants_spread_over_the_table() {
        let generator = Generator::new(World::lab(), 4);
        for &family in Family::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for index in 0..2_000 {
                let made = generator.mutant_of(family, index);
                assert_eq!(made.expected, Expected::Unknown);
                if let Judgement::Anomaly(anomaly) = judge(generator.world(), made.port, &made.bytes) {
                    seen.insert(anomaly);
                }
            }
            assert!(seen.len() >= 4, "{family:?}: {seen:?}");
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic() {
        let world = World::lab();
        for index in 0..20_000 {
            let mut rng = rng_for(5, 0, index);
            let len = rng.below(140);
            let mut frame = rng.bytes(len);
            // Most random frames are for somebody else: make it the router's, and IP, where it is long enough.
            let start = if index % 2 == 0 { [0x08, 0, 0x45] } else { [0x86, 0xdd, 0x60] };
            if let Some(head) = frame.get_mut(..15) {
                head[..6].copy_from_slice(&world.ports[0].mac);
                head[6] &= 0xfe;
                head[12..15].copy_from_slice(&start);
            }
            // Half of the IPv6 packets get as far as their extension headers.
            if let (3, Some(packet)) = (index % 4, frame.get_mut(14..54)) {
                let length = (len - 54) as u16;
                packet[4..6].copy_from_slice(&length.to_be_bytes());
                packet[6] = [0, 43, 44, 60, 58][index as usize / 4 % 5];
                packet[24..40].copy_from_slice(&world.ports[0].ipv6.octets());
            }
            let _ = judge(&world, 0, &frame);
        }
        assert_eq!(judge(&world, 0, &[]), Judgement::Anomaly(Anomaly::EthernetTruncated));
    }

    #[test]
    fn a_frame_for_another_station_is_foreign() {
        let world = World::lab();
        let mut frame = vec![0; 60];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 9, 9]);
        frame[6] = 2;
        assert_eq!(judge(&world, 0, &frame), Judgement::Foreign);
    }
}
