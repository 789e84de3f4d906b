//! Frames that a router really diverts: generated traffic, malformed and mutated, through `stack`.

use crate::samples::{self, Sample};
use crate::triage;
use llm_slowpath::backend::embedded;
use llm_slowpath::prompt::tokens;
use managed::ManagedSlice;
use pktgen::world::IPV6_PREFIX;
use pktgen::{Generator, Mix, World};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Cidr, Ipv6Cidr};
use stack::frame::FRAME_MAX;
use stack::{Allocate, Anomaly, Config, FrameBuf, Mode, PortConfig, PortId, Posture, Router, Sizes, Storage};

/// Samples drawn from what routers of every posture divert.
pub(crate) struct Diverts {
    generator: Generator,
    routers: Vec<Router<'static>>,
    index: u64,
    buffer: Box<[u8; FRAME_MAX]>,
}

impl Diverts {
    /// The stream of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::lab();
        let routers = Posture::ALL.iter().map(|&posture| router(&world, posture)).collect();
        let generator = Generator::new(world, seed).with_mix(Mix { healthy: 1, odd: 4, mutant: 2 });
        Self { generator, routers, index: 0, buffer: Box::new([0; FRAME_MAX]) }
    }

    /// The next diverted frame's prompt, and the oracle's answer.
    pub(crate) fn draw(&mut self) -> Sample {
        loop {
            let made = self.generator.frame(self.index);
            let router = &mut self.routers[(self.index % Posture::ALL.len() as u64) as usize];
            self.index += 1;
            // A second apart, so that no token bucket runs dry.
            let now = Instant::ZERO + Duration::from_secs(self.index);
            router.handle_timeout(now);
            let mut bytes = made.bytes.clone();
            let _ = router.handle_frame(now, PortId(made.port), &mut FrameBuf::new(&mut bytes));
            let diverted = router.poll_divert(&mut self.buffer);
            let sample = diverted.map(|diverted| {
                router.abandon(now, diverted.id);
                let prompt = embedded::prompt(&diverted.class, &self.buffer[..diverted.len]);
                if prompt[1] == tokens::PING {
                    samples::ping_sample(&self.buffer[..diverted.len])
                } else {
                    triage::of(&diverted.class)
                }
            });
            while router.poll_transmit(&mut self.buffer).is_some() {}
            while router.poll_event().is_some() {}
            if let Some(sample) = sample {
                return sample;
            }
        }
    }
}

/// A router of this posture that diverts whatever it may, echo requests too.
fn router(world: &World, posture: Posture) -> Router<'static> {
    let mut config = Config::new(1);
    config.posture = posture;
    config.limits.observe_one_in = 1;
    config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may be enforced");
    for port in &world.ports {
        let mut made = PortConfig::new(EthernetAddress(port.mac), port.mtu);
        made.addresses.push(Ipv4Cidr::new(port.address, port.prefix)).expect("room for one address");
        made.ipv6.push(Ipv6Cidr::new(port.ipv6, IPV6_PREFIX)).expect("room for one address");
        config.ports.push(made).expect("room for the laboratory's ports");
    }
    Router::new(config, Storage::allocate(&SIZES, &mut Heap)).expect("the configuration is sound")
}

struct Heap;

impl Allocate for Heap {
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T> {
        (0..len).map(|_| empty()).collect::<Vec<_>>().into()
    }
}

const SIZES: Sizes = Sizes {
    routes: 16,
    routes_index: 0,
    neighbors: 16,
    waiting: 16,
    diverts: 256,
    transmit: 64,
    events: 64,
    echoes: 4,
    status: 0,
    reassembly: 4,
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Reasons that the laboratory's routers do not divert: no port checks reverse paths, and an overlap takes two
    /// frames that follow each other.
    const NEVER: [Anomaly; 3] =
        [Anomaly::ReversePath, Anomaly::Ipv4FragmentOverlap, Anomaly::Ipv6FragmentOverlap];

    #[test]
    fn routers_divert_every_reason_and_each_is_asked_in_its_own_words() {
        let mut diverts = Diverts::new(11);
        let mut seen = BTreeSet::new();
        for _ in 0..20_000 {
            let Sample { prompt, answer } = diverts.draw();
            assert_eq!(answer.last(), Some(&tokens::EOS));
            // A ping prompt names no reason: an echo request, or one with a wrong checksum.
            if prompt[1] == tokens::TRIAGE {
                seen.insert(prompt[4]);
            }
        }
        let asked_as_ping = |reason| matches!(reason, Anomaly::EchoRequest);
        let missed = Anomaly::ALL.iter().filter(|&&reason| {
            !seen.contains(&tokens::reason(reason)) && !asked_as_ping(reason) && !NEVER.contains(&reason)
        });
        assert_eq!(missed.collect::<Vec<_>>(), Vec::<&Anomaly>::new());
    }
}
