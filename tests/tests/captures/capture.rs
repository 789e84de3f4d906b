//! A capture and its labels: each frame with what is known about it.

use pcap_file::pcap::PcapReader;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is known about a frame.
pub(crate) struct Label {
    /// `M_` malformed, `C_` a wrong checksum, `O_` legal but unusual, `S_` cut off by the capture; or what it is.
    pub(crate) flags: Vec<String>,
    /// What a Linux router did: `fwd`, `fwd*n`, `icmp4:type/code`, `icmp6:type/code`, `drop`, `unsendable`.
    pub(crate) linux: String,
    /// tshark's opinion: malformed, wrong IP header checksum, wrong transport checksum.
    pub(crate) tshark: [bool; 3],
}

impl Label {
    /// Is there a flag that begins so?
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.flags.iter().any(|flag| flag.starts_with(prefix))
    }

    /// What Linux did, without errors that came late, about frames before: several at once, or beside another
    /// verdict, they cannot be about this frame.
    pub(crate) fn linux(&self) -> String {
        let late = |part: &&str| self.linux.contains('+') && ["icmp4:3/1", "icmp6:1/3"].contains(part);
        let parts: Vec<_> = self.linux.split('+').filter(|part| !late(part)).collect();
        if parts.is_empty() { "drop".to_owned() } else { parts.join("+").replace("unsendable", "drop") }
    }

    /// Did Linux forward it, whole or in fragments?
    pub(crate) fn forwarded(&self) -> bool {
        self.linux.starts_with("fwd")
    }
}

/// One frame of a capture.
pub(crate) struct Captured {
    /// Where it is to be found.
    pub(crate) place: String,
    /// The frame.
    pub(crate) bytes: Vec<u8>,
    /// What is known about it.
    pub(crate) label: Label,
}

/// Where the captures are.
pub(crate) fn folder() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    std::env::var_os("SOFTROUTER_CAPTURES").map_or(default, PathBuf::from)
}

/// The labels of a capture, by frame number from 1.
fn labels(name: &str) -> BTreeMap<usize, Label> {
    let path = folder().join("labels").join(format!("{name}.tsv"));
    let text = std::fs::read_to_string(path).expect("each capture has its labels");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split('\t').collect();
    let column = |name| names.iter().position(|&other| other == name).expect("a named column");
    let (frame, flags, linux) = (column("frame"), column("flags"), column("linux_router"));
    let tshark = ["tshark_malformed", "ip_csum_bad", "l4_csum_bad"].map(column);
    let of = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let label = Label {
            flags: cells[flags].split(',').map(str::to_owned).collect(),
            linux: cells[linux].to_owned(),
            tshark: tshark.map(|column| cells[column] == "1"),
        };
        (cells[frame].parse().expect("a number"), label)
    };
    lines.map(of).collect()
}

/// Every frame of a capture.
///
/// # Panics
/// If a frame has no label, or a label no frame.
pub(crate) fn frames(path: &Path) -> Vec<Captured> {
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
    let mut labels = labels(name);
    let mut reader = PcapReader::new(File::open(path).expect("a capture")).expect("a pcap file");
    let mut frames = Vec::new();
    // Raw: some records claim to be longer than the file's snap length, and are whole all the same.
    while let Some(packet) = reader.next_raw_packet() {
        let number = frames.len() + 1;
        let label = labels.remove(&number).expect("each frame has a label");
        let bytes = packet.expect("a whole record").data.into_owned();
        frames.push(Captured { place: format!("{name} {number}"), bytes, label });
    }
    assert!(labels.is_empty(), "{name}: each label has a frame");
    frames
}
