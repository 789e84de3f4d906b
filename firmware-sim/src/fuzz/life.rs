//! One router's life: a stretch of the stream, with acts drawn for it, on a fresh router.

use super::act;
use super::bench::{Bench, Incoming};
use super::case::{Step, watched};
use super::invariant::{Checked, Violation};
use super::setup::Setup;
use super::tally::Tally;
use pktgen::Stream;
use pktgen::stream::{BLOCK, FRAME_MAX};
use stack::Posture;
use std::ops::Range;

/// Frames of one life: whatever breaks a law needs no more than these. A multiple of a block, so that no sequence is torn.
pub(super) const LIFE: u64 = 256 * BLOCK as u64;

/// What lives are drawn from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) stream: Stream,
    pub(super) seed: u64,
    pub(super) ports: u8,
    pub(super) posture: Option<Posture>,
}

/// What came of a life.
pub(super) struct Lived {
    pub(super) tally: Tally,
    pub(super) checked: Checked,
    pub(super) broken: Option<(Violation, u64)>,
}

impl Source {
    /// The router of this life.
    pub(super) fn setup(&self, life: u64) -> Setup {
        Setup::draw(self.seed, life, self.ports, self.posture)
    }

    /// Lives it, up to `frames` of its frames.
    pub(super) fn live(&self, life: u64, frames: u64, prepare: impl Fn(&mut Bench)) -> Lived {
        let first = life * LIFE;
        let mut reached = first;
        let setup = self.setup(life);
        let mut bench = Bench::new(&setup).unwrap_or_else(|error| panic!("{setup:?}: {error}"));
        prepare(&mut bench);
        let broken = watched(|| self.play(first..first + frames.min(LIFE), &mut bench, &mut reached));
        let broken = broken.err().map(|violation| (violation, reached));
        bench.tally.close(bench.router.stats());
        Lived { tally: bench.tally, checked: bench.checked, broken }
    }

    fn play(&self, range: Range<u64>, bench: &mut Bench, reached: &mut u64) -> Result<(), Violation> {
        bench.begin()?;
        let mut buffer = [0; FRAME_MAX];
        let mut start = None;
        for index in range {
            *reached = index;
            let made = self.stream.frame(index, &mut buffer);
            let at = (made.at - *start.get_or_insert(made.at)).as_micros() as u64;
            let bytes = &buffer[..made.len];
            bench.frame(&Incoming { at, port: made.port, bytes, expected: made.expected })?;
            if let Some(act) = act::draw(self.seed, index, bench.is_asked()) {
                bench.act(act)?;
            }
        }
        bench.end()
    }

    /// The same life up to frame `last`, as steps. Acts depend on what the slow path has, so it is lived again.
    pub(super) fn steps(&self, life: u64, last: u64, prepare: impl Fn(&mut Bench)) -> Vec<Step> {
        let first = life * LIFE;
        let setup = self.setup(life);
        let mut bench = Bench::new(&setup).unwrap_or_else(|error| panic!("{setup:?}: {error}"));
        prepare(&mut bench);
        let mut steps = Vec::new();
        let start = self.stream.owned(first).0.at;
        // How it ends is known already.
        let _ = watched(|| {
            bench.begin()?;
            for index in first..=last {
                let (made, frame) = self.stream.owned(index);
                let at = (made.at - start).as_micros() as u64;
                let (port, expected) = (made.port, made.expected);
                steps.push(Step::Frame { at, port, expected, frame: frame.clone() });
                bench.frame(&Incoming { at, port, bytes: &frame, expected })?;
                if let Some(act) = act::draw(self.seed, index, bench.is_asked()) {
                    steps.push(Step::Act(act));
                    bench.act(act)?;
                }
            }
            Ok(())
        });
        steps
    }
}
