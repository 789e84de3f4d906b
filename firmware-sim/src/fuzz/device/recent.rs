//! The frames that were sent last, to be written when the device is silent afterwards.

use crate::commented::{CommentedFile, OUTBOUND, Packet};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

struct Sent {
    index: u64,
    at: Duration,
    bytes: Vec<u8>,
    comment: String,
}

/// The frames.
pub(super) struct Recent {
    sent: VecDeque<Sent>,
    most: usize,
}

impl Recent {
    /// Keeps so many.
    pub(super) fn new(most: usize) -> Self {
        Self { sent: VecDeque::new(), most }
    }

    /// A frame was sent, so long after the beginning.
    pub(super) fn sent(&mut self, index: u64, at: Duration, bytes: &[u8], comment: String) {
        if self.sent.len() >= self.most {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { index, at, bytes: bytes.to_vec(), comment });
    }

    /// Frames after this one.
    pub(super) fn after(&self, index: Option<u64>) -> usize {
        self.sent.iter().filter(|sent| Some(sent.index) > index).count()
    }

    /// Writes them all; those after `alive` have that in their comments. How many there are.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn write(
        &self,
        path: &Path,
        (interface, about): (&str, &str),
        alive: Option<u64>,
    ) -> io::Result<usize> {
        let mut file = CommentedFile::create(path, [interface.to_owned()], about)?;
        for sent in &self.sent {
            let mut comment = sent.comment.clone();
            if Some(sent.index) > alive {
                comment.push_str("; after the last sign of life");
            }
            let (time, bytes) = (sent.at, &sent.bytes[..]);
            file.write(&Packet { interface: 0, flags: OUTBOUND, time, bytes, comment: &comment })?;
        }
        file.flush()?;
        Ok(self.sent.len())
    }
}
