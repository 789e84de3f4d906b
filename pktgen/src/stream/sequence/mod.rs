//! Which step of which scenario a frame is, and who takes part in it: from the index alone.
//!
//! Indices come in blocks. A block that belongs to sequences is one long run, or eight slots, each of one scenario that is
//! played from the beginning as often as it fits; the last run of a slot may break off.

mod arp;
mod fragments;
mod nd;
mod tcp;

use super::packet::Packet;
use super::party::{Parties, Party};
use super::payload::Payload;
use super::scenario::Scenario;
use super::{BLOCK, FRAME_MAX, SLOT};
use crate::dice::{Counter, Draw, key};
use crate::generate::Expected;
use crate::world::World;
use rand::Rng;
use stack::Anomaly;

const STREAM_BLOCK: u64 = 0x703;
const STREAM_RUN: u64 = 0x704;

/// Which step a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scenario: Scenario,
    /// Index of the run's first frame.
    pub(super) first: u64,
    /// Counted from 0.
    pub(super) step: usize,
}

/// All that sequences are made of.
#[derive(Debug, Clone)]
pub(super) struct Sequences {
    block_key: u64,
    run_key: u64,
    long: Vec<Scenario>,
    short: Vec<Scenario>,
    mtu: usize,
}

/// One run: what all its steps have in common. The dice are those of the run; each step takes them from here.
struct Run<'a> {
    payload: &'a Payload,
    from: &'a Party,
    to: &'a Party,
    ipv6: bool,
    /// To the router, not through it.
    local: bool,
    /// Index of its first frame: no other run within 65,536 frames has the same low 16 bits.
    first: u64,
    step: usize,
    /// The client's port.
    client: u16,
    /// The largest packet that passes every port whole.
    mtu: usize,
    rng: Counter,
}

/// The frame's length, whether it comes from the other side, and what the router ought to make of it.
struct Made {
    len: usize,
    answer: bool,
    expected: Expected,
}

impl Made {
    const fn healthy(len: usize) -> Self {
        Self { len, answer: false, expected: Expected::Healthy }
    }

    const fn odd(len: usize, anomaly: Anomaly) -> Self {
        Self { len, answer: false, expected: Expected::Anomaly(anomaly) }
    }
}

impl Sequences {
    /// All scenarios if none are given.
    pub(super) fn new(world: &World, seed: u64, scenarios: &[Scenario]) -> Self {
        let chosen = if scenarios.is_empty() { Scenario::ALL } else { scenarios };
        let (long, short) = chosen.iter().partition(|scenario| scenario.steps() == BLOCK);
        Self {
            block_key: key(seed, STREAM_BLOCK),
            run_key: key(seed, STREAM_RUN),
            long,
            short,
            mtu: world.path_mtu(),
        }
    }

    /// Which step frame `index` is, given that its block belongs to sequences.
    pub(super) fn place(&self, index: u64) -> Place {
        let (block, within) = (index / BLOCK as u64, (index % BLOCK as u64) as usize);
        let mut rng = Counter::new(self.block_key, block);
        let drawn = rng.below(self.long.len() + self.short.len());
        if let Some(&scenario) = self.long.get(drawn) {
            return Place { scenario, first: index - within as u64, step: within };
        }
        let (slot, within) = (within / SLOT, within % SLOT);
        let mut rng = Counter::new(rng.next_u64(), slot as u64);
        let scenario = *rng.pick(&self.short);
        let step = within % scenario.steps();
        Place { scenario, first: index - step as u64, step }
    }

    /// Writes the frame at this place: its length, its port, and what the router ought to make of it.
    pub(super) fn frame(
        &self,
        parties: &Parties,
        payload: &Payload,
        place: Place,
        buffer: &mut [u8; FRAME_MAX],
    ) -> (usize, u8, Expected) {
        let Place { scenario, first, step } = place;
        let mut rng = Counter::new(self.run_key, first);
        let (from, to) = parties.two(&mut rng);
        let lots = rng.next_u64();
        let client = 1_024 + (lots >> 16) as u16 % 60_000;
        let (ipv6, local) = (lots & 1 == 0, lots & 2 == 0);
        let mut run = Run { payload, from, to, ipv6, local, first, step, client, mtu: self.mtu, rng };
        let made = match scenario {
            Scenario::FragmentsInOrder => run.fragments_in_order(buffer, step),
            Scenario::FragmentsReversed => run.fragments_in_order(buffer, 3 - step),
            Scenario::FragmentsOverlap => run.fragments_overlap(buffer),
            Scenario::FragmentsMissing => run.fragments_in_order(buffer, [0, 2, 3][step]),
            Scenario::FragmentsTiny => run.fragments_tiny(buffer),
            Scenario::FragmentsTwice => run.fragments_twice(buffer),
            Scenario::FragmentsTrain => run.fragments_train(buffer),
            Scenario::TcpConnection => run.tcp_connection(buffer),
            Scenario::SynFlood => run.syn_flood(buffer),
            Scenario::RstStorm => run.rst_storm(buffer),
            Scenario::DataBeforeSyn => run.data_before_syn(buffer),
            Scenario::BadFlags => run.bad_flags(buffer),
            Scenario::SequenceJumps => run.sequence_jumps(buffer),
            Scenario::UnsolicitedAnswers => run.unsolicited_answers(buffer),
            Scenario::SimultaneousOpen => run.simultaneous_open(buffer),
            Scenario::ArpConversation => run.arp_conversation(buffer),
            Scenario::ArpGratuitous => run.arp_gratuitous(buffer),
            Scenario::ArpConflict => run.arp_conflict(buffer),
            Scenario::ArpClaimsRouter => run.arp_claims_router(buffer),
            Scenario::ArpUnasked => run.arp_unasked(buffer),
            Scenario::ArpScan => run.arp_scan(buffer),
            Scenario::NdConversation => run.nd_conversation(buffer),
            Scenario::NdUnsolicited => run.nd_unsolicited(buffer),
            Scenario::NdConflict => run.nd_conflict(buffer),
            Scenario::NdClaimsRouter => run.nd_claims_router(buffer),
            Scenario::NdComingUp => run.nd_coming_up(buffer),
            Scenario::NdScan => run.nd_scan(buffer),
        };
        (made.len, if made.answer { to.port } else { from.port }, made.expected)
    }
}

impl Run<'_> {
    /// A packet from the run's first party, to the router or through it.
    fn packet(&self) -> Packet {
        let packet = if self.local {
            Packet::to_router(self.from, self.ipv6)
        } else {
            Packet::transit(self.from, self.to, self.ipv6)
        };
        Packet { id: self.first as u32, ..packet }
    }

    /// Dice for this step alone.
    fn step_rng(&mut self) -> Counter {
        Counter::new(self.rng.next_u64(), self.step as u64)
    }
}
