//! What is recorded is read again and replays identical; what was changed, cut off or is something else is found.

mod rules;

use super::*;
use crate::lab::run::LabConfig;
use crate::storage;
use pktgen::dice::{Draw, rng_for};
use pktgen::echo::echo_reply;
use pktgen::{Generator, World};
use read::{Next, Reader};
use smoltcp::time::{Duration, Instant};
use stack::frame::FRAME_MAX;
use stack::{Action, ActionKind, Answer, Diverted, FrameBuf, PortId, Router, Source, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of its own, removed at the end.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("softrouter-{}-{name}.pcapng", std::process::id())))
    }

    fn with(name: &str, bytes: &[u8]) -> Self {
        let file = Self::new(name);
        fs::write(&file.0, bytes).unwrap();
        file
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn start(path: &Path) -> RecordedRouter {
    let lab: LabConfig = serde_json::from_str(r#"{"posture":"open","ping":true,"remote":false}"#).unwrap();
    let config = lab.router(0x5eed, Some(1_000)).unwrap();
    let header = Header::new(&config, config_hash(&config, &[], &[]), MadeFrom::Lab(lab), String::new());
    let recorder = Recorder::create(path, &header, ["client", "server"].into_iter()).unwrap();
    let storage = storage::storage(&config.limits, storage::Tables::default());
    RecordedRouter::new(Router::new(config, storage).unwrap(), Some(recorder))
}

/// What the owner loop does, at random.
struct Owner<R> {
    router: RecordedRouter,
    rng: R,
    now: Instant,
    out: Box<[u8; FRAME_MAX]>,
    waiting: Vec<(Diverted, Vec<u8>)>,
}

impl<R: Draw> Owner<R> {
    fn receive(&mut self, port: u8, bytes: &[u8]) {
        let mut buffer = [&[0; 4], bytes, &[0; 4]].concat();
        let mut frame = FrameBuf::with_room(&mut buffer, 4, bytes.len());
        if let Verdict::Forward { .. } = self.router.handle_frame(self.now, PortId(port), &mut frame)
            && self.rng.one_in(20)
        {
            self.router.unforwarded(bytes.len(), frame.len());
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.router.poll_transmit(&mut self.out) {
            if self.rng.one_in(20) {
                self.router.unsent(&transmit);
            }
        }
    }

    fn feed(&mut self) {
        while let Some(diverted) = self.router.poll_divert(&mut self.out) {
            if self.rng.one_in(5) {
                self.router.abandon(self.now, diverted.id);
            } else {
                let frame = self.out[..diverted.len].to_vec();
                self.waiting.push((diverted, frame));
            }
        }
        self.flush();
    }

    fn answer(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let (diverted, frame) = self.waiting.swap_remove(self.rng.below(self.waiting.len()));
        let reply = echo_reply(&frame);
        let action = match &reply {
            Some(reply) if self.rng.one_in(2) => Action::Inject { port: PortId(0), frame: reply },
            _ => self.rng.pick(ActionKind::ALL).symbolic().unwrap_or(Action::Drop),
        };
        let nonce = if self.rng.one_in(10) { 7 } else { diverted.nonce };
        let source = if self.rng.one_in(2) { Source::Model } else { Source::Cache };
        let (advice, witness) = (None, Default::default());
        let answer =
            Answer { id: diverted.id, nonce, reason: diverted.reason(), action, source, advice, witness };
        if let Ok(approved) = self.router.approve(self.now, &answer) {
            let _ = self.router.apply(self.now, approved);
        }
        self.flush();
    }
}

/// Records `steps` random steps.
fn record(path: &Path, seed: u64, steps: u64) -> Written {
    println!("seed {seed}");
    let generator = Generator::new(World::lab(), seed);
    let mut owner = Owner {
        router: start(path),
        rng: rng_for(seed, 0x7265_6331, 0),
        now: Instant::ZERO,
        out: Box::new([0; FRAME_MAX]),
        waiting: Vec::new(),
    };
    for greeting in generator.greetings() {
        owner.receive(greeting.port, &greeting.bytes);
    }
    for index in 0..steps {
        owner.now += Duration::from_micros(owner.rng.below(3_000) as u64);
        match owner.rng.below(10) {
            0..6 => {
                let made = generator.frame(index);
                owner.receive(made.port, &made.bytes);
            }
            6 => owner.feed(),
            7 | 8 => owner.answer(),
            _ => {
                owner.router.handle_timeout(owner.now);
                owner.flush();
            }
        }
        while owner.router.poll_event().is_some() {}
    }
    owner.router.end_recording(true).unwrap()
}

#[test]
fn what_was_recorded_replays_identical() {
    let mut sum = (0, 0, 0, 0, 0, 0);
    for seed in 0..20 {
        let file = TestFile::new(&format!("same-{seed}"));
        let written = record(&file.0, seed, 500);
        assert_eq!((written.lost, written.error), (0, None));
        let report = replay(&file.0).unwrap();
        assert!(report.identical && report.complete && !report.cut_off, "seed {seed}: {report}");
        assert_eq!(report.packets, written.packets, "seed {seed}");
        sum.0 += report.frames_out;
        sum.1 += report.diverts;
        sum.2 += report.approved;
        sum.3 += report.rejected;
        sum.4 += report.applied;
        sum.5 += report.abandoned;
    }
    println!("{sum:?}");
    assert!(sum.0 > 1_000 && sum.1 > 1_000, "{sum:?}");
    assert!(sum.2 > 100 && sum.3 > 100 && sum.4 > 100 && sum.5 > 100, "{sum:?}");
}

/// Where each packet's block begins, and its data's length, for packets of this kind.
fn places(path: &Path, wanted: impl Fn(&step::Step) -> bool) -> Vec<(u64, u64)> {
    let (mut reader, mut places) = (Reader::open(path).unwrap(), Vec::new());
    while let Next::Step(_, step) = reader.next().unwrap() {
        if wanted(&step) {
            places.push(reader.place());
        }
    }
    places
}

/// Bytes of an Enhanced Packet Block before its packet.
const BLOCK_HEAD: usize = 28;

#[test]
fn a_changed_input_frame_is_found_where_it_shows() {
    let file = TestFile::new("flip-frame");
    record(&file.0, 3, 500);
    let bytes = fs::read(&file.0).unwrap();
    let forwarded = places(&file.0, |step| matches!(step, step::Step::Forwarded { .. }));
    let received = places(&file.0, |step| matches!(step, step::Step::Received { .. }));
    assert!(forwarded.len() > 50);
    for &(number, _) in &forwarded {
        // The packet before is the frame as it came in. It goes on only by the router's own address.
        let &(_, offset) = received.iter().find(|(packet, _)| packet + 1 == number).unwrap();
        let mut changed = bytes.clone();
        changed[offset as usize + BLOCK_HEAD] ^= 0x40;
        let report = replay(&TestFile::with("flipped-frame", &changed).0).unwrap();
        assert!(!report.identical);
        let difference = report.difference.unwrap();
        assert_eq!(difference.packet, number, "{difference:?}");
        assert!(difference.recorded.contains("forwarded at once"), "{difference:?}");
    }
}

#[test]
fn a_changed_answer_is_found_where_it_is_judged() {
    let file = TestFile::new("flip-answer");
    record(&file.0, 4, 500);
    let text = fs::read(&file.0).unwrap();
    let judged = places(
        &file.0,
        |step| matches!(step, step::Step::Call(step::Call::Approve { outcome, .. }) if outcome == "ok"),
    );
    assert!(judged.len() > 5);
    for &(number, offset) in &judged {
        let mut changed = text.clone();
        let nonce = b"\"nonce\":";
        let block = &text[offset as usize..];
        let at = block.windows(nonce.len()).position(|bytes| bytes == nonce).unwrap();
        let digit = &mut changed[offset as usize + at + nonce.len()];
        *digit = if *digit == b'1' { b'2' } else { b'1' };
        let report = replay(&TestFile::with("flipped-answer", &changed).0).unwrap();
        let difference = report.difference.expect("another nonce is not approved");
        assert_eq!((difference.packet, difference.offset), (number, offset));
        assert_eq!((&difference.recorded[..], &difference.replayed[..]), ("ok", "wrong_nonce"));
    }
}

#[test]
fn a_recording_that_was_cut_off_replays_up_to_there() {
    let file = TestFile::new("cut");
    record(&file.0, 5, 200);
    let bytes = fs::read(&file.0).unwrap();
    let whole = replay(&file.0).unwrap();
    let starts = places(&file.0, |_| true);
    for &(number, offset) in starts.iter().step_by(7) {
        let at = replay(&TestFile::with("cut-at", &bytes[..offset as usize]).0).unwrap();
        assert!(at.identical && !at.complete && !at.cut_off);
        assert_eq!(at.packets, number - 1);
        let within = replay(&TestFile::with("cut-in", &bytes[..offset as usize + 13]).0).unwrap();
        assert!(within.identical && !within.complete && within.cut_off);
        assert_eq!(within.packets, number - 1);
        assert!(within.to_string().contains("the file ends within the next one"), "{within}");
    }
    assert!(whole.complete);
}

#[test]
fn damage_anywhere_is_an_error_or_a_difference_or_harmless_and_never_a_panic() {
    let file = TestFile::new("damage");
    record(&file.0, 6, 60);
    let bytes = fs::read(&file.0).unwrap();
    let (mut errors, mut differences) = (0, 0);
    for index in 0..1_500 {
        let mut rng = rng_for(6, 0x6461_6d61, index);
        let mut changed = bytes.clone();
        let at = rng.below(bytes.len());
        changed[at] ^= 1 << rng.below(8);
        match replay(&TestFile::with("damaged", &changed).0) {
            Ok(report) => differences += u64::from(!report.identical),
            Err(error) => {
                assert!(error.to_string().contains("remedy: "), "{error}");
                errors += 1;
            }
        }
    }
    println!("{errors} errors, {differences} differences");
    assert!(errors > 100 && differences > 100);
}

fn refused(name: &str, bytes: &[u8]) -> String {
    replay(&TestFile::with(name, bytes).0).unwrap_err().to_string()
}

#[test]
fn what_is_no_recording_of_this_version_is_refused_with_a_remedy() {
    let file = TestFile::new("foreign");
    record(&file.0, 7, 20);
    let bytes = fs::read(&file.0).unwrap();
    let with = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|found| found == from.as_bytes()).unwrap();
        [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
    };
    let version = env!("CARGO_PKG_VERSION");
    let format = format!("\"softrouter_recording\":{FORMAT}");
    for (name, bytes, expected) in [
        ("empty", Vec::new(), "no pcapng file"),
        ("text", b"not a capture at all, only text".to_vec(), "no pcapng file"),
        ("head", bytes[..40].to_vec(), "ends within its head"),
        ("another", with("softrouter_recording", "another_programs_own"), "no comment of Softrouter's"),
        ("format", with(&format, "\"softrouter_recording\":9"), "format 9"),
        (
            "version",
            with(&format!("\"softrouter\":\"{version}"), "\"softrouter\":\"9.9.9"),
            "softrouter 9.9.9",
        ),
        ("posture", with("\"posture\":\"open\"", "\"posture\":\"0pen\""), "no such posture"),
        ("hash", with("\"remote\":false", "\"remote\": true"), "another build's"),
        ("config", with("\"posture\":\"open\",\"ping\":true", "\"posture\":\"open\",\"ping\":null"), "null"),
    ] {
        let shown = refused(name, &bytes);
        assert!(shown.contains(expected) && shown.contains("remedy: "), "{name}: {shown}");
    }
    let missing = replay(Path::new("/nonexistent/recording")).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/recording") && missing.contains("remedy: "), "{missing}");
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_run() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        eprintln!("SKIPPED: this kernel has no /dev/full");
        return;
    }
    let written = record(full, 8, 5_000);
    assert!(written.error.as_ref().is_some_and(|error| error.contains("space")), "{written:?}");
    assert!(written.lost > 0, "{written}");
    assert!(written.to_string().contains("ENDED EARLY"), "{written}");
}

#[test]
fn a_long_configuration_goes_into_several_comments_and_comes_back() {
    let text = "# größer\n".repeat(30_000);
    let config = stack::Config::new(1);
    let header = Header::new(&config, 2, MadeFrom::File("router.toml".into()), text);
    let comments = header.comments();
    assert!(comments.len() > 4 && comments.iter().all(|comment| comment.len() <= usize::from(u16::MAX)));
    assert_eq!(Header::from_comments(comments.iter().map(String::as_str)), Ok(header));
}
