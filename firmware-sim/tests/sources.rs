//! Independent sources of traffic against the router over a TAP: scapy, hping3, tcpreplay with captures, randpkt.
//!
//! The count of the client's kernel judges both the tool and the router's books; the server's kernel judges what came out.
//! Needs the tools (`make setup-peers`); captures of one's own in the folder named by `SOFTROUTER_CAPTURES`.

use firmware_sim::lab::netns::Namespace;
use firmware_sim::lab::privilege::{probe_tap, skip};
use firmware_sim::lab::traffic::counters::KernelCounters;
use firmware_sim::peers::{Echo, Fabric, PeerPlan, SetUp, is_lost};
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pktgen::{Generator, World};
use stack::stats::{Disposition, Path as FramePath};
use stack::{Anomaly, Stats};
use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The MAC addresses of a frame from the client to the router.
const LINK: [u8; 12] = [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2];
/// Frames that an interface with the usual MTU takes from a packet socket.
const LENGTHS: std::ops::RangeInclusive<usize> = 14..=1514;
/// Frames a second.
const RATE: u32 = 4_000;
/// Nobody ends it early.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Is one of these programs missing? Then says so.
fn missing(programs: &[&str]) -> bool {
    if let Err(refused) = probe_tap() {
        skip(&refused.to_string());
        return true;
    }
    let gone = |program: &&&str| {
        let asked = Command::new(program).arg("-h").stdin(Stdio::null()).output();
        asked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let gone = programs.iter().find(gone);
    if let Some(program) = gone {
        skip(&format!("{program} is not installed: make setup-peers"));
    }
    gone.is_some()
}

/// Runs a program in the client's namespace; all that it printed.
fn run(client: &Namespace, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = client.start_process(command).unwrap().wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The number behind `label`, or just before it, in what a program printed.
fn number(shown: &str, label: &str) -> Option<u64> {
    let (before, behind) = shown.split_once(label)?;
    let parse = |word: Option<&str>| word?.parse().ok();
    parse(behind.split_whitespace().next()).or_else(|| parse(before.split_whitespace().next_back()))
}

/// Frames that the kernel has sent from `lan0`, and those that it had to drop.
fn sent_by_kernel(host: &Namespace) -> [u64; 2] {
    let text = host.run(|| fs::read_to_string("/proc/thread-self/net/dev")).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lan0:")).unwrap();
    let columns: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    [columns[9], columns[11]]
}

/// Puts the router between two hosts, lets `tool` send from the client as many frames as it says, and judges.
fn judge(name: &str, tool: impl FnOnce(&Namespace) -> u64) -> Box<Stats> {
    let set_up = SetUp::start(Fabric::Softrouter { offload: false }, PeerPlan::default().cpus).unwrap();
    let (client, server) = (set_up.client.namespace(), set_up.server.namespace());
    // Nothing but the tool is to send: no Neighbour Discovery, no question for the gateway.
    client.run(|| fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")).unwrap();
    let ip = |words: &str| run(client, "ip", &words.split_whitespace().collect::<Vec<_>>());
    ip("neigh replace 10.0.1.1 lladdr 02:00:00:00:01:01 dev lan0");
    // Whatever stands still for seconds on a loaded machine, the TAP's queue is long enough.
    ip("link set lan0 txqueuelen 20000");
    Echo::open(&set_up).unwrap().round_trips(10, &NEVER).unwrap();
    let before = sent_by_kernel(client);
    let said = tool(client);
    // The kernel may speak again.
    ip("rule del pref 1");
    let [sent, dropped] = sent_by_kernel(client);
    let (sent, dropped) = (sent - before[0], dropped - before[1]);
    // Longer than any deadline of the slow path and than the waiting room's patience.
    std::thread::sleep(Duration::from_secs(4));
    let pings = Echo::open(&set_up).unwrap().round_trips(20, &NEVER).unwrap();
    let wrong = KernelCounters::read(server).unwrap().ip_in_hdr_errors;
    // A kernel speaks when it likes (it looks for neighbours and routers): its counts stand still only once its link is down.
    for host in [client, server] {
        assert_eq!(run(host, "ip", &["link", "set", "lan0", "down"]), "");
    }
    std::thread::sleep(Duration::from_millis(200));
    let out = [client, server].map(|host| sent_by_kernel(host)[0]).iter().sum::<u64>();
    let stats = set_up.finish().unwrap().expect("the router's books");
    println!("{}", table(name, said, sent, dropped, &stats));
    assert_eq!(said, sent + dropped, "{name}: what it says, and what the kernel counted");
    assert_eq!(dropped, 0, "{name}: the TAP's queue was full");
    assert_eq!(stats.received.frames, out, "{name}: the books, and what the kernels sent");
    assert_eq!(stats.balance(), Ok(()), "{name}");
    assert_eq!(stats.held.frames, 0, "{name}");
    assert_eq!(wrong, 0, "{name}: packets with a wrong IPv4 header came out at the server");
    assert!(!pings.iter().any(|&took| is_lost(took)), "{name}: {pings:?}: healthy traffic afterwards");
    stats
}

fn table(name: &str, said: u64, sent: u64, dropped: u64, stats: &Stats) -> String {
    let mut text =
        format!("{name}: {said} frames by its own count, {sent} by the kernel's, {dropped} dropped there\n");
    let line = |name: &str, count: u64| format!("  {name:<40} {count:>7}\n");
    text += &line("received by the router, from both hosts", stats.received.frames);
    for disposition in Disposition::ALL {
        text += &line(disposition.name(), stats.disposed(disposition).frames);
    }
    for path in FramePath::ALL {
        text += &line(&format!("by the path {}", path.name()), stats.by_path(path).frames);
    }
    for &anomaly in Anomaly::ALL.iter().filter(|&&anomaly| stats.seen[anomaly as usize] > 0) {
        let _ = write!(text, "{}", line(anomaly.name(), stats.seen[anomaly as usize]));
    }
    text
}

fn reasons(stats: &Stats) -> usize {
    stats.seen.iter().filter(|&&seen| seen > 0).count()
}

/// A folder of this test's.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("softrouter-sources-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Ethernet frames of a capture, as far as it can be read.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let Ok(mut reader) = PcapReader::new(File::open(path).unwrap()) else { return Vec::new() };
    if reader.header().datalink != pcap_file::DataLink::ETHERNET {
        return Vec::new();
    }
    let mut frames = Vec::new();
    while let Some(Ok(packet)) = reader.next_packet() {
        frames.push(packet.data.into_owned());
    }
    frames
}

/// Has the client's kernel answer nothing, so that only packet sockets send.
fn silence(client: &Namespace) {
    let shown = run(client, "ip", &["rule", "add", "pref", "1", "blackhole"]);
    assert!(shown.is_empty(), "{shown}");
}

/// Lets tcpreplay send these frames, every other one readdressed, from the client to the router; how many it says that it sent.
fn replay(client: &Namespace, path: &Path, frames: impl Iterator<Item = Vec<u8>>) -> u64 {
    let mut writer = PcapWriter::new(File::create(path).unwrap()).unwrap();
    for (index, mut frame) in frames.filter(|frame| LENGTHS.contains(&frame.len())).enumerate() {
        if index % 2 == 0 {
            frame[..12].copy_from_slice(&LINK);
        }
        writer.write_packet(&PcapPacket::new(Duration::ZERO, frame.len() as u32, &frame)).unwrap();
    }
    drop(writer);
    silence(client);
    let rate = format!("--pps={RATE}");
    let shown = run(client, "tcpreplay", &["--intf1=lan0", &rate, path.to_str().unwrap()]);
    number(&shown, "Successful packets:").unwrap_or_else(|| panic!("{shown}"))
}

/// Does the frame say something of which hosts may think otherwise than routers? An ARP frame may say, as ARP allows it, that
/// the client has moved to another station; a CIPSO option (134) is a header error to a host, and none to a router.
fn is_for_hosts(frame: &[u8]) -> bool {
    let header_end = 14 + usize::from(frame.get(14).map_or(0, |first| first & 0x0f)) * 4;
    frame.get(12..14) == Some(&[0x08, 0x06])
        || frame.get(34..header_end).is_some_and(|options| options.contains(&134))
}

#[test]
fn scapys_fuzzed_layers() {
    if missing(&["ip"]) {
        return;
    }
    // Not whatever python3 is first in the path, which may lack scapy.
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let has_scapy = Command::new(&python).args(["-c", "import scapy"]).output();
    if !has_scapy.is_ok_and(|output| output.status.success()) {
        return skip("scapy is not installed: make setup-peers");
    }
    const SCRIPT: &str = "
import random, time
from scapy.all import *
random.seed(7)
link = Ether(src='02:00:00:00:01:02', dst='02:00:00:00:01:01')
layers = [fuzz(IP(version=4, dst='10.0.2.2'))/UDP(), fuzz(IP(dst='10.0.2.2')/UDP()), IP(dst='10.0.2.2')/fuzz(UDP()), IP(dst='10.0.2.2')/fuzz(TCP()),
          IP(dst='10.0.1.1')/fuzz(ICMP()), IP(dst='10.0.1.1')/fuzz(UDP()), fuzz(IPv6(version=6, src='fd00:1::2', dst='fd00:2::2')/ICMPv6EchoRequest()),
          IPv6(src='fd00:1::2', dst='fd00:1::1')/fuzz(ICMPv6ND_NS()), ARP(pdst='10.0.1.1', op=RandShort()), ARP(pdst='10.0.1.1', plen=RandByte()), fuzz(ARP()), fuzz(Dot1Q()/IP(dst='10.0.2.2')/UDP())]
frames = [bytes(link / layer) for _ in range(200) for layer in layers]
frames = [frame for frame in frames if 14 <= len(frame) <= 1514]
socket = conf.L2socket(iface='lan0')
for frame in frames:
    socket.send(frame)
    time.sleep(0.0002)
print('scapy sent', len(frames))
";
    let stats = judge("scapy", |client| {
        silence(client);
        let shown = run(client, &python, &["-c", SCRIPT]);
        number(&shown, "scapy sent").unwrap_or_else(|| panic!("{shown}"))
    });
    assert!(reasons(&stats) >= 8, "{}", reasons(&stats));
}

#[test]
fn hping3_in_many_modes() {
    if missing(&["ip", "hping3"]) {
        return;
    }
    const EACH: u64 = 200;
    // With the frames that one packet becomes.
    let modes = [
        ("10.0.2.2", "-S -p 80 --rand-source", 1),
        ("10.0.2.2", "-X -Y -p 0", 1),
        ("10.0.2.2", "-S -F -R -U -p 22", 1),
        ("10.0.2.2", "--udp -p 9 --badcksum", 1),
        // 8 bytes of UDP header and 100 bytes of data, 16 bytes to a fragment.
        ("10.0.2.2", "--udp -p 7 -d 100 -f", 7),
        ("10.0.2.2", "--udp -p 9 -d 50 -x -g 8", 1),
        ("10.0.2.2", "--rawip -H 253 -d 40", 1),
        ("10.0.2.2", "-S -p 80 --ttl 1", 1),
        ("10.0.1.1", "--icmp", 1),
        ("10.0.1.1", "--icmp --icmptype 13", 1),
        ("10.0.1.1", "--icmp --icmptype 17", 1),
    ];
    let stats = judge("hping3", |client| {
        let mut said = 0;
        for (target, words, frames) in modes {
            let shown = format!("-q -n -c {EACH} -i u{} {words} {target}", 1_000_000 / RATE);
            let shown = run(client, "hping3", &shown.split_whitespace().collect::<Vec<_>>());
            let packets =
                number(&shown, " packets transmitted").unwrap_or_else(|| panic!("{words}: {shown}"));
            assert_eq!(packets, EACH, "{words}: {shown}");
            said += packets * frames;
        }
        said
    });
    assert!(reasons(&stats) >= 3, "{}", reasons(&stats));
}

#[test]
fn tcpreplay_with_captures() {
    if missing(&["ip", "tcpreplay"]) {
        return;
    }
    const OF_EACH: usize = 300;
    let folder = folder("tcpreplay");
    let captures = std::env::var_os("SOFTROUTER_CAPTURES").filter(|path| !path.is_empty());
    let frames: Vec<Vec<u8>> = match captures {
        Some(path) => {
            let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
            paths.sort();
            println!("{} captures", paths.len());
            paths.iter().flat_map(|path| frames(path).into_iter().take(OF_EACH)).collect()
        }
        None => {
            println!("SOFTROUTER_CAPTURES is not set: frames of our own generator");
            let generator = Generator::new(World::lab(), 11);
            let frames = (0..2_000).map(|index| generator.frame(index).bytes);
            frames.filter(|frame| !is_for_hosts(frame)).collect()
        }
    };
    assert!(frames.len() > 500, "{}", frames.len());
    let stats = judge("tcpreplay", |client| replay(client, &folder.join("all.pcap"), frames.into_iter()));
    assert!(reasons(&stats) >= 10, "{}", reasons(&stats));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn randpkt_of_every_type_on_ethernet() {
    if missing(&["ip", "tcpreplay", "randpkt"]) {
        return;
    }
    let folder = folder("randpkt");
    let stats = judge("randpkt (by tcpreplay)", |client| {
        let mut all = Vec::new();
        for kind in [
            "arp", "bgp", "bvlc", "dns", "eth", "giop", "icmp", "ip", "ipv6", "megaco", "nbns", "sctp",
            "syslog", "tds", "udp",
        ] {
            let path = folder.join(format!("{kind}.pcap"));
            let shown =
                run(client, "randpkt", &["-b", "1400", "-c", "150", "-t", kind, path.to_str().unwrap()]);
            let frames = frames(&path);
            assert!(!frames.is_empty(), "{kind}: {shown}");
            all.extend(frames);
        }
        replay(client, &folder.join("all"), all.into_iter())
    });
    assert!(reasons(&stats) >= 8, "{}", reasons(&stats));
    fs::remove_dir_all(folder).unwrap();
}
