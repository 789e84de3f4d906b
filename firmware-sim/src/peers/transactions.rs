//! TCP transactions: a request and a response of one byte each, over and over, on some connections at once.
//!
//! This is what netperf calls `TCP_RR`. One thread on either side serves all connections of its side.

use super::Failure;
use super::set_up::{SERVER, SetUp};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a side that waits looks whether it is over.
const GRAIN: u8 = 20;

/// Connections from the client to the server.
#[derive(Debug)]
pub struct Connections {
    client: Vec<TcpStream>,
    server: Vec<TcpStream>,
}

impl Connections {
    /// Opens `count` of them, one after another.
    ///
    /// # Errors
    /// The kernel or the fabric refuses one.
    pub fn open(set_up: &SetUp, count: usize) -> Result<Self, Failure> {
        let listener = set_up.server.namespace().run(|| TcpListener::bind((SERVER, 0)))?;
        let to = SocketAddr::from((SERVER, listener.local_addr()?.port()));
        let (mut client, mut server) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let patience = Duration::from_secs(3);
            let near = set_up.client.namespace().run(move || TcpStream::connect_timeout(&to, patience))?;
            let (far, _) = listener.accept()?;
            for stream in [&near, &far] {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
            }
            client.push(near);
            server.push(far);
        }
        Ok(Self { client, server })
    }

    /// Transactions a second, for about this long.
    ///
    /// # Errors
    /// A connection breaks.
    pub fn run(&self, span: Duration, stop: &AtomicBool) -> Result<f64, Failure> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let server = scope.spawn(|| answer(&self.server, &over));
            let asked = self.ask(span, stop);
            over.store(true, Ordering::Relaxed);
            let served = server.join().map_err(|_| "the server's thread panicked")?;
            let (count, took) = asked.map_err(|error| format!("TCP at the client: {error}"))?;
            served.map_err(|error| format!("TCP at the server: {error}"))?;
            Ok(count as f64 / took.as_secs_f64())
        })
    }

    /// The client: a new request on each connection as soon as the last is answered.
    fn ask(&self, span: Duration, stop: &AtomicBool) -> io::Result<(u64, Duration)> {
        let (start, mut count) = (Instant::now(), 0);
        for stream in &self.client {
            write(stream)?;
        }
        while start.elapsed() < span && !stop.load(Ordering::Relaxed) {
            ready(&self.client, |stream| {
                if read(stream)? {
                    count += 1;
                    write(stream)?;
                }
                Ok(())
            })?;
        }
        let took = start.elapsed();
        // What is under way belongs to nobody; but the next run must not find it.
        let mut left = self.client.len();
        while left > 0 && start.elapsed() < took + Duration::from_secs(1) {
            ready(&self.client, |stream| read(stream).map(|came| left -= usize::from(came)))?;
        }
        Ok((count, took))
    }
}

fn answer(streams: &[TcpStream], over: &AtomicBool) -> io::Result<()> {
    while !over.load(Ordering::Relaxed) {
        ready(streams, |stream| if read(stream)? { write(stream) } else { Ok(()) })?;
    }
    Ok(())
}

/// Serves each connection that has something, once.
fn ready(streams: &[TcpStream], mut serve: impl FnMut(&TcpStream) -> io::Result<()>) -> io::Result<()> {
    let mut fds: Vec<_> =
        streams.iter().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut fds, PollTimeout::from(GRAIN))?;
    for (stream, fd) in streams.iter().zip(&fds) {
        if fd.any().unwrap_or(true) {
            serve(stream)?;
        }
    }
    Ok(())
}

/// Is there a byte?
fn read(mut stream: &TcpStream) -> io::Result<bool> {
    match stream.read(&mut [0]) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(&[1])
}
