//! Frames that a router really diverts: generated traffic, malformed and mutated, through `stack`.

use crate::samples::{self, Sample};
use crate::triage;
use llm_slowpath::backend::embedded;
use llm_slowpath::prompt::tokens;
use managed::ManagedSlice;
use pktgen::{Generator, Mix, World};
use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp::PacketMetadata;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};
use stack::divert::DivertSlot;
use stack::forward::{NeighborSlot, TxSlot, WaitSlot};
use stack::frame::FRAME_MAX;
use stack::host::HostStorage;
use stack::{Anomaly, Config, FrameBuf, Mode, PortConfig, PortId, Posture, Router, Storage};

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
        let mut made =
            PortConfig { mac: EthernetAddress(port.mac), mtu: port.mtu, addresses: Default::default() };
        made.addresses.push(Ipv4Cidr::new(port.address, port.prefix)).expect("room for one address");
        config.ports.push(made).expect("room for the laboratory's ports");
    }
    Router::new(config, storage()).expect("the configuration is sound")
}

fn storage() -> Storage<'static> {
    fn table<T: Clone>(empty: T, len: usize) -> ManagedSlice<'static, T> {
        vec![empty; len].into()
    }
    Storage {
        routes: table(None, 16),
        neighbors: table(NeighborSlot::default(), 16),
        waiting: table(WaitSlot::EMPTY, 16),
        diverts: table(DivertSlot::EMPTY, 256),
        transmit: table(TxSlot::EMPTY, 64),
        events: table(None, 64),
        host: HostStorage {
            sockets: vec![SocketStorage::EMPTY, SocketStorage::EMPTY].into(),
            udp_rx_meta: table(PacketMetadata::EMPTY, 4),
            udp_rx: table(0, 4 * 1500),
            udp_tx_meta: table(PacketMetadata::EMPTY, 4),
            udp_tx: table(0, 4 * 1500),
        },
    }
}
