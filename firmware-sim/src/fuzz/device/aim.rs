//! The loop: frames at their times, what the device sends, probes in between, on one thread.

use super::TargetPlan;
use super::dissect::{hear, marks};
use super::ledger::Ledger;
use super::probe::{KINDS, PATIENCE, Prober};
use super::recent::Recent;
use super::report::{Stopped, TargetReport};
use super::scene::Scene;
use crate::fuzz::cases::Cases;
use crate::fuzz::file::comment;
use crate::fuzz::recipe::Recipe;
use crate::fuzz::{FuzzError, FuzzPlan, reason, stream};
use crate::port::{Port, Sent};
use crate::progress::Progress;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pktgen::stream::FRAME_MAX;
use pktgen::{Stream, World, oracle};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time in which the device is to say for the first time that it is there, and then in what other ways.
const MEET: Duration = Duration::from_secs(5);
const OTHER_WAYS: Duration = Duration::from_millis(500);
/// Time for late answers, at the end.
const LATE: Duration = Duration::from_secs(1);
/// The longest that it sleeps.
const NAP: Duration = Duration::from_millis(20);
/// Frames that are kept for the file, at least.
const KEEP: usize = 4096;
/// Frames that are taken from the port at once, and malformed ones that are described.
const BATCH: usize = 256;
const DESCRIBED: usize = 16;
/// The port of the world that the device is.
const PORT: u8 = 0;

/// A run at a device.
pub(super) struct Aim<'a> {
    plan: &'a FuzzPlan,
    recipe: Recipe,
    cases: &'a Cases,
    scene: Scene,
    mirrored: World,
    stream: Stream,
    port: Box<dyn Port>,
    through: &'static str,
    probe_every: u64,
    prober: Prober,
    ledger: Ledger,
    recent: Recent,
    began: Instant,
    /// Index of the next frame of the stream, and of the last one that was sent.
    next: u64,
    last: Option<u64>,
    /// The device was alive after this frame.
    alive: Option<u64>,
    sent: u64,
    bytes: u64,
    refused: u64,
    heard: u64,
    judged: BTreeMap<&'static str, u64>,
    malformed: Vec<String>,
}

impl<'a> Aim<'a> {
    pub(super) fn new(
        plan: &'a FuzzPlan,
        target: &TargetPlan,
        cases: &'a Cases,
        port: Box<dyn Port>,
        through: &'static str,
    ) -> Result<Self, FuzzError> {
        let scene = Scene::new(target.peer, &target.addresses);
        let probe_every = target.probe_every;
        let (stream, samples) = stream(plan, scene.world.clone(), 1)?;
        Ok(Self {
            recipe: Recipe::at(plan, target, samples),
            cases,
            stream,
            mirrored: scene.mirrored(),
            prober: Prober::new(scene.clone()),
            // All that may be sent between two signs of life, and as much before.
            recent: Recent::new(KEEP.max(usize::try_from(probe_every).unwrap_or(KEEP).saturating_mul(4))),
            probe_every,
            began: Instant::now(),
            ledger: Ledger::default(),
            next: 0,
            last: None,
            alive: None,
            sent: 0,
            bytes: 0,
            refused: 0,
            heard: 0,
            judged: BTreeMap::new(),
            malformed: Vec::new(),
            plan,
            scene,
            port,
            through,
        })
    }

    /// Sends and listens until the end.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<TargetReport, FuzzError> {
        self.meet(stop)?;
        self.began = Instant::now();
        let (mut progress, mut since, mut buffer) = (Progress::new(), 0, [0; FRAME_MAX]);
        let mut paused = Duration::ZERO;
        let mut stopped = false;
        // Frames, then a last round of probes, then time for late answers.
        let (mut asked_last, mut ended) = (false, None::<Instant>);
        while !stop.load(Ordering::Relaxed) {
            self.listen()?;
            let now = Instant::now();
            if self.prober.is_silent(now) {
                stopped = true;
                break;
            }
            if let Some(questions) = self.prober.again(now) {
                self.ask(&questions);
            }
            let waits = self.prober.is_waiting();
            let all = self.is_all(now);
            if ended.is_some_and(|ended| now >= ended + LATE) {
                break;
            }
            if all && !waits && ended.is_none() {
                if asked_last {
                    ended = Some(now);
                } else {
                    asked_last = true;
                    let questions = self.prober.begin(self.last, now);
                    self.ask(&questions);
                }
            }
            let due = self.due() + paused;
            if !all && now >= due {
                if since < self.probe_every {
                    self.send(&mut buffer);
                    // An interface that takes none may be down: that is found out, too.
                    since += 1;
                } else if waits {
                    // No more before the device has shown that it lives: one of so few frames will have done it.
                    paused += NAP.min(now - due);
                    self.sleep(NAP);
                } else {
                    let questions = self.prober.begin(self.last, now);
                    self.ask(&questions);
                    since = 0;
                }
            } else {
                let nap = if all { NAP } else { (due - now).min(NAP) };
                self.sleep(nap);
            }
            self.ledger.pass(now);
            progress.show(|| self.line());
        }
        progress.end();
        self.ledger.end();
        let stopped = if stopped { Some(self.write_recent()) } else { None };
        Ok(self.report(stopped, stop.load(Ordering::Relaxed)))
    }

    /// Waits for the device to answer for the first time.
    fn meet(&mut self, stop: &AtomicBool) -> Result<(), FuzzError> {
        let began = Instant::now();
        let mut met = None::<Instant>;
        let questions = self.prober.begin(None, began);
        self.ask(&questions);
        while !stop.load(Ordering::Relaxed) && met.is_none_or(|met| met.elapsed() < OTHER_WAYS) {
            self.listen()?;
            if met.is_none() && !self.prober.is_waiting() {
                met = Some(Instant::now());
            }
            if began.elapsed() > MEET && met.is_none() {
                let hex = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
                return Err(FuzzError::Silent {
                    name: self.port.name().to_owned(),
                    peer: hex(self.scene.peer),
                    asked: format!("{}, {}", self.scene.v4, self.scene.v6),
                });
            }
            if let Some(questions) = self.prober.again(Instant::now()) {
                self.ask(&questions);
            }
            self.sleep(NAP);
        }
        Ok(())
    }

    /// Was all sent that is to be?
    fn is_all(&self, now: Instant) -> bool {
        self.plan.frames.is_some_and(|frames| self.sent + self.refused >= frames)
            || self.plan.seconds.is_some_and(|seconds| (now - self.began).as_secs_f64() >= seconds)
    }

    /// When the next frame is to be sent.
    fn due(&self) -> Instant {
        self.began + Duration::from_secs_f64((self.sent + self.refused) as f64 / self.plan.pps as f64)
    }

    /// Sends the stream's next frame for the device.
    fn send(&mut self, buffer: &mut [u8; FRAME_MAX]) {
        let (index, made) = loop {
            let index = self.next;
            self.next += 1;
            let made = self.stream.frame(index, buffer);
            if made.port == PORT {
                break (index, made);
            }
        };
        let frame = &buffer[..made.len];
        // An interface takes no frame without a whole header, or above its MTU: some are both.
        if !matches!(self.port.send(frame), Ok(Sent::Done)) {
            self.refused += 1;
            return;
        }
        let now = Instant::now();
        self.ledger.sent(index, now, reason(&self.stream, &made, frame), marks(frame));
        self.recent.sent(index, now - self.began, frame, comment(&self.stream, index, &made, frame));
        self.last = Some(index);
        self.sent += 1;
        self.bytes += made.len as u64;
    }

    fn ask(&mut self, questions: &[Vec<u8>]) {
        for question in questions {
            // What does not leave is not answered, and is asked again.
            let _ = self.port.send(question);
        }
    }

    /// Takes what the device has sent.
    fn listen(&mut self) -> Result<(), FuzzError> {
        let mut buffer = [0; 4096];
        for _ in 0..BATCH {
            let received = self.port.receive(&mut buffer);
            let name = || self.port.name().to_owned();
            let Some(received) = received.map_err(|source| FuzzError::Interface { name: name(), source })?
            else {
                break;
            };
            let frame = &buffer[..received.len];
            if frame.get(6..12) == Some(&self.scene.peer) {
                self.take(frame);
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &[u8]) {
        if let Some(answer) = self.scene.answer(frame) {
            let _ = self.port.send(&answer);
        }
        if let Some(after) = self.prober.heard(frame) {
            self.alive = self.alive.max(after);
            return;
        }
        if self.last.is_none() {
            return;
        }
        self.heard += 1;
        let heard = hear(frame, self.scene.port().broadcast());
        let about = self.ledger.heard(&heard, Instant::now());
        self.alive = self.alive.max(about);
        if let (Some(what), true) = (&heard.malformed, self.malformed.len() < DESCRIBED) {
            let about = about.map_or_else(String::new, |index| format!(", about frame {index}"));
            self.malformed.push(format!("{what}{about}: {}", crate::hex::hex(frame)));
        }
        let mut ours = frame.to_vec();
        if ours[0] & 1 == 0 {
            // Made-up hosts have many addresses; to the judge all are one.
            ours[..6].copy_from_slice(&self.mirrored.ports[0].mac);
        }
        let judged = match oracle::judge(&self.mirrored, PORT, &ours) {
            oracle::Judgement::Anomaly(anomaly) => anomaly.name(),
            oracle::Judgement::Healthy => "healthy",
            oracle::Judgement::Foreign => "foreign",
        };
        *self.judged.entry(judged).or_default() += 1;
    }

    fn sleep(&self, longest: Duration) {
        let millis = longest.as_micros().div_ceil(1000) as u16;
        let mut fds = [PollFd::new(self.port.fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => {}
            // The next look at the port says what it is.
            Err(_) => std::thread::sleep(longest),
        }
    }

    fn line(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        let rounds = self.prober.kinds[0].rounds;
        format!(
            "{seconds:7.1} s  {} frames  {:.0} frames/s  {} heard  probe {rounds}: {}",
            self.sent,
            self.sent as f64 / seconds.max(1e-9),
            self.heard,
            if self.prober.is_waiting() { "waiting" } else { "answered" },
        )
    }

    /// Writes the frames before the silence.
    fn write_recent(&self) -> Stopped {
        let name = self.alive.map_or("first".to_owned(), |index| index.to_string());
        let name = format!("stopped-{}-{name}.pcapng", self.plan.seed);
        let about = format!("the frames before a device was silent: {}", self.recipe.again);
        let write = |path: &Path| self.recent.write(path, (self.port.name(), &about), self.alive);
        let (file, frames, not_written) = match self.cases.write(&name, write) {
            Ok((file, frames)) => (Some(file), frames, None),
            Err(error) => (None, 0, Some(error)),
        };
        Stopped {
            after: self.alive,
            last_sent: self.last,
            suspects: self.recent.after(self.alive),
            silent_seconds: PATIENCE.as_secs_f64(),
            file,
            frames,
            not_written,
        }
    }

    fn report(self, stopped: Option<Stopped>, interrupted: bool) -> TargetReport {
        let near = self.scene.port();
        let far = &self.stream.world().ports[1];
        TargetReport {
            interface: self.port.name().to_owned(),
            through: self.through,
            peer: self.scene.peer.map(|byte| format!("{byte:02x}")).join(":"),
            addresses: vec![self.scene.v4.into(), near.ipv6.into(), self.scene.v6.into()],
            host: vec![near.hosts[0].address.into(), near.hosts[0].ipv6.into()],
            beyond: vec![far.hosts[0].address.into(), far.hosts[0].ipv6.into()],
            recipe: self.recipe,
            indices: self.next,
            frames: self.sent,
            bytes: self.bytes,
            not_sent: self.refused,
            seconds: self.began.elapsed().as_secs_f64(),
            heard: self.heard,
            probes: KINDS.into_iter().zip(self.prober.kinds).collect(),
            reasons: self.ledger.rows,
            unasked: self.ledger.unasked,
            attributed: self.ledger.found,
            judged: self.judged,
            malformed: self.malformed,
            success: stopped.is_none(),
            stopped,
            interrupted,
        }
    }
}
