//! Tests of the service and its threads: every frame ends once, nothing blocks, and it stops in time. They ask about
//! every frame; `layers_tests.rs` tests what spares that.

use super::*;
use crate::answer::OwnedAction;
use crate::backend::{BackendAnswer, Dialect, Embedded, HttpBackend, HttpConfig, LocalBackend};
use crate::error::{BackendError, SlowPathError};
use crate::testing::model::choose;
use crate::testing::server::{Act, Server};
use crate::testing::{diverted, echo_request};
use stack::{ActionKind, Anomaly, DivertId};
use std::sync::atomic::AtomicUsize;

const LONG: Duration = Duration::from_secs(30);

/// A model made of a closure.
struct Fake<F>(F);

impl<F: FnMut(&Request) -> Result<BackendAnswer, BackendError> + Send> LocalBackend for Fake<F> {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        (self.0)(request)
    }
}

fn drop_it(request: &Request) -> Result<BackendAnswer, BackendError> {
    Ok(BackendAnswer {
        nonce: request.diverted.nonce,
        reason: request.diverted.reason(),
        action: OwnedAction::Symbolic(ActionKind::Drop),
        advice: None,
        probability: Some(0.75),
        prompt_tokens: 7,
        cached_tokens: 0,
        answer_tokens: 2,
    })
}

fn numbered(slot: u16) -> Diverted {
    Diverted { id: DivertId { slot, generation: 3 }, ..diverted(Anomaly::SnapIpv4) }
}

fn openai(server: &Server) -> HttpBackend {
    let config = HttpConfig::new(Dialect::OpenAi, server.url().parse().unwrap());
    HttpBackend::with_key(config, None).unwrap()
}

/// Neither single-flight nor cache.
fn plain() -> ServiceConfig {
    ServiceConfig { cache: None, ..ServiceConfig::default() }
}

/// The next `count` replies.
fn replies(service: &mut Service, count: usize) -> Vec<Reply> {
    let start = Instant::now();
    let mut replies = Vec::new();
    while replies.len() < count {
        replies.extend(service.try_recv());
        assert!(start.elapsed() < LONG, "{} of {count} replies", replies.len());
        std::thread::sleep(Duration::from_micros(100));
    }
    replies
}

/// When nothing is in flight: the books balance.
fn settled(service: &Service) -> Snapshot {
    let metrics = service.metrics();
    assert_eq!((metrics.submitted, metrics.in_flight), (metrics.ended(), 0), "{metrics:?}");
    metrics
}

#[test]
fn answers_come_back_under_their_ids_and_wake_the_owner() {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let waker: Waker = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let config = ServiceConfig { waker: Some(waker), ..plain() };
    let mut service = Service::start(Fake(drop_it), config).unwrap();
    for slot in 0..50 {
        service.submit(numbered(slot), &[1, 2, 3], LONG).unwrap();
    }
    for (slot, reply) in replies(&mut service, 50).iter().enumerate() {
        assert_eq!(usize::from(reply.id.slot), slot);
        let answer = reply.answer.as_ref().unwrap();
        assert_eq!((answer.id, answer.nonce, answer.reason), (reply.id, 0x0bad_cafe, Anomaly::SnapIpv4));
        assert_eq!((reply.prompt_tokens, reply.answer_tokens, reply.probability), (7, 2, Some(0.75)));
        let Times { queued, started, finished } = reply.times;
        assert!(queued <= started.unwrap() && started.unwrap() <= finished);
    }
    service.stop();
    let metrics = settled(&service);
    assert_eq!((metrics.answered, metrics.total.count), (50, 50));
    assert_eq!((metrics.prompt_tokens, metrics.answer_tokens), (350, 100));
    assert_eq!(woken.load(Ordering::SeqCst), 50);
    assert_eq!(service.submit(numbered(0), &[], LONG), Err(Refused::Stopped));
    assert_eq!(settled(&service).refused(Refused::Stopped), 1);
}

#[test]
fn the_embedded_model_answers_too() {
    let mut service = Service::start(Embedded::new().unwrap(), plain()).unwrap();
    service.submit(numbered(1), &[0; 60], LONG).unwrap();
    let echo = Diverted { class: diverted(Anomaly::EchoRequest).class, ..numbered(2) };
    service.submit(echo, &echo_request(b"0123456789"), LONG).unwrap();
    for (reply, reason) in replies(&mut service, 2).iter().zip([Anomaly::SnapIpv4, Anomaly::EchoRequest]) {
        let answer = reply.answer.as_ref().unwrap();
        assert_eq!((answer.id, answer.nonce, answer.reason), (reply.id, 0x0bad_cafe, reason));
        assert!((0.0..=1.0).contains(&reply.probability.unwrap()), "{reply:?}");
        assert!(reply.prompt_tokens > 0 && reply.answer_tokens > 0);
    }
    assert_eq!(settled(&service).answered, 2);
}

#[test]
fn a_full_queue_refuses_and_never_blocks() {
    let (release, gate) = mpsc::channel::<()>();
    let (taken, began) = mpsc::channel();
    let slow = Fake(move |request: &Request| {
        taken.send(()).unwrap();
        let _ = gate.recv_timeout(LONG);
        drop_it(request)
    });
    let mut service = Service::start(slow, ServiceConfig { queue: 4, ..plain() }).unwrap();
    service.submit(numbered(0), &[0; 60], LONG).unwrap();
    began.recv_timeout(LONG).unwrap();
    let outcomes: Vec<_> = (1..=100).map(|slot| service.submit(numbered(slot), &[0; 60], LONG)).collect();
    // A model in this process that takes one at a time: one in its hands, and four that wait.
    assert!(outcomes[..4].iter().all(Result::is_ok));
    assert!(outcomes[4..].iter().all(|outcome| *outcome == Err(Refused::Busy)));
    drop(release);
    replies(&mut service, 5);
    let metrics = settled(&service);
    assert_eq!((metrics.answered, metrics.refused(Refused::Busy)), (5, 96));
}

#[test]
fn an_owner_that_does_not_listen_is_given_nothing_more() {
    let mut service = Service::start(Fake(drop_it), ServiceConfig { replies: 3, ..plain() }).unwrap();
    // Endings are taken from the threads when the owner asks for replies: it takes one, and four have come.
    for slot in 0..5 {
        service.submit(numbered(slot), &[], LONG).unwrap();
    }
    let start = Instant::now();
    while service.ready.len() < 3 {
        if let Some(reply) = service.try_recv() {
            service.ready.push_front(reply);
        }
        assert!(start.elapsed() < LONG);
    }
    assert_eq!(service.submit(numbered(5), &[], LONG), Err(Refused::RepliesFull));
    replies(&mut service, 5);
    assert_eq!(settled(&service).refused(Refused::RepliesFull), 1);
    assert_eq!(service.submit(numbered(6), &[], LONG), Ok(()));
}

#[test]
fn what_is_too_late_is_not_asked_or_not_believed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let slow = Fake(move |request: &Request| {
        count.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        drop_it(request)
    });
    let mut service = Service::start(slow, plain()).unwrap();
    service.submit(numbered(0), &[], Duration::ZERO).unwrap();
    service.submit(numbered(1), &[], Duration::from_millis(25)).unwrap();
    service.submit(numbered(2), &[], Duration::from_millis(25)).unwrap();
    service.submit(numbered(3), &[], Duration::MAX).unwrap();
    let replies = replies(&mut service, 4);
    for late in &replies[..3] {
        assert_eq!(late.answer, Err(SlowPathError::Deadline));
    }
    let started: Vec<bool> = replies.iter().map(|reply| reply.times.started.is_some()).collect();
    assert!(!started[0] && !started[2] && started[3], "{started:?}");
    assert!(replies[3].answer.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), started.iter().filter(|started| **started).count());
    let metrics = settled(&service);
    assert_eq!((metrics.answered, metrics.deadlines), (1, 3));
}

#[test]
fn errors_and_panics_cost_one_answer_each() {
    let mut turn = 0;
    let fickle = Fake(move |request: &Request| {
        turn += 1;
        match turn % 3 {
            0 => drop_it(request),
            1 => Err(BackendError::Model("no".into())),
            _ => panic!("a test's panic, caught by the service"),
        }
    });
    let mut service = Service::start(fickle, plain()).unwrap();
    for slot in 0..9 {
        service.submit(numbered(slot), &[], LONG).unwrap();
    }
    let replies = replies(&mut service, 9);
    assert_eq!(replies[0].answer, Err(BackendError::Model("no".into()).into()));
    assert_eq!(replies[1].answer, Err(BackendError::Panicked.into()));
    assert!(replies[2].answer.is_ok());
    let metrics = settled(&service);
    assert_eq!((metrics.answered, metrics.backend_errors), (3, 6));
}

/// A model that answers by fours: it panics at slot 13, says nothing about slot 21 and something twice about slot 20.
struct Fours {
    began: mpsc::Sender<()>,
    gate: mpsc::Receiver<()>,
    sizes: mpsc::Sender<usize>,
}

impl LocalBackend for Fours {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        self.began.send(()).unwrap();
        let _ = self.gate.recv_timeout(LONG);
        self.sizes.send(1).unwrap();
        drop_it(request)
    }

    fn batch(&self) -> usize {
        4
    }

    fn answer_batch(
        &mut self,
        requests: &[Request],
        done: &mut dyn FnMut(usize, Result<BackendAnswer, BackendError>),
    ) {
        self.sizes.send(requests.len()).unwrap();
        for (at, request) in requests.iter().enumerate() {
            match request.diverted.id.slot {
                13 => panic!("a test's panic, caught by the service"),
                20 => (0..2).for_each(|_| done(at, drop_it(request))),
                21 => {}
                _ => done(at, drop_it(request)),
            }
        }
        done(requests.len(), drop_it(&requests[0]));
    }
}

#[test]
fn what_waits_is_asked_together_and_each_request_has_one_reply() {
    let (release, gate) = mpsc::channel::<()>();
    let (sizes, batches) = mpsc::channel();
    let (begin, began) = mpsc::channel();
    let mut service = Service::start(Fours { began: begin, gate, sizes }, plain()).unwrap();
    service.submit(numbered(10), &[], LONG).unwrap();
    began.recv_timeout(LONG).unwrap();
    // These wait while the first is answered: the second has no time left when it is over.
    for slot in 11..24 {
        let budget = if slot == 11 { Duration::ZERO } else { LONG };
        service.submit(numbered(slot), &[], budget).unwrap();
    }
    drop(release);
    let replies = replies(&mut service, 14);
    for slot in 10..24 {
        let mut its = replies.iter().filter(|reply| reply.id.slot == slot);
        let answer = &its.next().unwrap().answer;
        assert_eq!(its.next(), None);
        match slot {
            11 => assert_eq!(*answer, Err(SlowPathError::Deadline)),
            // The panic costs what was not answered yet of its batch.
            13 | 14 => assert_eq!(*answer, Err(BackendError::Panicked.into())),
            21 => assert!(matches!(answer, Err(SlowPathError::Backend(BackendError::Model(_))))),
            _ => assert!(answer.is_ok(), "{slot}: {answer:?}"),
        }
    }
    // The one without time left counts among the four that were taken together, but is not asked.
    assert_eq!(batches.try_iter().collect::<Vec<_>>(), [1, 3, 4, 4, 1]);
    assert_eq!(settled(&service).ended(), 14);
}

#[test]
fn http_answers_run_side_by_side_up_to_the_limit() {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (peak, choose) = (Arc::clone(&most), choose("decapsulate"));
    let server = Server::start(move |seen| {
        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        choose(seen)
    });
    let mut service = Service::start(openai(&server), ServiceConfig { concurrency: 3, ..plain() }).unwrap();
    for slot in 0..12 {
        service.submit(numbered(slot), &[], LONG).unwrap();
    }
    let replies = replies(&mut service, 12);
    assert!(replies.iter().all(|reply| reply.answer.is_ok()), "{replies:?}");
    assert!((2..=3).contains(&most.load(Ordering::SeqCst)));
    assert_eq!(settled(&service).answered, 12);
}

#[test]
fn a_hung_server_costs_each_request_its_deadline_only() {
    let server = Server::start(|_| Act::Hang);
    let config = ServiceConfig { concurrency: 2, ..plain() };
    let mut service = Service::start(openai(&server), config).unwrap();
    for slot in 0..10 {
        let budget = if slot < 2 { 150 } else { 50 };
        service.submit(numbered(slot), &[], Duration::from_millis(budget)).unwrap();
    }
    let replies = replies(&mut service, 10);
    assert!(replies.iter().all(|reply| reply.answer == Err(SlowPathError::Deadline)));
    let asked = replies.iter().filter(|reply| reply.times.started.is_some()).count();
    assert_eq!(asked, 2, "what waited behind them is not asked");
    assert_eq!(settled(&service).deadlines, 10);
}

#[test]
fn http_errors_are_counted_as_the_backends() {
    let server = Server::start(|_| Act::Reply(500, String::new()));
    let mut service = Service::start(openai(&server), plain()).unwrap();
    service.submit(numbered(0), &[], LONG).unwrap();
    assert!(matches!(replies(&mut service, 1)[0].answer, Err(SlowPathError::Backend(BackendError::Http(_)))));
    assert_eq!(settled(&service).backend_errors, 1);
}

#[test]
fn stopping_is_quick_with_a_hung_server_and_still_balances() {
    let server = Server::start(|_| Act::Hang);
    let config = ServiceConfig { concurrency: 2, ..plain() };
    let mut service = Service::start(openai(&server), config).unwrap();
    for slot in 0..10 {
        service.submit(numbered(slot), &[], LONG).unwrap();
    }
    while server.seen().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let start = Instant::now();
    service.stop();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let metrics = service.metrics();
    assert_eq!((metrics.stopped, metrics.in_flight), (10, 0));
    assert_eq!(replies(&mut service, 10)[9].answer, Err(SlowPathError::Stopped));
    drop(service);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_model_that_never_returns_does_not_hold_up_the_drop() {
    let (release, gate) = mpsc::channel::<()>();
    let stuck = Fake(move |request: &Request| {
        let _ = gate.recv();
        drop_it(request)
    });
    let mut service = Service::start(stuck, plain()).unwrap();
    service.submit(numbered(0), &[], LONG).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    drop(service);
    assert!(start.elapsed() < PATIENCE + Duration::from_secs(1));
    drop(release);
}

#[test]
fn sizes_of_zero_are_refused() {
    let config = |queue, replies, concurrency| ServiceConfig { queue, replies, concurrency, ..plain() };
    for config in [config(0, 1, 1), config(1, 0, 1), config(1, 1, 0)] {
        assert!(matches!(Service::start(Fake(drop_it), config), Err(StartError::Zero(_))));
    }
    assert!(matches!(Service::start(Cascade(Vec::new()), plain()), Err(StartError::NoBackend)));
}
