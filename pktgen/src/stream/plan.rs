//! What a stream is to be made of, and why a plan may be refused.

use super::rate::{Rate, Spacing};
use super::sample::Sample;
use super::scenario::Scenario;
use super::traffic::{FLOWS_MAX, Protocols, SIMPLE_IMIX};
use crate::mutate::Family;
use stack::Anomaly;
use std::fmt;

/// How often each kind of frame comes: relative weights, of which at least one is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamMix {
    /// Healthy traffic between hosts, in flows and sizes.
    pub traffic: u32,
    /// Healthy frames of all other kinds: to the router, fragments, extension headers, Neighbour Discovery.
    pub varied: u32,
    /// A frame of one anomaly of the table.
    pub odd: u32,
    /// A frame that is nearly one, and must pass.
    pub near_miss: u32,
    /// A template with one to three fields of one header changed.
    pub mutant: u32,
    /// The same of a frame that the caller gave.
    pub captured: u32,
    /// Frames that belong together, see [`Scenario`]. They come in blocks of 64.
    pub sequence: u32,
}

impl StreamMix {
    /// Healthy traffic only.
    pub const HEALTHY: Self =
        Self { traffic: 1, varied: 0, odd: 0, near_miss: 0, mutant: 0, captured: 0, sequence: 0 };
    /// What fuzzing uses: mostly what is odd, on the edge, or unknown; all that can be made without samples.
    pub const FUZZ: Self =
        Self { traffic: 2, varied: 2, odd: 4, near_miss: 2, mutant: 6, captured: 0, sequence: 4 };

    /// Healthy traffic among which so many of 100 frames are odd: from 0 to 100.
    pub const fn odd_percent(percent: u32) -> Self {
        Self {
            traffic: 100_u32.saturating_sub(percent),
            odd: percent,
            ..Self { traffic: 0, ..Self::HEALTHY }
        }
    }

    /// The weights of what is drawn frame by frame, in the order of [`super::Kind`].
    pub(super) const fn single(&self) -> [u32; 6] {
        [self.traffic, self.varied, self.odd, self.near_miss, self.mutant, self.captured]
    }
}

/// What a stream is made of. The default is healthy traffic: 1,000 flows in IMIX sizes, a million packets a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPlan {
    /// Two streams with the same plan and world are the same.
    pub seed: u64,
    /// How often each kind of frame comes.
    pub mix: StreamMix,
    /// Flows of the healthy traffic, from 1 to 1,032,192.
    pub flows: u32,
    /// What flows.
    pub protocols: Protocols,
    /// Sizes of the healthy traffic: weight, and bytes of a frame with its FCS of 4 bytes. A packet that its headers make
    /// longer, or that no port lets pass whole, has the nearest size that can be.
    pub sizes: Vec<(u32, u16)>,
    /// How much is sent in a second of virtual time.
    pub rate: Rate,
    /// How far one frame is behind the other.
    pub spacing: Spacing,
    /// Which anomalies, and near misses of which; all if empty.
    pub anomalies: Vec<Anomaly>,
    /// Which headers mutants are changed in; all if empty.
    pub families: Vec<Family>,
    /// Which sequences; all if empty.
    pub scenarios: Vec<Scenario>,
    /// The frames to mutate for [`StreamMix::captured`].
    pub samples: Vec<Sample>,
}

impl Default for StreamPlan {
    fn default() -> Self {
        Self {
            seed: 0,
            mix: StreamMix::HEALTHY,
            flows: 1_000,
            protocols: Protocols::default(),
            sizes: SIMPLE_IMIX.to_vec(),
            rate: Rate::PacketsPerSecond(1_000_000),
            spacing: Spacing::Constant,
            anomalies: Vec::new(),
            families: Vec::new(),
            scenarios: Vec::new(),
            samples: Vec::new(),
        }
    }
}

/// Why no stream can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanError {
    /// Hosts behind fewer than two ports: nothing could be in transit.
    World,
    /// The world names no time to live.
    Ttls,
    /// A port that checks reverse paths has hosts: what they send could not be foretold.
    ReversePath,
    /// All weights of the mix are 0.
    Mix,
    /// No flow, or more than can be told apart.
    Flows,
    /// All weights of the protocols are 0.
    Protocols,
    /// No size has a weight.
    Sizes,
    /// Nothing a second.
    Rate,
    /// None of the anomalies can be shown by one frame in this world.
    Anomalies,
    /// Mutants of given frames are wanted, and there are none that have one of the headers.
    Samples,
    /// A given frame comes in by a port that the world has not.
    SamplePort(u8),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => write!(f, "a world needs hosts behind two ports"),
            Self::Ttls => write!(f, "a world needs a time to live"),
            Self::ReversePath => write!(f, "a port that checks reverse paths has no hosts"),
            Self::Mix => write!(f, "a mix needs a weight above 0"),
            Self::Flows => write!(f, "there are 1 to {FLOWS_MAX} flows"),
            Self::Protocols => write!(f, "one of the protocols needs a weight above 0"),
            Self::Sizes => write!(f, "one of the sizes needs a weight above 0"),
            Self::Rate => write!(f, "a rate is above 0"),
            Self::Anomalies => write!(f, "no single frame shows one of these anomalies in this world"),
            Self::Samples => write!(f, "no frame was given that has one of these headers"),
            Self::SamplePort(port) => write!(f, "there is no port {port}"),
        }
    }
}

impl std::error::Error for PlanError {}
