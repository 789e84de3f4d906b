//! The report of a run at a device: what it made of which frames, and whether it lives.

use super::ledger::{A_WHILE, Attribution, Row, WINDOW};
use super::probe::Asked;
use crate::fuzz::recipe::Recipe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Malformed frames that the text shows, and bytes of such a line: the JSON report has more.
const SHOWN: usize = 5;
const WIDTH: usize = 160;

/// A device that answers no more.
#[derive(Debug, Clone, Serialize)]
pub struct Stopped {
    /// The last frame after which it was certainly alive: it answered that one, or a probe behind it. `None`: no frame.
    pub after: Option<u64>,
    /// The last frame that was sent to it.
    pub last_sent: Option<u64>,
    /// Frames that were sent in between: one of them, or several together, did it.
    pub suspects: usize,
    /// Probes were not answered for so long.
    pub silent_seconds: f64,
    /// The last frames before and in between, if they could be written.
    pub file: Option<PathBuf>,
    /// So many are in it.
    pub frames: usize,
    /// Why they could not.
    pub not_written: Option<String>,
}

/// What came of a run at a device.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// The interface.
    pub interface: String,
    /// What it was to us: a TAP, a TAP made for this run, or a packet socket.
    pub through: &'static str,
    /// The device's hardware address.
    pub peer: String,
    /// Its addresses: IPv4, IPv6, and the one that Neighbour Discovery asked for.
    pub addresses: Vec<IpAddr>,
    /// The host that frames come from, and one behind the device that they are for, if they are not for the device.
    pub host: Vec<IpAddr>,
    /// That other one.
    pub beyond: Vec<IpAddr>,
    /// How frames were made.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Indices of the stream that were made: frames of its other port are left out.
    pub indices: u64,
    /// Frames that were sent.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Frames that the interface did not take: too short, too long, or it had no room.
    pub not_sent: u64,
    /// How long it took.
    pub seconds: f64,
    /// Frames of the device, answers to probes aside.
    pub heard: u64,
    /// Probes by kind.
    pub probes: BTreeMap<&'static str, Asked>,
    /// What became of frames by the reason that a router ought to see in them.
    pub reasons: BTreeMap<&'static str, Row>,
    /// What the device sent about no frame, by kind.
    pub unasked: BTreeMap<String, u64>,
    /// How answers were attributed to frames.
    pub attributed: Attribution,
    /// What the device sent, judged by the oracle as if one of our hosts were a router.
    pub judged: BTreeMap<&'static str, u64>,
    /// The first malformed frames of the device: what is wrong, and all bytes.
    pub malformed: Vec<String>,
    /// The device stopped answering.
    pub stopped: Option<Stopped>,
    /// Ended before its time.
    pub interrupted: bool,
    /// Does the device still answer?
    pub success: bool,
}

impl TargetReport {
    /// Why the frames before the silence could not be written, if they could not.
    pub fn not_written(&self) -> Option<&str> {
        self.stopped.as_ref()?.not_written.as_deref()
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn counts<K: fmt::Display>(of: &BTreeMap<K, u64>) -> String {
    list(of.iter().map(|(kind, count)| format!("{kind} x{count}")))
}

impl fmt::Display for TargetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.interrupted { " (interrupted)" } else { "" };
        writeln!(f, "\nSoftrouter fuzz: {} behind {} ({})", self.peer, self.interface, self.through)?;
        writeln!(
            f,
            "device {}; frames from {}, to it and to {}",
            list(&self.addresses),
            list(&self.host),
            list(&self.beyond)
        )?;
        let Recipe { seed, mix, pps, .. } = &self.recipe;
        writeln!(f, "seed {seed}, mix {mix}\n{pps} frames a second, {}", self.recipe.about())?;
        writeln!(
            f,
            "{} frames, {} bytes, {:.1} s{early}; {} were not taken by the interface; {} frames heard",
            self.frames, self.bytes, self.seconds, self.not_sent, self.heard
        )?;
        writeln!(f, "\nProbes {:>23}{:>10}", "rounds", "answered")?;
        for (kind, Asked { rounds, answered, last_after }) in &self.probes {
            let last = match last_after {
                _ if *answered == 0 => "never answered".to_owned(),
                Some(index) => format!("the last time after frame {index}"),
                None => "only before the first frame".to_owned(),
            };
            writeln!(f, "  {kind:<20}{rounds:>8}{answered:>10}  {last}")?;
        }
        writeln!(f, "\nReasons {:>32}{:>10}  answers", "sent", "nothing")?;
        for (name, Row { sent, nothing, answers }) in &self.reasons {
            let line = format!("  {name:<30}{sent:>8}{nothing:>10}  {}", counts(answers));
            writeln!(f, "{}", line.trim_end())?;
        }
        if !self.unasked.is_empty() {
            writeln!(f, "  about no frame: {}", counts(&self.unasked))?;
        }
        let Attribution { quoted, matched, guessed, none } = self.attributed;
        writeln!(
            f,
            "\nWhich frame an answer is about: {quoted} quote it or are it, {matched} have its ends the other way round\n\
             (certain, but for equal frames); {guessed} came within {} ms of it and are taken for answers to it (a guess);\n\
             {none} are about none. `nothing`: no answer within {} s, or until the end.",
            WINDOW.as_millis(),
            A_WHILE.as_secs()
        )?;
        writeln!(f, "What the device sent, judged: {}", counts(&self.judged))?;
        for line in self.malformed.iter().take(SHOWN) {
            let more = if line.len() > WIDTH { "..." } else { "" };
            writeln!(f, "  malformed: {}{more}", line.get(..WIDTH).unwrap_or(line))?;
        }
        match &self.stopped {
            None => writeln!(f, "\nthe device still answers"),
            Some(stopped) => {
                let after = stopped.after.map_or("before the first frame".to_owned(), |index| {
                    format!("after frame index {index}")
                });
                writeln!(
                    f,
                    "\nTHE DEVICE STOPPED ANSWERING {after}: {} s without an answer to any probe\n  {} frames were \
                     sent after that one",
                    stopped.silent_seconds, stopped.suspects,
                )?;
                if let Some(file) = &stopped.file {
                    writeln!(f, "  the last {} frames: {}", stopped.frames, file.display())?;
                }
                writeln!(f, "  again, once the device is restarted: {}", self.recipe.again)
            }
        }
    }
}
