//! Scenarios: the status page, as a client with a TCP of its own sees it.
//!
//! The client is a smoltcp `Interface` on a wire to the router, both in the same virtual time. Read first: RFC 1945
//! §5, §6; RFC 9293 §3.5.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use stack::stats::Disposition;
use stack::{DropReason, PortId};
use tests::frames::{self, CLIENT, ROUTER, ROUTER_0, from_client};
use tests::storage::SIZES;
use tests::wire::Wire;
use tests::{Sim, frames_v6};

const HTTP: u16 = 80;
const STEP: Duration = Duration::from_millis(10);
/// smoltcp asks for one neighbour a second, whoever it is: a client of both families may have to wait for that.
const ASK_TWO: Duration = Duration::from_millis(1_100);
/// A client that takes longer is cut off.
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The laboratory's client, with as many connections as it likes.
struct Client {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    next_port: u16,
}

impl Client {
    fn new() -> Self {
        let mut wire = Wire::default();
        let config = Config::new(EthernetAddress(CLIENT.mac).into());
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let own: [(IpAddress, u8); 2] = [(CLIENT.address.into(), 24), (CLIENT.ipv6.into(), 64)];
            for (address, prefix) in own {
                addresses.push(IpCidr::new(address, prefix)).expect("room for two");
            }
        });
        interface.routes_mut().add_default_ipv4_route(ROUTER_0.address).expect("room for a route");
        interface.routes_mut().add_default_ipv6_route(ROUTER_0.ipv6).expect("room for a route");
        Self { wire, interface, sockets: SocketSet::new(vec![]), next_port: 50_000 }
    }

    /// Begins a connection to the status page of this address.
    fn connect(&mut self, to: IpAddress) -> SocketHandle {
        let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
        let mut socket = tcp::Socket::new(buffer(32 * 1024), buffer(1024));
        self.next_port += 1;
        let context = self.interface.context();
        socket.connect(context, IpEndpoint::new(to, HTTP), self.next_port).expect("a new socket");
        self.sockets.add(socket)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn say(&mut self, handle: SocketHandle, text: &[u8]) {
        assert_eq!(self.socket(handle).send_slice(text), Ok(text.len()));
    }

    /// Everything that has come.
    fn hear(&mut self, handle: SocketHandle) -> String {
        let mut heard = Vec::new();
        let _ = self.socket(handle).recv(|bytes| {
            heard.extend_from_slice(bytes);
            (bytes.len(), ())
        });
        String::from_utf8(heard).expect("text")
    }

    /// Lets frames go to and fro for so long.
    fn run(&mut self, sim: &mut Sim, duration: Duration) {
        let end = sim.now() + duration;
        loop {
            for _ in 0..100 {
                self.interface.poll(sim.now(), &mut self.wire, &mut self.sockets);
                let sent = std::mem::take(&mut self.wire.tx);
                for frame in &sent {
                    let _ = sim.send(0, frame);
                }
                let received = sim.transmitted();
                if sent.is_empty() && received.is_empty() {
                    break;
                }
                self.wire.rx.extend(received.into_iter().filter(|s| s.port == PortId(0)).map(|s| s.bytes));
            }
            if sim.now() >= end {
                return;
            }
            sim.advance(STEP.min(end - sim.now()));
        }
    }

    /// The page, asked for at once.
    fn page(&mut self, sim: &mut Sim, to: IpAddress) -> String {
        let handle = self.connect(to);
        self.run(sim, ASK_TWO);
        self.say(handle, REQUEST);
        self.run(sim, STEP * 20);
        let page = self.hear(handle);
        assert!(!self.socket(handle).may_recv(), "the router hangs up");
        self.socket(handle).close();
        self.run(sim, STEP * 20);
        page
    }
}

/// The number behind this in the page.
fn counter(page: &str, name: &str) -> u64 {
    let line =
        page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {page}"));
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn every_address_shows_the_counters_of_the_moment() {
    let mut sim = Sim::lab();
    let mut client = Client::new();
    let packet = frames::udp(&frames::to([192, 1, 2, 1].into()), 9, b"x");
    for round in 1..=3 {
        let _ = sim.send(0, &from_client(&packet));
        for to in ROUTER.iter().flat_map(|router| [router.address.into(), router.ipv6.into()]) {
            let page = client.page(&mut sim, to);
            let (head, body) = page.split_once("\r\n\r\n").expect("a header and a body");
            assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{to}: {head}");
            assert_eq!(counter(body, "dropped no_route"), round, "{to}");
            let received = sim.router.stats().received.frames;
            assert!((1..=received).contains(&counter(body, "received")), "{to}");
            assert!(body.ends_with('\n') && body.is_ascii());
        }
    }
    // Nothing of all that was dropped but what was meant to be.
    assert_eq!(sim.router.stats().disposed(Disposition::Dropped).frames, 3);
}

#[test]
fn a_request_may_come_in_pieces() {
    let mut sim = Sim::lab();
    let mut client = Client::new();
    let request = b"GET /counters?all HTTP/1.0\r\nHost: router\r\nX-Nearly: \r\n\r\r\n\r\n";
    let handle = client.connect(ROUTER_0.address.into());
    client.run(&mut sim, STEP * 5);
    for (at, byte) in request.iter().enumerate() {
        assert_eq!(client.hear(handle), "", "an answer after {at} bytes of the request");
        client.say(handle, &[*byte]);
        client.run(&mut sim, STEP);
    }
    client.run(&mut sim, STEP * 20);
    assert!(client.hear(handle).starts_with("HTTP/1.0 200 OK\r\n"));
    assert!(!client.socket(handle).may_recv());
}

#[test]
fn another_method_is_told_what_to_ask() {
    let mut sim = Sim::lab();
    let mut client = Client::new();
    for request in [&b"POST / HTTP/1.0\r\n\r\n"[..], b"get / HTTP/1.0\r\n\r\n", b"\r\n\r\n"] {
        let handle = client.connect(ROUTER_0.ipv6.into());
        client.run(&mut sim, STEP * 5);
        client.say(handle, request);
        client.run(&mut sim, STEP * 20);
        assert!(client.hear(handle).starts_with("HTTP/1.0 501 Not Implemented\r\n"));
        client.socket(handle).close();
        client.run(&mut sim, STEP * 20);
    }
}

/// Those who say nothing, those who say half, and those who do not take the answer away: the socket is free again.
#[test]
fn a_slow_client_is_cut_off_after_ten_seconds() {
    let mut sim = Sim::cold(|_| (), stack::Sizes { status: 1, ..SIZES });
    sim.prime();
    let mut client = Client::new();
    for said in [&b""[..], b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.0\r\n\r"] {
        let handle = client.connect(ROUTER_0.address.into());
        let began = sim.now();
        client.run(&mut sim, STEP * 5);
        if !said.is_empty() {
            client.say(handle, said);
        }
        let spent = sim.now() - began;
        client.run(&mut sim, PATIENCE - spent - STEP * 5);
        assert_eq!(client.socket(handle).state(), tcp::State::Established, "{said:?} at {}", sim.now());
        // Nobody else is let in.
        let late = client.connect(ROUTER_0.address.into());
        client.run(&mut sim, STEP * 2);
        assert_eq!(client.socket(late).state(), tcp::State::Closed);
        client.run(&mut sim, STEP * 10);
        assert_eq!(client.socket(handle).state(), tcp::State::Closed, "{said:?}: reset at {}", sim.now());
        assert!(client.page(&mut sim, ROUTER_0.address.into()).starts_with("HTTP/1.0 200 OK\r\n"));
    }
}

/// Each gets its reset, though the router has them all to send at once.
#[test]
fn all_who_are_slow_at_once_are_cut_off() {
    let mut sim = Sim::lab();
    let mut client = Client::new();
    let all: Vec<_> = (0..SIZES.status).map(|_| client.connect(ROUTER_0.address.into())).collect();
    client.run(&mut sim, PATIENCE - STEP * 5);
    for &handle in &all {
        assert_eq!(client.socket(handle).state(), tcp::State::Established);
    }
    client.run(&mut sim, STEP * 15);
    for &handle in &all {
        assert_eq!(client.socket(handle).state(), tcp::State::Closed);
    }
    assert!(client.page(&mut sim, ROUTER_0.address.into()).starts_with("HTTP/1.0 200 OK\r\n"));
}

/// A client that drips one byte a second is not patient enough either: the time counts from the beginning.
#[test]
fn dripping_does_not_prolong_a_connection() {
    let mut sim = Sim::lab();
    let mut client = Client::new();
    let handle = client.connect(ROUTER_0.address.into());
    client.run(&mut sim, STEP * 5);
    for _ in 0..9 {
        client.say(handle, b"G");
        client.run(&mut sim, Duration::from_secs(1));
        assert_eq!(client.socket(handle).state(), tcp::State::Established);
    }
    client.run(&mut sim, Duration::from_secs(1));
    assert_eq!(client.socket(handle).state(), tcp::State::Closed);
}

#[test]
fn more_clients_than_sockets_are_refused_and_may_come_again() {
    let mut sim = Sim::lab();
    let mut client = Client::new();
    let first: Vec<_> = (0..SIZES.status).map(|_| client.connect(ROUTER_0.address.into())).collect();
    client.run(&mut sim, STEP * 5);
    for &handle in &first {
        assert_eq!(client.socket(handle).state(), tcp::State::Established);
    }
    // Refused by a reset (RFC 9293 §3.5.2), not left waiting; over IPv6 no less.
    let more = [ROUTER_0.address.into(), ROUTER_0.ipv6.into()].map(|to| client.connect(to));
    client.run(&mut sim, ASK_TWO);
    for handle in more {
        assert_eq!(client.socket(handle).state(), tcp::State::Closed);
    }
    for &handle in &first {
        client.say(handle, REQUEST);
    }
    client.run(&mut sim, STEP * 20);
    for &handle in &first {
        assert!(client.hear(handle).starts_with("HTTP/1.0 200 OK\r\n"));
        client.socket(handle).close();
    }
    client.run(&mut sim, STEP * 20);
    assert!(client.page(&mut sim, ROUTER_0.address.into()).starts_with("HTTP/1.0 200 OK\r\n"));
    assert_eq!(sim.router.stats().disposed(Disposition::Dropped).frames, 0);
}

/// Without sockets for it there is no page: a reset, not silence.
#[test]
fn without_storage_there_is_no_page() {
    let mut sim = Sim::cold(|_| (), stack::Sizes { status: 0, ..SIZES });
    sim.prime();
    let mut client = Client::new();
    let handle = client.connect(ROUTER_0.address.into());
    client.run(&mut sim, STEP * 5);
    assert_eq!(client.socket(handle).state(), tcp::State::Closed);
    assert_eq!(sim.router.stats().drops(DropReason::PortUnreachable), 0);
    // The host is there all the same.
    let echo = frames_v6::icmp(&frames_v6::to(ROUTER_0.ipv6), 128, 0, [0, 1, 0, 1], b"still there?");
    assert_eq!(sim.send(0, &frames_v6::from_client(&echo)), stack::Verdict::Deliver);
    assert_eq!(sim.transmitted().len(), 1);
}
