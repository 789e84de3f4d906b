//! Frames in memory, received one after another, over and over: making them is not to be measured.

use pktgen::stream::FRAME_MAX;
use pktgen::stream::PlanError;
use pktgen::{Stream, StreamMix, StreamPlan, World};

/// Frames of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    bytes: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
    next: usize,
}

impl Pool {
    /// The first `count` frames of a stream that come in by this port of the lab's router.
    ///
    /// # Errors
    /// The plan is not sound.
    pub(super) fn of(plan: StreamPlan, port: u8, count: usize) -> Result<Self, PlanError> {
        let stream = Stream::new(World::lab(), plan)?;
        let mut pool = Self::default();
        let mut buffer = [0; FRAME_MAX];
        for index in 0.. {
            if pool.ends.len() == count {
                break;
            }
            let made = stream.frame(index, &mut buffer);
            if made.port == port {
                pool.push(&buffer[..made.len]);
            }
        }
        Ok(pool)
    }

    /// Healthy traffic, each frame with `size` bytes and its check sequence.
    ///
    /// # Errors
    /// As [`Pool::of`].
    pub(super) fn healthy(seed: u64, sizes: &[(u32, u16)], count: usize) -> Result<Self, PlanError> {
        Self::of(StreamPlan { seed, sizes: sizes.to_vec(), ..StreamPlan::default() }, 0, count)
    }

    /// Every anomaly that one frame can show, as often as any other.
    ///
    /// # Errors
    /// As [`Pool::of`].
    pub(super) fn odd(seed: u64, count: usize) -> Result<Self, PlanError> {
        Self::of(StreamPlan { seed, mix: StreamMix::odd_percent(100), ..StreamPlan::default() }, 0, count)
    }

    pub(super) fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// Copies the next frame into the buffer, which has room for it; its length.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> usize {
        let start = self.next.checked_sub(1).map_or(0, |before| self.ends[before]);
        let frame = &self.bytes[start..self.ends[self.next]];
        buf[..frame.len()].copy_from_slice(frame);
        self.next = if self.next + 1 == self.ends.len() { 0 } else { self.next + 1 };
        frame.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_order_and_begin_anew() {
        let mut pool = Pool::default();
        for frame in [&b"a"[..], b"bcd", b"ef"] {
            pool.push(frame);
        }
        let mut buf = [0; 8];
        for expected in [&b"a"[..], b"bcd", b"ef", b"a"] {
            let len = pool.take(&mut buf);
            assert_eq!(&buf[..len], expected);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_frames() {
        let [one, same, other] = [1, 1, 2].map(|seed| Pool::odd(seed, 300).unwrap());
        assert_eq!((one.ends.len(), &one.bytes), (300, &same.bytes));
        assert_ne!(one.bytes, other.bytes);
    }
}
