//! Peers in the same run: smoltcp's bare views, and its whole `Interface`.

use super::{Driver, Routine};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress, IpCidr, Ipv4Address, Ipv4Packet,
};
use std::hint::black_box;

/// The least that forwarding may cost with smoltcp's own views: validate, TTL, full checksum, MAC addresses;
/// one next hop, no table, no counter.
pub fn bare_views(frames: Vec<Vec<u8>>) -> Routine {
    let mut driver = Driver::new(frames);
    Box::new(move || {
        let destination = bare_forward(driver.receive().bytes_mut());
        assert!(black_box(destination).is_some());
    })
}

fn bare_forward(frame: &mut [u8]) -> Option<Ipv4Address> {
    let mut ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let mut packet = Ipv4Packet::new_checked(ethernet.payload_mut()).ok()?;
    if packet.version() != 4 || !packet.verify_checksum() || packet.hop_limit() <= 1 {
        return None;
    }
    let hops = packet.hop_limit();
    packet.set_hop_limit(hops - 1);
    packet.fill_checksum();
    let destination = packet.dst_addr();
    ethernet.set_dst_addr(EthernetAddress([2, 0, 0, 0, 2, 2]));
    ethernet.set_src_addr(EthernetAddress([2, 0, 0, 0, 2, 1]));
    Some(destination)
}

/// One frame to an `Interface` with the laboratory's first address and a UDP socket on port 9; `received`: it is
/// for that socket, which is emptied each time.
///
/// # Panics
/// If the socket gets what it should not, or not what it should.
pub fn interface(frame: Vec<u8>, received: bool) -> Routine {
    let mut device = OneFrame { frame, pending: false };
    let mac = EthernetAddress([2, 0, 0, 0, 1, 1]);
    let mut interface =
        Interface::new(Config::new(HardwareAddress::Ethernet(mac)), &mut device, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(Ipv4Address::new(10, 0, 1, 1).into(), 24)).expect("room for an address");
    });
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 8192]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(9).expect("a free port");
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);
    Box::new(move || {
        device.pending = true;
        black_box(interface.poll_ingress_single(Instant::ZERO, &mut device, &mut sockets));
        let datagram = sockets.get_mut::<udp::Socket<'_>>(handle).recv();
        assert_eq!(black_box(datagram).is_ok(), received);
    })
}

/// Hands over the same frame again and again, and sends nothing.
struct OneFrame {
    frame: Vec<u8>,
    pending: bool,
}

struct Rx<'a>(&'a [u8]);
struct Tx;

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Tx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut vec![0; len])
    }
}

impl Device for OneFrame {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx;

    fn receive(&mut self, _: Instant) -> Option<(Rx<'_>, Tx)> {
        std::mem::take(&mut self.pending).then_some((Rx(&self.frame), Tx))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx> {
        Some(Tx)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}
