//! The router's own IPv6 addresses, and the groups that each port listens to.
//! Read first: RFC 4291 §2.5.6, §2.7.1, §2.8; RFC 6724 §5.

use super::ipv6::is_link_local;
use crate::config::{MAX_PORT_ADDRESSES, MAX_PORTS, PortConfig, PortId};
use crate::wire::{Address, Key};
use heapless::Vec;
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

/// The high 104 bits of every solicited-node address (RFC 4291 §2.7.1).
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000 >> 24;
/// The groups of every port that has IPv6. Not those of interface-local scope, ff01::1 and ff01::2: what comes
/// from another node with such an address must be discarded (RFC 4291 erratum 3480).
const GROUPS: [Ipv6Address; 3] = [
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Address::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
];

/// Is this the group of all nodes with an address that ends in the same 24 bits?
pub(super) const fn is_solicited_node(address: Ipv6Address) -> bool {
    address.to_bits() >> 24 == SOLICITED_NODE
}

/// One of the router's addresses.
#[derive(Debug, Clone, Copy)]
struct Local {
    address: Ipv6Address,
    cidr: Ipv6Cidr,
    port: PortId,
}

impl Local {
    /// The Subnet-Router anycast address (RFC 4291 §2.6.1). A link of two routers has none (RFC 6164 §5.1), and
    /// that of the link-local prefix means any router of the link.
    fn anycast(&self) -> Option<Ipv6Address> {
        let prefix = self.cidr.prefix_len();
        (prefix < 127).then(|| Ipv6Address::from_bits(self.cidr.address().key().network(prefix)))
    }
}

/// Every IPv6 address of the router, over all ports.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalsV6 {
    /// Each port's configured addresses, and one link-local address, if there is any.
    entries: Vec<Local, { MAX_PORTS * (MAX_PORT_ADDRESSES + 1) }>,
    /// A bit for each address; an address whose bit is clear is none of ours.
    filter: u64,
}

/// The bit of an address in [`LocalsV6::filter`].
const fn bit(address: Ipv6Address) -> u64 {
    let bits = address.to_bits();
    let folded = (bits >> 64) as u64 ^ bits as u64;
    1 << (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

impl LocalsV6 {
    /// Collects the addresses of `ports`.
    pub(crate) fn new(ports: &[PortConfig]) -> Self {
        let mut locals = Self::default();
        for (index, port) in ports.iter().enumerate() {
            let made = port
                .link_local()
                .filter(|made| port.ipv6.iter().all(|cidr| cidr.address() != *made))
                .map(|made| Ipv6Cidr::new(made, 64));
            for cidr in port.ipv6.iter().copied().chain(made) {
                let local = Local { address: cidr.address(), cidr, port: PortId(index as u8) };
                locals.filter |= bit(local.address);
                if let Some(anycast) = local.anycast() {
                    locals.filter |= bit(anycast);
                }
                // Cannot overflow: the capacity is ports x (addresses + 1).
                let _ = locals.entries.push(local);
            }
        }
        locals
    }

    fn on(&self, port: PortId) -> impl Iterator<Item = &Local> {
        self.entries.iter().filter(move |local| local.port == port)
    }

    /// May this be one of our addresses? No is certain.
    #[inline(always)]
    pub(crate) const fn may_mean(&self, address: Ipv6Address) -> bool {
        self.filter & bit(address) != 0
    }

    /// Is this one of our addresses, on whatever port?
    pub(crate) fn is_own(&self, address: Ipv6Address) -> bool {
        self.may_mean(address) && self.entries.iter().any(|local| local.address == address)
    }

    /// Is this one of our addresses on `port`?
    pub(crate) fn is_own_on(&self, address: Ipv6Address, port: PortId) -> bool {
        self.may_mean(address) && self.on(port).any(|local| local.address == address)
    }

    /// Does the address mean us, in a packet that came in by `ingress`? A link-local address does so only on
    /// its own link: elsewhere another node may have it (RFC 4007 §6).
    #[inline]
    pub(crate) fn is_us(&self, address: Ipv6Address, ingress: PortId) -> bool {
        self.may_mean(address)
            && if address.is_unicast_link_local() {
                self.is_own_on(address, ingress)
            } else {
                self.is_own(address)
            }
    }

    /// Is this the Subnet-Router anycast address of a network connected to `port`? Other networks' are reached
    /// through their routers: here, through us, so they are ours, too (`port` is `None`).
    pub(crate) fn is_anycast(&self, address: Ipv6Address, port: Option<PortId>) -> bool {
        let on = |local: &&Local| port.is_none_or(|port| local.port == port);
        self.may_mean(address) && self.entries.iter().filter(on).any(|local| local.anycast() == Some(address))
    }

    /// Is this the destination of a packet for us, that came in by `ingress`?
    pub(crate) fn is_for_us(&self, address: Ipv6Address, ingress: PortId) -> bool {
        let zone = is_link_local(address).then_some(ingress);
        self.is_us(address, ingress) || self.is_anycast(address, zone)
    }

    /// Is this address on a network connected to `port`?
    pub(crate) fn is_connected(&self, address: Ipv6Address, port: PortId) -> bool {
        self.on(port).any(|local| local.cidr.contains_addr(&address))
    }

    /// Is this a group that we listen to on `port`?
    pub(crate) fn is_group(&self, address: Ipv6Address, port: PortId) -> bool {
        if is_solicited_node(address) {
            let low = |address: Ipv6Address| address.to_bits() & 0x00ff_ffff;
            let same = |ours: Ipv6Address| low(ours) == low(address);
            return self.on(port).any(|local| same(local.address) || local.anycast().is_some_and(same));
        }
        GROUPS.contains(&address) && self.on(port).next().is_some()
    }

    /// Our address on `port` for talking to `peer`: link-local for a link-local peer or a group, else of the
    /// same network if there is one, else the first global one, else link-local (RFC 6724 §5, rules 2 and 8).
    /// `None`: the port has no IPv6.
    pub(crate) fn source_for(&self, port: PortId, peer: Ipv6Address) -> Option<Ipv6Address> {
        let link_local = self.on(port).find(|local| local.address.is_unicast_link_local());
        let mut global = self.on(port).filter(|local| !local.address.is_unicast_link_local());
        let chosen = if peer.is_multicast() || peer.is_unicast_link_local() {
            link_local
        } else {
            let first = global.next();
            let same = first.into_iter().chain(global).find(|local| local.cidr.contains_addr(&peer));
            same.or(first).or(link_local)
        };
        chosen.map(|local| local.address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const THIRD: PortId = PortId(2);

    #[test]
    fn own_addresses_and_what_they_mean_on_each_port() {
        let locals = locals().v6;
        for (address, own, on, us) in [
            (US, true, true, true),
            (US_OTHER, true, false, true),
            (US_LINK, true, true, true),
            (US_LINK_OTHER, true, false, false),
            (PEER, false, false, false),
            ("2001:db8:1::", false, false, false),
        ] {
            let address = ip(address);
            assert_eq!(locals.is_own(address), own, "{address}");
            assert_eq!(locals.is_own_on(address, PORT), on, "{address}");
            assert_eq!(locals.is_us(address, PORT), us, "{address}");
        }
        assert!(!locals.is_own(ip("fe80::ff:fe00:3")), "a port without addresses has no IPv6");
    }

    #[test]
    fn connected_networks() {
        let locals = locals().v6;
        for (address, port, connected) in [
            (PEER, PORT, true),
            (PEER, OTHER, false),
            (PEER_LINK, PORT, true),
            ("fe80:0:0:1::1", PORT, false),
            ("fe80:0:0:1::1", OTHER, true),
            ("2001:db8:3::1", PORT, false),
            (PEER_LINK, THIRD, false),
        ] {
            assert_eq!(locals.is_connected(ip(address), port), connected, "{address} {port}");
        }
    }

    #[test]
    fn groups_of_each_port() {
        let locals = locals().v6;
        for (group, port, listens) in [
            (ALL_NODES, PORT, true),
            ("ff02::2", PORT, true),
            ("ff05::2", OTHER, true),
            ("ff05::1", PORT, false),
            ("ff01::1", PORT, false),
            ("ff02::16", PORT, false),
            (SOLICITED, PORT, true),
            ("ff02::1:ff00:2", OTHER, true),
            ("ff02::1:ff00:2", PORT, false),
            ("ff02::2:ff00:1", PORT, false),
            (STRANGERS, PORT, false),
            (ALL_NODES, THIRD, false),
            (PEER, PORT, false),
        ] {
            assert_eq!(locals.is_group(ip(group), port), listens, "{group} {port}");
        }
    }

    #[test]
    fn sources_of_our_own_packets() {
        let locals = locals().v6;
        for (port, peer, source) in [
            (PORT, PEER, US),
            (PORT, FAR, US),
            (PORT, PEER_LINK, US_LINK),
            (PORT, ALL_NODES, US_LINK),
            (OTHER, FAR, US_OTHER),
            (OTHER, PEER_LINK, US_LINK_OTHER),
        ] {
            assert_eq!(locals.source_for(port, ip(peer)), Some(ip(source)), "{port} {peer}");
        }
        assert_eq!(locals.source_for(THIRD, ip(PEER)), None);
    }

    #[test]
    fn prefers_the_address_of_the_same_network() {
        let mut port = PortConfig::new(smoltcp::wire::EthernetAddress([2, 0, 0, 0, 0, 1]), 1500);
        for address in ["2001:db8:5::1", "2001:db8:6::1"] {
            port.ipv6.push(Ipv6Cidr::new(ip(address), 64)).unwrap();
        }
        let locals = LocalsV6::new(&[port]);
        assert_eq!(locals.source_for(PORT, ip("2001:db8:6::9")), Some(ip("2001:db8:6::1")));
        assert_eq!(locals.source_for(PORT, ip("2001:db8:7::9")), Some(ip("2001:db8:5::1")));
    }
}
