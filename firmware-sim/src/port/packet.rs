//! A packet socket on an interface of this namespace: frames go out by it, and what comes in is heard beside the kernel.
//!
//! Read first: `man 7 packet`. The kernel's own stack hears the same frames, and may answer; it takes VLAN tags off before.

use super::{Netlink, Port, Received, Sent, sys};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes of the socket's buffer.
const BUFFER: usize = 4 << 20;
/// The longest frame that is heard whole.
const LONGEST: usize = 65_536;

/// An interface that somebody else is behind.
pub struct PacketPort {
    socket: Socket,
    name: String,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl PacketPort {
    /// Opens the interface `name` of the calling thread's network namespace.
    ///
    /// # Errors
    /// There is no such interface, or the kernel gives no packet socket: that needs root or `CAP_NET_RAW`.
    pub fn open(name: &str) -> io::Result<Self> {
        let index = Netlink::open()?.link(name)?.index;
        let everything = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(everything))?;
        socket.bind(&sys::packet_address(index))?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.set_nonblocking(true)?;
        sys::hear_all(&socket, index)?;
        Ok(Self { socket, name: name.to_owned(), buffer: vec![MaybeUninit::uninit(); LONGEST].into() })
    }
}

impl fmt::Debug for PacketPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketPort({})", self.name)
    }
}

impl Port for PacketPort {
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        loop {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((_, from)) if sys::was_sent_here(&from) => {}
                Ok((len, _)) => {
                    let len = len.min(buf.len());
                    buf[..len].copy_from_slice(sys::filled(&self.buffer[..len]));
                    return Ok(Some(len.into()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // ENETDOWN: the interface is down, which is a normal state.
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        || error.raw_os_error() == Some(libc::ENETDOWN) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        match self.socket.send(frame) {
            Ok(_) => Ok(Sent::Done),
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENETDOWN)) =>
            {
                Ok(Sent::Full)
            }
            Err(error) => Err(error),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
