//! The command line of `softrouter fuzz`.

use super::{FuzzPlan, PeerAddress, TargetPlan};
use crate::cli::{Posture, positive};
use clap::Args;
use pktgen::StreamMix;
use pktgen::build::Mac;
use std::path::PathBuf;

/// The folder for cases, unless another is named.
pub(super) const CASES: &str = "fuzz-cases";

/// `softrouter fuzz`
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Names the frames, the routers' settings, and all that is done beside: the same seed does the same again.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Ends after so many frames [default: 10000000 in memory, 100000 else; unless --seconds or --until is given].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Ends after so many seconds; with --write, of the stream's own time.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub seconds: Option<f64>,
    /// Ends once every reason of the table was seen so many times: without another end beside, odd and sequence must
    /// have a weight in the mix. What is missing at the end is told, and is a failure.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub until: Option<u64>,
    /// What frames are made of, as weights: traffic, varied (both healthy), odd, near_miss, mutant, captured, sequence; or
    /// fuzz, healthy, or N% for so many odd frames in a hundred. With --corpus captured weighs 4 unless it is named.
    #[arg(long, value_name = "KIND=WEIGHT,...", default_value = "fuzz", value_parser = mix)]
    pub mix: StreamMix,
    /// Captures (pcap, pcapng, gzip) whose frames are mutated, too: the first 100,000 frames that they hold.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub corpus: Vec<PathBuf>,
    /// Ports with a host behind each; there is one more, without.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=15))]
    pub ports: u8,
    /// The posture of all routers [default: each has one by lot].
    #[arg(long, value_enum)]
    pub posture: Option<Posture>,
    /// Threads, each with routers of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = threads)]
    pub threads: usize,
    /// Frames a second: in memory of virtual time, which goes as fast as it can; with --write by their timestamps
    /// [default: 100000, with --target 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub pps: Option<u64>,
    /// Writes the frames to a pcapng file, each with a comment, instead of giving them to routers.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Sends the frames to another device: behind this TAP, which is made if it is not there, or interface.
    #[arg(long, value_name = "INTERFACE", requires = "peer", conflicts_with_all = ["write", "until", "threads", "posture"])]
    pub target: Option<String>,
    /// The device's hardware address.
    #[arg(long, value_name = "MAC", requires = "target", value_parser = mac)]
    pub peer: Option<Mac>,
    /// The device's address, once of each family at most [default: 10.0.1.1/24, and the link-local address of its MAC].
    #[arg(long, value_name = "ADDRESS[/PREFIX]", requires = "target")]
    pub peer_ip: Vec<PeerAddress>,
    /// With --target: frames between two probes of whether the device still answers.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub probe_every: u64,
    /// The folder for the case that is written if a law is broken, or for the frames after which a device is silent; it is
    /// made at the start, and taken away at the end if nothing is in it.
    #[arg(long, value_name = "FOLDER", default_value = CASES)]
    pub cases: PathBuf,
    /// Runs a case again, which holds all that it needs; of the other options only --json goes with it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "frames", "seconds", "until", "mix", "corpus", "ports",
        "posture", "threads", "pps", "write", "target", "peer", "peer_ip", "probe_every", "cases"])]
    pub replay_case: Option<PathBuf>,
    /// Writes the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Frames of a run that was given no end.
const FRAMES: u64 = 10_000_000;
const FRAMES_OUT: u64 = 100_000;
/// Frames a second.
const PPS: u64 = 100_000;
const PPS_TARGET: u64 = 1_000;

impl From<&FuzzArgs> for FuzzPlan {
    fn from(args: &FuzzArgs) -> Self {
        let frames = if args.write.is_some() || args.target.is_some() { FRAMES_OUT } else { FRAMES };
        let endless = args.seconds.is_none() && args.until.is_none();
        let mut mix = args.mix;
        if !args.corpus.is_empty() && mix.captured == 0 {
            mix.captured = 4;
        }
        Self {
            seed: args.seed,
            mix,
            corpus: args.corpus.clone(),
            ports: args.ports,
            posture: args.posture.map(Into::into),
            frames: args.frames.or(if endless { Some(frames) } else { None }),
            seconds: args.seconds,
            until: args.until,
            threads: args.threads,
            pps: args.pps.unwrap_or(if args.target.is_some() { PPS_TARGET } else { PPS }),
            cases: args.cases.clone(),
        }
    }
}

impl FuzzArgs {
    /// The device to aim at, if there is one.
    pub fn target(&self) -> Option<TargetPlan> {
        Some(TargetPlan {
            interface: self.target.clone()?,
            peer: self.peer?,
            addresses: self.peer_ip.clone(),
            probe_every: self.probe_every,
        })
    }
}

fn mac(text: &str) -> Result<Mac, String> {
    let bytes: Option<Vec<u8>> =
        text.split([':', '-']).map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let mac =
        bytes.and_then(|bytes| Mac::try_from(bytes).ok()).filter(|mac| mac[0] & 1 == 0 && *mac != [0; 6]);
    mac.ok_or_else(|| "name one station's address, such as 02:00:00:00:01:01".into())
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=256).contains(count))
        .ok_or_else(|| "name a number from 1 to 256".into())
}

fn mix(text: &str) -> Result<StreamMix, String> {
    match text {
        "fuzz" => return Ok(StreamMix::FUZZ),
        "healthy" => return Ok(StreamMix::HEALTHY),
        _ => {}
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.parse().ok().filter(|percent| *percent <= 100);
        return percent.map(StreamMix::odd_percent).ok_or_else(|| "name a percentage from 0% to 100%".into());
    }
    let mut mix = StreamMix::default();
    for part in text.split(',') {
        let (kind, weight) = part.split_once('=').ok_or_else(|| format!("{part}: name KIND=WEIGHT"))?;
        let weight = weight.parse().map_err(|_| format!("{part}: a weight is a number from 0 on"))?;
        *match kind {
            "traffic" => &mut mix.traffic,
            "varied" => &mut mix.varied,
            "odd" => &mut mix.odd,
            "near_miss" => &mut mix.near_miss,
            "mutant" => &mut mix.mutant,
            "captured" => &mut mix.captured,
            "sequence" => &mut mix.sequence,
            _ => {
                return Err(format!(
                    "{kind}: name traffic, varied, odd, near_miss, mutant, captured or sequence"
                ));
            }
        } = weight;
    }
    Ok(mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_station_s_address() {
        assert_eq!(mac("02:00:0a:00:01:fF"), Ok([2, 0, 10, 0, 1, 255]));
        for wrong in ["", "02:00:00:00:01", "02:00:00:00:01:01:01", "03:00:00:00:01:01", "0:0:0:0:0:0", "x"] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mix_is_a_name_a_percentage_or_weights() {
        assert_eq!(mix("fuzz"), Ok(StreamMix::FUZZ));
        assert_eq!(mix("30%"), Ok(StreamMix::odd_percent(30)));
        let some = StreamMix { odd: 3, sequence: 1, ..StreamMix::default() };
        assert_eq!(mix("odd=3,sequence=1"), Ok(some));
        for wrong in ["", "odd", "odd=-1", "even=1", "101%", "x%"] {
            assert!(mix(wrong).is_err(), "{wrong}");
        }
    }
}
