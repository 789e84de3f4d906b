//! Real captures: every frame ends in exactly one disposition, and the router agrees with the RFCs where Linux does.
//!
//! The captures are no part of the repository: `SOFTROUTER_CAPTURES` names their folder. Their labels say what a
//! Linux 6.18 router did with each frame; where the two disagree the RFC decides, so most disagreements are only
//! printed, by class. Read first: the captures' README; RFC 1812 §5.2, RFC 3927 §7.

use pcap_file::pcap::PcapReader;
use pktgen::World;
use pktgen::world::{Host, Port};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use stack::stats::Disposition;
use stack::{DropReason, Rate, Verdict};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use tests::storage::Sizes;
use tests::{Sim, skip};

/// What the label of a frame says.
struct Label {
    flags: String,
    linux: String,
}

impl Label {
    fn has(&self, prefix: &str) -> bool {
        self.flags.split(',').any(|flag| flag.starts_with(prefix))
    }

    fn forwarded(&self) -> bool {
        self.linux.starts_with("fwd")
    }
}

fn folder() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    std::env::var_os("SOFTROUTER_CAPTURES").map_or(default, PathBuf::from)
}

/// The captures' own set-up: in-port 192.0.2.2/30, out-port 203.0.113.1/30, and a default route to one next hop.
fn router() -> Sim {
    let port = |net: u8, own: [u8; 4], host: [u8; 4]| Port {
        mac: [2, 0, 0, 0, net, 1],
        address: own.into(),
        prefix: 30,
        mtu: 1500,
        hosts: vec![Host { mac: [2, 0, 0, 0, net, 2], address: host.into() }],
    };
    let ports = vec![port(1, [192, 0, 2, 2], [192, 0, 2, 1]), port(2, [203, 0, 113, 1], [203, 0, 113, 2])];
    let world = World { ports, ttls: vec![64] };
    let unlimited = Rate { per_second: 1_000_000, burst: 1_000_000 };
    let change = |config: &mut stack::Config| config.limits.icmp_error_rate = unlimited;
    let mut sim = Sim::new(world, change, Sizes::default());
    sim.route(Ipv4Cidr::new([0, 0, 0, 0].into(), 0), Some([203, 0, 113, 2]), 1);
    sim.prime();
    sim
}

/// The labels of a capture, by frame number from 1.
fn labels(path: &Path) -> BTreeMap<usize, Label> {
    let text = std::fs::read_to_string(path).expect("each capture has its labels");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split('\t').collect();
    let column = |name| names.iter().position(|&other| other == name).expect("a named column");
    let (frame, flags, linux) = (column("frame"), column("flags"), column("linux_router"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let label = Label { flags: cells[flags].to_owned(), linux: cells[linux].to_owned() };
            (cells[frame].parse().expect("a number"), label)
        })
        .collect()
}

/// IPv4 with a link-local source or destination: Linux forwards it, RFC 3927 §7 forbids that.
fn link_local(frame: &[u8]) -> bool {
    [26, 30].iter().any(|&at| frame.get(at..at + 2) == Some(&[169, 254]))
}

#[derive(Default)]
struct Tally {
    frames: u64,
    forwarded: u64,
    gated: u64,
    disagreements: BTreeMap<String, u64>,
    failures: Vec<String>,
}

fn replay(sim: &mut Sim, path: &Path, tally: &mut Tally) {
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
    let labels = labels(&folder().join("labels").join(format!("{name}.tsv")));
    let mut reader = PcapReader::new(File::open(path).expect("a capture")).expect("a pcap file");
    let mut number = 0;
    // Raw: some records claim to be longer than the file's snap length, and are whole all the same.
    while let Some(packet) = reader.next_raw_packet() {
        number += 1;
        let mut frame = packet.expect("a whole record").data.into_owned();
        // As in the set-up: unicast frames are sent to the router.
        if frame.len() >= 6 && frame[0] & 1 == 0 {
            frame[..6].copy_from_slice(&sim.world().ports[0].mac);
        }
        let before = sim.router.snapshot();
        let verdict = sim.send(0, &frame);
        sim.transmitted();
        for divert in sim.diverts() {
            sim.abandon(&divert);
        }
        let now = sim.router.snapshot();
        let ended: u64 =
            Disposition::ALL.into_iter().map(|d| now.disposed(d).frames - before.disposed(d).frames).sum();
        // ARP may release what waits for a neighbour; nothing waits here but what asks for 203.0.113.2.
        assert_eq!(ended + now.held.frames - before.held.frames, 1, "{name} {number}: {verdict:?}");
        tally.frames += 1;
        let forwarded = matches!(verdict, Verdict::Forward { .. });
        tally.forwarded += u64::from(forwarded);
        let Some(label) = labels.get(&number) else { continue };
        judge(name, number, &frame, label, verdict, tally);
        sim.prime();
        sim.advance(Duration::from_millis(1));
    }
    assert_eq!(number, labels.len(), "{name}: each frame has a label");
}

fn judge(name: &str, number: usize, frame: &[u8], label: &Label, verdict: Verdict, tally: &mut Tally) {
    let forwarded = matches!(verdict, Verdict::Forward { .. });
    let what = || format!("{name} frame {number} [{}] linux {}: {verdict:?}", label.flags, label.linux);
    if label.has("C_ip4") && forwarded {
        tally.failures.push(format!("forwarded with a bad header checksum: {}", what()));
    }
    let ipv4 = frame.get(12..14) == Some(&[8, 0]);
    let plain = ipv4 && !label.has("M_") && !label.has("C_ip4") && !label.has("O_");
    if plain && label.forwarded() && !link_local(frame) {
        tally.gated += 1;
        if !forwarded {
            tally.failures.push(format!("not forwarded: {}", what()));
        }
    }
    if label.forwarded() != forwarded {
        let odd: Vec<&str> = label.flags.split(',').filter(|flag| flag.contains('_')).collect();
        let family = if ipv4 { "IPv4" } else { "not IPv4" };
        let ours = match verdict {
            Verdict::Drop(reason) => format!("drop {reason}"),
            Verdict::Divert(reason) => format!("divert {reason}"),
            other => format!("{other:?}"),
        };
        let linux = &label.linux;
        *tally.disagreements.entry(format!("{family} {odd:?}: linux {linux}, router {ours}")).or_insert(0) +=
            1;
    }
}

#[test]
fn every_captured_frame_ends_once_and_plain_traffic_is_forwarded() {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        return skip("replay of real captures", &format!("no folder {}", folder().display()));
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    let (mut sim, mut tally) = (router(), Tally::default());
    for path in &paths {
        replay(&mut sim, path, &mut tally);
    }
    sim.advance(Duration::from_secs(10));
    assert!(sim.router.is_settled());
    let Tally { frames, forwarded, gated, disagreements, failures } = tally;
    println!("{frames} frames of {} captures: {forwarded} forwarded", paths.len());
    println!("{gated} plain IPv4 frames that Linux forwarded too");
    println!("Linux and this router differ, by class (the RFC decides; IPv6 is not routed yet):");
    let mut classes: Vec<_> = disagreements.into_iter().collect();
    classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (class, count) in classes {
        println!("{count:6} {class}");
    }
    for failure in failures.iter().take(30) {
        println!("FAIL {failure}");
    }
    assert!(failures.is_empty(), "{} frames", failures.len());
    assert!(frames > 40_000 && gated > 10_000);
    assert_eq!(sim.router.stats().drops(DropReason::NoRoute), 0, "there is a default route");
}
