//! An Ethernet device in memory, and an application on it as people write them with smoltcp: ICMP and UDP echo.

use crate::frames::ROUTER_0;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use std::collections::VecDeque;

/// What comes in, and what went out.
#[derive(Debug)]
pub struct Wire {
    /// Frames to be received.
    pub rx: VecDeque<Vec<u8>>,
    /// Frames sent.
    pub tx: Vec<Vec<u8>>,
    /// Frames that may still be sent.
    pub room: usize,
    /// What it says it carries.
    pub medium: Medium,
}

impl Default for Wire {
    fn default() -> Self {
        Self { rx: VecDeque::new(), tx: Vec::new(), room: usize::MAX, medium: Medium::Ethernet }
    }
}

/// A received frame.
#[derive(Debug)]
pub struct WireRx(Vec<u8>);

impl RxToken for WireRx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct WireTx<'a> {
    tx: &'a mut Vec<Vec<u8>>,
    room: &'a mut usize,
}

impl TxToken for WireTx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.tx.push(frame);
        *self.room -= 1;
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = WireRx;
    type TxToken<'a> = WireTx<'a>;

    fn receive(&mut self, now: Instant) -> Option<(WireRx, WireTx<'_>)> {
        if self.room == 0 {
            return None;
        }
        let frame = self.rx.pop_front()?;
        Some((WireRx(frame), self.transmit(now)?))
    }

    fn transmit(&mut self, _: Instant) -> Option<WireTx<'_>> {
        let Self { tx, room, .. } = self;
        (*room > 0).then_some(WireTx { tx, room })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// An application with the laboratory's router addresses on port 0: it answers ping, and echoes UDP on port 7.
pub struct Application {
    interface: Interface,
    sockets: SocketSet<'static>,
    echo: SocketHandle,
}

impl Application {
    /// The application on this device.
    ///
    /// # Panics
    /// Never: an `Interface` has room for its addresses.
    pub fn new(device: &mut impl Device) -> Self {
        let config = Config::new(EthernetAddress(ROUTER_0.mac).into());
        let mut interface = Interface::new(config, device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let own: [(IpAddress, u8); 2] = [(ROUTER_0.address.into(), 24), (ROUTER_0.ipv6.into(), 64)];
            for (address, prefix) in own {
                addresses.push(IpCidr::new(address, prefix)).expect("room for two");
            }
        });
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8 * 1500]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(7).expect("a new socket");
        let mut sockets = SocketSet::new(vec![]);
        let echo = sockets.add(socket);
        Self { interface, sockets, echo }
    }

    /// One poll, and whatever the echo service has to say.
    pub fn poll(&mut self, now: Instant, device: &mut impl Device) {
        self.interface.poll(now, device, &mut self.sockets);
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.echo);
        while let Ok((data, meta)) = socket.recv() {
            let data = data.to_vec();
            // A full buffer loses a datagram, as UDP may.
            let _ = socket.send_slice(&data, meta.endpoint);
        }
        self.interface.poll(now, device, &mut self.sockets);
    }
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}
