//! [`LabHost`] for a host with a Linux kernel: every socket is made in the host's namespace.

use super::host::{Connector, Datagrams, Family, LabHost, Listener, Stream};
use super::namespace::{Host, HostPlan};
use super::sys;
use super::traffic::counters::KernelCounters;
use super::traffic::ping::{PingPlan, PingReport, spawn_iputils};
use super::traffic::raw::RawSender;
use super::traffic::{Running, Stop};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

impl LabHost for Host {
    fn plan(&self) -> &HostPlan {
        Self::plan(self)
    }

    fn has_kernel(&self) -> bool {
        true
    }

    fn open_icmp(&self, peer: IpAddr) -> io::Result<Box<dyn Datagrams>> {
        let index = self.interface_index();
        let socket = self.run(move || {
            let (domain, protocol) = match Family::of(peer) {
                Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
                Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
            };
            let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
            socket.connect(&scoped(SocketAddr::new(peer, 0), index).into())?;
            // Only in name a UDP socket: the kernel's ICMP datagram sockets have the same calls.
            Ok(UdpSocket::from(OwnedFd::from(socket)))
        });
        let socket: UdpSocket = named(self, "no ICMP socket", "set net.ipv4.ping_group_range", socket)?;
        Ok(Box::new(KernelDatagrams { socket, index }))
    }

    fn open_udp(
        &self,
        family: Family,
        l4_port: u16,
        peer: Option<SocketAddr>,
    ) -> io::Result<Box<dyn Datagrams>> {
        let (index, own) = (self.interface_index(), self.own(family)?);
        let is_link_local = |to: SocketAddr| matches!(to.ip(), IpAddr::V6(to) if to.is_unicast_link_local());
        // To a link-local peer the host speaks from its own link-local address (RFC 6724 §5).
        let local = if peer.is_some_and(is_link_local) { Ipv6Addr::UNSPECIFIED.into() } else { own };
        let socket = self.run(move || {
            let socket = UdpSocket::bind((local, l4_port))?;
            // A connected socket hears only its peer, and of its ICMP errors.
            if let Some(peer) = peer {
                socket.connect(scoped(peer, index))?;
            }
            Ok(socket)
        });
        let socket = named(self, &format!("no UDP port {l4_port}"), "choose another port", socket)?;
        Ok(Box::new(KernelDatagrams { socket, index }))
    }

    fn listen(&self, family: Family, l4_port: u16) -> io::Result<Box<dyn Listener>> {
        let local = self.own(family)?;
        let listener = self.run(move || {
            let listener = TcpListener::bind((local, l4_port))?;
            listener.set_nonblocking(true).map(|()| listener)
        });
        Ok(Box::new(named(self, &format!("no TCP port {l4_port}"), "choose another port", listener)?))
    }

    fn connector(&self) -> io::Result<Box<dyn Connector>> {
        let (ask, asked) = channel::<Asked>();
        self.spawn("tcp sockets", move || {
            for (domain, answer) in asked {
                // Whoever asked waits for it.
                let _ = answer.send(Socket::new(domain, Type::STREAM, None));
            }
        })?;
        Ok(Box::new(SocketMaker { ask, index: self.interface_index() }))
    }

    fn open_raw(&self) -> io::Result<RawSender> {
        let sender = RawSender::open(self.namespace(), self.interface_index());
        named(self, "no packet socket", "grant CAP_NET_RAW, or run as root", sender)
    }

    fn spawn_ping(&self, plan: &PingPlan, stop: Stop) -> io::Result<Running<PingReport>> {
        spawn_iputils(self, plan, stop)
    }

    fn counters(&self) -> io::Result<KernelCounters> {
        KernelCounters::read(self.namespace())
    }

    fn forget_neighbor(&self, address: IpAddr) -> io::Result<()> {
        Self::forget_neighbor(self, address)
    }
}

fn named<T>(host: &Host, what: &str, remedy: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| {
        io::Error::new(error.kind(), format!("host {}: {what} ({error}): {remedy}", host.plan().name))
    })
}

/// Names the host's interface in a link-local address.
fn scoped(to: SocketAddr, index: u32) -> SocketAddr {
    match to {
        SocketAddr::V6(to) if to.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*to.ip(), to.port(), 0, index).into()
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => to,
    }
}

struct KernelDatagrams {
    socket: UdpSocket,
    /// The host's interface.
    index: u32,
}

impl Datagrams for KernelDatagrams {
    fn send_to(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(message, scoped(to, self.index)).map(drop)
    }

    fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<(usize, SocketAddr)> {
        // A zero timeout would mean "for ever".
        self.socket.set_read_timeout(Some(within.max(Duration::from_micros(1))))?;
        self.socket.recv_from(buffer)
    }

    fn allow_fragmentation(&self) -> io::Result<()> {
        sys::ignore_path_mtu(&self.socket)
    }

    fn path_mtu(&self) -> io::Result<u32> {
        sys::path_mtu(&self.socket, self.socket.local_addr()?.is_ipv6())
    }
}

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buffer)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(&mut &*self, bytes)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }
}

fn patient(stream: TcpStream, silence: Duration) -> io::Result<Box<dyn Stream>> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(silence))?;
    stream.set_write_timeout(Some(silence))?;
    Ok(Box::new(stream))
}

impl Listener for TcpListener {
    fn accept(&self, silence: Duration) -> Option<Box<dyn Stream>> {
        let (stream, _) = Self::accept(self).ok()?;
        patient(stream, silence).ok()
    }
}

/// Asks a thread in the host's namespace for sockets, and connects them in the caller's.
struct SocketMaker {
    ask: Sender<Asked>,
    index: u32,
}

/// A socket of which domain, and where to send it.
type Asked = (Domain, SyncSender<io::Result<Socket>>);

impl Connector for SocketMaker {
    fn connect(&self, to: SocketAddr, silence: Duration) -> io::Result<Box<dyn Stream>> {
        let (answer, socket) = sync_channel(1);
        self.ask.send((Domain::for_address(to), answer)).map_err(io::Error::other)?;
        let socket = socket.recv().map_err(io::Error::other)??;
        socket.connect_timeout(&scoped(to, self.index).into(), silence)?;
        patient(socket.into(), silence)
    }
}
