//! A router with the embedded model behind it, driven in real time by one loop.

use llm_slowpath::backend::embedded::Embedded;
use llm_slowpath::middleware::CacheConfig;
use llm_slowpath::{Service, ServiceConfig};
use pktgen::build::{Ipv4, tag};
use smoltcp::time::{Duration, Instant};
use stack::frame::FRAME_MAX;
use stack::{Anomaly, FrameBuf, PortId, Posture, Rate, Router, RuleLimits};
use std::net::Ipv4Addr;
use tests::Sim;
use tests::bench::generous;
use tests::frames::{self, ROUTER_0, SERVER};
use tests::storage::{SIZES, Sizes};

/// Diverted frames that may wait, and as many that may be out.
const ROOM: usize = 20_480;
/// Senders of odd frames: neither gateways nor neighbours of the router's.
const SENDERS: u64 = 64;

/// The router and its slow path.
pub(crate) struct Rig {
    pub(crate) router: Router<'static>,
    pub(crate) service: Service,
    /// The router's time when it began.
    pub(crate) began: Instant,
    start: std::time::Instant,
    out: Box<[u8; FRAME_MAX]>,
    buffer: Vec<u8>,
    /// Priority-tagged, one of each sender.
    odd: Vec<Vec<u8>>,
}

impl Rig {
    /// A router that knows nothing yet, with room for whatever its model can answer in time.
    pub(crate) fn new() -> Self {
        let mut sim = Sim::cold(
            |config| {
                generous(config);
                config.posture = Posture::Open;
                config.limits.inject_rate = Rate { per_second: 4_000_000_000, burst: 1_000_000 };
                config.limits.divert_rate = Rate { per_second: 4_000_000, burst: 40_000 };
                config.limits.divert_deadline = Duration::from_millis(10);
                (config.limits.divert_queue, config.limits.divert_outstanding) = (ROOM, ROOM);
                config.limits.divert_per_source = ROOM;
            },
            Sizes { diverts: 2 * ROOM, transmit: 1_024, events: 0, ..SIZES },
        );
        sim.prime();
        let concordance = RuleLimits::default().concordance;
        let cache = Some(CacheConfig { concordance, waiting: ROOM, ..CacheConfig::default() });
        let config = ServiceConfig { cache, queue: ROOM, replies: 2 * ROOM, ..ServiceConfig::default() };
        let service =
            Service::start(Embedded::new().expect("the embedded models load"), config).expect("a thread");
        let odd = (0..SENDERS)
            .map(|sender| {
                let source = Ipv4Addr::new(10, 0, 1, 100 + sender as u8);
                let packet = frames::udp(&Ipv4::new(source, SERVER.address), 9, &[sender as u8; 14]);
                tag(&frames::link([2, 0, 0, 9, 0, sender as u8], ROUTER_0.mac, &packet), 0x8100, 0)
            })
            .collect();
        Self {
            began: sim.now(),
            router: sim.router,
            service,
            start: std::time::Instant::now(),
            out: Box::new([0; FRAME_MAX]),
            buffer: Vec::new(),
            odd,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.began + Duration::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// Receives a frame.
    pub(crate) fn receive(&mut self, number: u64) {
        let now = self.now();
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.odd[(number % SENDERS) as usize]);
        let _ = self.router.handle_frame(now, PortId(0), &mut FrameBuf::new(&mut self.buffer));
    }

    /// What an owner loop does between frames.
    pub(crate) fn turn(&mut self) {
        let now = self.now();
        while let Some(reply) = self.service.try_recv() {
            let Ok(answer) = &reply.answer else {
                self.router.abandon(now, reply.id);
                continue;
            };
            let approved = self.router.approve(now, &answer.as_answer());
            let verdict = approved.and_then(|approved| self.router.apply(now, approved));
            self.service.judged(&reply, verdict);
        }
        while let Some(diverted) = self.router.poll_divert(&mut self.out) {
            let (id, len) = (diverted.id, diverted.len);
            debug_assert_eq!(diverted.reason(), Anomaly::VlanPriorityTag);
            if self.service.submit(diverted, &self.out[..len], std::time::Duration::from_millis(10)).is_err()
            {
                self.router.abandon(now, id);
            }
        }
        if self.router.poll_timeout(now).is_some_and(|due| due <= now) {
            self.router.handle_timeout(now);
        }
        while self.router.poll_transmit(&mut self.out).is_some() {}
        while self.router.poll_event().is_some() {}
    }
}
