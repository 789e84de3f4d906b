//! Frames of any shape, sent from a host's interface as if its stack had made them.
//!
//! Read first: `man 7 packet`. This is how the lab sends what no socket would: priority tags, SNAP,
//! options, wrong checksums and lengths.

use crate::lab::netns::Namespace;
use crate::port::{Sent, packet_address};
use nix::libc;
use socket2::{Domain, Socket, Type};
use std::fmt;
use std::io;

/// Sends Ethernet frames, byte for byte; made by [`LabHost::open_raw`](crate::lab::host::LabHost::open_raw).
pub struct RawSender(Box<SendFrame>);

type SendFrame = dyn Fn(&[u8]) -> io::Result<Sent> + Send + Sync;

impl RawSender {
    pub(in crate::lab) fn new(send: impl Fn(&[u8]) -> io::Result<Sent> + Send + Sync + 'static) -> Self {
        Self(Box::new(send))
    }

    /// A sender on this interface of the namespace.
    ///
    /// # Errors
    /// The kernel gives no packet socket.
    pub fn open(namespace: &Namespace, interface_index: u32) -> io::Result<Self> {
        let socket = namespace.run(move || {
            // With a protocol it would also receive, and fill up.
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            socket.bind(&packet_address(interface_index)).map(|()| socket)
        })?;
        Ok(Self::new(move |frame| match socket.send(frame) {
            Ok(_) => Ok(Sent::Done),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS)) => {
                Ok(Sent::Full)
            }
            Err(error) => Err(error),
        }))
    }

    /// Sends one Ethernet frame, without FCS.
    ///
    /// # Errors
    /// A kernel takes no frame shorter than an Ethernet header or longer than the MTU and a tag.
    pub fn send(&self, frame: &[u8]) -> io::Result<Sent> {
        (self.0)(frame)
    }
}

impl fmt::Debug for RawSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawSender")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::host::LabHost;
    use crate::lab::namespace::{Host, HostPlan};
    use crate::lab::privilege::{probe_tap, skip};
    use crate::port::Port;

    #[test]
    fn frames_of_every_length_leave_byte_for_byte() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        // Without IPv6, whose Neighbour Discovery sends frames of its own.
        let (host, mut tap) = Host::start(HostPlan { ipv6: None, ..HostPlan::client() }).unwrap();
        let sender = host.open_raw().unwrap();
        let mut buffer = [0; 2048];
        for length in [14_usize, 15, 20, 59, 60, 1514, 1518] {
            let mut frame: Vec<u8> = (0..length).map(|i| i as u8).collect();
            frame[0] = 2;
            // A frame may be longer than the MTU only by the tag that it carries.
            frame[12..14].copy_from_slice(&[0x81, 0x00]);
            assert_eq!(sender.send(&frame).unwrap(), Sent::Done, "{length} bytes");
            assert_eq!(tap.receive(&mut buffer).unwrap(), Some(length.into()));
            assert_eq!(buffer[..length], frame);
        }
        for length in [13, 1519] {
            assert!(sender.send(&vec![2; length]).is_err(), "{length} bytes");
        }
    }
}
