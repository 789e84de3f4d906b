//! The machinery of forwarding: routes, neighbours, packets that wait for one, ICMP errors.

mod egress;
pub(crate) mod icmp_error;
mod neighbor;
mod route;
mod transit;
mod wait;

pub(crate) use egress::Egress;
pub use egress::{Origin, Transmit, TxSlot};
pub use icmp_error::IcmpError;
pub(crate) use neighbor::Lookup;
pub use neighbor::{NeighborSlot, NeighborTable};
pub use route::{Route, RouteTable};
pub use wait::WaitSlot;
pub(crate) use wait::{Cargo, WaitRoom};
