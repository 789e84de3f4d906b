//! Who sends and who receives: every host of the world with its router, in one flat table.

use crate::build::Mac;
use crate::dice::Draw;
use crate::world::World;
use rand::Rng;
use std::ops::Range;

/// A host and the router's port that it is behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Party {
    pub(super) port: u8,
    pub(super) mac: Mac,
    pub(super) v4: [u8; 4],
    pub(super) v6: [u8; 16],
    pub(super) link_local: [u8; 16],
    pub(super) router: Router,
}

/// The router as this host sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Router {
    pub(super) mac: Mac,
    pub(super) v4: [u8; 4],
    pub(super) v6: [u8; 16],
    /// How many addresses the connected IPv4 network has that may be a host's: the first is the network's number
    /// plus one. 0 where nobody but the hosts that are known can be meant.
    pub(super) room: u32,
    /// The network's number.
    pub(super) network: u32,
}

/// All hosts, ordered by port.
#[derive(Debug, Clone)]
pub(super) struct Parties {
    all: Vec<Party>,
    /// For each host those behind the same port.
    neighbors: Vec<Range<usize>>,
}

impl Parties {
    pub(super) fn new(world: &World) -> Self {
        let (mut all, mut neighbors) = (Vec::new(), Vec::new());
        for (port, number) in world.ports.iter().zip(0..) {
            let network = port.broadcast().map(|ones| u32::from(ones) & !(host_bits(port.prefix)));
            let router = Router {
                mac: port.mac,
                v4: port.address.octets(),
                v6: port.ipv6.octets(),
                room: network.map_or(0, |_| host_bits(port.prefix) - 1),
                network: network.unwrap_or_default(),
            };
            let own = all.len()..all.len() + port.hosts.len();
            for host in &port.hosts {
                all.push(Party {
                    port: number,
                    mac: host.mac,
                    v4: host.address.octets(),
                    v6: host.ipv6.octets(),
                    link_local: host.link_local().octets(),
                    router,
                });
                neighbors.push(own.clone());
            }
        }
        Self { all, neighbors }
    }

    /// Are there hosts behind two ports?
    pub(super) fn can_meet(&self) -> bool {
        self.neighbors.first().is_some_and(|own| own.len() < self.all.len())
    }

    /// A host, and another one behind another port.
    pub(super) fn two<R: Rng>(&self, rng: &mut R) -> (&Party, &Party) {
        let first = rng.below(self.all.len());
        let own = &self.neighbors[first];
        let other = rng.below(self.all.len() - own.len());
        let other = if other >= own.start { other + own.len() } else { other };
        (&self.all[first], &self.all[other])
    }
}

/// The bits of an address that name the host.
fn host_bits(prefix: u8) -> u32 {
    u32::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

impl Party {
    /// An address of the host's network that is neither the router's nor a broadcast, nor the host's own: somebody who
    /// is not there. `None` where the network has no room.
    pub(super) fn stranger<R: Rng>(&self, rng: &mut R) -> Option<[u8; 4]> {
        if self.router.room < 4 {
            return None;
        }
        let mut host = rng.below(self.router.room as usize) as u32;
        // At most two are taken, so that one of three neighbours is free.
        loop {
            let address = (self.router.network + 1 + host % self.router.room).to_be_bytes();
            if address != self.router.v4 && address != self.v4 {
                return Some(address);
            }
            host += 1;
        }
    }

    /// The same in IPv6.
    pub(super) fn stranger6<R: Rng>(&self, rng: &mut R) -> [u8; 16] {
        let mut address = self.v6;
        address[8..].copy_from_slice(&(rng.next_u64() | 1 << 63).to_be_bytes());
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::rng_for;
    use std::net::Ipv4Addr;

    #[test]
    fn two_parties_are_behind_two_ports() {
        let mut world = World::with_ports(3);
        let more = world.ports[1].hosts[0];
        world.ports[1].hosts.push(more);
        let parties = Parties::new(&world);
        let mut seen = std::collections::BTreeSet::new();
        let mut rng = rng_for(1, 2, 3);
        for _ in 0..500 {
            let (from, to) = parties.two(&mut rng);
            assert_ne!(from.port, to.port);
            seen.insert((from.port, to.port));
        }
        assert_eq!(seen.len(), 6);
        assert!(parties.can_meet() && !Parties::new(&World::with_ports(1)).can_meet());
    }

    #[test]
    fn a_stranger_is_nobody_known() {
        for prefix in [8, 24, 29] {
            let mut world = World::lab();
            world.ports[0].prefix = prefix;
            let party = Parties::new(&world).all[0];
            let mut rng = rng_for(1, 2, 4);
            for _ in 0..500 {
                let stranger = Ipv4Addr::from(party.stranger(&mut rng).expect("room"));
                let port = &world.ports[0];
                assert!(port.contains(stranger) && !port.is_broadcast(stranger), "{stranger}/{prefix}");
                assert!(stranger != port.address && stranger != port.hosts[0].address);
            }
        }
        let mut world = World::lab();
        world.ports[0].prefix = 31;
        assert_eq!(Parties::new(&world).all[0].stranger(&mut rng_for(0, 0, 0)), None);
    }
}
