//! Streams: millions of frames a second, written into the caller's buffer, each of them known by (seed, index) alone.
//!
//! Read first: RFC 2544 §9 and §21 (sizes, bursts); RFC 1624 (checksums); each submodule names its own RFCs.
//!
//! ```
//! use pktgen::{Stream, StreamMix, StreamPlan, World, stream::FRAME_MAX};
//!
//! let plan = StreamPlan { seed: 42, mix: StreamMix::FUZZ, ..StreamPlan::default() };
//! let stream = Stream::new(World::lab(), plan).expect("a sound plan");
//! let mut buffer = [0; FRAME_MAX];
//! for index in 0..1_000 {
//!     let made = stream.frame(index, &mut buffer);
//!     let frame = &buffer[..made.len];
//!     println!("{:?} port {} {} {:?}: {} bytes", made.at, made.port, made.origin, made.expected, frame.len());
//! }
//! ```
//!
//! [`crate::Generator`] builds each frame from scratch and knows all about it. A stream builds its templates with it
//! once, and then copies and patches.

mod made;
mod packet;
mod party;
mod payload;
mod plan;
mod rate;
mod sample;
mod scenario;
mod segment;
mod sequence;
mod templates;
#[cfg(test)]
mod tests;
mod traffic;
mod weighted;

pub use made::{Made, Origin};
pub use plan::{PlanError, StreamMix, StreamPlan};
pub use rate::{Rate, Spacing};
pub use sample::Sample;
pub use scenario::Scenario;
pub use traffic::{Protocols, RFC_2544_SIZES, SIMPLE_IMIX};

use crate::Generator;
use crate::dice::{Counter, Draw, key};
use crate::generate::Expected;
use crate::mutate::{Family, mutate_in_place};
use crate::oracle::{self, Judgement};
use crate::world::World;
use party::Parties;
use payload::Payload;
use rate::Clock;
use sample::Samples;
use sequence::Sequences;
use stack::Anomaly;
use std::ops::Range;
use templates::Templates;
use traffic::Traffic;
use weighted::Weighted;

/// The longest frame of a stream, in bytes without FCS: as long as the router stores one.
pub const FRAME_MAX: usize = 1536;

/// Indices of one block: it belongs to sequences, or none of its frames does.
pub const BLOCK: usize = 64;
/// Indices of a block in which one short scenario is played.
const SLOT: usize = 8;

/// Templates of each anomaly, near miss, family, and of varied traffic.
const ODD: u64 = 16;
const NEAR_MISSES: u64 = 8;
const BASES: u64 = 32;
const VARIED: u64 = 256;
/// Frames whose mean length a rate in bits a second is made with.
const MEASURED: u64 = 1 << 14;

const STREAM_FRAME: u64 = 0x705;
const STREAM_BLOCK: u64 = 0x706;

/// What is drawn frame by frame.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Traffic,
    Varied,
    Odd,
    NearMiss,
    Mutant,
    Captured,
}

const KINDS: [Kind; 6] =
    [Kind::Traffic, Kind::Varied, Kind::Odd, Kind::NearMiss, Kind::Mutant, Kind::Captured];

/// Frames by index, fast. It holds no state that changes: any frame can be made at any time, by any thread.
#[derive(Debug, Clone)]
pub struct Stream {
    generator: Generator,
    frame_key: u64,
    block_key: u64,
    /// Blocks that belong to sequences (1), and those that do not (0).
    blocks: Weighted,
    /// `None` if all blocks belong to sequences.
    kinds: Option<Weighted>,
    parties: Parties,
    payload: Payload,
    traffic: Traffic,
    sequences: Sequences,
    templates: Templates,
    varied: Range<usize>,
    /// For each anomaly, near miss and family.
    odd: Vec<Range<usize>>,
    near_misses: Vec<Range<usize>>,
    bases: Vec<(Family, Range<usize>)>,
    samples: Samples,
    clock: Clock,
}

impl Stream {
    /// A stream by this plan. Takes some milliseconds: all templates are built now.
    ///
    /// # Errors
    /// Why the plan cannot be followed in this world.
    pub fn new(world: World, plan: StreamPlan) -> Result<Self, PlanError> {
        let parties = Parties::new(&world);
        if !parties.can_meet() {
            return Err(PlanError::World);
        }
        if world.ttls.is_empty() {
            return Err(PlanError::Ttls);
        }
        if world.ports.iter().any(|port| port.reverse_path && !port.hosts.is_empty()) {
            return Err(PlanError::ReversePath);
        }
        if !(1..=traffic::FLOWS_MAX).contains(&plan.flows) {
            return Err(PlanError::Flows);
        }
        let mut ports = plan.samples.iter().map(|sample| sample.port);
        if let Some(port) = ports.find(|&port| usize::from(port) >= world.ports.len()) {
            return Err(PlanError::SamplePort(port));
        }
        if !plan.protocols.has_weight() {
            return Err(PlanError::Protocols);
        }
        let traffic = Traffic::new(&world, &plan).ok_or(PlanError::Sizes)?;
        let single = plan.mix.single();
        // Sequences are not frames more often than they weigh: a block is all or nothing.
        let others = single.iter().fold(0_u32, |sum, &weight| sum.saturating_add(weight));
        let blocks = Weighted::new([others, plan.mix.sequence]).ok_or(PlanError::Mix)?;
        let samples = Samples::new(&world, &plan.samples, &plan.families);
        if plan.mix.captured > 0 && samples.is_empty() {
            return Err(PlanError::Samples);
        }
        let mut stream = Self {
            frame_key: key(plan.seed, STREAM_FRAME),
            block_key: key(plan.seed, STREAM_BLOCK),
            blocks,
            kinds: Weighted::new(single),
            parties,
            payload: Payload::new(plan.seed),
            traffic,
            sequences: Sequences::new(&world, plan.seed, &plan.scenarios),
            templates: Templates::default(),
            varied: 0..0,
            odd: Vec::new(),
            near_misses: Vec::new(),
            bases: Vec::new(),
            samples,
            clock: Clock::new(plan.seed, Rate::PacketsPerSecond(1), Spacing::Constant, 1, 1)
                .expect("one is not 0"),
            generator: Generator::new(world, plan.seed),
        };
        stream.build(&plan)?;
        let bits = (0..MEASURED).map(|index| stream.len(index) as u64 * 8).sum();
        stream.clock =
            Clock::new(plan.seed, plan.rate, plan.spacing, bits, MEASURED).ok_or(PlanError::Rate)?;
        Ok(stream)
    }

    /// Builds the templates that the plan has a use for.
    fn build(&mut self, plan: &StreamPlan) -> Result<(), PlanError> {
        let (generator, templates, mix) = (&self.generator, &mut self.templates, plan.mix);
        let world = generator.world();
        if mix.varied > 0 {
            self.varied = templates.add(world, (0..VARIED).map(|index| generator.healthy(index)));
        }
        let anomalies = if plan.anomalies.is_empty() { Anomaly::ALL } else { &plan.anomalies };
        if mix.odd > 0 {
            let of = |&anomaly: &Anomaly| {
                templates.add(world, (0..ODD).filter_map(|index| generator.of(anomaly, index)))
            };
            self.odd = anomalies.iter().map(of).filter(|found| !found.is_empty()).collect();
        }
        if mix.near_miss > 0 {
            let of = |&anomaly: &Anomaly| {
                let made = (0..NEAR_MISSES).filter_map(|index| generator.near_miss(anomaly, index));
                templates.add(world, made)
            };
            self.near_misses = anomalies.iter().map(of).filter(|found| !found.is_empty()).collect();
        }
        if mix.mutant > 0 {
            let families = if plan.families.is_empty() { Family::ALL } else { &plan.families };
            let of = |&family: &Family| {
                // One in four is odd before it is changed.
                let sound = (0..BASES * 3 / 4).map(|index| generator.base_of(family, index));
                let odd = (0..BASES / 4).filter_map(|index| generator.odd_of(family, index));
                (family, templates.add(world, sound.chain(odd)))
            };
            self.bases = families.iter().map(of).collect();
        }
        let missing =
            (mix.odd > 0 && self.odd.is_empty()) || (mix.near_miss > 0 && self.near_misses.is_empty());
        if missing { Err(PlanError::Anomalies) } else { Ok(()) }
    }

    /// The world that frames are made for.
    pub const fn world(&self) -> &World {
        self.generator.world()
    }

    /// The generator whose frames the templates are: for greetings, and for one frame of an anomaly.
    pub const fn generator(&self) -> &Generator {
        &self.generator
    }

    /// Writes frame `index` to the beginning of the buffer. No allocation; what else the buffer holds is undefined
    /// afterwards.
    ///
    /// # Panics
    /// If the buffer has fewer than [`FRAME_MAX`] bytes.
    pub fn frame(&self, index: u64, buffer: &mut [u8]) -> Made {
        let buffer = buffer.first_chunk_mut().expect("a buffer of FRAME_MAX bytes");
        let at = self.clock.at(index);
        let (len, port, expected, origin) = self.write(index, buffer);
        Made { len, port, at, expected, origin }
    }

    /// Frame `index` in memory of its own.
    pub fn owned(&self, index: u64) -> (Made, Vec<u8>) {
        let mut buffer = vec![0; FRAME_MAX];
        let made = self.frame(index, &mut buffer);
        buffer.truncate(made.len);
        (made, buffer)
    }

    /// What the router ought to make of a frame of this stream, even where only the oracle can tell.
    pub fn judgement(&self, made: &Made, frame: &[u8]) -> Judgement {
        match made.expected {
            Expected::Healthy => Judgement::Healthy,
            Expected::Anomaly(anomaly) => Judgement::Anomaly(anomaly),
            Expected::Unknown => oracle::judge(self.world(), made.port, frame),
        }
    }

    fn len(&self, index: u64) -> usize {
        self.frame(index, &mut [0; FRAME_MAX]).len
    }

    fn write(&self, index: u64, buffer: &mut [u8; FRAME_MAX]) -> (usize, u8, Expected, Origin) {
        let block = Counter::new(self.block_key, index / BLOCK as u64);
        let (Some(kinds), 0) = (&self.kinds, self.blocks.draw(&mut block.clone())) else {
            let place = self.sequences.place(index);
            let (len, port, expected) = self.sequences.frame(&self.parties, &self.payload, place, buffer);
            let sequence::Place { scenario, first, step } = place;
            return (len, port, expected, Origin::Step { scenario, first, step: step as u8 });
        };
        let mut rng = Counter::new(self.frame_key, index);
        let rng = &mut rng;
        let range = match KINDS[kinds.draw(rng)] {
            Kind::Traffic => {
                let (len, port, flow) = self.traffic.frame(&self.parties, &self.payload, rng, index, buffer);
                return (len, port, Expected::Healthy, Origin::Flow(flow));
            }
            Kind::Mutant => {
                let (family, bases) = rng.pick(&self.bases);
                let number = rng.between(bases.start, bases.end - 1);
                let (template, len) = self.templates.write(number, index, rng, buffer);
                let len = mutate_in_place(*family, buffer, len, rng);
                return (len, template.port, Expected::Unknown, Origin::Mutant(*family));
            }
            Kind::Captured => {
                let (len, port, sample, family) = self.samples.mutant(rng, buffer);
                return (len, port, Expected::Unknown, Origin::Captured(sample, family));
            }
            Kind::Varied => &self.varied,
            Kind::Odd => rng.pick(&self.odd),
            Kind::NearMiss => rng.pick(&self.near_misses),
        };
        let number = rng.between(range.start, range.end - 1);
        let (template, len) = self.templates.write(number, index, rng, buffer);
        (len, template.port, template.expected, Origin::Template(template.name))
    }
}
