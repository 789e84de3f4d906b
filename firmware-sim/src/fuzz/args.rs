//! The command line of `softrouter fuzz`.

use super::FuzzPlan;
use crate::cli::Posture;
use clap::Args;
use pktgen::StreamMix;
use std::path::PathBuf;

/// `softrouter fuzz`
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Names the frames, the routers' settings, and all that is done beside: the same seed does the same again.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Ends after so many frames [default: 10000000, unless --seconds or --until is given].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Ends after so many seconds.
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Ends once every reason of the table was seen so many times; what is missing then is told, and is a failure.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub until: Option<u64>,
    /// What frames are made of, as weights: traffic, varied (both healthy), odd, near_miss, mutant, captured, sequence; or
    /// fuzz, healthy, or N% for so many odd frames in a hundred. With --corpus captured weighs 4 unless it is named.
    #[arg(long, value_name = "KIND=WEIGHT,...", default_value = "fuzz", value_parser = mix)]
    pub mix: StreamMix,
    /// Captures (pcap, pcapng, gzip) whose frames are mutated, too.
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
    /// Frames a second: in memory of virtual time, which goes as fast as it can; with --write by their timestamps.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub pps: u64,
    /// The folder for the case that is written if a law is broken.
    #[arg(long, value_name = "FOLDER", default_value = "fuzz-cases")]
    pub cases: PathBuf,
    /// Runs a case again, and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["frames", "seconds", "until", "corpus"])]
    pub replay_case: Option<PathBuf>,
    /// Writes the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Frames of a run that was given no end.
const FRAMES: u64 = 10_000_000;

impl From<&FuzzArgs> for FuzzPlan {
    fn from(args: &FuzzArgs) -> Self {
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
            frames: args.frames.or(if endless { Some(FRAMES) } else { None }),
            seconds: args.seconds,
            until: args.until,
            threads: args.threads,
            pps: args.pps,
            cases: args.cases.clone(),
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "name a number above 0".into())
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
