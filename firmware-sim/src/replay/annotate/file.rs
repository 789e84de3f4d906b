//! The annotated file: frames in the order in which they came and went, each written once its comment is complete.
//!
//! Read first: draft-ietf-opsawg-pcapng §4.2 and §4.3. A write error ends the file, never the run.

use crate::commented::{CommentedFile, INBOUND, OUTBOUND, Packet};
use serde::Serialize;
use stack::PortId;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Frames that wait for one before them; beyond, that one is written later, out of its place.
const WAITING: usize = 1 << 16;

/// What came of the file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Annotated {
    /// The file.
    pub file: PathBuf,
    /// Frames in it that came in.
    pub frames_in: u64,
    /// Frames in it that the router sent.
    pub frames_out: u64,
    /// Why it ended early.
    pub error: Option<String>,
}

impl fmt::Display for Annotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} frames in, {} out", self.file.display(), self.frames_in, self.frames_out)?;
        self.error.as_ref().map_or(Ok(()), |error| write!(f, ", ENDED EARLY: {error}"))
    }
}

/// What came of the file, to be read when its writer has been dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedAnnotated(Arc<Mutex<Annotated>>);

impl SharedAnnotated {
    /// Whoever panicked has left whole numbers.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Annotated> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame with its comment, so far.
#[derive(Debug)]
struct Entry {
    interface: u32,
    flags: u32,
    time: Duration,
    bytes: Vec<u8>,
    comment: String,
    /// Is more to be said about it?
    waits: bool,
}

/// The open file.
pub(super) struct NotedFile {
    /// `None` after an error.
    file: Option<CommentedFile>,
    /// Frames that are not written yet, in order; the first one's place among all is `first`.
    queue: VecDeque<Entry>,
    first: u64,
    /// Frames that lost their places.
    late: HashMap<u64, Entry>,
    outcome: SharedAnnotated,
}

impl NotedFile {
    /// Creates the file, or replaces it: two interfaces a port, for what comes in and for what goes out.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn create(path: &Path, ports: &[String], about: &'static str) -> io::Result<Self> {
        let interfaces = ports.iter().flat_map(|port| [format!("{port} in"), format!("{port} out")]);
        let file = CommentedFile::create(path, interfaces, about)?;
        let outcome = SharedAnnotated::default();
        outcome.lock().file = path.to_owned();
        Ok(Self { file: Some(file), queue: VecDeque::new(), first: 0, late: HashMap::new(), outcome })
    }

    /// What will have come of it.
    pub(super) fn outcome(&self) -> SharedAnnotated {
        self.outcome.clone()
    }

    /// A frame that came in, about which all is still to be said.
    pub(super) fn received(&mut self, port: PortId, time: Duration, frame: &[u8]) {
        self.settle();
        let interface = u32::from(port.0) * 2;
        let (bytes, comment) = (frame.to_vec(), String::new());
        self.push(Entry { interface, flags: INBOUND, time, bytes, comment, waits: false });
    }

    /// A frame that was sent, and all that there is to say about it.
    pub(super) fn sent(&mut self, port: PortId, time: Duration, frame: &[u8], comment: String) {
        let interface = u32::from(port.0) * 2 + 1;
        self.push(Entry { interface, flags: OUTBOUND, time, bytes: frame.to_vec(), comment, waits: false });
    }

    fn push(&mut self, entry: Entry) {
        self.queue.push_back(entry);
        if self.queue.len() > WAITING
            && let Some(entry) = self.queue.pop_front()
        {
            if entry.waits {
                self.late.insert(self.first, entry);
            } else {
                self.write(&entry);
            }
            self.first += 1;
        }
    }

    /// The place of the frame that came last.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.queue.len() as u64).saturating_sub(1)
    }

    /// The comment of the frame with this place, if it is not written yet.
    pub(super) fn comment(&mut self, place: u64) -> Option<&mut String> {
        self.entry(place).map(|entry| &mut entry.comment)
    }

    fn entry(&mut self, place: u64) -> Option<&mut Entry> {
        match place.checked_sub(self.first) {
            Some(at) => self.queue.get_mut(at as usize),
            None => self.late.get_mut(&place),
        }
    }

    /// More is to be said about this frame.
    pub(super) fn keep(&mut self, place: u64) {
        if let Some(entry) = self.entry(place) {
            entry.waits = true;
        }
    }

    /// All has been said about this frame.
    pub(super) fn end(&mut self, place: u64) {
        if let Some(entry) = self.late.remove(&place) {
            self.write(&entry);
        } else if let Some(entry) = self.entry(place) {
            entry.waits = false;
        }
    }

    /// Writes what need not wait any more.
    fn settle(&mut self) {
        while self.queue.front().is_some_and(|entry| !entry.waits)
            && let Some(entry) = self.queue.pop_front()
        {
            self.first += 1;
            self.write(&entry);
        }
    }

    fn write(&mut self, entry: &Entry) {
        let Some(file) = &mut self.file else { return };
        let packet = Packet {
            interface: entry.interface,
            flags: entry.flags,
            time: entry.time,
            bytes: &entry.bytes,
            comment: entry.comment.trim_end(),
        };
        match file.write(&packet) {
            Ok(()) => {
                let mut outcome = self.outcome.lock();
                *(if entry.flags == INBOUND { &mut outcome.frames_in } else { &mut outcome.frames_out }) += 1;
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Nothing more is written.
    fn fail(&mut self, error: &io::Error) {
        self.file = None;
        let mut outcome = self.outcome.lock();
        eprintln!(
            "{}: {error}: it ends here, the replay goes on\n  remedy: name a file on a disk with more room",
            outcome.file.display()
        );
        outcome.error = Some(error.to_string());
    }

    /// Hands what is complete to the file system.
    pub(super) fn flush(&mut self) {
        self.settle();
        if let Some(Err(error)) = self.file.as_mut().map(CommentedFile::flush) {
            self.fail(&error);
        }
    }
}

impl Drop for NotedFile {
    fn drop(&mut self) {
        let mut late: Vec<_> = self.late.drain().collect();
        late.sort_by_key(|(place, _)| *place);
        let waiting: Vec<_> = late.into_iter().map(|(_, entry)| entry).chain(self.queue.drain(..)).collect();
        for entry in &waiting {
            self.write(entry);
        }
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
    use pcap_file::pcapng::{Block, PcapNgReader};
    use std::fs::File;

    /// The comment of each packet, in order.
    fn comments(path: &Path) -> Vec<String> {
        let mut reader = PcapNgReader::new(File::open(path).unwrap()).unwrap();
        let mut comments = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                let comment = packet.options.into_iter().find_map(|option| match option {
                    EnhancedPacketOption::Comment(comment) => Some(comment.into_owned()),
                    _ => None,
                });
                comments.push(comment.unwrap());
            }
        }
        comments
    }

    #[test]
    fn a_frame_that_waits_keeps_its_place_unless_too_many_come_after_it() {
        for (others, place) in [(10, 0), (WAITING + 5, 5)] {
            let name = format!("softrouter-{}-noted-{others}.pcapng", std::process::id());
            let path = std::env::temp_dir().join(name);
            let mut file = NotedFile::create(&path, &["tap0".into()], "a test").unwrap();
            file.received(PortId(0), Duration::ZERO, b"waits");
            let waits = file.last();
            file.keep(waits);
            for _ in 0..others {
                file.sent(PortId(0), Duration::ZERO, b"does not", "other".into());
            }
            file.comment(waits).unwrap().push_str("said late");
            file.end(waits);
            let outcome = file.outcome();
            drop(file);
            let comments = comments(&path);
            std::fs::remove_file(&path).unwrap();
            assert_eq!(comments.len(), others + 1);
            // Those that had been pushed out before it was said stand before it.
            let at = comments.iter().position(|comment| comment == "said late");
            assert_eq!(at, Some(place), "{others} others");
            let outcome = outcome.lock();
            assert_eq!((outcome.frames_in, outcome.frames_out as usize), (1, others));
        }
    }

    #[test]
    fn a_full_disk_ends_the_file_and_is_told() {
        let mut file = NotedFile::create(Path::new("/dev/full"), &["tap0".into()], "a test").unwrap();
        file.received(PortId(0), Duration::ZERO, b"lost");
        file.flush();
        file.received(PortId(0), Duration::ZERO, b"lost, too");
        let outcome = file.outcome();
        drop(file);
        assert!(outcome.lock().error.is_some() && outcome.lock().to_string().contains("ENDED EARLY"));
    }
}
