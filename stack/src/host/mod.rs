//! The local host: one smoltcp `Interface` for the whole router, behind a one-slot device.
//!
//! It never sees a link layer, an extension header or a fragment. Only packets for exactly one of the router's
//! own addresses reach it (smoltcp compares too little of an IPv6 address to be trusted with more), and whatever
//! it emits goes through the router's own routes and neighbours, so every host can reach every address.
//! Read first: RFC 1122 §3.2.

mod local;
mod reassembly;
mod slot_device;
mod status;

use crate::config::{ConfigError, PortConfig};
use crate::stats::Stats;
use managed::ManagedSlice;
pub(crate) use reassembly::Reassembly;
pub use reassembly::{REASSEMBLED_MAX, ReassemblySlot};
use slot_device::SlotDevice;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Address, Ipv6Address};
use status::StatusPage;
pub use status::{STATUS_CONNECTIONS, TcpStorage};

/// The UDP echo port (RFC 862).
pub const UDP_ECHO: u16 = 7;
/// The TCP port of the status page.
pub const STATUS_PORT: u16 = 80;

/// Storage for the host's sockets and their buffers.
#[derive(Debug)]
pub struct HostStorage<'a> {
    /// One socket for the echo service, and one for each connection to the status page.
    pub sockets: ManagedSlice<'a, SocketStorage<'a>>,
    /// Datagrams that the echo service may have received and not answered yet.
    pub udp_rx_meta: ManagedSlice<'a, udp::PacketMetadata>,
    /// Their bytes.
    pub udp_rx: ManagedSlice<'a, u8>,
    /// Datagrams that the echo service may have answered and not sent yet.
    pub udp_tx_meta: ManagedSlice<'a, udp::PacketMetadata>,
    /// Their bytes.
    pub udp_tx: ManagedSlice<'a, u8>,
    /// Buffers of the connections to the status page; none, and there is no status page.
    pub status: heapless::Vec<TcpStorage<'a>, STATUS_CONNECTIONS>,
    /// Datagrams that are being put together.
    pub reassembly: ManagedSlice<'a, ReassemblySlot>,
}

/// The host and its services.
pub(crate) struct Host<'a> {
    interface: Interface,
    device: SlotDevice,
    sockets: SocketSet<'a>,
    udp_echo: SocketHandle,
    status: StatusPage,
}

impl<'a> Host<'a> {
    /// The host, and the storage for reassembly, which comes before it.
    pub(crate) fn new(
        storage: HostStorage<'a>,
        ports: &[PortConfig],
        seed: u64,
    ) -> Result<(Self, Reassembly<'a>), ConfigError> {
        let mut device = SlotDevice::new();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let v4 = ports.iter().flat_map(|port| &port.addresses).copied().map(IpCidr::Ipv4);
            let v6 = ports.iter().flat_map(|port| &port.ipv6).copied().map(IpCidr::Ipv6);
            // Those that smoltcp has no room for are its own all the same: see `set_any_ip`.
            for cidr in v4.chain(v6) {
                let _ = addresses.push(cidr);
            }
        });
        // Only packets to the router's own addresses are handed to it, so every one that it gets is for it; and
        // on an IP medium there is no ARP that it could answer for others.
        interface.set_any_ip(true);
        // smoltcp wants a gateway; on an IP medium it only means "hand it to the device", and our own routes
        // decide. The table holds at least two routes, so this cannot fail.
        let _ = interface.routes_mut().add_default_ipv4_route(Ipv4Address::new(10, 0, 0, 1));
        let _ = interface.routes_mut().add_default_ipv6_route(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
        let mut echo = udp::Socket::new(
            udp::PacketBuffer::new(storage.udp_rx_meta, storage.udp_rx),
            udp::PacketBuffer::new(storage.udp_tx_meta, storage.udp_tx),
        );
        // Port 7 is not zero and the socket is new: bind cannot fail.
        let _ = echo.bind(UDP_ECHO);
        if let ManagedSlice::Borrowed(slots) = &storage.sockets
            && slots.len() < 1 + storage.status.len()
        {
            return Err(ConfigError::HostStorage);
        }
        let mut sockets = SocketSet::new(storage.sockets);
        let udp_echo = sockets.add(echo);
        let status = StatusPage::new(storage.status, &mut sockets);
        let reassembly = Reassembly::new(storage.reassembly);
        Ok((Self { interface, device, sockets, udp_echo, status }, reassembly))
    }

    /// Does anybody listen to this UDP port?
    pub(crate) const fn listens(&self, udp_port: u16) -> bool {
        udp_port == UDP_ECHO
    }

    /// Hands a packet to the host; `write` puts it into the buffer, and says how long it is. Drain
    /// [`Host::poll`] afterwards. Says whether the packet fitted.
    pub(crate) fn deliver(
        &mut self,
        now: Instant,
        write: impl FnOnce(&mut [u8; REASSEMBLED_MAX]) -> Option<usize>,
    ) -> bool {
        if !self.device.receive_next(write) {
            return false;
        }
        self.status.listen(&mut self.sockets);
        self.interface.poll_ingress_single(now, &mut self.device, &mut self.sockets);
        true
    }

    /// The next packet that the host emits; call until `None`. `stats` are what the status page shows.
    pub(crate) fn poll(&mut self, now: Instant, stats: &Stats) -> Option<&[u8]> {
        if !self.device.has_sent() {
            self.echo();
            self.status.serve(now, &mut self.sockets, stats);
            self.interface.poll_egress(now, &mut self.device, &mut self.sockets);
        }
        self.device.take_sent()
    }

    /// The echo service: sends back what came (RFC 862), as long as there is room.
    fn echo(&mut self) {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.udp_echo);
        while socket.can_recv() && socket.can_send() {
            // One datagram at a time through a fixed buffer: receive and send borrow the same socket.
            let mut datagram = [0; REASSEMBLED_MAX];
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
        let interface = self.interface.poll_at(now, &self.sockets);
        [interface, self.status.poll_at()].into_iter().flatten().min()
    }
}

impl core::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Host").field("addresses", &self.interface.ip_addrs()).finish_non_exhaustive()
    }
}
