//! Frames given by the caller, as from a capture: what mutants of real traffic are made of.

use super::FRAME_MAX;
use crate::dice::Draw;
use crate::mutate::{Family, mutate_in_place};
use crate::world::World;
use rand::Rng;

/// A frame from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The port that its mutants come in by.
    pub port: u8,
    /// The frame, without FCS. What is beyond [`FRAME_MAX`] bytes is cut off.
    pub bytes: Vec<u8>,
}

/// The frames, sent to the router, and the headers that each of them has.
#[derive(Debug, Clone)]
pub(super) struct Samples(Vec<(Sample, Vec<Family>)>);

impl Samples {
    /// Unless it is for a group, a frame is given the MAC address of the router's port: it was for a station of another
    /// network, and the router would not look at it. Of the headers those count that are in `families`, or all if
    /// there are none; frames without any are left out.
    pub(super) fn new(world: &World, samples: &[Sample], families: &[Family]) -> Self {
        let aimed = |sample: &Sample| {
            let mut bytes = sample.bytes.clone();
            bytes.truncate(FRAME_MAX);
            if let Some(to) = bytes.first_chunk_mut::<6>().filter(|to| to[0] & 1 == 0) {
                *to = world.ports[usize::from(sample.port)].mac;
            }
            let mut found = Family::of_frame(&bytes);
            found.retain(|family| families.is_empty() || families.contains(family));
            (Sample { port: sample.port, bytes }, found)
        };
        Self(samples.iter().map(aimed).filter(|(_, found)| !found.is_empty()).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes a mutant of any of them: its length, its port, which one it was, and the header that was changed.
    pub(super) fn mutant<R: Rng>(
        &self,
        rng: &mut R,
        buffer: &mut [u8; FRAME_MAX],
    ) -> (usize, u8, u32, Family) {
        let number = rng.below(self.0.len());
        let (sample, families) = &self.0[number];
        let family = *rng.pick(families);
        buffer[..sample.bytes.len()].copy_from_slice(&sample.bytes);
        let len = mutate_in_place(family, buffer, sample.bytes.len(), rng);
        (len, sample.port, number as u32, family)
    }
}
