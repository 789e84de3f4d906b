//! The machinery of forwarding: routes, neighbours, packets that wait for one, fragments, ICMP errors.

mod egress;
mod fragment;
pub(crate) mod icmp_error;
pub(crate) mod icmpv4;
pub(crate) mod icmpv6;
mod neighbor;
mod redirect;
mod resolve;
pub(crate) mod rewrite;
mod route;
mod send;
mod transit;
mod wait;

pub(crate) use egress::Egress;
pub use egress::{Origin, Transmit, TxSlot};
pub(crate) use fragment::Fragments;
pub use icmp_error::IcmpError;
pub(crate) use neighbor::Lookup;
pub use neighbor::{NeighborSlot, NeighborTable};
pub use route::{Route, RouteSlot, RouteTable, Target};
pub(crate) use transit::Hop;
pub use wait::WaitSlot;
pub(crate) use wait::{Cargo, Maker, WaitRoom};
