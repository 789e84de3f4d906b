//! A log file that is added to. A write error ends the log, never the run.

use super::{LogCounts, Record, eve, weird};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Eve,
    Weird,
}

/// An open log; `file` is `None` after an error.
pub(super) struct LogFile {
    path: PathBuf,
    format: Format,
    file: Option<BufWriter<File>>,
    line: Vec<u8>,
}

impl LogFile {
    /// Opens the file, or creates it, and writes what the format wants at the beginning of a run.
    pub(super) fn open(path: &Path, format: Format) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        let mut last = [b'\n'];
        if metadata.is_file() && metadata.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let mut file = BufWriter::new(file);
        if last != [b'\n'] {
            // A run that crashed has left half a line.
            file.write_all(b"\n")?;
        }
        if format == Format::Weird {
            file.write_all(weird::header(now()).as_bytes())?;
        }
        file.flush()?;
        Ok(Self { path: path.to_owned(), format, file: Some(file), line: Vec::new() })
    }

    /// Adds a line. A failure is noted in the counts.
    pub(super) fn write(&mut self, record: &Record<'_>, counts: &LogCounts) {
        self.line.clear();
        match self.format {
            Format::Eve => eve::line(record, &mut self.line),
            Format::Weird => weird::line(record, &mut self.line),
        }
        self.line.push(b'\n');
        let line = std::mem::take(&mut self.line);
        self.attempt(counts, |file| file.write_all(&line));
        self.line = line;
    }

    /// Hands what waits to the file system.
    pub(super) fn flush(&mut self, counts: &LogCounts) {
        self.attempt(counts, Write::flush);
    }

    /// Writes what the format wants at the end of a run.
    pub(super) fn end(&mut self, counts: &LogCounts) {
        if self.format == Format::Weird {
            self.attempt(counts, |file| file.write_all(weird::footer(now()).as_bytes()));
        }
        self.flush(counts);
    }

    fn attempt(&mut self, counts: &LogCounts, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if let Some(Err(error)) = self.file.as_mut().map(write) {
            let path = self.path.display();
            eprintln!("log {path}: {error}: is the disk full? Nothing more is written to it");
            counts.failed.store(true, Ordering::Relaxed);
            // What waits cannot be written either.
            drop(self.file.take().map(BufWriter::into_parts));
        }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
