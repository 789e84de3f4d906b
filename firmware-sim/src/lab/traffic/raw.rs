//! Frames of any shape, sent from a host's interface as if its kernel had made them.
//!
//! Read first: `man 7 packet`. This is how the lab sends what no socket would: priority tags, SNAP,
//! options, wrong checksums and lengths.

use crate::lab::{namespace::Host, sys};
use crate::port::Sent;
use nix::libc;
use socket2::{Domain, Socket, Type};
use std::io;

/// A packet socket on a host's interface, for sending only.
#[derive(Debug)]
pub struct RawSender {
    socket: Socket,
}

impl RawSender {
    /// Opens it in `host`'s namespace; it may then move to any thread.
    ///
    /// # Errors
    /// The kernel refuses packet sockets; the message says what to grant.
    pub fn open(host: &Host) -> io::Result<Self> {
        let index = host.interface_index();
        let socket = host.run(move || {
            // With a protocol it would also receive, and fill up.
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            socket.bind(&sys::packet_address(index)).map(|()| socket)
        });
        let socket = socket.map_err(|error| {
            let host = &host.plan().name;
            let text = format!("host {host}: no packet socket ({error}): grant CAP_NET_RAW, or run as root");
            io::Error::new(error.kind(), text)
        })?;
        Ok(Self { socket })
    }

    /// Sends one Ethernet frame, without FCS, byte for byte.
    ///
    /// # Errors
    /// The kernel takes no frame shorter than an Ethernet header or longer than the MTU and a tag.
    pub fn send(&self, frame: &[u8]) -> io::Result<Sent> {
        match self.socket.send(frame) {
            Ok(_) => Ok(Sent::Done),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS)) => Ok(Sent::Full),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::namespace::HostPlan;
    use crate::lab::privilege::{probe_tap, skip};
    use crate::port::Port;

    #[test]
    fn frames_of_every_length_leave_byte_for_byte() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, mut tap) = Host::start(HostPlan::client()).unwrap();
        let sender = RawSender::open(&host).unwrap();
        let mut buffer = [0; 2048];
        for length in [14_usize, 15, 20, 59, 60, 1514, 1518] {
            let mut frame: Vec<u8> = (0..length).map(|i| i as u8).collect();
            frame[0] = 2;
            // A frame may be longer than the MTU only by the tag that it carries.
            frame[12..14].copy_from_slice(&[0x81, 0x00]);
            assert_eq!(sender.send(&frame).unwrap(), Sent::Done, "{length} bytes");
            assert_eq!(tap.receive(&mut buffer).unwrap(), Some(length));
            assert_eq!(buffer[..length], frame);
        }
        for length in [13, 1519] {
            assert!(sender.send(&vec![2; length]).is_err(), "{length} bytes");
        }
    }
}
