//! Questions from real captures: echo requests, and the class keys of what a router diverts.

use super::ExamError;
use super::items::{Part, Question, Source};
use crate::replay::readdress;
use crate::storage::{Tables, storage};
use llm_slowpath::prompt::tokens::{self, Task};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pktgen::echo::echo_reply;
use pktgen::tasks::{self, Item, Right, ping, triage};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use stack::classify::Latitude;
use stack::frame::FRAME_MAX;
use stack::{Anomaly, Config, FrameBuf, PortConfig, PortId, Posture, Router};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What a folder of captures gives.
pub(super) struct Captured {
    /// pcap files read.
    pub(super) files: usize,
    /// Frames in them.
    pub(super) frames: usize,
    /// No question twice, in order of the files' names.
    pub(super) items: Vec<Question>,
}

/// Reads every `*.pcap` of the folder, but not of folders in it.
pub(super) fn read(folder: &Path, wanted: &impl Fn(Part) -> bool) -> Result<Captured, ExamError> {
    let refuse = |problem: String| ExamError::Captures { folder: folder.display().to_string(), problem };
    let entries =
        fs::read_dir(folder).map_err(|error| refuse(format!("{error}: name a folder of pcap files")))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    if paths.is_empty() {
        return Err(refuse("there is no pcap file in it".into()));
    }
    let mut taker = Taker::new(wanted);
    let mut frames = 0;
    for path in &paths {
        let broken = |error: &dyn std::fmt::Display| refuse(format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(|error| broken(&error))?;
        let mut reader = PcapReader::new(file).map_err(|error| broken(&error))?;
        let link = reader.header().datalink;
        if link != DataLink::ETHERNET {
            return Err(refuse(format!("{}: its frames are {link:?}, not Ethernet", path.display())));
        }
        // Raw: some records claim to be longer than the file's snap length, and are whole all the same.
        while let Some(packet) = reader.next_raw_packet() {
            taker.take(&packet.map_err(|error| broken(&error))?.data);
            frames += 1;
        }
    }
    Ok(Captured { files: paths.len(), frames, items: taker.items })
}

/// Turns frames into questions.
struct Taker<'a, W> {
    wanted: &'a W,
    routers: Vec<Router<'static>>,
    now: Instant,
    buffer: Box<[u8; FRAME_MAX]>,
    items: Vec<Question>,
    seen: BTreeSet<String>,
}

impl<'a, W: Fn(Part) -> bool> Taker<'a, W> {
    fn new(wanted: &'a W) -> Self {
        let routers = Posture::ALL.map(router).into();
        let buffer = Box::new([0; FRAME_MAX]);
        Self { wanted, routers, now: Instant::ZERO, buffer, items: Vec::new(), seen: BTreeSet::new() }
    }

    fn take(&mut self, frame: &[u8]) {
        self.pings(frame);
        self.diverts(frame);
    }

    fn add(&mut self, task: Task, source: Source, item: Item) {
        let part = Part { task, source };
        if (self.wanted)(part) && self.seen.insert(format!("{:?}", item.question)) {
            self.items.push(Question { part, item });
        }
    }

    /// An echo request that the prompts can say. Whole frames only where they are sound, as in the generated part.
    fn pings(&mut self, frame: &[u8]) {
        if tokens::delta_prompt(frame).is_none() {
            return;
        }
        let reply = echo_reply(frame);
        let right = Right::PingDelta(reply.as_deref().map(ping::delta_of));
        let question = tasks::Question::PingDelta(frame.to_vec());
        self.add(Task::PingDelta, Source::Captures, Item { question, right });
        // Code 0 and no ECN mark: a reply must not copy either.
        let plain = frame[35] == 0 && frame[15] & 3 == 0;
        if let Some(reply) = reply.filter(|_| plain && tokens::frame_prompt(frame).is_some()) {
            let question = tasks::Question::PingFull(frame.to_vec());
            self.add(Task::PingFull, Source::Captures, Item { question, right: Right::PingFull(reply) });
        }
    }

    /// The class key of a frame that a router of any posture diverts.
    fn diverts(&mut self, frame: &[u8]) {
        // An hour apart: no token bucket is empty, no frame is seen beside the one before, no neighbour is known.
        self.now += Duration::from_secs(3_600);
        for at in 0..self.routers.len() {
            let router = &mut self.routers[at];
            router.handle_timeout(self.now);
            let mut bytes = frame.to_vec();
            // The recorded frames were for other routers: unicast ones are sent to this one.
            if bytes.len() > FRAME_MAX || bytes.len() < 6 {
                continue;
            }
            readdress(&mut bytes, MAC);
            let _ = router.handle_frame(self.now, PortId(0), &mut FrameBuf::new(&mut bytes));
            let diverted = router.poll_divert(&mut self.buffer);
            if let Some(diverted) = &diverted {
                router.abandon(self.now, diverted.id);
            }
            while router.poll_transmit(&mut self.buffer).is_some() {}
            while router.poll_event().is_some() {}
            if let Some(mut key) = diverted.map(|diverted| diverted.class)
                && key.reason != Anomaly::EchoRequest
            {
                key.port = PortId(0);
                let free = key.reason.row().latitude == Latitude::Discretionary;
                let source = if free { Source::Captures } else { Source::CapturedFixed };
                self.add(Task::Triage, source, triage::question(key));
            }
        }
    }
}

/// The router's MAC address on the port that receives.
const MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];

/// A router of documentation addresses with default routes, which diverts whatever it may.
fn router(posture: Posture) -> Router<'static> {
    let mut config = Config::new(1);
    config.posture = posture;
    config.limits.observe_one_in = 1;
    for (net, mac) in [(1, MAC), (2, [2, 0, 0, 0, 2, 1])] {
        let mut port = PortConfig::new(EthernetAddress(mac), 1500);
        let ipv4 = if net == 1 { Ipv4Address::new(192, 0, 2, 2) } else { Ipv4Address::new(203, 0, 113, 1) };
        port.addresses.push(Ipv4Cidr::new(ipv4, 30)).expect("room for one address");
        let ipv6 = Ipv6Address::new(0x2001, 0xdb8, net, 0, 0, 0, 0, 2);
        port.ipv6.push(Ipv6Cidr::new(ipv6, 64)).expect("room for one address");
        config.ports.push(port).expect("room for two ports");
    }
    let storage = storage(&config.limits, Tables::default());
    Router::new(config, storage).expect("the configuration is sound")
}
