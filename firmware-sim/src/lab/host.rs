//! What a load needs of a host, be it a Linux kernel or, where TAPs are refused, a host in memory.
//!
//! The loads in `traffic` and the lab's scenario are written once, against these traits.

use super::namespace::HostPlan;
use super::traffic::counters::KernelCounters;
use super::traffic::ping::{PingPlan, PingReport};
use super::traffic::raw::RawSender;
use super::traffic::{Running, Stop};
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::Duration;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A host of the lab. What it opens stays its own, whichever thread uses it.
pub trait LabHost: Send + Sync {
    /// What the host was told to be.
    fn plan(&self) -> &HostPlan;

    /// Has it a whole kernel's stack? A host in memory has no IPv6, sends no fragments and discovers no path MTU.
    fn has_kernel(&self) -> bool;

    /// Opens an ICMP socket to `peer`: messages start with the ICMP header, whose identifier and checksum
    /// the host fills in and checks. A link-local peer is on the host's own interface.
    ///
    /// # Errors
    /// The host refuses; the message says what to grant.
    fn open_icmp(&self, peer: IpAddr) -> io::Result<Box<dyn Datagrams>>;

    /// Opens a UDP socket on `l4_port` (0: any), for everybody or for one peer of that family.
    ///
    /// # Errors
    /// The port is taken, or the host refuses.
    fn open_udp(
        &self,
        family: Family,
        l4_port: u16,
        peer: Option<SocketAddr>,
    ) -> io::Result<Box<dyn Datagrams>>;

    /// Listens for TCP connections.
    ///
    /// # Errors
    /// The port is taken, or the host refuses.
    fn listen(&self, family: Family, l4_port: u16) -> io::Result<Box<dyn Listener>>;

    /// Gives what opens TCP connections.
    ///
    /// # Errors
    /// The host refuses.
    fn connector(&self) -> io::Result<Box<dyn Connector>>;

    /// Gives what sends frames of any shape from the host's interface.
    ///
    /// # Errors
    /// The host refuses; the message says what to grant.
    fn open_raw(&self) -> io::Result<RawSender>;

    /// Runs the judge of echo replies. Progress: good replies.
    ///
    /// # Errors
    /// There is no judge to be had.
    fn spawn_ping(&self, plan: &PingPlan, stop: Stop) -> io::Result<Running<PingReport>>;

    /// What the host's own stack has counted.
    ///
    /// # Errors
    /// The host does not tell.
    fn counters(&self) -> io::Result<KernelCounters>;

    /// Makes the host forget a neighbour, so that its next packet there starts with ARP or Neighbour Discovery.
    ///
    /// # Errors
    /// The host refuses.
    fn forget_neighbor(&self, address: IpAddr) -> io::Result<()>;
}

/// An open UDP or ICMP socket; ICMP has no ports, so they are 0.
pub trait Datagrams: Send {
    /// Sends one message.
    ///
    /// # Errors
    /// As a socket's.
    fn send_to(&self, message: &[u8], to: SocketAddr) -> io::Result<()>;

    /// Takes the next message; waits for it no longer than `within`, then `WouldBlock` or `TimedOut`.
    ///
    /// # Errors
    /// As a socket's.
    fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<(usize, SocketAddr)>;

    /// Lets routers cut the IPv4 datagrams into fragments (DF clear), whatever is known of the path's MTU.
    ///
    /// # Errors
    /// As a socket's; `Unsupported` by a host without a kernel.
    fn allow_fragmentation(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What the host knows of the MTU of the path to the peer.
    ///
    /// # Errors
    /// As a socket's; `Unsupported` by a host without a kernel.
    fn path_mtu(&self) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A TCP connection that one thread may read while another writes.
pub trait Stream: Send + Sync {
    /// Reads what is there; waits for the first byte. 0 is the end.
    ///
    /// # Errors
    /// As a socket's; `WouldBlock` or `TimedOut` after the connection's longest silence.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes everything.
    ///
    /// # Errors
    /// As a socket's.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;

    /// Ends one direction or both.
    ///
    /// # Errors
    /// As a socket's.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// Takes TCP connections.
pub trait Listener: Send {
    /// The next connection, if one waits; `silence` is the longest that its peer may be silent.
    fn accept(&self, silence: Duration) -> Option<Box<dyn Stream>>;
}

/// Opens TCP connections.
pub trait Connector: Send {
    /// Connects; `silence` is the longest that the peer may be silent, now and later.
    ///
    /// # Errors
    /// Refused, unreachable, or silent.
    fn connect(&self, to: SocketAddr, silence: Duration) -> io::Result<Box<dyn Stream>>;
}
