//! Any frame: the classifier does not panic, and agrees with the oracle.

use super::Input;
use crate::{opinion, sim};
use pktgen::World;
use stack::classify::Locals;
use std::sync::LazyLock;

static LAB: LazyLock<(World, Locals)> = LazyLock::new(|| {
    let world = World::lab();
    let locals = Locals::new(&sim::config(&world).ports);
    (world, locals)
});

/// One byte for the port, then the frame.
pub(super) fn run(data: &[u8]) {
    let (world, locals) = &*LAB;
    let mut input = Input(data);
    let port = input.below(world.ports.len()) as u8;
    let frame = input.0;
    if let Some((theirs, ours)) = opinion::difference(world, locals, port, frame) {
        panic!("port {port}, {frame:02x?}: oracle {theirs:?}, router {ours:?}");
    }
}
