//! An application with smoltcp, as it is, on an Ethernet device that `SoftDevice` wraps.
//!
//! It answers ping and echoes UDP on port 7. The network sends it healthy frames and malformed ones; a slow
//! path of three lines answers what is diverted. Run it: `cargo run --example soft_device`

use core::error::Error;
use managed::ManagedSlice;
use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Cidr};
use stack::forward::TxSlot;
use stack::frame::FRAME_MAX;
use stack::stats::Disposition;
use stack::{Action, Allocate, Anomaly, Answer, Config, PortConfig, Sizes, SoftDevice, Source, Storage};
use std::collections::VecDeque;

const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

/// The device: frames in memory. Yours is a driver, or a TAP.
#[derive(Default)]
struct Wire {
    rx: VecDeque<Vec<u8>>,
    tx: Vec<Vec<u8>>,
}

struct Rx(Vec<u8>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Tx<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.rx.pop_front()?), Tx(&mut self.tx)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// Tables on the heap, for ever.
struct Leak;

impl Allocate for Leak {
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T> {
        Vec::leak((0..len).map(|_| empty()).collect()).into()
    }
}

/// Wraps the device. On a microcontroller each table is a `static`.
fn wrap(wire: Wire, address: Ipv4Cidr) -> Result<SoftDevice<'static, Wire>, Box<dyn Error>> {
    let mut port = PortConfig::new(MAC, 1500);
    port.addresses.push(address).map_err(|_| "too many addresses")?;
    let mut config = Config::new(0x5eed); // keys the nonces: random in earnest
    config.ports.push(port).map_err(|_| "too many ports")?;
    // 200 a second for at most 50 ms are 10 frames of each reason at once: 16 slots hold them.
    config.limits.divert_rate.per_second = 200;
    config.limits.divert_queue = 8;
    config.limits.divert_outstanding = 8;
    let sizes = Sizes {
        routes: 4,
        routes_index: 0,
        neighbors: 8,
        waiting: 2,
        diverts: 16,
        flows: 64,
        rules: 0,
        candidates: 0,
        transmit: 4,
        events: 8,
        // The application is the host.
        echoes: 0,
        status: 0,
        reassembly: 0,
    };
    let storage = Storage::allocate(&sizes, &mut Leak);
    Ok(SoftDevice::new(wire, config, storage, vec![TxSlot::EMPTY; 4].leak().into())?)
}

/// What the network sends: bytes in hexadecimal, checksums right unless said otherwise.
const TRAFFIC: [(&str, &str); 6] = [
    (
        "ARP request",
        "ffffffffffff 020000000002 0806 0001 0800 0604 0001 020000000002 0a000002 000000000000 0a000001",
    ),
    (
        "ping",
        "020000000001 020000000002 0800 4500001e00004000400126dd 0a000002 0a000001 0800f6fa00010002 0102",
    ),
    (
        "UDP to the echo port",
        "020000000001 020000000002 0800 4500001e00004000401126cd 0a000002 0a000001 0fa00007000a0000 6869",
    ),
    (
        "ping with a wrong IPv4 header checksum",
        "020000000001 020000000002 0800 4500001e0000400040010bad 0a000002 0a000001 0800f6fa00010002 0102",
    ),
    (
        "ping in an LLC/SNAP envelope",
        "020000000001 020000000002 0026 aaaa030000000800 4500001e00004000400126dd 0a000002 0a000001 0800f6fa00010002 0102",
    ),
    (
        "ICMP timestamp request",
        "020000000001 020000000002 0800 4500002800004000400126d3 0a000002 0a000001 0d00f2fc00010002 000000000000000000000000",
    ),
];

fn bytes(hexadecimal: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(core::str::from_utf8(pair)?, 16)?);
    digits.chunks(2).map(byte).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Instant::from_secs(1);
    let address = Ipv4Cidr::new([10, 0, 0, 1].into(), 24);
    let mut device = wrap(Wire::default(), address)?;

    // The application, which knows nothing of the wrapper.
    let mut interface = Interface::new(InterfaceConfig::new(MAC.into()), &mut device, now);
    let mut fits = true;
    interface.update_ip_addrs(|addresses| fits = addresses.push(IpCidr::Ipv4(address)).is_ok());
    assert!(fits, "an Interface has room for one address");
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 2].leak(), vec![0; 1024].leak());
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(7)?;
    let mut sockets = SocketSet::new(Vec::leak(vec![SocketStorage::EMPTY]));
    let echo = sockets.add(socket);
    let mut application = |device: &mut SoftDevice<'static, Wire>| {
        interface.poll(now, device, &mut sockets);
        let socket = sockets.get_mut::<udp::Socket<'_>>(echo);
        let mut data = [0; 512];
        while let Ok((len, meta)) = socket.recv_slice(&mut data) {
            let _ = socket.send_slice(&data[..len], meta.endpoint);
        }
        interface.poll(now, device, &mut sockets);
    };

    for (what, frame) in TRAFFIC {
        println!("{what}");
        device.device_mut().rx.push_back(bytes(frame)?);
        application(&mut device);

        let mut copy = [0; FRAME_MAX];
        while let Some(diverted) = device.router_mut().poll_divert(&mut copy) {
            let (reason, id, nonce) = (diverted.reason(), diverted.id, diverted.nonce);
            println!("  diverted: {reason}, {} bytes ({})", diverted.len, reason.row().rfc);
            // The slow path. A language model may stand here: it is not trusted.
            let action = match reason {
                Anomaly::SnapIpv4 => Action::Decapsulate,
                Anomaly::IcmpTimestampRequest => Action::TimestampReply,
                _ => Action::Forward, // wrong for a bad checksum, and refused
            };
            let (source, advice, witness) = (Source::Model, None, Default::default());
            let answer = Answer { id, nonce, reason, action, source, advice, witness };
            let approved = device.router_mut().approve(now, &answer);
            match approved.and_then(|approved| device.router_mut().apply(now, approved)) {
                Ok(()) => println!("  answer: {}, approved", action.kind()),
                Err(rejection) => println!("  answer: {}, refused: {rejection}", action.kind()),
            }
        }
        application(&mut device);
        for frame in device.device_mut().tx.drain(..) {
            println!("  sent: {} bytes to {}", frame.len(), EthernetAddress::from_bytes(&frame[..6]));
        }
    }

    let stats = device.router().stats();
    println!("received {}, by disposition:", stats.received.frames);
    for disposition in Disposition::ALL {
        println!("  {} {}", disposition.name(), stats.disposed(disposition).frames);
    }
    for (&anomaly, &seen) in Anomaly::ALL.iter().zip(&stats.seen).filter(|(_, seen)| **seen > 0) {
        println!("  {anomaly}: seen {seen}, dropped {}", stats.anomaly_drops[anomaly as usize]);
    }
    println!("injected {}, sent by the application {}", stats.sent.injected.frames, device.sent().frames);
    Ok(())
}
