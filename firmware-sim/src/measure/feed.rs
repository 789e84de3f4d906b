//! Frames of a stream at their times, those of one port.

use super::hand::Hand;
use super::load::Due;
use super::port::{Next, Supply};
use crate::replay::{Packet, Stamp};
use pktgen::stream::FRAME_MAX;
use pktgen::stream::Made;
use pktgen::{Expected, Stream};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A frame that waits for the router.
#[derive(Debug)]
struct Waiting {
    index: u64,
    at: Duration,
    bytes: Vec<u8>,
}

/// The stream's frames for one port, through a ring.
pub(super) struct Feed {
    stream: Arc<Stream>,
    port: u8,
    span: Duration,
    ring: usize,
    /// The stream's next frame, whichever port it is for.
    index: u64,
    waiting: VecDeque<Waiting>,
    due: Due,
    /// The next frame, and what is known of it.
    buffer: Box<[u8; FRAME_MAX]>,
    made: Option<Made>,
    hand: Arc<Hand>,
    stamp: Arc<Stamp>,
    /// The time of day when the first frame was asked for, since 1970.
    epoch: Duration,
}

impl Feed {
    pub(super) fn new(
        stream: Arc<Stream>,
        port: u8,
        (span, ring): (Duration, usize),
        hand: Arc<Hand>,
        (stamp, epoch): (Arc<Stamp>, Duration),
    ) -> Self {
        let (waiting, due, buffer) = (VecDeque::new(), Due::default(), Box::new([0; FRAME_MAX]));
        Self { stream, port, span, ring, index: 0, waiting, due, buffer, made: None, hand, stamp, epoch }
    }

    /// Lets what is due by now arrive.
    fn arrive(&mut self, elapsed: Duration) {
        loop {
            let (stream, buffer) = (&self.stream, &mut self.buffer[..]);
            let made = *self.made.get_or_insert_with(|| stream.frame(self.index, buffer));
            if made.at >= self.span || made.at > elapsed {
                return;
            }
            self.made = None;
            if made.port == self.port {
                let kind = usize::from(made.expected != Expected::Healthy);
                self.due.offered[kind] += 1;
                if self.waiting.len() < self.ring {
                    let bytes = self.buffer[..made.len].to_vec();
                    self.waiting.push_back(Waiting { index: self.index, at: made.at, bytes });
                } else {
                    self.due.lost[kind] += 1;
                }
            }
            self.index += 1;
        }
    }
}

impl Supply for Feed {
    fn next(&mut self, buf: &mut [u8]) -> Next {
        let elapsed = self.hand.beginning().elapsed();
        self.arrive(elapsed);
        let Some(Waiting { index, at, bytes }) = self.waiting.pop_front() else {
            if elapsed < self.span {
                return Next::Later;
            }
            self.hand.add(self.due);
            self.hand.leave();
            return Next::Over;
        };
        self.hand.takes(None);
        let packet =
            Packet { file: self.port.into(), number: index, time: (self.epoch + at).as_nanos() as u64 };
        self.stamp.played(&packet, bytes.len());
        buf[..bytes.len()].copy_from_slice(&bytes);
        Next::Frame(bytes.len())
    }

    fn passed_over(&mut self) {
        self.stamp.made_up();
    }
}
