//! From bytes to a class: transit, local, or a named anomaly. Pure: no state, no time.
//!
//! The order of the checks is part of the contract: the first that fails names the frame.

mod anomaly;
mod arp;
pub(crate) mod ethernet;
pub(crate) mod extension;
pub(crate) mod icmp;
pub(crate) mod icmpv6;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
mod locals;
mod locals_v6;
pub(crate) mod nd;
pub(crate) mod quick;
pub(crate) mod report;
pub(crate) mod special;
mod table;
mod tcp;
#[cfg(test)]
mod testing;
mod udp;
pub(crate) mod upper;

pub use anomaly::{Anomaly, Binds, DefaultAction, Kind, Latitude, Mode, Row, TABLE};
pub use arp::ArpInfo;
pub use ethernet::LinkDestination;
pub use locals::{Locals, Location};
pub use nd::NdInfo;

use crate::config::PortId;
use crate::frame::ETHERNET_HEADER;
use crate::wire::{Ipv4Info, Ipv6Info};
use ethernet::Link;
use smoltcp::wire::{EthernetAddress, IpAddress};

/// The digest of an IP packet that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// IPv4.
    V4(Ipv4Info),
    /// IPv6.
    V6(Ipv6Info),
}

impl Packet {
    /// Time to live or hop limit, as received.
    #[inline]
    pub const fn hops(&self) -> u8 {
        match self {
            Self::V4(info) => info.ttl,
            Self::V6(info) => info.hop_limit,
        }
    }

    /// Length of the IP packet in bytes.
    #[inline]
    pub const fn total_len(&self) -> usize {
        match self {
            Self::V4(info) => info.total_len(),
            Self::V6(info) => info.total_len(),
        }
    }

    /// Source address.
    #[inline]
    pub const fn source(&self) -> IpAddress {
        match self {
            Self::V4(info) => IpAddress::Ipv4(info.source()),
            Self::V6(info) => IpAddress::Ipv6(info.source),
        }
    }

    /// Destination address.
    #[inline]
    pub const fn destination(&self) -> IpAddress {
        match self {
            Self::V4(info) => IpAddress::Ipv4(info.destination()),
            Self::V6(info) => IpAddress::Ipv6(info.destination),
        }
    }

    /// May a router cut it into fragments? IPv6 says never (RFC 8200 §5).
    pub const fn may_be_fragmented(&self) -> bool {
        match self {
            Self::V4(info) => !info.dont_fragment(),
            Self::V6(_) => false,
        }
    }
}

/// What a frame is to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// IP through the router, and what is odd about it all the same.
    Transit(Packet, Option<Anomaly>),
    /// IP to one of the router's addresses or to a group on this link.
    Local(Packet, Option<Anomaly>),
    /// ARP that may be believed.
    Arp(ArpInfo),
    /// Neighbour Discovery that may be believed.
    Nd(NdInfo),
    /// For another station on the link.
    Foreign,
    /// It cannot stay on the fast path.
    Anomaly(Anomaly),
}

/// Classifies a frame received by `port`, whose address is `mac`.
pub fn classify(frame: &[u8], port: PortId, mac: EthernetAddress, locals: &Locals) -> Class {
    let (link, to) = ethernet::classify(frame, mac);
    let group = to != LinkDestination::Us;
    match link {
        Link::Ipv4 => match ipv4::classify(&frame[ETHERNET_HEADER..], group, port, locals) {
            Ok(passed) if passed.local => Class::Local(Packet::V4(passed.info), passed.oddity),
            Ok(passed) => Class::Transit(Packet::V4(passed.info), passed.oddity),
            Err(anomaly) => Class::Anomaly(anomaly),
        },
        Link::Ipv6 => match ipv6::classify(&frame[ETHERNET_HEADER..], group, port, locals) {
            Ok(passed) => match passed.path {
                ipv6::Path::Transit => Class::Transit(Packet::V6(passed.info), passed.oddity),
                ipv6::Path::Local => Class::Local(Packet::V6(passed.info), passed.oddity),
                ipv6::Path::Neighbor(nd) => Class::Nd(nd),
            },
            Err(anomaly) => Class::Anomaly(anomaly),
        },
        Link::Arp => match arp::classify(&frame[ETHERNET_HEADER..], locals) {
            Ok(info) => Class::Arp(info),
            Err(anomaly) => Class::Anomaly(anomaly),
        },
        Link::Foreign => Class::Foreign,
        Link::Anomaly(anomaly) => Class::Anomaly(anomaly),
    }
}
