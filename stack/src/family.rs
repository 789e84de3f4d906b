//! An address family that the router routes: which of its tables are the family's.
//!
//! The fast path is compiled once for each family, so that no frame pays for the other one.

use crate::Router;
use crate::forward::{NeighborTable, RouteTable, Target};
use crate::wire::Address;
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

/// [`Ipv4Address`] or [`Ipv6Address`].
pub trait Family: Address + Into<IpAddress> {
    /// The family's routes.
    #[doc(hidden)]
    fn routes<'r, 'a>(router: &'r mut Router<'a>) -> &'r mut RouteTable<'a, Self>;

    /// The family's neighbours.
    #[doc(hidden)]
    fn neighbors<'r, 'a>(router: &'r mut Router<'a>) -> &'r mut NeighborTable<'a, Self>;

    /// The port and the target of the longest matching route.
    #[doc(hidden)]
    fn route<'a>(router: &Router<'a>, to: Self) -> Option<(crate::PortId, Target<Self>)>;

    /// Is it an address of the link alone, without a route?
    #[doc(hidden)]
    fn is_of_the_link(self) -> bool;
}

impl Family for Ipv4Address {
    #[inline(always)]
    fn routes<'r, 'a>(router: &'r mut Router<'a>) -> &'r mut RouteTable<'a, Self> {
        &mut router.routes
    }

    #[inline(always)]
    fn neighbors<'r, 'a>(router: &'r mut Router<'a>) -> &'r mut NeighborTable<'a, Self> {
        &mut router.neighbors
    }

    #[inline(always)]
    fn route<'a>(router: &Router<'a>, to: Self) -> Option<(crate::PortId, Target<Self>)> {
        let way = router.routes.way(to)?;
        // RFC 3927 §2.6.2: what is link-local never goes to a router.
        if to.is_link_local() && matches!(way.1, Target::Via(_)) {
            return None;
        }
        Some(way)
    }

    #[inline(always)]
    fn is_of_the_link(self) -> bool {
        // IPv4 has no zones: 169.254/16 is on the link that has a route to it.
        false
    }
}

impl Family for Ipv6Address {
    #[inline(always)]
    fn routes<'r, 'a>(router: &'r mut Router<'a>) -> &'r mut RouteTable<'a, Self> {
        &mut router.routes_v6
    }

    #[inline(always)]
    fn neighbors<'r, 'a>(router: &'r mut Router<'a>) -> &'r mut NeighborTable<'a, Self> {
        &mut router.neighbors_v6
    }

    #[inline(always)]
    fn route<'a>(router: &Router<'a>, to: Self) -> Option<(crate::PortId, Target<Self>)> {
        router.routes_v6.way(to)
    }

    #[inline(always)]
    fn is_of_the_link(self) -> bool {
        self.to_bits() >> 118 == 0xfe80 >> 6
    }
}
