//! The bytes of a capture file: uncompressed if need be, counted, and whether they have come to an end.

use flate2::read::MultiGzDecoder;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Bytes that are asked of the file at once.
const BUFFER: usize = 1 << 18;

/// What reads a capture.
pub(super) type Input = Box<dyn Read + Send>;

/// How far the reading has come.
#[derive(Debug, Default)]
pub(super) struct State {
    bytes: AtomicU64,
    end: AtomicU8,
}

const ENDED: u8 = 1;
const FAILED: u8 = 2;

impl State {
    /// Bytes read of the file itself.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Has all of it been read?
    pub(super) fn has_ended(&self) -> bool {
        self.end.load(Ordering::Relaxed) == ENDED
    }

    /// Could it not be read on?
    pub(super) fn has_failed(&self) -> bool {
        self.end.load(Ordering::Relaxed) == FAILED
    }
}

/// Counts what is read of the file.
struct Counted<R>(R, Arc<State>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buf)?;
        self.1.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Notes how the bytes of the capture end.
struct Watched<R>(R, Arc<State>);

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.0.read(buf);
        match &result {
            Ok(0) if !buf.is_empty() => self.1.end.store(ENDED, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.1.end.store(FAILED, Ordering::Relaxed),
        }
        result
    }
}

/// A reader whose first bytes were looked at, and are read all the same.
type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// The first four bytes, zeros where there are none, and a reader that has them yet.
fn peek<R: Read>(mut reader: R) -> io::Result<([u8; 4], Peeked<R>)> {
    let mut head = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut head)?;
    let mut magic = [0; 4];
    magic[..head.len()].copy_from_slice(&head);
    Ok((magic, Cursor::new(head).chain(reader)))
}

/// What to read the capture from, its first four bytes, and how far the reading has come.
///
/// # Errors
/// Its beginning cannot be read or uncompressed.
pub(super) fn open(from: impl Read + Send + 'static) -> io::Result<(Input, [u8; 4], Arc<State>)> {
    let state = Arc::new(State::default());
    let counted = BufReader::with_capacity(BUFFER, Counted(from, Arc::clone(&state)));
    let (magic, reader) = peek(counted)?;
    if magic[..2] != [0x1f, 0x8b] {
        return Ok((Box::new(Watched(reader, Arc::clone(&state))), magic, state));
    }
    let (magic, reader) = peek(MultiGzDecoder::new(reader))
        .map_err(|error| io::Error::new(error.kind(), format!("its gzip data is damaged: {error}")))?;
    Ok((Box::new(Watched(reader, Arc::clone(&state))), magic, state))
}
