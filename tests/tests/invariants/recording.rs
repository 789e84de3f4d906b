//! Invariant 4: a recording on disk, replayed to a fresh router, brings out the same bytes, events and counters.

use pktgen::dice::{Draw, rng_for};
use pktgen::{Generator, World};
use smoltcp::time::{Duration, Instant};
use stack::{Action, ActionKind, Anomaly, Mode, PortId, Posture, Rate, Source};
use tests::recording::{Recorder, Recording, Said, Step};
use tests::storage::{SIZES, Sizes};
use tests::{Divert, Sim};

/// What a model of moods says to a frame.
fn moody<'a>(rng: &mut impl Draw, divert: &'a Divert) -> Option<(Action<'a>, Source)> {
    let source = if rng.one_in(3) { Source::Cache } else { Source::Model };
    let action = match rng.below(10) {
        0 => return None,
        1 => Action::Inject { port: PortId(1), frame: &divert.bytes },
        2 => Action::EchoReply(stack::EchoDelta { ttl: 64, ip_checksum: 1, icmp_type: 0, icmp_checksum: 2 }),
        _ => rng.pick(&ActionKind::ALL[..7]).symbolic()?,
    };
    Some((action, source))
}

fn recorded_sim() -> Sim {
    let sizes = Sizes { diverts: 128, ..SIZES };
    let change = |config: &mut stack::Config| {
        config.posture = Posture::Open;
        config.limits.divert_queue = 64;
        config.limits.divert_outstanding = 64;
        config.limits.divert_rate = Rate { per_second: 1_000, burst: 50 };
        config.limits.observe_one_in = 2;
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    };
    Sim::cold(change, sizes)
}

#[test]
fn recording_replays_byte_identically() {
    let seed = 84;
    let generator = Generator::new(World::lab(), seed);
    let mut recorder = Recorder::new(recorded_sim(), seed);
    let mut at = Instant::from_secs(2);
    for made in generator.greetings() {
        recorder.step(at, Step::Frame(made.port, made.bytes));
    }
    let mut late = Vec::new();
    for index in 0..20_000 {
        let mut rng = rng_for(seed, 2, index);
        at += Duration::from_micros(rng.between(1, 900) as u64);
        let made = generator.frame(index);
        recorder.step(at, Step::Frame(made.port, made.bytes));
        if rng.one_in(2) {
            continue;
        }
        for divert in recorder.step(at, Step::Poll) {
            let answer = moody(&mut rng, &divert)
                .map(|(action, source)| Said::of(&stack::Answer { source, ..divert.answer(action) }));
            match answer {
                // Some answers take their time, some for ever.
                Some(said) if rng.one_in(4) => late.push(said),
                Some(said) => drop(recorder.step(at, Step::Answer(said))),
                None => drop(recorder.step(at, Step::Abandon(divert.about.id))),
            }
        }
        if rng.one_in(20) {
            for said in late.drain(..) {
                recorder.step(at, Step::Answer(said));
            }
        }
    }
    let (recording, outcome) = recorder.finish();
    let path = std::env::temp_dir().join(format!("softrouter-recording-{}.txt", std::process::id()));
    std::fs::write(&path, recording.to_text()).expect("a temporary file");
    let read = Recording::from_text(&std::fs::read_to_string(&path).expect("the same file"));
    let _ = std::fs::remove_file(&path);
    assert_eq!(read, recording);
    let again = read.replay(recorded_sim());
    println!(
        "seed {seed}: {} steps, {} frames sent, {} events, {} injected",
        recording.steps.len(),
        outcome.sent.len(),
        outcome.events.len(),
        outcome.stats.sent.injected.frames
    );
    assert!(outcome.stats.sent.injected.frames > 50 && outcome.events.len() > 10_000);
    assert_eq!(again.stats, outcome.stats);
    assert!(again.sent == outcome.sent && again.events == outcome.events);
    // The replay depends on what is recorded: without one answer that acted it comes out otherwise.
    let mut cut = recording.clone();
    let acted = |said: &Said| {
        outcome.events.iter().any(|event| matches!(event, stack::Event::Applied { id, .. } if *id == said.id))
    };
    let at = cut.steps.iter().position(|(_, step)| matches!(step, Step::Answer(said) if acted(said)));
    cut.steps.remove(at.expect("an answer that acted"));
    assert_ne!(cut.replay(recorded_sim()).stats, outcome.stats);
}
