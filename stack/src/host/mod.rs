//! The local host: one smoltcp `Interface` for the whole router, behind a one-slot device.
//!
//! It never sees a link layer. Only datagrams for exactly one of the router's own addresses reach it
//! (smoltcp compares too little of an IPv6 address to be trusted with more), and whatever it emits
//! goes through the router's own routes and neighbours, so every host can reach every address.
//! Read first: RFC 1122 §3.2.

mod local;
mod slot_device;

use crate::config::{ConfigError, PortConfig};
use managed::ManagedSlice;
use slot_device::SlotDevice;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::udp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpCidr};

/// The UDP echo port (RFC 862).
pub const UDP_ECHO: u16 = 7;

/// Storage for the host's sockets and their buffers.
#[derive(Debug)]
pub struct HostStorage<'a> {
    /// At least one socket.
    pub sockets: ManagedSlice<'a, SocketStorage<'a>>,
    /// Datagrams that the echo service may have received and not answered yet.
    pub udp_rx_meta: ManagedSlice<'a, udp::PacketMetadata>,
    /// Their bytes.
    pub udp_rx: ManagedSlice<'a, u8>,
    /// Datagrams that the echo service may have answered and not sent yet.
    pub udp_tx_meta: ManagedSlice<'a, udp::PacketMetadata>,
    /// Their bytes.
    pub udp_tx: ManagedSlice<'a, u8>,
}

/// The host and its services.
pub(crate) struct Host<'a> {
    interface: Interface,
    device: SlotDevice,
    sockets: SocketSet<'a>,
    udp_echo: SocketHandle,
}

impl<'a> Host<'a> {
    pub(crate) fn new(
        storage: HostStorage<'a>,
        ports: &[PortConfig],
        seed: u64,
    ) -> Result<Self, ConfigError> {
        let mtu = ports.iter().map(|port| port.mtu).min().unwrap_or(crate::frame::MIN_MTU);
        let mut device = SlotDevice::new(mtu);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        // RFC 791 §3.2 names 15 seconds: the few buffers must not be kept by strays for a minute.
        interface.set_reassembly_timeout(Duration::from_secs(15));
        let mut fits = true;
        interface.update_ip_addrs(|addresses| {
            for &cidr in ports.iter().flat_map(|port| &port.addresses) {
                fits &= addresses.push(IpCidr::Ipv4(cidr)).is_ok();
            }
        });
        if !fits {
            return Err(ConfigError::TooManyAddresses);
        }
        if let Some(own) = ports.iter().flat_map(|port| &port.addresses).next() {
            // smoltcp wants a gateway; on an IP medium it only means "hand it to the device", and our
            // own routes decide. The table holds at least one route, so this cannot fail.
            let _ = interface.routes_mut().add_default_ipv4_route(own.address());
        }
        let mut echo = udp::Socket::new(
            udp::PacketBuffer::new(storage.udp_rx_meta, storage.udp_rx),
            udp::PacketBuffer::new(storage.udp_tx_meta, storage.udp_tx),
        );
        // Port 7 is not zero and the socket is new: bind cannot fail.
        let _ = echo.bind(UDP_ECHO);
        if storage.sockets.is_empty() {
            return Err(ConfigError::HostStorage);
        }
        let mut sockets = SocketSet::new(storage.sockets);
        let udp_echo = sockets.add(echo);
        Ok(Self { interface, device, sockets, udp_echo })
    }

    /// Does anybody listen to this UDP port?
    pub(crate) const fn listens(&self, udp_port: u16) -> bool {
        udp_port == UDP_ECHO
    }

    /// Hands a datagram to the host. Drain [`Host::poll`] afterwards.
    pub(crate) fn deliver(&mut self, now: Instant, packet: &[u8]) -> bool {
        if !self.device.receive_next(packet) {
            return false;
        }
        self.interface.poll_ingress_single(now, &mut self.device, &mut self.sockets);
        true
    }

    /// The next datagram that the host emits; call until `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<&[u8]> {
        if !self.device.has_sent() {
            self.echo();
            self.interface.poll_egress(now, &mut self.device, &mut self.sockets);
            self.interface.poll_maintenance(now);
        }
        self.device.take_sent()
    }

    /// The echo service: sends back what came (RFC 862), as long as there is room. It serves what fits into
    /// one packet; longer datagrams end here, as at any service with a limit.
    fn echo(&mut self) {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.udp_echo);
        while socket.can_recv() && socket.can_send() {
            // One datagram at a time through a fixed buffer: receive and send borrow the same socket.
            let mut datagram = [0; 1472];
            let Ok((len, meta)) = socket.recv_slice(&mut datagram) else { continue };
            // Never between two echo services: they would keep a datagram alive for ever.
            if meta.endpoint.port == UDP_ECHO {
                continue;
            }
            let reply = udp::UdpMetadata { local_address: meta.local_address, ..meta.endpoint.into() };
            let _ = socket.send_slice(&datagram[..len], reply);
        }
    }

    /// When [`Host::poll`] has something to do by itself.
    pub(crate) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets)
    }
}

impl core::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Host").field("addresses", &self.interface.ip_addrs()).finish_non_exhaustive()
    }
}
