//! Frames by seed and index: healthy traffic, every anomaly of the table, and mutants.
//!
//! Read first: RFC 1812 §4.2 and §5 for what each anomaly breaks; each submodule names its own RFCs.
//! A frame depends on (seed, kind of call, index) alone, so any of a million can be made again by itself.

mod extension;
mod fragment_ipv6;
mod healthy;
mod healthy_ipv6;
mod icmp;
mod icmpv6;
mod ipv4;
mod ipv6;
mod l4;
mod link;
mod near_miss;
mod options;
mod reverse_path;
mod scene;
mod scene_ipv6;
#[cfg(test)]
mod tests;

use crate::dice::{Draw, rng_for};
use crate::mutate::{Family, mutate};
use crate::world::World;
use scene::Scene;
use stack::Anomaly;

/// What the router ought to make of a generated frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// Forwarded, delivered or consumed on the fast path.
    Healthy,
    /// Classified as this, and as nothing else.
    Anomaly(Anomaly),
    /// Known only by judging: see [`crate::oracle::judge`].
    Unknown,
}

/// A frame and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The frame, without FCS.
    pub bytes: Vec<u8>,
    /// The port that it arrives at.
    pub port: u8,
    /// The header that it is about.
    pub family: Family,
    /// The recipe it was made by: lower_snake, stable.
    pub template: &'static str,
    /// What the router ought to make of it.
    pub expected: Expected,
}

/// How [`Generator::frame`] mixes: relative weights, of which at least one is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Healthy traffic.
    pub healthy: u32,
    /// One anomaly of the table, uniformly chosen.
    pub odd: u32,
    /// A mutant of a uniformly chosen family.
    pub mutant: u32,
}

impl Mix {
    /// The article's proportion: one frame in a thousand is odd.
    pub const ONE_IN_A_THOUSAND: Self = Self { healthy: 999, odd: 1, mutant: 0 };
}

impl Default for Mix {
    fn default() -> Self {
        Self { healthy: 2, odd: 1, mutant: 1 }
    }
}

/// What a recipe makes: the frame and the name of the recipe.
type Made = (Vec<u8>, &'static str);

/// Streams keep the kinds of call apart: `odd(7)` has nothing to do with `healthy(7)`.
mod stream {
    pub(super) const CHOICE: u64 = 0;
    pub(super) const HEALTHY: u64 = 1;
    pub(super) const ODD: u64 = 2;
    pub(super) const MUTANT: u64 = 3;
    pub(super) const ANOMALY: u64 = 0x100;
    pub(super) const FAMILY: u64 = 0x200;
    pub(super) const SEQUENCE: u64 = 0x300;
    pub(super) const NEAR_MISS: u64 = 0x400;
    pub(super) const BASE: u64 = 0x500;
}

/// Makes frames for one world under one seed.
#[derive(Debug, Clone)]
pub struct Generator {
    world: World,
    seed: u64,
    mix: Mix,
}

impl Generator {
    /// A generator for `world`.
    ///
    /// # Panics
    /// If fewer than two ports have a host behind them (nothing could be in transit), no TTL is given, or a port that
    /// checks reverse paths has hosts.
    pub fn new(world: World, seed: u64) -> Self {
        let peopled = world.ports.iter().filter(|port| !port.hosts.is_empty()).count();
        assert!(peopled >= 2 && !world.ttls.is_empty(), "a world needs hosts behind two ports, and a TTL");
        let watched = world.ports.iter().any(|port| port.reverse_path && !port.hosts.is_empty());
        assert!(!watched, "a port that checks reverse paths has no hosts");
        Self { world, seed, mix: Mix::default() }
    }

    /// The same generator with another mix for [`Generator::frame`].
    ///
    /// # Panics
    /// If every weight is 0.
    #[must_use]
    pub fn with_mix(mut self, mix: Mix) -> Self {
        assert!(mix.healthy != 0 || mix.odd != 0 || mix.mutant != 0, "a mix needs a weight");
        self.mix = mix;
        self
    }

    /// The world that frames are made for.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Frame `index` of the mix.
    pub fn frame(&self, index: u64) -> Generated {
        let Mix { healthy, odd, mutant } = self.mix;
        let total = healthy as usize + odd as usize + mutant as usize;
        let draw = rng_for(self.seed, stream::CHOICE, index).below(total);
        if draw < healthy as usize {
            self.healthy(index)
        } else if draw < healthy as usize + odd as usize {
            self.odd(index)
        } else {
            self.mutant(index)
        }
    }

    /// Healthy traffic of IPv4 and IPv6: UDP, TCP and ICMP both ways in IMIX sizes, fragments and extension headers
    /// in transit, echo and datagrams to the router, and what hosts tell their link.
    pub fn healthy(&self, index: u64) -> Generated {
        let mut scene = self.scene(stream::HEALTHY, index);
        let (bytes, template, family) = healthy::any(&mut scene);
        Generated { bytes, port: scene.port_number(), family, template, expected: Expected::Healthy }
    }

    /// A frame of a uniformly chosen anomaly.
    pub fn odd(&self, index: u64) -> Generated {
        let first = rng_for(self.seed, stream::ODD, index).below(Anomaly::COUNT);
        // Some worlds lack some anomalies (a /31 has no directed broadcast): then the next one in the table.
        (0..Anomaly::COUNT)
            .filter_map(|step| self.of(Anomaly::ALL[(first + step) % Anomaly::COUNT], index))
            .next()
            .expect("a cut-off frame can be made in any world")
    }

    /// Frame `index` of one anomaly. `None` where one frame cannot show it: without any directed broadcast address
    /// (RFC 3021) nothing can be sent to or from one; [`Anomaly::ReversePath`] needs a port that checks reverse
    /// paths, see [`World::with_reverse_path`]; overlapping fragments come by two, see [`Generator::sequence`].
    pub fn of(&self, anomaly: Anomaly, index: u64) -> Option<Generated> {
        let mut scene = self.scene(stream::ANOMALY + u64::from(anomaly.code()), index);
        let (bytes, template) = recipe(anomaly, &mut scene)?;
        let expected = Expected::Anomaly(anomaly);
        Some(Generated { bytes, port: scene.port_number(), family: family_of(anomaly), template, expected })
    }

    /// Frames that show an anomaly only one after the other, from one host by one port: all but the last are healthy,
    /// the last is of this anomaly to a router that has seen the others. `None` for an anomaly that one frame shows.
    pub fn sequence(&self, anomaly: Anomaly, index: u64) -> Option<Vec<Generated>> {
        self.pieces(stream::SEQUENCE, anomaly, index, true)
    }

    /// The same frames as those of [`Generator::sequence`] would be, had the sender made no mistake: all are healthy.
    pub fn near_miss_sequence(&self, anomaly: Anomaly, index: u64) -> Option<Vec<Generated>> {
        self.pieces(stream::NEAR_MISS, anomaly, index, false)
    }

    fn pieces(&self, stream: u64, anomaly: Anomaly, index: u64, overlap: bool) -> Option<Vec<Generated>> {
        let (ipv6, template) = match anomaly {
            Anomaly::Ipv4FragmentOverlap => (false, "fragments_overlap"),
            Anomaly::Ipv6FragmentOverlap => (true, "fragments6_overlap"),
            _ => return None,
        };
        let mut scene = self.scene(stream + u64::from(anomaly.code()), index);
        let port = scene.port_number();
        let pieces = fragment_ipv6::two_pieces(&mut scene, ipv6, overlap);
        let made = |(index, bytes)| Generated {
            bytes,
            port,
            family: family_of(anomaly),
            template: if overlap { template } else { "fragments_adjoin" },
            expected: if overlap && index == 1 { Expected::Anomaly(anomaly) } else { Expected::Healthy },
        };
        Some(pieces.into_iter().enumerate().map(made).collect())
    }

    /// A frame that differs as little as may be from one of this anomaly and must pass: healthy, or (where nothing
    /// nearer is) one of the table's oddities. `None` where no single frame is the near miss:
    /// [`Anomaly::ReversePath`], which turns on the port's configuration alone, and the overlaps, for which
    /// [`Generator::near_miss_sequence`] is.
    pub fn near_miss(&self, anomaly: Anomaly, index: u64) -> Option<Generated> {
        let mut scene = self.scene(stream::NEAR_MISS + u64::from(anomaly.code()), index);
        let (bytes, template) = near_miss::make(anomaly, &mut scene)?;
        let expected = match near_miss::oddity(anomaly) {
            Some(oddity) => Expected::Anomaly(oddity),
            None => Expected::Healthy,
        };
        Some(Generated { bytes, port: scene.port_number(), family: family_of(anomaly), template, expected })
    }

    /// A mutant of a uniformly chosen family.
    pub fn mutant(&self, index: u64) -> Generated {
        let family = *rng_for(self.seed, stream::MUTANT, index).pick(Family::ALL);
        self.mutant_of(family, index)
    }

    /// A healthy frame that fits a family, of which mutants are made.
    pub(crate) fn base_of(&self, family: Family, index: u64) -> Generated {
        let mut scene = self.scene(stream::BASE + family as u64, index);
        let bytes = healthy::for_family(family, &mut scene);
        let (port, template) = (scene.port_number(), family.name());
        Generated { bytes, port, family, template, expected: Expected::Unknown }
    }

    /// A frame of one of the anomalies that are about a family's header.
    pub(crate) fn odd_of(&self, family: Family, index: u64) -> Option<Generated> {
        let about: Vec<Anomaly> =
            Anomaly::ALL.iter().copied().filter(|&anomaly| family_of(anomaly) == family).collect();
        let drawn = rng_for(self.seed, stream::BASE + family as u64, !index).below(about.len());
        self.of(*about.get(drawn)?, index)
    }

    /// Mutant `index` of one family: a fitting frame with one to three of the family's fields changed.
    pub fn mutant_of(&self, family: Family, index: u64) -> Generated {
        let mut scene = self.scene(stream::FAMILY + family as u64, index);
        let template = healthy::for_family(family, &mut scene);
        let bytes = mutate(family, &template, &mut scene.rng);
        let (port, template) = (scene.port_number(), family.name());
        Generated { bytes, port, family, template, expected: Expected::Unknown }
    }

    /// What makes the router know its neighbours before traffic starts: an ARP request from every host for its
    /// router's address, then a Neighbour Solicitation from each of its two IPv6 addresses (global, link-local).
    pub fn greetings(&self) -> Vec<Generated> {
        let hosts = || {
            let ports = self.world.ports.iter().zip(0_u8..);
            ports.flat_map(|(at, port)| at.hosts.iter().map(move |host| (at, port, host)))
        };
        let made = |port, bytes, family, template| Generated {
            bytes,
            port,
            family,
            template,
            expected: Expected::Healthy,
        };
        let arp = hosts()
            .map(|(at, port, host)| made(port, healthy::arp_request(at, host), Family::Arp, "arp_request"));
        let solicitations = hosts().flat_map(|(at, port, host)| {
            [host.ipv6, host.link_local()].map(|source| {
                let frame = healthy_ipv6::solicitation(at, host, source, at.ipv6);
                made(port, frame, Family::Nd, "solicitation")
            })
        });
        arp.chain(solicitations).collect()
    }

    fn scene(&self, stream: u64, index: u64) -> Scene<'_> {
        Scene::new(&self.world, rng_for(self.seed, stream, index))
    }
}

/// Makes a frame of this anomaly, whichever header it is about.
fn recipe(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    match family_of(anomaly) {
        Family::Ethernet | Family::Vlan | Family::LlcSnap => link::make(anomaly, scene),
        Family::Arp => link::make_arp(anomaly, scene),
        // ICMP of the wrong family is as odd in IPv6 as in IPv4.
        Family::Ipv4Header if anomaly == Anomaly::IcmpWrongFamily && scene.rng.one_in(2) => {
            Some(ipv6::icmp_in_ipv6(scene))
        }
        // A source from elsewhere is as odd in IPv6 as in IPv4.
        Family::Ipv4Header if anomaly == Anomaly::ReversePath => reverse_path::make(scene),
        Family::Ipv4Header => ipv4::make(anomaly, scene),
        Family::Ipv4Options => options::make(anomaly, scene),
        Family::Ipv4Fragments => ipv4::make_fragment(anomaly, scene),
        Family::Ipv6Header => ipv6::make(anomaly, scene),
        Family::Ipv6Extension => extension::make(anomaly, scene),
        Family::Ipv6Fragments => fragment_ipv6::make(anomaly, scene),
        Family::Icmp => icmp::make(anomaly, scene),
        Family::Icmpv6 => icmpv6::make(anomaly, scene),
        Family::Nd => icmpv6::make_nd(anomaly, scene),
        Family::Udp | Family::Tcp => l4::make(anomaly, scene),
    }
}

/// The header that an anomaly is about.
pub fn family_of(anomaly: Anomaly) -> Family {
    use Anomaly as A;
    match anomaly {
        A::EthernetTruncated
        | A::EthernetSourceGroup
        | A::EthertypeInvalid
        | A::EthertypeUnknown
        | A::IpInLinkGroup
        | A::EthernetSourceOwn => Family::Ethernet,
        A::LlcTruncated | A::LlcUnsupported | A::SnapIpv4 => Family::LlcSnap,
        A::VlanTruncated | A::VlanNested | A::VlanUnexpected | A::VlanPriorityTag => Family::Vlan,
        A::ArpTruncated
        | A::ArpHardwareType
        | A::ArpProtocolType
        | A::ArpAddressSize
        | A::ArpOperation
        | A::ArpSenderGroup
        | A::ArpClaimsOurAddress => Family::Arp,
        A::Ipv4Truncated
        | A::Ipv4Version
        | A::Ipv4HeaderLength
        | A::Ipv4TotalLengthShort
        | A::Ipv4TotalLengthOverrun
        | A::Ipv4Checksum
        | A::Ipv4ReservedFlag
        | A::Ipv4SourceMartian
        | A::Ipv4Loopback
        | A::Ipv4DestinationMartian
        | A::Ipv4LinkLocal
        | A::Ipv4SourceOwn
        | A::Ipv4Land
        | A::Ipv4SourceBroadcast
        | A::Ipv4DirectedBroadcast
        | A::Ipv4SpecialPurpose
        | A::ReversePath
        | A::IcmpWrongFamily => Family::Ipv4Header,
        A::Ipv4OptionMalformed | A::Ipv4SourceRoute | A::Ipv4OptionTransit | A::Ipv4OptionUnknown => {
            Family::Ipv4Options
        }
        A::Ipv4FragmentDf
        | A::Ipv4FragmentTooLarge
        | A::Ipv4TinyFragment
        | A::Ipv4FragmentLength
        | A::Ipv4FragmentOverlap => Family::Ipv4Fragments,
        A::IcmpTruncated
        | A::IcmpChecksum
        | A::IcmpTypeUnknown
        | A::IcmpTimestampRequest
        | A::IcmpDeprecated
        | A::IcmpRedirect
        | A::IcmpSourceQuench
        | A::IcmpRequestGroup
        | A::IcmpErrorQuote
        | A::EchoRequest => Family::Icmp,
        A::UdpLength | A::UdpChecksum | A::Ipv6UdpChecksumZero => Family::Udp,
        A::L4PortZero | A::TcpHeaderLength | A::TcpChecksum | A::TcpFlags | A::TcpOptionMalformed => {
            Family::Tcp
        }
        A::Ipv6Truncated
        | A::Ipv6Version
        | A::Ipv6PayloadLength
        | A::Ipv6SourceMulticast
        | A::Ipv6Unspecified
        | A::Ipv6Loopback
        | A::Ipv6V4Mapped
        | A::Ipv6LinkLocal
        | A::Ipv6SourceOwn
        | A::Ipv6Land => Family::Ipv6Header,
        A::Ipv6HopByHopMalformed
        | A::Ipv6OptionDiscard
        | A::Ipv6OptionUnknown
        | A::Ipv6HopByHopMisplaced
        | A::Ipv6NextHeaderUnknown
        | A::Ipv6ExtensionTruncated
        | A::Ipv6ExtensionLimit
        | A::Ipv6ExtensionOrder
        | A::Ipv6RoutingHeader => Family::Ipv6Extension,
        A::Ipv6FragmentOverlap
        | A::Ipv6FragmentLength
        | A::Ipv6FragmentTooLarge
        | A::Ipv6FirstFragmentShort
        | A::Ipv6AtomicFragment => Family::Ipv6Fragments,
        A::Icmpv6Truncated | A::Icmpv6Checksum | A::Icmpv6TypeUnknown | A::Icmpv6ErrorQuote => Family::Icmpv6,
        A::NdHopLimit | A::NdMalformed | A::NdFragment | A::NdClaimsOurAddress | A::Icmpv6Redirect => {
            Family::Nd
        }
    }
}
