//! The world around a device: its own address in the router's place, two hosts of ours beside it, and a network that it
//! may forward to.

use crate::replay::hosts;
use pktgen::World;
use pktgen::build::Mac;
use pktgen::world::{Host, IPV6_PREFIX, Port, link_local};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Prefix length of an IPv4 network that is named without one.
const PREFIX: u8 = 24;

/// An address of the device, with the length of its network's prefix. An IPv6 network always has 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

impl FromStr for PeerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| "name an IPv4 or IPv6 address")?;
        let usual = if address.is_ipv4() { PREFIX } else { IPV6_PREFIX };
        let prefix = prefix.map_or(Some(usual), |prefix| prefix.parse().ok());
        let sound = match address {
            // Our two hosts need room beside it.
            IpAddr::V4(v4) => {
                !(v4.is_unspecified() || v4.is_loopback() || v4.is_multicast() || v4.is_broadcast())
                    && prefix.is_some_and(|prefix| (8..=29).contains(&prefix))
            }
            IpAddr::V6(v6) => {
                !(v6.is_unspecified() || v6.is_loopback() || v6.is_multicast()) && prefix == Some(IPV6_PREFIX)
            }
        };
        match prefix {
            Some(prefix) if sound => Ok(Self { address, prefix }),
            _ => Err("name one host's address; IPv4 prefixes have 8 to 29 bits, IPv6 prefixes 64".into()),
        }
    }
}

/// The device, and who is around it.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    /// Port 0 is the device's; behind port 1 is the network that it may forward to.
    pub(super) world: World,
    pub(super) peer: Mac,
    pub(super) v4: Ipv4Addr,
    /// What Neighbour Discovery asks for.
    pub(super) v6: Ipv6Addr,
    /// Whose probes they are: odd frames have another source, so that what they make of that one hurts no probe.
    pub(super) prober: Host,
}

impl Scene {
    pub(super) fn new(peer: Mac, addresses: &[PeerAddress]) -> Self {
        let v4 = addresses.iter().rev().find_map(|peer| match peer.address {
            IpAddr::V4(v4) => Some((v4, peer.prefix)),
            IpAddr::V6(_) => None,
        });
        let named = addresses.iter().rev().find_map(|peer| match peer.address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        });
        let mut world = World::lab();
        let (v4, prefix) = v4.unwrap_or((world.ports[0].address, PREFIX));
        let port = &mut world.ports[0];
        let global = named.filter(|v6| !v6.is_unicast_link_local()).unwrap_or(port.ipv6);
        *port = Port { mac: peer, address: v4, prefix, ipv6: global, hosts: Vec::new(), ..port.clone() };
        let beside: Vec<_> = free_v4(port).zip(free_v6(global)).take(2).collect();
        let mut beside = beside.into_iter();
        let mut host = || {
            let (address, ipv6) = beside.next().expect("a prefix of 29 bits has room for two");
            Host { mac: hosts::mac(address.octets()), address, ipv6 }
        };
        let (sender, prober) = (host(), host());
        port.hosts.push(sender);
        let near = port.clone();
        let far = &mut world.ports[1];
        if near.contains(far.address) {
            *far = move_v4(far, if v4.octets()[0] == 10 { [172, 31, 2] } else { [10, 255, 2] });
        }
        if near.contains_ipv6(far.ipv6) {
            let prefix = 0xfd00_ffff_u128 << 96;
            far.ipv6 = Ipv6Addr::from_bits(prefix | 1);
            far.hosts.iter_mut().for_each(|host| host.ipv6 = Ipv6Addr::from_bits(prefix | 2));
        }
        Self { world, peer, v4, v6: named.unwrap_or_else(|| link_local(peer)), prober }
    }

    /// The port of the device.
    pub(super) fn port(&self) -> &Port {
        &self.world.ports[0]
    }

    /// What our side answers to this frame of the device: nothing to who asks whether its own address is free.
    pub(super) fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let own = match frame.get(12..14)? {
            [0x08, 0x06] => {
                let (sender, asked) = (frame.get(28..32)?, frame.get(38..42)?);
                sender == [0; 4] || asked == self.v4.octets()
            }
            [0x86, 0xdd] => {
                let asked = frame.get(62..78)?;
                let own = [self.v6, self.port().ipv6, self.port().link_local()];
                frame.get(22..38)? == [0; 16] || own.iter().any(|v6| asked == v6.octets())
            }
            _ => return None,
        };
        if own || frame.get(6..12)? != self.peer { None } else { hosts::answer(frame) }
    }

    /// The world in which one of our hosts is the router, to judge by what the device sends.
    pub(super) fn mirrored(&self) -> World {
        let near = self.port();
        let (device, host) = (Host { mac: self.peer, address: self.v4, ipv6: near.ipv6 }, near.hosts[0]);
        let port = Port {
            mac: host.mac,
            address: host.address,
            ipv6: host.ipv6,
            hosts: vec![device],
            ..near.clone()
        };
        World { ports: vec![port, self.world.ports[1].clone()], ..self.world.clone() }
    }
}

/// Addresses of the port's network that are neither its own nor broadcasts, those after its own first.
fn free_v4(port: &Port) -> impl Iterator<Item = Ipv4Addr> {
    let own = u32::from(port.address);
    let around = (1..=7)
        .map(move |step| own.wrapping_add(step))
        .chain((1..=7).map(move |step| own.wrapping_sub(step)));
    around.map(Ipv4Addr::from).filter(|&address| port.contains(address) && !port.is_broadcast(address))
}

fn free_v6(own: Ipv6Addr) -> impl Iterator<Item = Ipv6Addr> {
    let bits = own.to_bits();
    // The interface identifier alone moves on.
    (1..=14_u64).map(move |step| {
        let id = (bits as u64).wrapping_add(step).max(1);
        Ipv6Addr::from_bits(bits >> 64 << 64 | u128::from(id))
    })
}

fn move_v4(port: &Port, [a, b, c]: [u8; 3]) -> Port {
    let to = |address: Ipv4Addr| Ipv4Addr::new(a, b, c, address.octets()[3]);
    let hosts = port.hosts.iter().map(|host| Host { address: to(host.address), ..*host }).collect();
    Port { address: to(port.address), hosts, ..port.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktgen::build::{Arp, BROADCAST, ethernet, ethertype};

    #[test]
    fn hosts_are_beside_the_device_and_the_far_network_is_elsewhere() {
        for text in ["10.0.2.1", "10.0.1.254/24", "192.0.2.6/29", "10.9.8.7/8", "172.31.2.1/12"] {
            let scene =
                Scene::new([2, 0, 0, 0, 9, 9], &[text.parse().unwrap(), "fd00:2::1".parse().unwrap()]);
            let (near, far) = (scene.port(), &scene.world.ports[1]);
            let hosts = [near.hosts[0], scene.prober];
            for host in hosts {
                assert!(near.contains(host.address) && !near.is_broadcast(host.address), "{text}: {host:?}");
                assert!(near.contains_ipv6(host.ipv6) && host.address != scene.v4 && host.ipv6 != scene.v6);
            }
            assert!(hosts[0].address != hosts[1].address && hosts[0].mac != hosts[1].mac, "{text}");
            assert!(!near.contains(far.hosts[0].address) && !near.contains_ipv6(far.hosts[0].ipv6), "{text}");
            assert!(far.contains(far.hosts[0].address), "{text}");
        }
        for wrong in ["", "10.0.0.1/30", "10.0.0.1/x", "224.0.0.1", "fd00::1/48", "::", "127.0.0.1"] {
            assert!(wrong.parse::<PeerAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_device_s_own_questions_alone_are_answered() {
        let scene = Scene::new([2, 0, 0, 0, 1, 1], &[]);
        let request = |mac, asked: [u8; 4], sender: [u8; 4]| {
            let arp = Arp::request(mac, sender.into(), asked.into());
            ethernet(BROADCAST, mac, ethertype::ARP, &arp.packet())
        };
        assert!(scene.answer(&request(scene.peer, [10, 0, 1, 77], [10, 0, 1, 1])).is_some());
        assert_eq!(scene.answer(&request(scene.peer, [10, 0, 1, 1], [10, 0, 1, 1])), None);
        assert_eq!(scene.answer(&request(scene.peer, [10, 0, 1, 77], [0; 4])), None);
        assert_eq!(scene.answer(&request([2, 0, 0, 0, 1, 9], [10, 0, 1, 77], [10, 0, 1, 9])), None);
    }
}
