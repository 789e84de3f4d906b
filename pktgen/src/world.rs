//! The addresses that frames are generated for: the router's ports and the hosts behind them.
//!
//! Read first: RFC 1812 §2.2.5.1 (connected networks), RFC 919 (directed broadcasts), RFC 3021 (/31 links);
//! RFC 4291 §2.5.6 (link-local addresses), §2.6.1 (Subnet-Router anycast) and §2.8 (what a router listens to).

use crate::build::{Mac, solicited_node};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Prefix length of every connected IPv6 network.
pub const IPV6_PREFIX: u8 = 64;

/// The link-local address made from a MAC address (RFC 4291 App. A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let id = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(id))
}

/// One host behind a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Its MAC address.
    pub mac: Mac,
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// Its global IPv6 address; it has the link-local address made from its MAC address, too.
    pub ipv6: Ipv6Addr,
}

impl Host {
    /// Its link-local IPv6 address.
    pub fn link_local(&self) -> Ipv6Addr {
        link_local(self.mac)
    }
}

/// One port of the router, with its connected network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The router's MAC address on this port.
    pub mac: Mac,
    /// The router's IPv4 address on this port.
    pub address: Ipv4Addr,
    /// Prefix length of the connected network.
    pub prefix: u8,
    /// The router's global IPv6 address on this port, on a network of [`IPV6_PREFIX`] bits; it has the
    /// link-local address made from its MAC address, too.
    pub ipv6: Ipv6Addr,
    /// Largest IP packet in bytes.
    pub mtu: usize,
    /// The router checks here, strictly, that the source of a packet is reached through this port (RFC 3704 §2.2).
    /// Frames are generated only if there are no hosts here: many a healthy frame has a source from elsewhere.
    pub reverse_path: bool,
    /// The hosts on the connected network.
    pub hosts: Vec<Host>,
}

impl Port {
    /// The network mask as a number.
    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0)
    }

    /// The directed broadcast address; a /31 or /32 has none (RFC 3021).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        (self.prefix <= 30).then(|| Ipv4Addr::from(u32::from(self.address) | !self.mask()))
    }

    /// Is `address` a broadcast of the connected network? {network, 0} is one, too: RFC 1812 §4.2.3.1 (2).
    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.broadcast()
            .is_some_and(|ones| address == ones || u32::from(address) == u32::from(ones) & self.mask())
    }

    /// The router's link-local IPv6 address on this port.
    pub fn link_local(&self) -> Ipv6Addr {
        link_local(self.mac)
    }

    /// Is `address` on the connected IPv6 network?
    pub fn contains_ipv6(&self, address: Ipv6Addr) -> bool {
        (self.ipv6.to_bits() ^ address.to_bits()) >> (128 - IPV6_PREFIX) == 0
    }

    /// Is `group` one that the router listens to on this port? All nodes, all routers (of the link, of the site),
    /// and the solicited-node groups of its addresses here, Subnet-Router anycast among them (RFC 4291 §2.8).
    pub fn is_joined(&self, group: Ipv6Addr) -> bool {
        let well_known = [0xff02 << 112 | 1, 0xff02 << 112 | 2, 0xff05 << 112 | 2];
        let anycast = Ipv6Addr::from_bits(self.ipv6.to_bits() >> IPV6_PREFIX << IPV6_PREFIX);
        let own = [self.ipv6, self.link_local(), anycast];
        well_known.contains(&group.to_bits()) || own.iter().any(|&address| solicited_node(address) == group)
    }

    /// Is `address` on the connected network?
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (u32::from(self.address) ^ u32::from(address)) & self.mask() == 0
    }
}

/// A router and what is around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// The ports, by index.
    pub ports: Vec<Port>,
    /// The times to live that healthy senders start from or arrive with; each is at least 2, so that the
    /// packet may be forwarded once.
    pub ttls: Vec<u8>,
}

impl World {
    /// The laboratory: a client behind port 0, a server behind port 1.
    ///
    /// | port | router | host |
    /// |---|---|---|
    /// | 0 | 02:00:00:00:01:01 10.0.1.1/24 fd00:1::1/64 | 02:00:00:00:01:02 10.0.1.2 fd00:1::2 |
    /// | 1 | 02:00:00:00:02:01 10.0.2.1/24 fd00:2::1/64 | 02:00:00:00:02:02 10.0.2.2 fd00:2::2 |
    pub fn lab() -> Self {
        Self::with_ports(2)
    }

    /// The same world with one port more, which has no host and checks reverse paths: [`stack::Anomaly::ReversePath`] can
    /// be shown.
    ///
    /// # Panics
    /// If there are 200 ports.
    #[must_use]
    pub fn with_reverse_path(mut self) -> Self {
        let net = u8::try_from(self.ports.len() + 1).ok().filter(|&net| net <= 200);
        let port = Self::port(net.expect("room for a port"));
        self.ports.push(Port { reverse_path: true, hosts: vec![], ..port });
        self
    }

    /// As many ports as asked for, up to 200, numbered on from the laboratory's, one host behind each.
    pub fn with_ports(count: u8) -> Self {
        // What Linux, Windows and network gear start from, once as sent and once some hops later.
        Self { ports: (1..=count.min(200)).map(Self::port).collect(), ttls: vec![64, 128, 255, 57, 113, 2] }
    }

    /// The port of this number, counted from 1.
    fn port(net: u8) -> Port {
        Port {
            mac: [2, 0, 0, 0, net, 1],
            address: Ipv4Addr::new(10, 0, net, 1),
            prefix: 24,
            ipv6: Ipv6Addr::new(0xfd00, net.into(), 0, 0, 0, 0, 0, 1),
            mtu: 1500,
            reverse_path: false,
            hosts: vec![Host {
                mac: [2, 0, 0, 0, net, 2],
                address: Ipv4Addr::new(10, 0, net, 2),
                ipv6: Ipv6Addr::new(0xfd00, net.into(), 0, 0, 0, 0, 0, 2),
            }],
        }
    }

    /// Is `address` one of the router's own, on any port?
    pub fn is_router(&self, address: Ipv4Addr) -> bool {
        self.ports.iter().any(|port| port.address == address)
    }

    /// Is `address` one of the router's own to a sender behind `port`? A link-local address is known on its own
    /// link only.
    pub fn is_router_ipv6(&self, port: usize, address: Ipv6Addr) -> bool {
        self.ports.iter().any(|port| port.ipv6 == address) || self.ports[port].link_local() == address
    }

    /// Is `address` the Subnet-Router anycast address of a connected network (RFC 4291 §2.6.1)? Every link has
    /// fe80::/64.
    pub fn is_subnet_router(&self, address: Ipv6Addr) -> bool {
        let host = address.to_bits() << IPV6_PREFIX;
        let connected =
            |port: &Port| port.contains_ipv6(address) || address.to_bits() >> IPV6_PREFIX == 0xfe80 << 48;
        host == 0 && self.ports.iter().any(connected)
    }

    /// Is `address` the directed broadcast of a connected network?
    pub fn is_directed_broadcast(&self, address: Ipv4Addr) -> bool {
        self.ports.iter().any(|port| port.is_broadcast(address))
    }

    /// The largest packet that passes every port whole.
    pub fn path_mtu(&self) -> usize {
        self.ports.iter().map(|port| port.mtu).min().unwrap_or(1500)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_laboratory_is_as_documented() {
        let lab = World::lab();
        assert_eq!(lab.ports.len(), 2);
        let (client, server) = (&lab.ports[0], &lab.ports[1]);
        assert_eq!((client.mac, client.address), ([2, 0, 0, 0, 1, 1], Ipv4Addr::new(10, 0, 1, 1)));
        let host = server.hosts[0];
        assert_eq!((host.mac, host.address), ([2, 0, 0, 0, 2, 2], Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(host.ipv6.to_string(), "fd00:2::2");
        assert_eq!(link_local(host.mac).to_string(), "fe80::ff:fe00:202");
        assert_eq!(client.broadcast(), Some(Ipv4Addr::new(10, 0, 1, 255)));
        assert!(lab.is_directed_broadcast(Ipv4Addr::new(10, 0, 2, 255)));
        assert!(lab.is_directed_broadcast(Ipv4Addr::new(10, 0, 2, 0)));
        assert!(lab.is_router(server.address) && !lab.is_router(server.hosts[0].address));
        assert!(client.contains(client.hosts[0].address) && !client.contains(server.address));
        assert!(lab.ttls.iter().all(|&ttl| ttl >= 2));
    }

    #[test]
    fn the_router_knows_its_ipv6_addresses_and_groups() {
        let lab = World::lab();
        let at = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
        assert!(lab.is_router_ipv6(0, at("fd00:2::1")) && !lab.is_router_ipv6(0, at("fd00:2::2")));
        assert!(
            lab.is_router_ipv6(0, at("fe80::ff:fe00:101")) && !lab.is_router_ipv6(1, at("fe80::ff:fe00:101"))
        );
        assert!(lab.is_subnet_router(at("fd00:2::")) && !lab.is_subnet_router(at("fd00:3::")));
        let all = ["ff02::1", "ff02::2", "ff05::2", "ff02::1:ff00:1", "ff02::1:ff00:101", "ff02::1:ff00:0"];
        for joined in all {
            assert!(lab.ports[0].is_joined(at(joined)), "{joined}");
        }
        for other in ["ff02::3", "ff02::1:ff00:201", "ff02::fb", "ff0e::1", "fd00:1::1"] {
            assert!(!lab.ports[0].is_joined(at(other)), "{other}");
        }
        assert!(
            lab.ports[1].contains_ipv6(at("fd00:2::ffff"))
                && !lab.ports[1].contains_ipv6(at("fd00:2:0:1::1"))
        );
    }

    #[test]
    fn extreme_prefixes_do_not_overflow() {
        let mut port = World::lab().ports.remove(0);
        port.prefix = 31;
        assert_eq!(port.broadcast(), None);
        port.prefix = 32;
        assert!(!port.contains(Ipv4Addr::new(10, 0, 1, 2)));
        port.prefix = 0;
        assert_eq!(port.broadcast(), Some(Ipv4Addr::BROADCAST));
    }
}
