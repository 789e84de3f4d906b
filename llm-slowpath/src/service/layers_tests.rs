//! Tests of the layers in the service: what they spare a model, and how each refusal and each ending is counted.

use super::*;
use crate::answer::OwnedAction;
use crate::backend::LocalBackend;
use crate::middleware::{BreakerConfig, BudgetLimits, CacheConfig, Values, Worth};
use crate::price::{Price, UNIT};
use crate::testing::diverted;
use stack::ActionKind;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc as std_mpsc;

const LONG: Duration = Duration::from_secs(30);
const MILLISECOND: Duration = Duration::from_millis(1);

type Said = Result<(ActionKind, Option<f32>), BackendError>;

/// A model made of a closure, which counts what it is asked.
struct Model<F> {
    say: F,
    asked: Arc<AtomicUsize>,
}

impl<F: FnMut(&Request) -> Said + Send> LocalBackend for Model<F> {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.say)(request).map(|(kind, probability)| BackendAnswer {
            nonce: request.diverted.nonce,
            reason: request.diverted.reason(),
            action: OwnedAction::Symbolic(kind),
            advice: None,
            probability,
            prompt_tokens: 100,
            cached_tokens: 0,
            answer_tokens: 10,
        })
    }
}

fn tier(
    name: &str,
    threshold: f32,
    say: impl FnMut(&Request) -> Said + Send + 'static,
) -> (Tier, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let backend = Model { say, asked: Arc::clone(&asked) }.into();
    (Tier { name: name.into(), backend, threshold, price: Price::default() }, asked)
}

fn start(tiers: Vec<Tier>, config: ServiceConfig) -> Service {
    Service::start(Cascade(tiers), config).unwrap()
}

fn about(reason: Anomaly, slot: u16) -> Diverted {
    Diverted {
        id: DivertId { slot, generation: 0 },
        nonce: 0x1000_0000 + u32::from(slot),
        ..diverted(reason)
    }
}

fn snap(slot: u16) -> Diverted {
    about(Anomaly::SnapIpv4, slot)
}

/// The next reply, judged so.
fn next(service: &mut Service, verdict: Result<(), Rejection>) -> Reply {
    let start = Instant::now();
    loop {
        if let Some(reply) = service.try_recv() {
            service.judged(&reply, verdict);
            return reply;
        }
        assert!(start.elapsed() < LONG, "no reply");
        std::thread::sleep(MILLISECOND / 10);
    }
}

fn balanced(service: &Service) -> Snapshot {
    let metrics = service.metrics();
    assert_eq!((metrics.submitted, metrics.in_flight), (metrics.ended(), 0), "{metrics:?}");
    metrics
}

fn drop_it(_: &Request) -> Said {
    Ok((ActionKind::Drop, None))
}

fn fails(_: &Request) -> Said {
    Err(BackendError::Model("no".into()))
}

#[test]
fn a_burst_of_one_class_makes_one_call_and_each_frame_gets_its_own_nonce() {
    let (release, gate) = std_mpsc::channel::<()>();
    let (tier, asked) = tier("model", 0.0, move |request| {
        let _ = gate.recv_timeout(LONG);
        drop_it(request)
    });
    let mut service = start(vec![tier], ServiceConfig { replies: 200_000, ..ServiceConfig::default() });
    let burst: Vec<_> = (0..1_000).map(|slot| service.submit(snap(slot), &[0; 60], LONG)).collect();
    let room = usize::from(CacheConfig::default().waiting as u16);
    assert!(burst[..=room].iter().all(Result::is_ok));
    assert!(burst[room + 1..].iter().all(|refused| *refused == Err(Refused::ClassFull)));
    drop(release);
    for slot in 0..=room {
        let reply = next(&mut service, Ok(()));
        let answer = reply.answer.unwrap();
        assert_eq!(usize::from(reply.id.slot), slot);
        assert_eq!(answer.nonce, 0x1000_0000 + slot as u32);
        assert_eq!(answer.source, if slot == 0 { Source::Model } else { Source::Cache });
        assert_eq!(reply.tier, (slot == 0).then_some(0));
    }
    // 100,000 more: the answer is known.
    for slot in 0..100_000 {
        service.submit(snap(slot as u16), &[0; 60], LONG).unwrap();
    }
    (0..100_000).for_each(|_| assert!(next(&mut service, Ok(())).answer.is_ok()));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let metrics = balanced(&service);
    assert_eq!((metrics.asked, metrics.answered, metrics.followed), (1, 1, room as u64));
    assert_eq!((metrics.cached, metrics.refused(Refused::ClassFull)), (100_000, 999 - room as u64));
}

#[test]
fn fifty_classes_make_fifty_calls() {
    let (tier, asked) = tier("model", 0.0, drop_it);
    let mut service = start(vec![tier], ServiceConfig::default());
    let classes: Vec<_> = Anomaly::ALL
        .iter()
        .copied()
        .filter(|reason| service.desks[0].asks_by_class(*reason))
        .take(50)
        .collect();
    assert_eq!(classes.len(), 50);
    for round in 0..20 {
        for (slot, &reason) in classes.iter().enumerate() {
            service.submit(about(reason, slot as u16 + 50 * round), &[0; 60], LONG).unwrap();
        }
        (0..50).for_each(|_| assert!(next(&mut service, Ok(())).answer.is_ok()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 50);
}

#[test]
fn the_ping_experiment_is_asked_about_every_frame() {
    let (tier, asked) = tier("model", 0.0, drop_it);
    let mut service = start(vec![tier], ServiceConfig::default());
    for slot in 0..5 {
        service.submit(about(Anomaly::EchoRequest, slot), &[0; 60], LONG).unwrap();
        assert_eq!(next(&mut service, Ok(())).class, None);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[test]
fn a_rejected_answer_serves_nobody_and_the_class_is_left_alone() {
    for (rejection, known) in [(Rejection::NotGranted, false), (Rejection::Malformed, true)] {
        let (release, gate) = std_mpsc::channel::<()>();
        let (tier, asked) = tier("model", 0.0, move |request| {
            let _ = gate.recv_timeout(LONG);
            drop_it(request)
        });
        let mut service = start(vec![tier], ServiceConfig::default());
        (0..3).for_each(|slot| service.submit(snap(slot), &[0; 60], LONG).unwrap());
        drop(release);
        assert!(next(&mut service, Err(rejection)).answer.is_ok());
        for _ in 1..3 {
            let answer = next(&mut service, Ok(())).answer;
            if known {
                assert!(answer.is_ok());
            } else {
                assert_eq!(answer, Err(SlowPathError::ClassFailed));
            }
        }
        let again = service.submit(snap(9), &[0; 60], LONG);
        assert_eq!(again, if known { Ok(()) } else { Err(Refused::ClassFailing) });
        if known {
            // A cached answer that is rejected for what it says is forgotten, and the model asked anew.
            assert!(next(&mut service, Err(Rejection::MustPass)).answer.is_ok());
            service.submit(snap(10), &[0; 60], LONG).unwrap();
            assert_eq!(next(&mut service, Ok(())).tier, Some(0));
        }
        assert_eq!(asked.load(Ordering::SeqCst), if known { 2 } else { 1 });
        let metrics = balanced(&service);
        assert_eq!(metrics.class_failed, if known { 0 } else { 2 });
        assert_eq!(metrics.refused(Refused::ClassFailing), u64::from(!known));
    }
}

#[test]
fn who_fails_lets_the_class_down_and_opens_the_breaker() {
    let (tier, asked) = tier("model", 0.0, fails);
    let breaker = BreakerConfig { failures: 3, ..BreakerConfig::default() };
    let mut service = start(vec![tier], ServiceConfig { breaker, ..ServiceConfig::default() });
    for (slot, reason) in (0..).zip([Anomaly::SnapIpv4, Anomaly::Ipv4Land, Anomaly::UdpLength]) {
        service.submit(about(reason, slot), &[0; 60], LONG).unwrap();
        assert!(matches!(next(&mut service, Ok(())).answer, Err(SlowPathError::Backend(_))));
        assert_eq!(service.submit(about(reason, slot + 10), &[0; 60], LONG), Err(Refused::ClassFailing));
    }
    assert_eq!(service.submit(about(Anomaly::TcpFlags, 20), &[0; 60], LONG), Err(Refused::BreakerOpen));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(service.accounts().next().unwrap().openings, 1);
    let metrics = balanced(&service);
    assert_eq!((metrics.backend_errors, metrics.refused(Refused::BreakerOpen)), (3, 1));
    assert_eq!(metrics.refused(Refused::ClassFailing), 3);
}

#[test]
fn who_answers_too_late_is_there_all_the_same() {
    let (tier, asked) = tier("slow", 0.0, |request| {
        std::thread::sleep(20 * MILLISECOND);
        drop_it(request)
    });
    let breaker = BreakerConfig { failures: 2, ..BreakerConfig::default() };
    let config = ServiceConfig { breaker, cache: None, ..ServiceConfig::default() };
    let mut service = start(vec![tier], config);
    for slot in 0..6 {
        service.submit(snap(slot), &[7; 60], 5 * MILLISECOND).unwrap();
        assert_eq!(next(&mut service, Ok(())).answer, Err(SlowPathError::Deadline));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 6);
    assert_eq!((balanced(&service).deadlines, service.accounts().next().unwrap().openings), (6, 0));
}

#[test]
fn an_unsure_model_is_not_believed_and_the_next_one_is_asked() {
    let unsure = |_: &Request| Ok((ActionKind::Forward, Some(0.6)));
    let (first, _) = tier("small", 0.9, unsure);
    let (second, asked) = tier("large", 0.0, drop_it);
    let mut service = start(vec![first, second], ServiceConfig::default());
    service.submit(snap(1), &[7; 60], LONG).unwrap();
    let reply = next(&mut service, Ok(()));
    assert_eq!(
        (reply.tier, reply.answer.unwrap().action),
        (Some(1), OwnedAction::Symbolic(ActionKind::Drop))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(balanced(&service).escalated, 1);
    assert!(
        service.accounts().map(|account| (&*account.name, account.asked)).eq([("small", 1), ("large", 1)])
    );

    let (alone, _) = tier("small", 0.9, unsure);
    let mut service = start(vec![alone], ServiceConfig::default());
    service.submit(snap(1), &[7; 60], LONG).unwrap();
    assert_eq!(next(&mut service, Ok(())).answer, Err(SlowPathError::Unsure));
    let metrics = balanced(&service);
    assert_eq!((metrics.unsure, metrics.escalated), (1, 0));
}

#[test]
fn when_one_fails_the_next_one_is_asked_and_then_at_once() {
    let (first, tried) = tier("first", 0.0, fails);
    let (second, asked) = tier("second", 0.0, drop_it);
    let breaker = BreakerConfig { failures: 2, ..BreakerConfig::default() };
    let config = ServiceConfig { breaker, cache: None, ..ServiceConfig::default() };
    let mut service = start(vec![first, second], config);
    for slot in 0..5 {
        service.submit(snap(slot), &[7; 60], LONG).unwrap();
        assert_eq!(next(&mut service, Ok(())).tier, Some(1));
    }
    assert_eq!((tried.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (2, 5));
    assert_eq!(balanced(&service).failed_over, 2);
}

#[test]
fn the_budget_ends_what_costs_and_lets_pass_what_is_free() {
    let (mut dear, _) = tier("dear", 0.0, drop_it);
    // 110 tokens at one unit a token.
    dear.price = Price { input: 1e6, output: 1e6, ..Price::default() };
    let (free, _) = tier("free", 0.0, drop_it);
    let budget = BudgetLimits { money: Some(200 * UNIT), ..BudgetLimits::default() };
    let config = ServiceConfig { budget, cache: None, ..ServiceConfig::default() };
    let mut service = start(vec![dear, free], config.clone());
    let tiers = [0, 1, 2].map(|slot| {
        service.submit(snap(slot), &[7; 60], LONG).unwrap();
        next(&mut service, Ok(())).tier
    });
    // Two overdraw it by what the second was under way with; then the free one is asked.
    assert_eq!(tiers, [Some(0), Some(0), Some(1)]);
    let spent: Vec<_> =
        service.accounts().map(|account| account.by_reason[Anomaly::SnapIpv4 as usize]).collect();
    assert_eq!((spent[0].0, spent[0].1.money, spent[1].1.money), (2, 220 * UNIT, 0));

    let (mut alone, asked) = tier("dear", 0.0, drop_it);
    alone.price = Price { input: 1e6, output: 1e6, ..Price::default() };
    let mut values = Values::default();
    values.set_tier(Worth::Routing, 50 * UNIT);
    let mut service = start(vec![alone], ServiceConfig { values, ..config });
    service.submit(about(Anomaly::Ipv4Land, 0), &[7; 60], LONG).unwrap();
    assert_eq!(next(&mut service, Ok(())).cost.money, 110 * UNIT);
    // Now it is known what an answer costs: more than routing is worth, and less than what has no value set.
    assert_eq!(service.submit(snap(1), &[7; 60], LONG), Err(Refused::NotWorthIt));
    service.submit(about(Anomaly::Ipv4Land, 2), &[7; 60], LONG).unwrap();
    let _ = next(&mut service, Ok(()));
    assert_eq!(service.submit(about(Anomaly::Ipv4Land, 3), &[7; 60], LONG), Err(Refused::Spent));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let metrics = balanced(&service);
    assert_eq!((metrics.refused(Refused::NotWorthIt), metrics.refused(Refused::Spent)), (1, 1));
}

#[test]
fn stopping_ends_what_waits_for_a_class_too() {
    let (release, gate) = std_mpsc::channel::<()>();
    let (tier, _) = tier("stuck", 0.0, move |request| {
        let _ = gate.recv();
        drop_it(request)
    });
    let mut service = start(vec![tier], ServiceConfig::default());
    (0..5).for_each(|slot| service.submit(snap(slot), &[7; 60], LONG).unwrap());
    service.stop();
    (0..5).for_each(|_| assert_eq!(next(&mut service, Ok(())).answer, Err(SlowPathError::Stopped)));
    assert_eq!(balanced(&service).stopped, 5);
    drop(release);
}
