//! [`LabHost`] for a host with a Linux kernel: every socket is made in the host's namespace.

use super::host::{Connector, Datagrams, LabHost, Listener, Stream};
use super::namespace::{Host, HostPlan};
use super::sys;
use super::traffic::counters::KernelCounters;
use super::traffic::ping::{PingPlan, PingReport, spawn_iputils};
use super::traffic::raw::RawSender;
use super::traffic::{Running, Stop};
use crate::port::Sent;
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

impl LabHost for Host {
    fn plan(&self) -> &HostPlan {
        Self::plan(self)
    }

    fn open_icmp(&self, peer: Ipv4Addr) -> io::Result<Box<dyn Datagrams>> {
        let socket = self.run(move || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
            socket.connect(&SocketAddrV4::new(peer, 0).into())?;
            // Only in name a UDP socket: the kernel's ICMP datagram sockets have the same calls.
            Ok(UdpSocket::from(OwnedFd::from(socket)))
        });
        let socket: UdpSocket = named(self, "no ICMP socket", "set net.ipv4.ping_group_range", socket)?;
        Ok(Box::new(socket))
    }

    fn open_udp(&self, l4_port: u16, peer: Option<SocketAddrV4>) -> io::Result<Box<dyn Datagrams>> {
        let local = self.plan().address;
        let socket = self.run(move || {
            let socket = UdpSocket::bind((local, l4_port))?;
            // A connected socket hears only its peer, and of its ICMP errors.
            if let Some(peer) = peer {
                socket.connect(peer)?;
            }
            Ok(socket)
        });
        Ok(Box::new(named(self, &format!("no UDP port {l4_port}"), "choose another port", socket)?))
    }

    fn listen(&self, l4_port: u16) -> io::Result<Box<dyn Listener>> {
        let local = self.plan().address;
        let listener = self.run(move || {
            let listener = TcpListener::bind((local, l4_port))?;
            listener.set_nonblocking(true).map(|()| listener)
        });
        Ok(Box::new(named(self, &format!("no TCP port {l4_port}"), "choose another port", listener)?))
    }

    fn connector(&self) -> io::Result<Box<dyn Connector>> {
        let (ask, asked) = channel::<SyncSender<io::Result<Socket>>>();
        self.spawn("tcp sockets", move || {
            for answer in asked {
                // Whoever asked waits for it.
                let _ = answer.send(Socket::new(Domain::IPV4, Type::STREAM, None));
            }
        })?;
        Ok(Box::new(SocketMaker(ask)))
    }

    fn open_raw(&self) -> io::Result<RawSender> {
        let index = self.interface_index();
        let socket = self.run(move || {
            // With a protocol it would also receive, and fill up.
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            socket.bind(&sys::packet_address(index)).map(|()| socket)
        });
        let socket = named(self, "no packet socket", "grant CAP_NET_RAW, or run as root", socket)?;
        Ok(RawSender::new(move |frame| match socket.send(frame) {
            Ok(_) => Ok(Sent::Done),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS)) => {
                Ok(Sent::Full)
            }
            Err(error) => Err(error),
        }))
    }

    fn spawn_ping(&self, plan: &PingPlan, stop: Stop) -> io::Result<Running<PingReport>> {
        spawn_iputils(self, plan, stop)
    }

    fn counters(&self) -> io::Result<KernelCounters> {
        KernelCounters::read(self)
    }

    fn forget_neighbor(&self, address: Ipv4Addr) -> io::Result<()> {
        Self::forget_neighbor(self, address)
    }
}

fn named<T>(host: &Host, what: &str, remedy: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| {
        io::Error::new(error.kind(), format!("host {}: {what} ({error}): {remedy}", host.plan().name))
    })
}

impl Datagrams for UdpSocket {
    fn send_to(&self, message: &[u8], to: SocketAddrV4) -> io::Result<()> {
        Self::send_to(self, message, to).map(drop)
    }

    fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<(usize, SocketAddrV4)> {
        // A zero timeout would mean "for ever".
        self.set_read_timeout(Some(within.max(Duration::from_micros(1))))?;
        match self.recv_from(buffer)? {
            (length, SocketAddr::V4(from)) => Ok((length, from)),
            (_, SocketAddr::V6(_)) => Err(io::ErrorKind::InvalidData.into()),
        }
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
struct SocketMaker(Sender<SyncSender<io::Result<Socket>>>);

impl Connector for SocketMaker {
    fn connect(&self, to: SocketAddrV4, silence: Duration) -> io::Result<Box<dyn Stream>> {
        let (answer, socket) = sync_channel(1);
        self.0.send(answer).map_err(io::Error::other)?;
        let socket = socket.recv().map_err(io::Error::other)??;
        socket.connect_timeout(&to.into(), silence)?;
        patient(socket.into(), silence)
    }
}
