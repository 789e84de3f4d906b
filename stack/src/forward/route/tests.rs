//! The route table against a linear scan, for both families and every size of index.

use super::*;
use smoltcp::wire::{Ipv4Address, Ipv6Address};
use std::vec;
use std::vec::Vec;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// What the tests need beside [`Address`].
trait Family: Address {
    fn of(bits: u128) -> Self;

    /// An address whose bits after the first `length` are drawn.
    fn near(self, length: u8, rng: &mut Rng) -> Self;
}

impl Family for Ipv4Address {
    fn of(bits: u128) -> Self {
        Self::from_bits((bits >> 96) as u32)
    }

    fn near(self, length: u8, rng: &mut Rng) -> Self {
        let key = self.to_bits();
        Self::from_bits(key ^ (rng.next() as u32).checked_shr(length.into()).unwrap_or(0))
    }
}

impl Family for Ipv6Address {
    fn of(bits: u128) -> Self {
        Self::from_bits(bits)
    }

    fn near(self, length: u8, rng: &mut Rng) -> Self {
        let drawn = u128::from(rng.next()) << 64 | u128::from(rng.next());
        Self::from_bits(self.to_bits() ^ drawn.checked_shr(length.into()).unwrap_or(0))
    }
}

fn table<A: Address>(slots: usize, index: usize) -> RouteTable<'static, A> {
    RouteTable::new(vec![RouteSlot::EMPTY; slots].leak().into(), vec![7; index].leak().into())
}

fn route<A: Family>(bits: u128, length: u8, port: u8) -> Route<A> {
    Route { prefix: A::of(bits).with_prefix(length), target: Target::OnLink, port: PortId(port) }
}

/// 10.1.1.1, or an IPv6 address that begins so.
const HERE: u128 = 0x0a01_0101_0101_0101_0101_0101_0101_0101;

fn both_families(check: (fn(), fn())) {
    check.0();
    check.1();
}

fn longest_wins<A: Family>() {
    let q = A::BITS / 4;
    let routes: [Route<A>; 5] = [
        route(HERE, q, 1),
        route(HERE, A::BITS, 2),
        route(0, 0, 0),
        route(HERE, q * 2, 3),
        route(HERE, q * 3, 4),
    ];
    let to = A::of(HERE);
    for rotation in 0..routes.len() {
        for index in [0, 8, 9, 257] {
            let mut table = table(5, index);
            for at in 0..routes.len() {
                table.insert(routes[(at + rotation) % routes.len()]).unwrap();
            }
            assert_eq!(table.insert(route(1 << 127, q, 9)), Err(ConfigError::RouteTableFull));
            for (left, expected) in [2, 4, 3, 1, 0].into_iter().enumerate() {
                assert_eq!(table.len(), 5 - left);
                let found = table.lookup(to).unwrap();
                assert_eq!(found.port, PortId(expected));
                assert!(table.remove(found.prefix));
                assert!(!table.remove(found.prefix));
            }
            assert_eq!(table.lookup(to), None);
            assert!(table.is_empty());
        }
    }
}

#[test]
fn longest_prefix_wins_whatever_the_order_and_withdrawal_falls_back() {
    both_families((longest_wins::<Ipv4Address>, longest_wins::<Ipv6Address>));
}

fn same_prefix<A: Family>() {
    let mut table = table::<A>(1, 0);
    table.insert(route(HERE, 8, 1)).unwrap();
    table.insert(route(HERE ^ 1 << 100, 8, 2)).unwrap();
    let found = table.lookup(A::of(HERE ^ 1 << 110)).unwrap();
    assert_eq!(found, route(0x0a << 120, 8, 2), "host bits are not kept");
}

#[test]
fn a_route_with_the_same_prefix_replaces() {
    both_families((same_prefix::<Ipv4Address>, same_prefix::<Ipv6Address>));
}

fn extend_full<A: Family>() {
    let mut table = table::<A>(4, 8);
    table.insert(route(HERE, 8, 1)).unwrap();
    let many = [route(0, 0, 2), route(HERE, 8, 3), route(HERE, 16, 4), route(HERE, A::BITS, 5)];
    assert_eq!(table.extend(many.into_iter().map(Ok)), Err(ConfigError::RouteTableFull));
    let refused = [Ok(many[0]), Err(ConfigError::RoutePort(PortId(9)))];
    assert_eq!(table.extend(refused.into_iter()), Err(ConfigError::RoutePort(PortId(9))));
    assert!(table.iter().eq([route(0x0a << 120, 8, 1)]), "as it was before");
    assert_eq!(table.lookup(A::of(HERE)).map(|r| r.port), Some(PortId(1)));
    assert_eq!(table.lookup(A::of(0)), None);
    table.extend(many[..3].iter().copied().map(Ok)).unwrap();
    assert_eq!(table.len(), 3);
    for (to, port) in [(0, 2), (HERE, 4), (HERE ^ 1 << 113, 3), (u128::MAX, 2)] {
        assert_eq!(table.lookup(A::of(to)).map(|r| r.port), Some(PortId(port)), "{to:x}");
    }
}

#[test]
fn extend_adds_all_or_nothing_and_the_last_of_a_prefix_stays() {
    both_families((extend_full::<Ipv4Address>, extend_full::<Ipv6Address>));
}

fn no_storage<A: Family>() {
    let mut table = table::<A>(0, 0);
    assert_eq!(table.insert(route(0, 0, 0)), Err(ConfigError::RouteTableFull));
    assert_eq!(table.lookup(A::of(HERE)), None);
    assert!(!table.remove(A::of(0).with_prefix(0)));
}

#[test]
fn a_table_without_storage_has_no_routes() {
    both_families((no_storage::<Ipv4Address>, no_storage::<Ipv6Address>));
}

/// The routes as a list, and lookup by its definition.
#[derive(Default)]
struct Model<A: Address>(Vec<Route<A>>);

impl<A: Address> Model<A> {
    fn rank(route: &Route<A>) -> (A::Key, u8) {
        let (address, length) = A::split(route.prefix);
        (address.key().network(length), length)
    }

    fn set(&mut self, route: Route<A>) {
        let (network, length) = Self::rank(&route);
        self.remove(route.prefix);
        self.0.push(Route { prefix: A::from_key(network).with_prefix(length), ..route });
    }

    fn remove(&mut self, prefix: A::Cidr) -> bool {
        let before = self.0.len();
        let rank = Self::rank(&Route { prefix, target: Target::OnLink, port: PortId(0) });
        self.0.retain(|route| Self::rank(route) != rank);
        self.0.len() < before
    }

    fn lookup(&self, to: A) -> Option<Route<A>> {
        let serves = |route: &&Route<A>| {
            let (network, length) = Self::rank(route);
            to.key().network(length) == network
        };
        self.0.iter().filter(serves).max_by_key(|route| Self::rank(route).1).copied()
    }
}

fn check_parents<A: Address>(table: &RouteTable<'_, A>) {
    let slots = table.used();
    for (at, slot) in slots.iter().enumerate() {
        let expected = slots[..at].iter().rposition(|outer| outer.contains(slot.network));
        assert_eq!(slot.parent, expected.map_or(NONE, |at| at as u32), "{slot:?}");
    }
}

/// Prefixes that often nest: each is a longer or shorter one around an address from a small pool.
fn draw<A: Family>(rng: &mut Rng, pool: &[A]) -> Route<A> {
    let bits = usize::from(A::BITS);
    let length = match rng.below(12) {
        0 => 0,
        1 => A::BITS,
        2 => rng.below(4) as u8,
        3 => A::BITS - rng.below(4) as u8,
        _ => rng.below(bits + 1) as u8,
    };
    let address = pool[rng.below(pool.len())];
    let address = if rng.below(4) == 0 { address.near(rng.below(bits) as u8, rng) } else { address };
    let target = match rng.below(5) {
        0 => Target::Unreachable,
        1 => Target::Via(pool[0]),
        _ => Target::OnLink,
    };
    Route { prefix: address.with_prefix(length), target, port: PortId(rng.below(16) as u8) }
}

fn against_a_scan<A: Family>(seed: u64) {
    let mut rng = Rng(seed);
    let slots = [3, 20, 60][rng.below(3)];
    let index = [0, 1, 7, 8, 9, 33, 300, 5000][rng.below(8)];
    let mut table = table::<A>(slots, index);
    let mut model = Model(Vec::new());
    let zero = A::of(0);
    let pool: Vec<A> = (0..4).map(|_| zero.near(rng.below(20) as u8, &mut rng)).collect();
    for _ in 0..60 {
        match rng.below(10) {
            0..4 => {
                let route = draw(&mut rng, &pool);
                let result = table.insert(route);
                let was_full = model.0.len() == slots;
                let replaces = model.0.iter().any(|old| Model::rank(old) == Model::rank(&route));
                assert_eq!(result.is_err(), was_full && !replaces);
                if result.is_ok() {
                    model.set(route);
                }
            }
            4..8 if !model.0.is_empty() => {
                let prefix = model.0[rng.below(model.0.len())].prefix;
                assert!(table.remove(prefix) && model.remove(prefix));
            }
            8 => {
                let prefix = draw(&mut rng, &pool).prefix;
                assert_eq!(table.remove(prefix), model.remove(prefix));
            }
            _ => {
                let many: Vec<_> = (0..rng.below(slots + 2)).map(|_| draw(&mut rng, &pool)).collect();
                let result = table.extend(many.iter().copied().map(Ok));
                assert_eq!(result.is_err(), model.0.len() + many.len() > slots);
                if result.is_ok() {
                    many.into_iter().for_each(|route| model.set(route));
                }
            }
        }
        check_parents(&table);
        model.0.sort_by_key(Model::rank);
        assert!(table.iter().eq(model.0.iter().copied()));
        for _ in 0..20 {
            let near = pool[rng.below(pool.len())];
            let to = near.near(rng.below(usize::from(A::BITS) + 1) as u8, &mut rng);
            assert_eq!(table.lookup(to), model.lookup(to), "{to}");
        }
        for to in [A::of(0), A::of(u128::MAX)] {
            assert_eq!(table.lookup(to), model.lookup(to), "{to}");
        }
    }
}

#[test]
fn agrees_with_a_linear_scan_after_every_change() {
    for seed in 0..400 {
        std::println!("seed {seed}");
        against_a_scan::<Ipv4Address>(seed);
        against_a_scan::<Ipv6Address>(seed);
    }
}

fn narrow<A: Family>() {
    // All routes share their first 8 bits, and the second half of the addresses has none.
    let mut table = table::<A>(1024, 1024);
    table.extend((0..1024).map(|at| Ok(route(HERE & 0xff << 120 | at << 110, 18, 1)))).unwrap();
    for at in 0..1024 {
        let range = table.index.range(A::of(HERE & 0xff << 120 | at << 110).key(), table.len());
        assert!(range.len() <= 4, "{range:?}");
    }
    assert!(table.index.range(A::of(u128::MAX).key(), table.len()).is_empty());
}

#[test]
fn the_index_is_fine_where_the_routes_are() {
    both_families((narrow::<Ipv4Address>, narrow::<Ipv6Address>));
}

#[test]
fn slots_are_as_small_as_documented() {
    assert_eq!(size_of::<RouteSlot<Ipv4Address>>(), 16);
    assert_eq!(size_of::<RouteSlot<Ipv6Address>>(), 48);
}
