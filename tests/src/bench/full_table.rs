//! Routers with a million routes, and frames to destinations spread over all of them.
//!
//! The prefixes are synthetic: lengths as a BGP table has them (most /24 and /48), in blocks as registries give them
//! out; no real table is in the repository.

use super::{Driver, generous, ipv6_frame};
use crate::Sim;
use crate::frames::{self, from_client, transit};
use crate::storage::{SIZES, Sizes};
use pktgen::World;
use pktgen::build::Ipv4;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use stack::{PortId, Route, Target};

/// Routes of each table.
pub const ROUTES: usize = 1_000_000;
/// One number for two routes: more would not stay in the second-level cache.
const INDEX: usize = (1 << 19) + 1;
/// Destinations that are too many for any cache.
pub const DESTINATIONS: usize = 65_536;

/// A generator of numbers that is the same everywhere (PCG's step).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn router() -> Sim {
    let sizes = Sizes { routes: ROUTES + 8, routes_index: INDEX, ..SIZES };
    let mut sim = Sim::new(World::lab(), generous, sizes);
    sim.prime();
    sim
}

/// IPv4: lengths 16 to 24, more than half /24; so many destinations, in turn.
///
/// # Panics
/// If the router refuses a route.
pub fn ipv4(len: usize, destinations: usize) -> (Sim, Driver) {
    let mut sim = router();
    let mut numbers = Numbers(4);
    let gateway = sim.world().ports[1].hosts[0].address;
    let mut prefixes: Vec<Ipv4Cidr> = Vec::with_capacity(ROUTES);
    while prefixes.len() < ROUTES {
        // Blocks of up to 64 neighbouring prefixes of one length, away from 10/8 and from what is special.
        let length = [24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 18, 16][numbers.below(12) as usize];
        let first = 11 + numbers.below(100) as u32;
        let base = first << 24 | (numbers.below(1 << 24) as u32);
        for step in 0..numbers.below(64) as u32 {
            let network = (base >> (32 - length)).wrapping_add(step) << (32 - length);
            if (11..=126).contains(&(network >> 24)) {
                prefixes.push(Ipv4Cidr::new(Ipv4Address::from_bits(network), length as u8));
            }
        }
    }
    prefixes.truncate(ROUTES);
    let routes =
        prefixes.iter().map(|&prefix| Route { prefix, target: Target::Via(gateway), port: PortId(1) });
    sim.router.add_routes(routes).expect("room for a million routes");
    let frame =
        |destination| from_client(&frames::udp(&Ipv4 { destination, ..transit() }, 9, &vec![7; len - 42]));
    let patches = (0..destinations).map(|_| {
        let prefix = prefixes[numbers.below(ROUTES as u64) as usize];
        let host = numbers.below(1 << (32 - prefix.prefix_len())) as u32;
        let made = frame(Ipv4Address::from_bits(prefix.address().to_bits() | host));
        made[IPV4_PATCH..IPV4_PATCH + 16].try_into().expect("16 bytes")
    });
    let patches = patches.collect();
    (sim, Driver::patched(frame(gateway), IPV4_PATCH, patches))
}

/// Where 16 bytes hold the header checksum and both addresses.
const IPV4_PATCH: usize = 14 + 4;
/// Where 16 bytes hold an IPv6 destination.
const IPV6_PATCH: usize = 14 + 24;

/// IPv6: lengths 32 to 48, most /48, under 2000::/3; so many destinations, in turn.
///
/// # Panics
/// If the router refuses a route.
pub fn ipv6(len: usize, destinations: usize) -> (Sim, Driver) {
    let mut sim = router();
    let mut numbers = Numbers(6);
    let gateway = sim.world().ports[1].hosts[0].ipv6;
    let mut prefixes: Vec<Ipv6Cidr> = Vec::with_capacity(ROUTES);
    while prefixes.len() < ROUTES {
        let length = [48, 48, 48, 48, 48, 44, 40, 36, 32, 32][numbers.below(10) as usize];
        let registry = [0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00][numbers.below(6) as usize];
        let base = u128::from(registry + numbers.below(16)) << 112 | u128::from(numbers.below(1 << 31)) << 81;
        for step in 0..numbers.below(64) {
            let network = ((base >> (128 - length)) + u128::from(step)) << (128 - length);
            prefixes.push(Ipv6Cidr::new(Ipv6Address::from_bits(network), length as u8));
        }
    }
    prefixes.truncate(ROUTES);
    let routes =
        prefixes.iter().map(|&prefix| Route { prefix, target: Target::Via(gateway), port: PortId(1) });
    sim.router.add_routes(routes).expect("room for a million routes");
    let patches = (0..destinations).map(|_| {
        let prefix = prefixes[numbers.below(ROUTES as u64) as usize];
        let host = u128::from(numbers.below(1 << 31)) << 20 | 1;
        (prefix.address().to_bits() | host).to_be_bytes()
    });
    let patches = patches.collect();
    (sim, Driver::patched(ipv6_frame(gateway, len), IPV6_PATCH, patches))
}
