//! The frames to be played, in order: read from the files as they are needed, or loaded first and played several times.

use super::hosts::STATION;
use super::link::{LeftOut, Link, readdress};
use super::pace::{Pace, Schedule};
use super::source::{ReadError, Source};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was read of one file.
#[derive(Debug, Clone, Serialize)]
pub struct FileLine {
    /// Its path.
    pub file: PathBuf,
    /// Packets in it, as far as it was read.
    pub packets: u64,
    /// Packets by link type, which is a number of the LINKTYPE registry.
    pub link_types: BTreeMap<u32, u64>,
    /// Has all of it been read?
    pub complete: bool,
}

/// What was read of all files.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// Each file, in order.
    pub files: Vec<FileLine>,
    /// Packets of another link layer, for which an Ethernet header was made, by link type.
    pub reframed: BTreeMap<u32, u64>,
    /// Packets that are not played, by why.
    pub left_out: BTreeMap<String, u64>,
    /// Packets that were cut when they were captured, and are played as they are.
    pub cut: u64,
    /// Files that could not be read to their ends.
    pub problems: Vec<ReadError>,
    /// Bytes read of the files, compressed as they may be.
    pub bytes_read: u64,
}

/// A tally that the report reads, too.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTally(Arc<Mutex<Tally>>);

impl SharedTally {
    /// Whoever panicked has left whole numbers.
    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Its file, by its place in the plan.
    pub(crate) file: u32,
    /// Its number in that file, from 1.
    pub(crate) number: u64,
    /// When it was captured, in nanoseconds since 1970.
    pub(crate) time: u64,
}

/// Reads the files one after another and makes frames of their packets.
pub(super) struct Reel {
    paths: VecDeque<(u32, PathBuf)>,
    source: Option<(u32, Source)>,
    /// The MAC address of the port that they are played at.
    router: [u8; 6],
    readdress: bool,
    longest: usize,
    packet: Vec<u8>,
    /// Bytes of the files before the one being read.
    bytes_before: u64,
    tally: SharedTally,
}

impl Reel {
    /// `longest`: of the frames that a port takes.
    pub(super) fn new(
        files: &[PathBuf],
        router: [u8; 6],
        readdress: bool,
        longest: usize,
        tally: SharedTally,
    ) -> Self {
        let paths = (0..).zip(files.iter().cloned()).collect();
        Self { paths, source: None, router, readdress, longest, packet: Vec::new(), bytes_before: 0, tally }
    }

    /// The next frame, written to `frame`; `None` at the end of the last file.
    fn next(&mut self, frame: &mut Vec<u8>) -> Option<Meta> {
        loop {
            let Some((file, source)) = &mut self.source else {
                self.open()?;
                continue;
            };
            let mut tally = self.tally.lock();
            let next = source.next(&mut self.packet);
            tally.bytes_read = self.bytes_before + source.bytes_read();
            let packet = match next {
                Ok(Some(packet)) => packet,
                Ok(None) => {
                    if let Some(line) = tally.files.last_mut() {
                        line.complete = true;
                    }
                    drop(tally);
                    self.source = None;
                    continue;
                }
                Err(problem) => {
                    tally.problems.push(problem);
                    drop(tally);
                    self.source = None;
                    continue;
                }
            };
            let meta = Meta { file: *file, number: packet.number, time: packet.time.as_nanos() as u64 };
            let line = tally.files.last_mut().expect("each open file has its line");
            line.packets += 1;
            *line.link_types.entry(packet.link).or_default() += 1;
            tally.cut += u64::from(packet.cut);
            let link = Link::of(packet.link).ok_or(LeftOut::LinkType(packet.link));
            let made = link.and_then(|link| {
                link.to_ethernet(&self.packet, self.router, STATION, frame)?;
                if frame.len() > self.longest { Err(LeftOut::TooLong) } else { Ok(link) }
            });
            match made {
                Ok(link) => {
                    if link != Link::Ethernet {
                        *tally.reframed.entry(packet.link).or_default() += 1;
                    } else if self.readdress {
                        readdress(frame, self.router);
                    }
                    return Some(meta);
                }
                Err(why) => *tally.left_out.entry(why.to_string()).or_default() += 1,
            }
        }
    }

    /// Reads no further: there is no room for this frame and those after it.
    fn give_up(&mut self, meta: &Meta) {
        self.paths.clear();
        self.source = None;
        let mut tally = self.tally.lock();
        let file = tally.files.last().map(|line| line.file.clone()).unwrap_or_default();
        let problem = format!("the frames to be loaded take more than {} GiB", LOADED_MAX >> 30);
        let remedy = "leave --loops out: then frames are read as they are played".to_owned();
        tally.problems.push(ReadError { file, packet: meta.number, problem, remedy });
    }

    /// Opens the next file; `None`: there is none.
    fn open(&mut self) -> Option<()> {
        let (file, path) = self.paths.pop_front()?;
        let mut tally = self.tally.lock();
        match Source::open(&path) {
            Ok(source) => {
                self.bytes_before = tally.bytes_read;
                let line = FileLine { file: path, packets: 0, link_types: BTreeMap::new(), complete: false };
                tally.files.push(line);
                self.source = Some((file, source));
            }
            Err(problem) => tally.problems.push(problem),
        }
        Some(())
    }
}

/// The first frames of captures, as they are, up to `most` of them.
///
/// # Errors
/// A file cannot be read to its end.
pub(crate) fn load(files: &[PathBuf], most: usize) -> Result<Vec<Vec<u8>>, ReadError> {
    let tally = SharedTally::default();
    let mut reel = Reel::new(files, [2, 0, 0, 0, 1, 1], false, pktgen::stream::FRAME_MAX, tally.clone());
    let (mut frames, mut frame) = (Vec::new(), Vec::new());
    while frames.len() < most && reel.next(&mut frame).is_some() {
        frames.push(frame.clone());
    }
    let problem = tally.lock().problems.pop();
    problem.map_or(Ok(frames), Err)
}

/// A frame of a loaded tape: small, since it is read for each frame.
#[derive(Debug, Clone, Copy)]
struct Loaded {
    at: u64,
    len: u32,
    meta: Meta,
}

/// Most bytes of frames that are loaded.
const LOADED_MAX: usize = 4 << 30;
/// How far before they are copied the bytes of a loaded tape are fetched.
const AHEAD: usize = 4096;
/// Bytes that are fetched together.
const LINE: usize = 64;

/// Has these bytes fetched into the cache, while the router is busy with the frame in hand. A tape is larger than the
/// cache, and the machine itself does not look beyond the end of a page.
#[inline]
fn touch(bytes: &[u8], at: usize, len: usize) {
    for &byte in bytes.iter().skip(at).take(len).step_by(LINE) {
        std::hint::black_box(byte);
    }
}

/// Where the frames come from.
enum Frames {
    /// From the files, as they are needed.
    Read { reel: Reel, frame: Vec<u8> },
    /// From memory, so many times from beginning to end, and this one being next.
    Memory { bytes: Vec<u8>, frames: Vec<Loaded>, rounds: u64, next: usize },
}

/// The tape: it always knows its next frame.
pub(super) struct Tape {
    frames: Frames,
    schedule: Schedule,
    next: Option<(Meta, Option<Duration>)>,
}

impl Tape {
    /// Loads everything first if it is played `rounds` times, until `stop` is set.
    pub(super) fn new(mut reel: Reel, pace: Pace, rounds: Option<u64>, stop: &AtomicBool) -> Self {
        let mut frame = Vec::new();
        let frames = match rounds {
            None => Frames::Read { reel, frame },
            Some(rounds) => {
                let (mut bytes, mut frames) = (Vec::new(), Vec::new());
                while let Some(meta) = reel.next(&mut frame) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if bytes.len() + frame.len() > LOADED_MAX {
                        reel.give_up(&meta);
                        break;
                    }
                    frames.push(Loaded { at: bytes.len() as u64, len: frame.len() as u32, meta });
                    bytes.extend_from_slice(&frame);
                }
                Frames::Memory { bytes, frames, rounds, next: 0 }
            }
        };
        let mut tape = Self { frames, schedule: Schedule::new(pace), next: None };
        tape.advance();
        tape
    }

    /// The next frame, and when it is due; `None` at the end.
    pub(super) const fn next(&self) -> Option<(Meta, Option<Duration>)> {
        self.next
    }

    /// Copies the next frame into the buffer, which is long enough, and goes on to the one after it; its length.
    #[inline]
    pub(super) fn take(&mut self, buf: &mut [u8]) -> usize {
        let frame = match &self.frames {
            Frames::Read { frame, .. } => &frame[..],
            Frames::Memory { bytes, frames, next, .. } => {
                let Loaded { at, len, .. } = frames[*next];
                touch(bytes, at as usize + AHEAD, len as usize);
                &bytes[at as usize..][..len as usize]
            }
        };
        let len = frame.len().min(buf.len());
        buf[..len].copy_from_slice(&frame[..len]);
        if let Frames::Memory { next, .. } = &mut self.frames {
            *next += 1;
        }
        self.advance();
        len
    }

    #[inline]
    fn advance(&mut self) {
        let meta = match &mut self.frames {
            Frames::Read { reel, frame } => reel.next(frame),
            Frames::Memory { frames, rounds, next, .. } => {
                if *next == frames.len() {
                    *rounds = rounds.saturating_sub(1);
                    *next = 0;
                }
                if *rounds == 0 { None } else { frames.get(*next).map(|loaded| loaded.meta) }
            }
        };
        self.next = meta.map(|meta| (meta, self.schedule.next(meta.file, Duration::from_nanos(meta.time))));
    }
}
