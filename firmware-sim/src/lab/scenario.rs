//! The lab's load: healthy traffic of real sockets, odd frames from the client, and who judges them.
//!
//! Written against [`LabHost`], so that it is the same over TAPs and in memory.

use super::cold_start::ColdStart;
use super::host::{Family, LabHost};
use super::traffic::counters::KernelCounters;
use super::traffic::exchange::{EchoCounts, EchoPlan};
use super::traffic::raw::RawSender;
use super::traffic::tcp::{TcpCounts, TcpPlan};
use super::traffic::udp::DatagramCounts;
use super::traffic::{Progress, Running, Stop, icmp, tcp, udp};
use crate::port::Sent;
use pktgen::{Generator, World, build};
use stack::Anomaly;
use stack::classify::Kind;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

/// Who talks to whom in one address family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) family: Family,
    /// The client and the server.
    pub(super) hosts: [IpAddr; 2],
    /// The router's addresses, on either side.
    pub(super) router: [IpAddr; 2],
}

pub(super) const FAMILIES: [Addresses; 2] = [
    Addresses {
        family: Family::V4,
        hosts: [IpAddr::V4(CLIENT), IpAddr::V4(SERVER)],
        router: [IpAddr::V4(ROUTER), IpAddr::V4(Ipv4Addr::new(10, 0, 2, 1))],
    },
    Addresses { family: Family::V6, hosts: [ipv6(1, 2), ipv6(2, 2)], router: [ipv6(1, 1), ipv6(2, 1)] },
];

impl Addresses {
    pub(super) const fn icmp(&self) -> &'static str {
        match self.family {
            Family::V4 => "ICMP",
            Family::V6 => "ICMPv6",
        }
    }
}

/// The lab's IPv6 addresses: fd00:NETWORK::HOST.
const fn ipv6(network: u16, host: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xfd00, network, 0, 0, 0, 0, 0, host))
}

/// The router's link-local addresses, made from its MAC addresses (RFC 4291 App. A).
pub(super) const ROUTER_LINK_LOCAL: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x101)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x201)),
];

const UDP_ECHO: u16 = 7;
const SERVICE: u16 = 7007;
/// Frames of each repaired class a second.
const REPAIRS_PER_SECOND: u32 = 20;
/// Other odd frames a second.
const ODD_PER_SECOND: u32 = 200;

/// What the odd frames of one class carry, and where it must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Repair {
    reason: Anomaly,
    /// UDP port of the server's socket that receives the repaired datagrams; 0: the client's own
    /// kernel counts the replies.
    sink: u16,
}

/// The four discretionary classes whose answers are injected and must be received by a kernel.
const REPAIRS: [Repair; 4] = [
    Repair { reason: Anomaly::VlanPriorityTag, sink: 9001 },
    Repair { reason: Anomaly::SnapIpv4, sink: 9002 },
    Repair { reason: Anomaly::Ipv4OptionTransit, sink: 9003 },
    Repair { reason: Anomaly::IcmpTimestampRequest, sink: 0 },
];

/// One kind of healthy traffic.
#[derive(Debug, Clone)]
pub struct Healthy {
    /// What it is, from where to where.
    pub name: String,
    /// Requests or bytes sent.
    pub sent: u64,
    /// Right replies or bytes received.
    pub received: u64,
    /// Did all of it arrive, and nothing else?
    pub clean: bool,
    /// Half of the round trips took at most this long, where they were measured.
    pub rtt_p50: Option<Duration>,
}

/// One class of odd frames whose repair or reply must be received.
#[derive(Debug, Clone, Copy)]
pub struct Repaired {
    /// Why the frames were diverted.
    pub reason: Anomaly,
    /// Frames sent.
    pub sent: u64,
    /// Datagrams or replies that a kernel received for them.
    pub received: u64,
}

/// Everything the hosts saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Healthy traffic by kind.
    pub healthy: Vec<Healthy>,
    /// The four repaired classes.
    pub repaired: Vec<Repaired>,
    /// All other odd frames sent, by the anomaly that they were made to cause.
    pub odd: BTreeMap<&'static str, u64>,
    /// What the client's and the server's own stacks counted.
    pub kernels: [KernelCounters; 2],
}

impl Seen {
    /// Did all healthy traffic arrive?
    pub fn all_healthy_arrived(&self) -> bool {
        self.healthy.iter().all(|healthy| healthy.clean)
    }

    /// Did all arrive that was sent? A load that ended early may not have sent anything of some kinds.
    pub fn all_sent_arrived(&self) -> bool {
        self.healthy.iter().all(|healthy| healthy.clean || (healthy.sent, healthy.received) == (0, 0))
    }
}

/// A load under way.
pub struct Load {
    hosts: [Arc<dyn LabHost>; 2],
    clients: Stop,
    servers: Stop,
    cold: Vec<Healthy>,
    echoes: Vec<(String, Running<EchoCounts>)>,
    transfers: Vec<(IpAddr, Running<TcpCounts>)>,
    sinks: Vec<(Repair, Running<DatagramCounts>)>,
    udp_servers: Vec<Running<DatagramCounts>>,
    tcp_servers: Vec<Running<u64>>,
    odd: std::thread::JoinHandle<OddSent>,
    before: [KernelCounters; 2],
}

#[derive(Debug, Default)]
struct OddSent {
    repairs: [u64; REPAIRS.len()],
    others: BTreeMap<&'static str, u64>,
}

impl Load {
    /// Starts with cold neighbours: the first echo from each host to every address of the router and
    /// to the other host must be answered. Then the steady load runs until [`Load::finish`].
    ///
    /// Of a cold start that takes its time, `watch` is told how many bursts are over; once it returns true, the rest
    /// is left out, and no client sends anything any more.
    ///
    /// # Errors
    /// A host refuses a socket.
    pub fn start(
        client: Arc<dyn LabHost>,
        server: Arc<dyn LabHost>,
        seed: u64,
        watch: impl FnMut(usize) -> bool,
    ) -> io::Result<Self> {
        let hosts = [client, server];
        let clients = Stop::new(AtomicBool::new(false));
        let servers = Stop::new(AtomicBool::new(false));
        let [client, server] = &hosts;
        let before = [client.counters()?, server.counters()?];
        let (mut udp_servers, mut tcp_servers) = (Vec::new(), Vec::new());
        for Addresses { family, .. } in FAMILIES {
            udp_servers.push(udp::spawn_echo_server(&**server, family, SERVICE, servers.clone())?);
            tcp_servers.push(tcp::spawn_echo_server(&**server, family, SERVICE, servers.clone())?);
        }
        let sinks = REPAIRS
            .iter()
            .filter(|repair| repair.sink != 0)
            .map(|&repair| Ok((repair, udp::spawn_sink(&**server, repair.sink, servers.clone())?)))
            .collect::<io::Result<Vec<_>>>()?;
        let cold = ColdStart::new(&clients, watch).run(&hosts)?;
        let (mut echoes, mut transfers) = (Vec::new(), Vec::new());
        for addresses in FAMILIES {
            echoes.extend(steady_echoes(&hosts, addresses, &clients)?);
            let target = addresses.hosts[1];
            let plan = TcpPlan {
                target,
                l4_port: SERVICE,
                bytes: 1 << 20,
                transfers: None,
                pause: Duration::from_millis(100),
                timeout: Duration::from_secs(5),
                seed,
            };
            transfers.push((target, tcp::spawn_transfers(&**client, plan, clients.clone())?));
        }
        let (raw, stop) = (client.open_raw()?, clients.clone());
        let odd = std::thread::Builder::new()
            .name("odd frames".into())
            .spawn(move || send_odd(&raw, seed, &stop))?;
        Ok(Self {
            hosts,
            clients,
            servers,
            cold,
            echoes,
            transfers,
            sinks,
            udp_servers,
            tcp_servers,
            odd,
            before,
        })
    }

    /// Handles on replies and bytes received so far, for a progress line: (replies, bytes of TCP).
    pub fn progress(&self) -> (Vec<Progress>, Vec<Progress>) {
        let transfers = self.transfers.iter().map(|(_, transfer)| transfer.progress());
        (self.echoes.iter().map(|(_, echo)| echo.progress()).collect(), transfers.collect())
    }

    /// Stops the clients; then, once `settle` says that the router holds nothing more, the servers; and counts.
    ///
    /// # Errors
    /// A host does not tell its counters.
    pub fn finish(self, settle: impl FnOnce()) -> io::Result<Seen> {
        self.clients.store(true, Ordering::Relaxed);
        let odd = self.odd.join().unwrap_or_default();
        let mut healthy = self.cold;
        for (name, echo) in self.echoes {
            healthy.push(summary(name, &echo.join()));
        }
        for (target, transfers) in self.transfers {
            let tcp = transfers.join();
            for error in &tcp.errors {
                eprintln!("TCP client -> {target}: {error}");
            }
            healthy.push(Healthy {
                name: format!("TCP bytes client -> {target} and back ({} times)", tcp.started),
                sent: tcp.sent,
                received: tcp.received,
                clean: tcp.is_clean(),
                rtt_p50: None,
            });
        }
        settle();
        // What has just been injected takes a moment.
        std::thread::sleep(Duration::from_millis(200));
        self.servers.store(true, Ordering::Relaxed);
        for server in self.udp_servers {
            server.join();
        }
        for server in self.tcp_servers {
            server.join();
        }
        let [client, server] = &self.hosts;
        let kernels = [client.counters()?.since(&self.before[0]), server.counters()?.since(&self.before[1])];
        let mut received: Vec<_> =
            self.sinks.into_iter().map(|(repair, sink)| (repair, distinct(&sink.join()))).collect();
        let repaired = REPAIRS
            .iter()
            .zip(odd.repairs)
            .map(|(&repair, sent)| {
                let at_sink = received
                    .iter()
                    .position(|(sink, _)| *sink == repair)
                    .map(|at| received.swap_remove(at).1);
                let received = at_sink.unwrap_or(kernels[0].icmp_in_timestamp_reps);
                Repaired { reason: repair.reason, sent, received }
            })
            .collect();
        Ok(Seen { healthy, repaired, odd: odd.others, kernels })
    }
}

/// Datagrams with different payloads.
fn distinct(counts: &DatagramCounts) -> u64 {
    counts.received - counts.duplicates
}

pub(super) fn summary(name: String, counts: &EchoCounts) -> Healthy {
    let mut rtts = counts.rtts.clone();
    rtts.sort_unstable();
    Healthy {
        name,
        sent: counts.sent,
        received: counts.received,
        clean: counts.is_clean() && counts.sent > 0,
        rtt_p50: rtts.get(rtts.len() / 2).copied(),
    }
}

/// ICMP and UDP echo of one family: from each host to the router and to the other host.
fn steady_echoes(
    hosts: &[Arc<dyn LabHost>; 2],
    addresses: Addresses,
    stop: &Stop,
) -> io::Result<Vec<(String, Running<EchoCounts>)>> {
    let mut echoes = Vec::new();
    for (from, host) in hosts.iter().enumerate() {
        let (name, peer) = (&host.plan().name, addresses.hosts[1 - from]);
        for target in addresses.router.into_iter().chain([peer]) {
            let plan = EchoPlan::steady(target, if target == peer { 100 } else { 20 });
            let title = format!("{} echo {name} -> {target}", addresses.icmp());
            echoes.push((title, icmp::spawn_echo(&**host, plan, stop.clone())?));
        }
        for target in addresses.router {
            let title = format!("UDP echo {name} -> {target} port {UDP_ECHO}");
            let plan = EchoPlan::steady(target, 20);
            echoes.push((title, udp::spawn_echo(&**host, UDP_ECHO, plan, stop.clone())?));
        }
    }
    let server = addresses.hosts[1];
    let title = format!("UDP echo client -> {server} port {SERVICE}");
    let plan = EchoPlan::steady(server, 300);
    echoes.push((title, udp::spawn_echo(&*hosts[0], SERVICE, plan, stop.clone())?));
    Ok(echoes)
}

/// Sends odd frames from the client until the stop.
fn send_odd(raw: &RawSender, seed: u64, stop: &Stop) -> OddSent {
    let generator = Generator::new(World::lab(), seed);
    let others: Vec<_> = Anomaly::ALL.iter().copied().filter(|&anomaly| is_background(anomaly)).collect();
    let mut sent = OddSent::default();
    let mut number = 0_u32;
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = start + Duration::from_secs(1) * number / ODD_PER_SECOND;
        let now = Instant::now();
        if due > now {
            std::thread::sleep((due - now).min(Duration::from_millis(20)));
            continue;
        }
        let anomaly = others[number as usize % others.len()];
        // Frames that come in by the client's side; the generator draws both.
        let frame = (0..16).find_map(|extra| {
            let index = u64::from(number) * 16 + extra;
            generator.of(anomaly, index).filter(|made| made.port == 0 && !upsets_hosts(&made.bytes))
        });
        if let Some(frame) = frame
            && matches!(raw.send(&frame.bytes), Ok(Sent::Done))
        {
            *sent.others.entry(anomaly.name()).or_default() += 1;
        }
        if number.is_multiple_of(ODD_PER_SECOND / REPAIRS_PER_SECOND) {
            for (repair, count) in REPAIRS.iter().zip(&mut sent.repairs) {
                if matches!(raw.send(&repair_frame(*repair, number)), Ok(Sent::Done)) {
                    *count += 1;
                }
            }
        }
        number += 1;
    }
    sent
}

/// A Linux host judges what a CIPSO option (134) says, and counts a header error: the router must pass it
/// unchanged all the same, and the hosts' counters are here to judge the router.
fn upsets_hosts(frame: &[u8]) -> bool {
    let header_end = 14 + usize::from(frame.get(14).map_or(0, |first| first & 0x0f)) * 4;
    frame.get(34..header_end).is_some_and(|options| options.contains(&134))
}

/// Is this anomaly sent as background? Not the repaired classes, which are counted one by one, not
/// healthy echo, and nothing shorter than a packet socket can send.
fn is_background(anomaly: Anomaly) -> bool {
    !REPAIRS.iter().any(|repair| repair.reason == anomaly)
        && anomaly.row().kind != Kind::Experiment
        && anomaly != Anomaly::EthernetTruncated
}

/// A frame of one of the four classes, unlike every other by its payload.
fn repair_frame(repair: Repair, number: u32) -> Vec<u8> {
    let world = World::lab();
    let (router, client) = (world.ports[0].mac, world.ports[0].hosts[0].mac);
    let payload = number.to_be_bytes();
    let datagram = build::udp(CLIENT, SERVER, 40_000, repair.sink, &payload);
    let udp = |options: &[u8]| {
        let header = build::Ipv4 {
            protocol: build::protocol::UDP,
            options: options.to_vec(),
            ..build::Ipv4::new(CLIENT, SERVER)
        };
        header.packet(&datagram)
    };
    let ipv4 = build::ethertype::IPV4;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the four classes are named in REPAIRS")]
    match repair.reason {
        Anomaly::VlanPriorityTag => {
            // Priorities 0 to 5: the balanced posture leaves network control to the network.
            let control = ((number % 6) as u16) << 13;
            build::tag(&build::ethernet(router, client, ipv4, &udp(&[])), build::ethertype::VLAN, control)
        }
        Anomaly::SnapIpv4 => build::snap(router, client, ipv4, &udp(&[])),
        // Record Route with room for two addresses.
        Anomaly::Ipv4OptionTransit => {
            build::ethernet(router, client, ipv4, &udp(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0]))
        }
        _ => {
            let message = build::icmp(build::icmp_type::TIMESTAMP, 0, payload, &[0; 12]);
            let header = build::Ipv4 { protocol: build::protocol::ICMP, ..build::Ipv4::new(CLIENT, ROUTER) };
            build::ethernet(router, client, ipv4, &header.packet(&message))
        }
    }
}
