//! The forwarding table: longest-prefix match over caller-supplied storage. Read first: RFC 1812 §5.2.4.

use crate::config::{ConfigError, PortId};
use managed::ManagedSlice;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Destinations that it serves.
    pub prefix: Ipv4Cidr,
    /// The next router; `None`: the destination itself is on the link.
    pub next_hop: Option<Ipv4Address>,
    /// Egress port.
    pub port: PortId,
}

/// Routes, longest prefix first.
#[derive(Debug)]
pub struct RouteTable<'a> {
    storage: ManagedSlice<'a, Option<Route>>,
    len: usize,
}

impl<'a> RouteTable<'a> {
    /// An empty table that holds as many routes as `storage`.
    pub(crate) fn new(mut storage: ManagedSlice<'a, Option<Route>>) -> Self {
        storage.fill(None);
        Self { storage, len: 0 }
    }

    /// The route to `destination` with the longest prefix.
    pub fn lookup(&self, destination: Ipv4Address) -> Option<&Route> {
        self.iter().find(|route| route.prefix.contains_addr(&destination))
    }

    /// Every route, longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.storage[..self.len].iter().flatten()
    }

    /// Adds a route; one with the same prefix is replaced.
    ///
    /// # Errors
    /// [`ConfigError::RouteTableFull`].
    pub(crate) fn insert(&mut self, route: Route) -> Result<(), ConfigError> {
        let prefix = route.prefix.network();
        let route = Route { prefix, ..route };
        if let Some(same) = self.storage[..self.len].iter_mut().flatten().find(|r| r.prefix == prefix) {
            *same = route;
            return Ok(());
        }
        if self.len == self.storage.len() {
            return Err(ConfigError::RouteTableFull);
        }
        let at = self.iter().position(|r| r.prefix.prefix_len() < prefix.prefix_len()).unwrap_or(self.len);
        self.storage[at..=self.len].rotate_right(1);
        self.storage[at] = Some(route);
        self.len += 1;
        Ok(())
    }

    /// Takes the route with this prefix out; says whether there was one.
    pub(crate) fn remove(&mut self, prefix: Ipv4Cidr) -> bool {
        let Some(at) = self.iter().position(|r| r.prefix == prefix.network()) else { return false };
        self.storage[at..self.len].rotate_left(1);
        self.len -= 1;
        self.storage[self.len] = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(a: u8, length: u8, port: u8) -> Route {
        Route {
            prefix: Ipv4Cidr::new(Ipv4Address::new(a, 1, 1, 1), length),
            next_hop: None,
            port: PortId(port),
        }
    }

    #[test]
    fn longest_prefix_wins_whatever_the_order_and_withdrawal_falls_back() {
        let routes = [route(10, 8, 1), route(10, 32, 2), route(0, 0, 0), route(10, 16, 3), route(10, 24, 4)];
        let to = Ipv4Address::new(10, 1, 1, 1);
        for rotation in 0..routes.len() {
            let mut storage = [None; 5];
            let mut table = RouteTable::new(ManagedSlice::Borrowed(&mut storage));
            for index in 0..routes.len() {
                table.insert(routes[(index + rotation) % routes.len()]).unwrap();
            }
            assert_eq!(table.insert(route(11, 8, 9)), Err(ConfigError::RouteTableFull));
            for expected in [2, 4, 3, 1, 0] {
                let found = *table.lookup(to).unwrap();
                assert_eq!(found.port, PortId(expected));
                assert!(table.remove(found.prefix));
            }
            assert_eq!(table.lookup(to), None);
        }
    }

    #[test]
    fn a_route_with_the_same_prefix_replaces() {
        let mut storage = [None; 1];
        let mut table = RouteTable::new(ManagedSlice::Borrowed(&mut storage));
        table.insert(route(10, 8, 1)).unwrap();
        table.insert(route(10, 8, 2)).unwrap();
        assert_eq!(table.lookup(Ipv4Address::new(10, 9, 9, 9)).unwrap().port, PortId(2));
    }
}
