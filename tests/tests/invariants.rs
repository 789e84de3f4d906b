//! The five invariants of the design, each by its name.
//!
//! 1. The counters balance, and every drop has a reason.
//! 2. The fast path never allocates and never waits for the slow path.
//! 3. Nothing from a model reaches a wire or the rule table except as approved.
//! 4. A recording replays byte-identically.
//! 5. With every backend down healthy traffic flows, and each diverted frame ends in a named reason by its
//!    deadline.

use pktgen::dice::{Draw, rng_for};
use pktgen::{Generator, Mix, World, oracle};
use smoltcp::time::{Duration, Instant};
use stack::frame::FRAME_MAX;
use stack::stats::{Disposition, Path};
use stack::{
    Action, ActionKind, Anomaly, DropReason, FrameBuf, Mode, Origin, PortId, Posture, Rate, Rejection,
    Source, Verdict,
};
use std::collections::BTreeMap;
use tests::frames::{self, ROUTER_0, ROUTER_1, SERVER, from_client, transit};
use tests::recording::{Recorder, Recording, Said, Step};
use tests::storage::Sizes;
use tests::{Divert, Sim, checker};

/// Random bytes; half of them to the router's MAC address with an IPv4 EtherType, to get further.
fn random_frame(index: u64) -> (u8, Vec<u8>) {
    let mut rng = rng_for(81, 0, index);
    let len = *rng.pick(&[0, 1, 13, 14, 33, 34, 60, 90, 1514, 1537, 2_000]);
    let mut frame = rng.bytes(len);
    if let (true, Some(head)) = (rng.one_in(2), frame.get_mut(..14)) {
        head[..6].copy_from_slice(&ROUTER_0.mac);
        head[6] &= 0xfe;
        head[12..].copy_from_slice(&[8, 0]);
    }
    (0, frame)
}

/// What the verdict of a frame promised about the counters, checked at once for each of a million frames.
#[test]
fn counters_balance_and_every_drop_has_a_reason() {
    const FRAMES: u64 = 1_000_000;
    let seed = 80;
    println!("seed {seed} (pktgen), 81 (random bytes)");
    let sizes = Sizes { waiting: 8, transmit: 8, diverts: 64, neighbors: 16, ..Sizes::default() };
    let mut sim = Sim::cold(
        |config| {
            config.limits.divert_queue = 40;
            config.limits.divert_outstanding = 24;
            config.limits.divert_rate = Rate { per_second: 500, burst: 20 };
            config.limits.observe_one_in = 2;
        },
        sizes,
    );
    let generator = Generator::new(World::lab(), seed);
    let mut verdicts = BTreeMap::new();
    for index in 0..FRAMES {
        let (port, bytes) = if index.is_multiple_of(16) {
            random_frame(index)
        } else {
            let made = generator.frame(index);
            (made.port, made.bytes)
        };
        let before = sim.router.snapshot();
        let verdict = sim.send(port, &bytes);
        let now = sim.router.stats();
        assert_eq!(now.received.frames, before.received.frames + 1);
        assert_eq!(now.received.bytes, before.received.bytes + bytes.len() as u64);
        let ended = |disposition| now.disposed(disposition).frames - before.disposed(disposition).frames;
        match verdict {
            Verdict::Forward { .. } => assert_eq!(ended(Disposition::Forwarded), 1),
            Verdict::Deliver => assert_eq!(ended(Disposition::Delivered), 1),
            Verdict::Divert(reason) => {
                assert_eq!(now.held.frames, before.held.frames + 1);
                let at = reason as usize;
                assert_eq!(now.diverts[at].held, before.diverts[at].held + 1);
            }
            Verdict::Drop(reason) => assert_eq!(now.drops(reason), before.drops(reason) + 1),
            // ARP, which may release frames that waited; or a frame that waits from now on.
            Verdict::Consume => {
                let (waits, consumed) = (now.held.frames > before.held.frames, ended(Disposition::Consumed));
                assert_eq!(consumed, u64::from(!waits));
            }
        }
        let name = format!("{verdict:?}");
        *verdicts.entry(name.split(['(', ' ']).next().unwrap_or("").to_owned()).or_insert(0_u64) += 1;
        // The slow path is erratic: it takes some, answers some, gives some up.
        if index.is_multiple_of(7) {
            for divert in sim.diverts() {
                match index % 3 {
                    0 => drop(sim.answer(&divert.answer(Action::Drop))),
                    1 => sim.abandon(&divert),
                    _ => {}
                }
            }
        }
        sim.transmitted();
        sim.events();
        sim.advance(Duration::from_micros(97));
    }
    sim.advance(Duration::from_secs(10));
    assert!(sim.router.is_settled(), "every frame has ended: {:?}", sim.router.stats().held);
    let stats = sim.router.stats();
    let ends: u64 = Disposition::ALL.into_iter().map(|d| stats.disposed(d).frames).sum();
    assert_eq!((stats.received.frames, ends), (FRAMES, FRAMES));
    println!("{verdicts:?}");
    for verdict in ["Forward", "Deliver", "Consume", "Drop", "Divert"] {
        assert!(verdicts.get(verdict).is_some_and(|&count| count > 1_000), "{verdict}: {verdicts:?}");
    }
    // A frame's path is counted once, too.
    assert_eq!(Path::ALL.into_iter().map(|path| stats.by_path(path).frames).sum::<u64>(), FRAMES);
}

/// Allocations while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn fast_path_never_allocates_and_never_waits() {
    let mut sim = Sim::lab();
    let healthy = from_client(&frames::udp(&transit(), 9, &[1; 64]));
    let echo = from_client(&frames::echo_request(&frames::to(ROUTER_0.address), 1));
    let expired = from_client(&frames::udp(&pktgen::build::Ipv4 { ttl: 1, ..transit() }, 9, b"x"));
    let arp = frames::arp_request(&frames::CLIENT, ROUTER_0.address);
    let mut martian = transit();
    martian.source = [240, 0, 0, 1].into();
    let martian = from_client(&frames::udp(&martian, 9, b"x"));
    let foreign = frames::link(frames::CLIENT.mac, [2, 9, 9, 9, 9, 9], &[0; 46]);
    let tagged = pktgen::build::tag(&healthy, 0x8100, 0);
    let mut out = Box::new([0; FRAME_MAX]);
    let mut now = sim.now();
    let mut buffer = vec![0; FRAME_MAX];
    let cases = [
        ("forward", &healthy, Verdict::Forward { port: PortId(1) }),
        ("deliver", &echo, Verdict::Deliver),
        ("consume", &arp, Verdict::Consume),
        ("report", &expired, Verdict::Drop(DropReason::TtlExpired)),
        ("drop", &foreign, Verdict::Drop(DropReason::Foreign)),
        ("divert", &martian, Verdict::Divert(Anomaly::Ipv4SourceMartian)),
        ("approve", &tagged, Verdict::Divert(Anomaly::VlanPriorityTag)),
    ];
    for round in 0..3 {
        for (name, frame, expected) in cases {
            let counted = allocations(|| {
                for _ in 0..200 {
                    now += Duration::from_millis(1);
                    buffer[..frame.len()].copy_from_slice(frame);
                    let mut in_place = FrameBuf::new(&mut buffer[..frame.len()]);
                    assert_eq!(sim.router.handle_frame(now, PortId(0), &mut in_place), expected);
                    while sim.router.poll_transmit(&mut out).is_some() {}
                    // `divert` is never answered; its deadlines pass.
                    if name == "approve" || round == 0 {
                        while let Some(about) = sim.router.poll_divert(&mut out) {
                            let action = if name == "approve" { Action::StripTag } else { Action::Drop };
                            let answer = Divert { about, bytes: Vec::new() };
                            let approved = sim.router.approve(now, &answer.answer(action));
                            let _ = approved.map(|approved| sim.router.apply(now, approved));
                            while sim.router.poll_transmit(&mut out).is_some() {}
                        }
                    }
                    while sim.router.poll_event().is_some() {}
                    sim.router.handle_timeout(now);
                }
            });
            println!("round {round}, {name}: {counted} allocations in 200 frames");
            // The first round warms up whatever there may be.
            assert!(round == 0 || counted == 0, "{name} allocates");
        }
    }
    never_waits();
}

/// The slow path takes frames and never says a word, or takes none; healthy traffic does not notice.
fn never_waits() {
    for polls in [false, true] {
        let mut sim = Sim::lab();
        let generator = Generator::new(World::lab(), 82).with_mix(Mix { healthy: 1, odd: 1, mutant: 0 });
        let mut in_transit = 0;
        for index in 0..20_000 {
            let made = generator.frame(index);
            let verdict = sim.send(made.port, &made.bytes);
            if made.template.ends_with("_transit") && made.expected == pktgen::Expected::Healthy {
                in_transit += 1;
                let egress = 1 - made.port;
                assert_eq!(verdict, Verdict::Forward { port: PortId(egress) }, "{}", made.template);
                let sent = sim.transmitted().remove(0);
                let (router, host) =
                    (frames::ROUTER[usize::from(egress)], frames::HOSTS[usize::from(egress)]);
                assert_eq!(Some(sent.bytes), oracle::forward(&made.bytes, router.mac, host.mac));
            }
            sim.transmitted();
            if polls {
                sim.diverts();
            }
            // No time passes at all: the arena fills up, and stays full.
            if index.is_multiple_of(5_000) {
                sim.advance(Duration::from_millis(1));
            }
        }
        assert!(in_transit > 5_000);
        assert!(sim.router.stats().refusals.iter().sum::<u64>() > 1_000, "the divert queue was full");
    }
}

/// Each injected frame is an approved one: as many, of the same divert, and byte for byte what the oracle
/// expects of the approved action. (That no one else can make an `Approved` is for the compiler to say:
/// `src/unforgeable.rs`. There is no rule table yet that an answer could reach.)
#[test]
fn nothing_from_a_model_reaches_wire_or_rules_except_as_approved() {
    let seed = 83;
    println!("seed {seed}");
    let mut sim = Sim::lab_with(|config| config.posture = Posture::Open);
    let world = sim.world().clone();
    let generator = Generator::new(world.clone(), seed);
    let (mut injected, mut applied) = (0_u64, BTreeMap::new());
    for index in 0..60_000 {
        let mut rng = rng_for(seed, 1, index);
        let made = generator.odd(index);
        let _ = sim.send(made.port, &made.bytes);
        sim.transmitted();
        for divert in sim.diverts() {
            let kind = *rng.pick(&ActionKind::ALL[..7]);
            let action = kind.symbolic().expect("the first seven are symbolic");
            let routes = sim.router.routes().iter().count();
            let result = sim.answer(&divert.answer(action));
            assert_eq!(sim.router.routes().iter().count(), routes);
            let sent: Vec<_> = sim.transmitted();
            let from_model = |sent: &&tests::Sent| matches!(sent.origin, Origin::Injected(_));
            let frames: Vec<_> = sent.iter().filter(from_model).collect();
            match result {
                Err(_) => assert!(frames.is_empty(), "{index}: rejected, yet sent"),
                Ok(()) => {
                    *applied.entry(kind).or_insert(0_u64) += 1;
                    assert!(frames.len() <= 1 && (kind != ActionKind::Drop || frames.is_empty()));
                    for frame in frames {
                        injected += 1;
                        assert_eq!(frame.origin, Origin::Injected(divert.about.id));
                        let judged = checker::judge(&world, &sim.neighbors(), Posture::Open, &divert, frame);
                        assert_eq!(judged, Ok(kind), "{index} {divert:?} {frame:?}");
                    }
                }
            }
        }
        sim.advance(Duration::from_micros(600));
    }
    println!("{injected} injected, applied {applied:?}");
    assert!(injected > 500);
    let stats = sim.router.stats();
    assert_eq!(stats.sent.injected.frames, injected);
    for &kind in ActionKind::ALL {
        assert_eq!(stats.applied[kind as usize], applied.get(&kind).copied().unwrap_or(0), "{kind}");
    }
}

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
    let sizes = Sizes { diverts: 128, ..Sizes::default() };
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

#[test]
fn with_every_backend_down_healthy_traffic_flows_and_diverts_end_by_their_deadline() {
    let seed = 85;
    println!("seed {seed}");
    // Nobody polls; somebody polls and never answers; somebody gives everything up at once.
    for backend in ["unreachable", "mute", "refusing"] {
        let mut sim = Sim::lab();
        let deadline = sim.router.config().limits.divert_deadline;
        let generator = Generator::new(World::lab(), seed);
        let mut held: BTreeMap<Instant, u64> = BTreeMap::new();
        for index in 0..20_000 {
            let made = generator.frame(index);
            if made.family == pktgen::Family::Arp && made.expected == pktgen::Expected::Unknown {
                continue;
            }
            let verdict = sim.send(made.port, &made.bytes);
            if made.expected == pktgen::Expected::Healthy && made.template.ends_with("_transit") {
                assert_eq!(verdict, Verdict::Forward { port: PortId(1 - made.port) }, "{backend}");
            }
            if let Verdict::Divert(_) = verdict {
                *held.entry(sim.now() + deadline).or_insert(0) += 1;
            }
            match backend {
                "mute" => drop(sim.diverts()),
                "refusing" => {
                    for divert in sim.diverts() {
                        sim.abandon(&divert);
                    }
                    held.clear();
                }
                _ => {}
            }
            sim.transmitted();
            sim.events();
            sim.advance(Duration::from_micros(700));
            // Whatever is past its deadline has ended; what is not, has not.
            held.retain(|&due, _| due > sim.now());
            let waiting = held.values().sum::<u64>();
            let stats = sim.router.stats();
            let for_neighbors =
                stats.held.frames.checked_sub(waiting).expect("no frame ends before its deadline");
            assert!(for_neighbors <= 16, "{backend}: {for_neighbors} beyond their deadline");
        }
        sim.advance(Duration::from_secs(10));
        let stats = sim.router.stats();
        assert!(sim.router.is_settled() && stats.sent.injected.frames == 0);
        let held: u64 = stats.diverts.iter().map(|divert| divert.held + divert.observed).sum();
        let unanswered: u64 = stats.diverts.iter().map(|divert| divert.unanswered).sum();
        println!("{backend}: {held} diverted, all unanswered");
        assert!(held > 1_000);
        assert_eq!(held, unanswered);
        assert_eq!(stats.by_path(Path::SlowModel).frames + stats.by_path(Path::SlowCached).frames, 0);
        assert_eq!(stats.rejections[Rejection::Late as usize], 0);
    }
    assert_eq!((ROUTER_1.mac, SERVER.mac), ([2, 0, 0, 0, 2, 1], [2, 0, 0, 0, 2, 2]));
}
