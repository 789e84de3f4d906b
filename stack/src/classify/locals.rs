//! The router's own addresses, and where a datagram's addresses lie relative to them.

use super::locals_v6::LocalsV6;
use crate::config::{MAX_PORT_ADDRESSES, MAX_PORTS, PortConfig, PortId};
use crate::wire::Ipv4Info;
use heapless::Vec;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// One of the router's addresses.
#[derive(Debug, Clone, Copy)]
struct Local {
    address: Ipv4Address,
    /// {network, -1}, and {network, 0}, which RFC 1812 §4.2.3.1 (2) has treated as one.
    broadcast: Option<(Ipv4Address, Ipv4Address)>,
    cidr: Ipv4Cidr,
    port: PortId,
}

/// A set of addresses that may answer yes for a few that are not in it, and never no for one that is: most
/// datagrams are neither from us nor to us, and need not be compared with every address.
#[derive(Debug, Clone, Copy, Default)]
struct Filter {
    bits: [u64; 4],
}

impl Filter {
    const fn place(hash: u32) -> (usize, u64) {
        let hash = hash.wrapping_mul(0x9e37_79b1) >> 24;
        ((hash >> 6) as usize, 1 << (hash & 63))
    }

    const fn insert(&mut self, hash: u32) {
        let (word, bit) = Self::place(hash);
        self.bits[word] |= bit;
    }

    #[inline]
    const fn may_hold(&self, hash: u32) -> bool {
        let (word, bit) = Self::place(hash);
        self.bits[word] & bit != 0
    }
}

/// Every address of the router, over all ports.
#[derive(Debug, Clone, Default)]
pub struct Locals {
    entries: Vec<Local, { MAX_PORTS * MAX_PORT_ADDRESSES }>,
    /// Holds every address and broadcast address of `entries`.
    filter: Filter,
    /// The IPv6 addresses.
    pub(crate) v6: LocalsV6,
}

/// Where a datagram's addresses lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Location {
    /// The source is one of our addresses.
    pub source_own: bool,
    /// The source is the broadcast address of a connected network.
    pub source_broadcast: bool,
    /// The destination is one of our addresses.
    pub destination_own: bool,
    /// The destination is the broadcast address of a connected network.
    pub destination_broadcast: bool,
    /// ... and that network is the ingress port's.
    pub on_ingress: bool,
}

impl Locals {
    /// Collects the addresses of `ports`.
    pub fn new(ports: &[PortConfig]) -> Self {
        let mut entries = Vec::new();
        let mut filter = Filter::default();
        for (index, port) in ports.iter().enumerate() {
            for &cidr in &port.addresses {
                let broadcast = cidr.broadcast().map(|ones| (ones, cidr.network().address()));
                let local = Local { address: cidr.address(), broadcast, cidr, port: PortId(index as u8) };
                for address in [Some(cidr.address()), broadcast.map(|b| b.0), broadcast.map(|b| b.1)] {
                    address.into_iter().for_each(|address| filter.insert(address.into()));
                }
                // Cannot overflow: the capacity is ports x addresses.
                let _ = entries.push(local);
            }
        }
        Self { entries, filter, v6: LocalsV6::new(ports) }
    }

    /// Is this one of our addresses?
    pub fn is_own(&self, address: Ipv4Address) -> bool {
        self.entries.iter().any(|local| local.address == address)
    }

    /// Is this address on a network connected to `port`?
    pub fn is_connected(&self, address: Ipv4Address, port: PortId) -> bool {
        self.entries.iter().any(|local| local.port == port && local.cidr.contains_addr(&address))
    }

    /// Is this the broadcast address of a connected network, all ones or all zeroes?
    pub fn is_broadcast(&self, address: Ipv4Address) -> bool {
        self.entries
            .iter()
            .filter_map(|local| local.broadcast)
            .any(|(ones, zeroes)| address == ones || address == zeroes)
    }

    /// Our address on `port` for talking to `peer`: of the same network if there is one, else the first.
    pub fn source_for(&self, port: PortId, peer: Ipv4Address) -> Option<Ipv4Address> {
        let mut on_port = self.entries.iter().filter(|local| local.port == port);
        let first = on_port.clone().next();
        on_port.find(|local| local.cidr.contains_addr(&peer)).or(first).map(|local| local.address)
    }

    /// May this be one of our addresses, or a broadcast of a connected network? No is certain.
    #[inline(always)]
    pub(crate) fn may_mean(&self, address: Ipv4Address) -> bool {
        self.filter.may_hold(address.to_bits())
    }

    /// One pass over the addresses answers all questions about one datagram.
    #[inline]
    pub fn locate(&self, info: &Ipv4Info, ingress: PortId) -> Location {
        if self.filter.may_hold(info.source().into()) || self.filter.may_hold(info.destination().into()) {
            self.compare(info, ingress)
        } else {
            Location::default()
        }
    }

    #[cold]
    fn compare(&self, info: &Ipv4Info, ingress: PortId) -> Location {
        let mut at = Location::default();
        for local in &self.entries {
            at.source_own |= local.address == info.source();
            at.destination_own |= local.address == info.destination();
            if let Some((ones, zeroes)) = local.broadcast {
                at.source_broadcast |= ones == info.source() || zeroes == info.source();
                if ones == info.destination() || zeroes == info.destination() {
                    at.destination_broadcast = true;
                    at.on_ingress |= local.port == ingress;
                }
            }
        }
        at
    }
}
