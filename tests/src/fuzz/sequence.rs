//! Frames, time, diverts, answers and routes in any order, on routers with tables of any size: no panic, the books
//! balance after every step, all that is sent of the router's own making is well-formed, and in the end
//! nothing is held.

use super::{Input, SMALL};
use crate::{Divert, Sim, outgoing};
use pktgen::World;
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use stack::{
    Action, ActionKind, Anomaly, Approved, Config, EchoDelta, Mode, Origin, PortId, Posture, Rate, Route,
    Sizes, Target,
};

/// Steps of one run at most: more of the same finds no more.
const STEPS: usize = 128;

/// The codes of the steps.
pub(super) mod step {
    pub(in crate::fuzz) const FRAME: u8 = 0;
    pub(in crate::fuzz) const AGAIN: u8 = 1;
    pub(in crate::fuzz) const POLL: u8 = 2;
    pub(in crate::fuzz) const ANSWER: u8 = 3;
    pub(in crate::fuzz) const APPLY: u8 = 4;
    pub(in crate::fuzz) const ABANDON: u8 = 5;
    pub(in crate::fuzz) const WAIT: u8 = 6;
    pub(in crate::fuzz) const COUNT: u8 = 8;
}

/// Bytes of the configuration, before the steps.
pub(super) const HEAD: usize = 8;

/// [`HEAD`] bytes of configuration, then steps: a code, and what the step needs.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut head = Input(input.take(HEAD));
    let mut world = World::lab();
    for port in &mut world.ports {
        port.mtu = head.pick(&[1500, 1280, 1514, 1400]);
    }
    let sizes = Sizes {
        neighbors: head.pick(&[16, 1, 3]),
        waiting: head.pick(&[8, 0, 1]),
        diverts: 32,
        flows: 16,
        transmit: head.pick(&[32, 1, 2]),
        ..SMALL
    };
    let mut sim = Sim::new(world, |config| configure(config, &mut head), sizes);
    let mut state = State::default();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        state.step(&mut sim, &mut input);
        settle(&mut sim);
    }
    sim.advance(Duration::from_secs(3_600));
    settle(&mut sim);
    assert!(sim.router.is_settled(), "{:?} is held for ever", sim.router.stats().held);
}

fn configure(config: &mut Config, head: &mut Input<'_>) {
    config.posture = head.pick(&Posture::ALL);
    let limits = &mut config.limits;
    limits.divert_queue = 16;
    limits.divert_outstanding = 16;
    limits.divert_rate = Rate { per_second: 100, burst: head.pick(&[1_000, 3]) };
    limits.observe_one_in = 1;
    let modes = head.byte();
    for &anomaly in Anomaly::ALL {
        let mode = match modes % 4 {
            0 => continue,
            1 => Mode::Enforce,
            2 => Mode::Observe,
            _ => Mode::Off,
        };
        // Refused for what must pass, which then keeps its default.
        let _ = config.set_mode(anomaly, mode);
    }
}

#[derive(Default)]
struct State<'a> {
    last: (u8, &'a [u8]),
    diverts: Vec<Divert>,
    approved: Vec<Approved>,
}

impl<'a> State<'a> {
    fn step(&mut self, sim: &mut Sim, input: &mut Input<'a>) {
        match input.byte() % step::COUNT {
            step::FRAME => {
                self.last = (input.byte() & 1, input.counted());
                let _ = sim.send(self.last.0, self.last.1);
            }
            step::AGAIN => {
                for _ in 0..=input.below(8) {
                    let _ = sim.send(self.last.0, self.last.1);
                }
            }
            step::POLL => self.diverts.extend(sim.diverts()),
            step::ANSWER => self.answer(sim, input),
            step::APPLY => {
                let at = input.below(self.approved.len().max(1));
                if at < self.approved.len() {
                    let one = self.approved.swap_remove(at);
                    let _ = sim.router.apply(sim.now(), one);
                }
            }
            step::ABANDON => {
                let at = input.below(self.diverts.len().max(1));
                if at < self.diverts.len() {
                    sim.abandon(&self.diverts.swap_remove(at));
                }
            }
            step::WAIT => sim.advance(Duration::from_millis(input.pick(&[0, 1, 20, 50, 1_000, 61_000]))),
            _ => route(sim, input),
        }
    }

    /// An answer to any divert, the latest first; now and then to none.
    fn answer(&mut self, sim: &mut Sim, input: &mut Input<'_>) {
        let from_last = input.below(8);
        let kind = input.pick(ActionKind::ALL);
        let wrong = input.byte();
        let action = match kind {
            ActionKind::EchoReply => Action::EchoReply(EchoDelta {
                ttl: input.byte(),
                ip_checksum: input.word(),
                icmp_type: input.byte(),
                icmp_checksum: input.word(),
            }),
            ActionKind::Inject => Action::Inject { port: PortId(input.byte()), frame: input.counted() },
            kind => kind.symbolic().unwrap_or(Action::Drop),
        };
        let Some(at) = self.diverts.len().checked_sub(1 + from_last) else { return };
        let mut answer = self.diverts[at].answer(action);
        match wrong {
            1 => answer.nonce ^= 1,
            2 => answer.reason = input.pick(Anomaly::ALL),
            3 => answer.id.generation = answer.id.generation.wrapping_add(1),
            4 => answer.id.slot = input.word(),
            _ => {}
        }
        self.approved.extend(sim.router.approve(sim.now(), &answer));
    }
}

fn route(sim: &mut Sim, input: &mut Input<'_>) {
    let (net, len) = (input.byte() % 4, input.pick(&[0_u8, 8, 24, 32]));
    let how = input.byte();
    let port = PortId(input.byte() % 3);
    // The table may be full, and there may be no such port.
    if how & 0x80 == 0 {
        let prefix = Ipv4Cidr::new(Ipv4Address::new(10, 0, net, 0), len);
        match target(how, Ipv4Address::new(10, 0, how % 4, 9)) {
            None => {
                sim.router.remove_route(prefix);
            }
            Some(target) => {
                let _ = sim.router.add_route(Route { prefix, target, port });
            }
        }
    } else {
        let prefix = Ipv6Cidr::new(Ipv6Address::new(0xfd00, net.into(), 0, 0, 0, 0, 0, 0), len * 4);
        let via = match how & 0x40 {
            0 => Ipv6Address::new(0xfd00, u16::from(how % 4), 0, 0, 0, 0, 0, 9),
            _ => Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 9),
        };
        match target(how, via) {
            None => {
                sim.router.remove_route(prefix);
            }
            Some(target) => {
                let _ = sim.router.add_route(Route { prefix, target, port });
            }
        }
    }
}

/// `None`: the route is withdrawn.
fn target<A>(how: u8, via: A) -> Option<Target<A>> {
    match how % 8 {
        0 | 1 => None,
        2 => Some(Target::OnLink),
        3 => Some(Target::Unreachable),
        4 => Some(Target::Prohibited),
        5 => Some(Target::Blackhole),
        _ => Some(Target::Via(via)),
    }
}

/// Checks the books, and everything that the router itself made.
fn settle(sim: &mut Sim) {
    sim.settle();
    for sent in sim.transmitted() {
        if matches!(sent.origin, Origin::Forwarded { .. } | Origin::Fragment) {
            continue;
        }
        let mtu = sim.router.config().ports[sent.port.index()].mtu;
        let judged = match sent.bytes[12..14] {
            [8, 6] if sent.bytes.len() == 42 => Ok(()),
            _ => outgoing::well_formed(&sent.bytes, mtu).map(|_| ()),
        };
        if let Err(fault) = judged {
            panic!("{fault}: {:?} {:02x?}", sent.origin, sent.bytes);
        }
    }
}
