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
        self.play(life, frames.min(LIFE), prepare, None)
    }

    /// The same life up to frame `last`, as steps. Acts depend on what the slow path has, so it is lived again.
    pub(super) fn steps(&self, life: u64, last: u64, prepare: impl Fn(&mut Bench)) -> Vec<Step> {
        let mut steps = Vec::new();
        // How it ends is known already.
        let _ = self.play(life, last + 1 - life * LIFE, prepare, Some(&mut steps));
        steps
    }

    fn play(
        &self,
        life: u64,
        frames: u64,
        prepare: impl Fn(&mut Bench),
        mut steps: Option<&mut Vec<Step>>,
    ) -> Lived {
        let first = life * LIFE;
        let mut reached = first;
        let setup = self.setup(life);
        let mut bench = Bench::new(&setup).unwrap_or_else(|error| panic!("{setup:?}: {error}"));
        prepare(&mut bench);
        let broken = watched(|| {
            bench.begin()?;
            let mut buffer = [0; FRAME_MAX];
            let mut start = None;
            for index in first..first + frames {
                reached = index;
                let made = self.stream.frame(index, &mut buffer);
                let at = (made.at - *start.get_or_insert(made.at)).as_micros() as u64;
                let (port, bytes, expected) = (made.port, &buffer[..made.len], made.expected);
                if let Some(steps) = &mut steps {
                    steps.push(Step::Frame { at, port, expected, frame: bytes.to_vec() });
                }
                bench.frame(&Incoming { at, port, bytes, expected })?;
                if let Some(act) = act::draw(self.seed, index, bench.is_asked()) {
                    if let Some(steps) = &mut steps {
                        steps.push(Step::Act(act));
                    }
                    bench.act(act)?;
                }
            }
            bench.end()
        });
        let broken = broken.err().map(|violation| (violation, reached));
        bench.tally.close(bench.router.stats());
        Lived { tally: bench.tally, checked: bench.checked, broken }
    }
}
