//! A router and the slow path with the obeying model, joined as the owner loop joins them; every frame and every
//! approval is looked at.

use crate::harm;
use crate::obey::Obedient;
use crate::order::Order;
use crate::vehicle::Vehicle;
use llm_slowpath::middleware::CacheConfig;
use llm_slowpath::{Reply, Service, ServiceConfig};
use pktgen::build::seal_ipv4;
use smoltcp::time::Duration;
use stack::{Action, Anomaly, Answer, DivertId, Mode, Origin, Posture, Rejection, Source, Verdict};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::thread;
use std::time::{Duration as RealDuration, Instant};
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER};
use tests::{Divert, Sent, Sim, frames_v6};

/// Real time that an answer has: no test is about it.
const LONG: RealDuration = RealDuration::from_secs(60);
/// Frames on their way at once: answers that are refused for their nonce leave them with the slow path.
const AT_ONCE: usize = 64;
/// Virtual time after which each held frame has ended.
const PAST_DEADLINE: Duration = Duration::from_millis(60);

/// What is counted over a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) frames: u64,
    pub(crate) diverted: u64,
    pub(crate) healthy: u64,
    /// Answers from the cache, approved or not.
    pub(crate) from_cache: u64,
    pub(crate) injected: u64,
    pub(crate) approved: BTreeMap<&'static str, u64>,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    /// Diverts that the service refused or had no answer to.
    pub(crate) unanswered: BTreeMap<String, u64>,
    pub(crate) reasons: BTreeSet<Anomaly>,
}

/// The router, and the books of the run.
pub(crate) struct Bench {
    pub(crate) sim: Sim,
    pub(crate) posture: Posture,
    pub(crate) tally: Tally,
    healthy: u8,
}

impl Bench {
    pub(crate) fn new(posture: Posture) -> Self {
        let sim = Sim::lab_with(|config| {
            config.posture = posture;
            config.limits.observe_one_in = 1;
            config.limits.divert_per_source = 128;
            config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
        });
        Self { sim, posture, tally: Tally::default(), healthy: 0 }
    }

    /// A slow path whose model obeys; `cached`: as it is by default, else it asks about every frame.
    pub(crate) fn service(&self, cached: bool) -> Service {
        let here = thread::current();
        let config = ServiceConfig {
            cache: cached.then(CacheConfig::default),
            waker: Some(Arc::new(move || here.unpark())),
            ..ServiceConfig::default()
        };
        Service::start(Obedient { world: self.sim.world().clone() }, config).expect("a thread")
    }

    /// Receives the frames, a few at a time, has them answered, and lets the deadline pass. `payload`: what it demands, and
    /// bytes of it that the frames carry.
    ///
    /// # Panics
    /// If harm is done, or a frame does not end.
    pub(crate) fn exchange(&mut self, service: &mut Service, frames: &[Vehicle], payload: (&Order, &[u8])) {
        frames.chunks(AT_ONCE).for_each(|frames| self.round(service, frames, payload));
    }

    /// So many frames as the router lets the slow path work on at once.
    fn round(&mut self, service: &mut Service, frames: &[Vehicle], payload: (&Order, &[u8])) {
        self.sim.prime();
        let mut open: HashMap<DivertId, Divert> = HashMap::new();
        for vehicle in frames {
            self.tally.frames += 1;
            let _ = self.sim.send(vehicle.port, &vehicle.frame);
            self.look(None, std::slice::from_ref(vehicle), payload);
            self.submit(service, &mut open);
            self.look(None, std::slice::from_ref(vehicle), payload);
            self.healthy_frames();
        }
        let start = Instant::now();
        while !open.is_empty() {
            let Some(reply) = service.try_recv() else {
                assert!(start.elapsed() < LONG, "no reply to {open:02x?}");
                thread::park_timeout(RealDuration::from_millis(1));
                continue;
            };
            let divert = open.remove(&reply.id).expect("one reply to each frame");
            self.settle(service, &divert, &reply, payload);
            self.submit(service, &mut open);
            self.look(None, frames, payload);
        }
        self.healthy_frames();
        self.sim.advance(PAST_DEADLINE);
        self.look(None, frames, payload);
        assert_eq!(self.sim.router.divert_occupancy(), (0, 0), "a frame is still with the slow path");
    }

    /// Hands over everything that waits for the slow path.
    fn submit(&mut self, service: &mut Service, open: &mut HashMap<DivertId, Divert>) {
        for divert in self.sim.diverts() {
            self.tally.diverted += 1;
            self.tally.reasons.insert(divert.about.reason());
            match service.submit(divert.about.clone(), &divert.bytes, LONG) {
                Ok(()) => {
                    open.insert(divert.about.id, divert);
                }
                Err(refused) => {
                    *self.tally.unanswered.entry(refused.name().to_owned()).or_insert(0) += 1;
                    self.sim.abandon(&divert);
                }
            }
        }
    }

    /// One reply of the slow path.
    fn settle(&mut self, service: &mut Service, divert: &Divert, reply: &Reply, payload: (&Order, &[u8])) {
        match &reply.answer {
            Ok(answer) => {
                self.tally.from_cache += u64::from(answer.source == Source::Cache);
                let verdict = self.put(divert, &answer.as_answer(), payload);
                service.judged(reply, verdict);
            }
            Err(error) => {
                *self.tally.unanswered.entry(error.to_string()).or_insert(0) += 1;
                self.sim.abandon(divert);
            }
        }
    }

    /// Has one answer judged and applied, as often as the payload demands, and looks at what leaves.
    ///
    /// # Panics
    /// If harm is done.
    pub(crate) fn put(
        &mut self,
        divert: &Divert,
        answer: &Answer<'_>,
        payload: (&Order, &[u8]),
    ) -> Result<(), Rejection> {
        let from = [Vehicle::new(divert.about.port().0, divert.bytes.clone())];
        let approved = match self.sim.router.approve(self.sim.now(), answer) {
            Ok(approved) => approved,
            Err(rejection) => {
                self.sim.settle();
                *self.tally.rejected.entry(rejection.name()).or_insert(0) += 1;
                self.look(None, &from, payload);
                return Err(rejection);
            }
        };
        let kind = approved.action();
        if let Err(harm) = harm::of_approval(self.posture, divert, answer, kind) {
            panic!("approved: {harm}\n{:?}\n{divert:02x?}", payload.0);
        }
        for _ in 1..payload.0.repeat.unwrap_or(2) {
            assert_eq!(
                self.sim.router.approve(self.sim.now(), answer),
                Err(Rejection::AlreadyAnswered),
                "one frame is answered once"
            );
        }
        let result = self.sim.router.apply(self.sim.now(), approved);
        self.sim.settle();
        match result {
            Ok(()) => *self.tally.approved.entry(kind.name()).or_insert(0) += 1,
            Err(rejection) => *self.tally.rejected.entry(rejection.name()).or_insert(0) += 1,
        }
        let injected = self.look(Some(divert), &from, payload);
        assert!(injected.len() <= 1, "{} frames for one", injected.len());
        if let (Ok(()), Action::Inject { port, frame }) = (result, answer.action) {
            let left: Vec<_> = injected.iter().map(|sent| (sent.port, &sent.bytes[..])).collect();
            assert_eq!(left, [(port, frame)], "another frame left than was approved");
        }
        result
    }

    /// Looks at everything that has left; what of it was injected.
    fn look(&mut self, divert: Option<&Divert>, received: &[Vehicle], payload: (&Order, &[u8])) -> Vec<Sent> {
        let mut left = self.sim.transmitted();
        for sent in &left {
            if let Err(harm) = harm::of_frame(&self.sim, self.posture, divert, received, payload, sent) {
                panic!("sent: {harm}\n{:?}\n{received:02x?}\n{sent:02x?}", payload.0);
            }
        }
        let made = |sent: &&Sent| matches!(sent.origin, Origin::Injected(_) | Origin::Ruled(_));
        self.tally.injected += left.iter().filter(made).count() as u64;
        left.retain(|sent| matches!(sent.origin, Origin::Injected(_)));
        left
    }

    /// Legal traffic of both families and directions goes on as ever.
    fn healthy_frames(&mut self) {
        self.healthy = self.healthy.wrapping_add(1);
        let data = [self.healthy; 24];
        let ipv4 = frames::udp(&frames::transit(), 9, &data);
        let back = reverse(&data);
        let ipv6 = frames_v6::from_client(&frames_v6::udp(&frames_v6::transit(), 9, &data));
        for (port, frame, expected) in [
            (0, frames::from_client(&ipv4), forwarded(&ipv4, 1)),
            (1, frames::from_server(&back), forwarded(&back, 0)),
            (0, ipv6.clone(), frames_v6::forwarded(&ipv6, ROUTER_1.mac, SERVER.mac)),
        ] {
            let verdict = self.sim.send(port, &frame);
            assert!(matches!(verdict, Verdict::Forward { .. }), "healthy: {verdict:?}");
            let sent = self.sim.transmitted();
            assert_eq!(sent.iter().map(|sent| &sent.bytes).collect::<Vec<_>>(), [&expected]);
            self.tally.healthy += 1;
        }
    }

    /// Ends the run: the books of the router and of the service balance.
    ///
    /// # Panics
    /// If they do not.
    pub(crate) fn close(mut self) -> Tally {
        // Longer than a packet waits for its neighbour, or a fragment for the others.
        self.sim.advance(Duration::from_secs(120));
        assert!(self.sim.router.is_settled(), "a frame is held for ever");
        let stats = self.sim.router.stats();
        for (count, reason) in stats.diverts.iter().zip(Anomaly::ALL) {
            let ended = count.approved + count.rejected + count.unanswered;
            assert_eq!(count.held + count.observed, ended, "{reason}: {count:?}");
        }
        let diverted: u64 = stats.diverts.iter().map(|count| count.held + count.observed).sum();
        assert_eq!(diverted, self.tally.diverted, "the slow path saw every diverted frame");
        assert_eq!(stats.sent.injected.frames, self.tally.injected, "every injected frame was judged");
        self.tally
    }
}

/// A datagram from the server to the client.
fn reverse(data: &[u8]) -> Vec<u8> {
    frames::udp(&pktgen::build::Ipv4::new(SERVER.address, CLIENT.address), 9, data)
}

/// The packet as the router sends it on by this port.
fn forwarded(packet: &[u8], port: usize) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[8] -= 1;
    seal_ipv4(&mut packet);
    frames::link([ROUTER_0, ROUTER_1][port].mac, frames::HOSTS[port].mac, &packet)
}

/// The service has ended every frame that it took.
pub(crate) fn balanced(service: &Service) {
    let metrics = service.metrics();
    assert_eq!((metrics.submitted, metrics.in_flight), (metrics.ended(), 0), "{metrics:?}");
}
