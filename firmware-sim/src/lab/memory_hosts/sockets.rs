//! smoltcp's sockets with the blocking calls that the loads expect.

use super::{Shared, Stack};
use crate::lab::host::{Connector, Datagrams, Listener, Stream};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::{icmp, tcp, udp};
use smoltcp::wire::IpEndpoint;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const PACKETS: usize = 64;
const BYTES: usize = 64 * 1024;
/// Connections that may wait for `accept`.
const BACKLOG: usize = 4;

/// A buffer for packets, as smoltcp's UDP and ICMP sockets want it.
macro_rules! packets {
    ($protocol:ident) => {
        $protocol::PacketBuffer::new(vec![$protocol::PacketMetadata::EMPTY; PACKETS], vec![0; BYTES])
    };
}

pub(super) struct Icmp {
    shared: Arc<Shared>,
    handle: SocketHandle,
    identifier: u16,
}

impl Icmp {
    pub(super) fn open(shared: &Arc<Shared>) -> io::Result<Self> {
        let mut stack = shared.lock();
        let identifier = stack.ephemeral();
        let mut socket = icmp::Socket::new(packets!(icmp), packets!(icmp));
        socket.bind(icmp::Endpoint::Ident(identifier)).map_err(io::Error::other)?;
        let handle = stack.sockets.add(socket);
        Ok(Self { shared: Arc::clone(shared), handle, identifier })
    }
}

impl Drop for Icmp {
    fn drop(&mut self) {
        self.shared.remove(self.handle);
    }
}

impl Datagrams for Icmp {
    fn send_to(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        let mut message = message.to_vec();
        // smoltcp computes the checksum when it sends.
        message
            .get_mut(4..6)
            .ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(&self.identifier.to_be_bytes());
        let mut stack = self.shared.lock();
        let socket = stack.sockets.get_mut::<icmp::Socket<'_>>(self.handle);
        let sent = socket.send_slice(&message, to.ip().into()).map_err(io::Error::other);
        self.shared.advance(&mut stack);
        sent
    }

    fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<(usize, SocketAddr)> {
        self.shared.wait(within, |stack| {
            let (message, from) = stack.sockets.get_mut::<icmp::Socket<'_>>(self.handle).recv().ok()?;
            Some(Ok((copy(message, buffer), SocketAddr::new(from.into(), 0))))
        })
    }
}

pub(super) struct Udp {
    shared: Arc<Shared>,
    handle: SocketHandle,
    peer: Option<SocketAddr>,
}

impl Udp {
    pub(super) fn open(shared: &Arc<Shared>, l4_port: u16, peer: Option<SocketAddr>) -> io::Result<Self> {
        let mut stack = shared.lock();
        let l4_port = if l4_port == 0 { stack.ephemeral() } else { l4_port };
        let mut socket = udp::Socket::new(packets!(udp), packets!(udp));
        socket.bind(l4_port).map_err(io::Error::other)?;
        let handle = stack.sockets.add(socket);
        Ok(Self { shared: Arc::clone(shared), handle, peer })
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.shared.remove(self.handle);
    }
}

impl Datagrams for Udp {
    fn send_to(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        let mut stack = self.shared.lock();
        let socket = stack.sockets.get_mut::<udp::Socket<'_>>(self.handle);
        let sent = socket.send_slice(message, IpEndpoint::from(to)).map_err(io::Error::other);
        self.shared.advance(&mut stack);
        sent
    }

    fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<(usize, SocketAddr)> {
        self.shared.wait(within, |stack| {
            let (message, meta) = stack.sockets.get_mut::<udp::Socket<'_>>(self.handle).recv().ok()?;
            let from = SocketAddr::new(meta.endpoint.addr.into(), meta.endpoint.port);
            // As a connected socket: what others send is not heard.
            self.peer.is_none_or(|peer| peer == from).then(|| Ok((copy(message, buffer), from)))
        })
    }
}

fn copy(message: &[u8], buffer: &mut [u8]) -> usize {
    let length = message.len().min(buffer.len());
    buffer[..length].copy_from_slice(&message[..length]);
    length
}

fn tcp_socket() -> tcp::Socket<'static> {
    tcp::Socket::new(tcp::SocketBuffer::new(vec![0; BYTES]), tcp::SocketBuffer::new(vec![0; BYTES]))
}

fn listening(stack: &mut Stack, l4_port: u16) -> io::Result<SocketHandle> {
    let mut socket = tcp_socket();
    socket.listen(l4_port).map_err(io::Error::other)?;
    Ok(stack.sockets.add(socket))
}

pub(super) struct TcpListener {
    shared: Arc<Shared>,
    l4_port: u16,
    backlog: Mutex<Vec<SocketHandle>>,
}

impl TcpListener {
    pub(super) fn open(shared: &Arc<Shared>, l4_port: u16) -> io::Result<Self> {
        let mut stack = shared.lock();
        let backlog: io::Result<_> = (0..BACKLOG).map(|_| listening(&mut stack, l4_port)).collect();
        Ok(Self { shared: Arc::clone(shared), l4_port, backlog: Mutex::new(backlog?) })
    }
}

impl Listener for TcpListener {
    fn accept(&self, silence: Duration) -> Option<Box<dyn Stream>> {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stack = self.shared.lock();
        let at = backlog.iter().position(|handle| {
            let socket = stack.sockets.get::<tcp::Socket<'_>>(*handle);
            socket.may_send() || socket.may_recv()
        })?;
        // A new socket listens in the place of the one that is taken.
        let fresh = listening(&mut stack, self.l4_port).ok()?;
        let handle = std::mem::replace(&mut backlog[at], fresh);
        Some(Box::new(TcpStream { shared: Arc::clone(&self.shared), handle, silence }))
    }
}

pub(super) struct TcpConnector(pub(super) Arc<Shared>);

impl Connector for TcpConnector {
    fn connect(&self, to: SocketAddr, silence: Duration) -> io::Result<Box<dyn Stream>> {
        let handle = {
            let mut stack = self.0.lock();
            let local = stack.ephemeral();
            let handle = stack.sockets.add(tcp_socket());
            let Stack { interface, sockets, .. } = &mut *stack;
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            socket.connect(interface.context(), IpEndpoint::from(to), local).map_err(io::Error::other)?;
            handle
        };
        let stream = TcpStream { shared: Arc::clone(&self.0), handle, silence };
        self.0.wait(silence, |stack| {
            let socket = stack.sockets.get::<tcp::Socket<'_>>(handle);
            match socket.state() {
                tcp::State::SynSent | tcp::State::SynReceived => None,
                tcp::State::Closed => Some(Err(io::ErrorKind::ConnectionRefused.into())),
                _ => Some(Ok(())),
            }
        })?;
        Ok(Box::new(stream))
    }
}

struct TcpStream {
    shared: Arc<Shared>,
    handle: SocketHandle,
    silence: Duration,
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let mut stack = self.shared.lock();
        stack.sockets.get_mut::<tcp::Socket<'_>>(self.handle).close();
        // What is still to be sent is sent, as a kernel would.
        stack.closing.push(self.handle);
        self.shared.advance(&mut stack);
    }
}

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.wait(self.silence, |stack| {
            let socket = stack.sockets.get_mut::<tcp::Socket<'_>>(self.handle);
            match socket.recv_slice(buffer) {
                Ok(0) => None,
                Ok(length) => Some(Ok(length)),
                Err(tcp::RecvError::Finished) => Some(Ok(0)),
                Err(tcp::RecvError::InvalidState) => Some(Err(io::ErrorKind::ConnectionReset.into())),
            }
        })
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.shared.wait(self.silence, |stack| {
                let socket = stack.sockets.get_mut::<tcp::Socket<'_>>(self.handle);
                match socket.send_slice(bytes) {
                    Ok(0) => None,
                    Ok(length) => Some(Ok(length)),
                    Err(tcp::SendError::InvalidState) => Some(Err(io::ErrorKind::BrokenPipe.into())),
                }
            })?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut stack = self.shared.lock();
        let socket = stack.sockets.get_mut::<tcp::Socket<'_>>(self.handle);
        match how {
            Shutdown::Write => socket.close(),
            Shutdown::Read | Shutdown::Both => socket.abort(),
        }
        self.shared.advance(&mut stack);
        Ok(())
    }
}
