//! A capture at the far end: every frame that a host's interface received, as a pcap file.
//!
//! Read first: `man 7 packet`. It shares nothing with the router: its bytes come from the host's kernel.

use super::namespace::Host;
use super::traffic::Running;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage};
use socket2::Socket;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A capture under way.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: Running<io::Result<u64>>,
}
