//! What the benches of the fast path measure: routers, frames, and drivers that hand them over.

pub mod full_table;
pub mod mixed;
pub mod peers;

use crate::Sim;
use crate::frames::{self, from_client, transit};
use crate::frames_v6;
use pktgen::build::{Ipv4, Ipv6};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use stack::frame::FRAME_MAX;
use stack::{Config, FrameBuf, PortId, Rate, Route, Target};

/// One frame's work.
pub type Routine = Box<dyn FnMut()>;

/// Different destinations, so that no branch predictor learns the one route.
pub const FLOWS: usize = 64;

/// Limits that refuse nothing of what is to be measured, and neighbours that last.
pub fn generous(config: &mut Config) {
    config.limits.divert_rate = Rate { per_second: 5_000, burst: 1_000_000 };
    config.limits.icmp_error_rate = Rate { per_second: 1_000_000, burst: 1_000_000 };
    config.limits.neighbor_lifetime = Duration::from_secs(1_000_000);
}

/// A router with 16 routes of each family and warm neighbours: both hosts, which are also the gateways of 14
/// networks.
///
/// # Panics
/// If the router refuses a route.
pub fn lab() -> Sim {
    let mut sim = Sim::lab_with(generous);
    for net in 0..14_u8 {
        let port = usize::from(net.is_multiple_of(2));
        let gateway = sim.world().ports[port].hosts[0];
        let port = PortId(port as u8);
        let prefix = Ipv4Cidr::new(Ipv4Address::new(172, 16 + net, 0, 0), 16);
        let route = Route { prefix, target: Target::Via(gateway.address), port };
        sim.router.add_route(route).expect("room for a route");
        let prefix = Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, net.into(), 0, 0, 0, 0, 0), 48);
        let route = Route { prefix, target: Target::Via(gateway.ipv6), port };
        sim.router.add_route(route).expect("room for a route");
    }
    assert_eq!((sim.router.routes().len(), sim.router.routes_v6().len()), (16, 16));
    sim.prime();
    sim
}

/// IPv4 frames of this length to the networks behind port 1.
pub fn transit_frames(len: usize) -> Vec<Vec<u8>> {
    (0..FLOWS)
        .map(|flow| {
            let net = 16 + (flow % 7) as u8 * 2;
            let header = Ipv4 { destination: [172, net, flow as u8, 9].into(), ..transit() };
            from_client(&frames::udp(&header, 9, &vec![flow as u8; len - 14 - 28]))
        })
        .collect()
}

/// IPv6 frames of this length to the networks behind port 1.
pub fn transit_frames_v6(len: usize) -> Vec<Vec<u8>> {
    (0..FLOWS)
        .map(|flow| {
            let net = (flow % 7) as u16 * 2;
            ipv6_frame(Ipv6Address::new(0x2001, 0xdb8, net, 0, 0, 0, 0, flow as u16), len)
        })
        .collect()
}

/// An IPv6 frame of this length from the client.
pub(crate) fn ipv6_frame(destination: Ipv6Address, len: usize) -> Vec<u8> {
    let header = Ipv6::new(frames::CLIENT.ipv6, destination);
    frames_v6::from_client(&frames_v6::udp(&header, 9, &vec![7; len - 14 - 40 - 8]))
}

/// Frames in turn, copied into a buffer.
#[derive(Debug)]
pub struct Driver {
    frames: Vec<Vec<u8>>,
    /// Written over each frame at `at`, in turn: destinations, so that a great many need not be as many frames,
    /// whose own memory would be what is measured.
    patches: Vec<[u8; PATCH]>,
    at: usize,
    next: usize,
    next_patch: usize,
    buffer: Box<[u8; FRAME_MAX]>,
}

/// Bytes of the longest destination.
const PATCH: usize = 16;

impl Driver {
    /// Hands over these frames, again and again.
    pub fn new(frames: Vec<Vec<u8>>) -> Self {
        Self { frames, patches: Vec::new(), at: 0, next: 0, next_patch: 0, buffer: Box::new([0; FRAME_MAX]) }
    }

    /// Hands over one frame, each time with other bytes at `at`.
    pub fn patched(frame: Vec<u8>, at: usize, patches: Vec<[u8; PATCH]>) -> Self {
        Self { patches, at, ..Self::new(vec![frame]) }
    }

    /// The next one.
    pub fn receive(&mut self) -> FrameBuf<'_> {
        self.next = if self.next + 1 >= self.frames.len() { 0 } else { self.next + 1 };
        let template = &self.frames[self.next];
        let frame = &mut self.buffer[..template.len()];
        frame.copy_from_slice(template);
        if let Some(patch) = self.patches.get(self.next_patch) {
            frame[self.at..self.at + PATCH].copy_from_slice(patch);
            self.next_patch = if self.next_patch + 1 == self.patches.len() { 0 } else { self.next_patch + 1 };
        }
        FrameBuf::new(frame)
    }
}
