//! Plays one case against a router in virtual time, and says what came otherwise than expected.

use crate::books::Books;
use crate::case::{Case, Step, duration, pattern};
use crate::compare::{self, Expected};
use crate::set_up::set_up;
use pktgen::build::seal_ipv4;
use smoltcp::wire::IpCidr;
use stack::{Anomaly, DropReason, Verdict};
use tests::Sim;

/// Plays a case.
///
/// # Errors
/// What came otherwise, for people.
pub(crate) fn play(case: &Case) -> Result<(), String> {
    let mut sim = set_up(&case.setup)?;
    let mut books = Books::open(&sim);
    for (number, step) in case.step.iter().enumerate() {
        act(&mut sim, &mut books, step).map_err(|problem| format!("step {number}: {problem}"))?;
    }
    Ok(())
}

fn act(sim: &mut Sim, books: &mut Books, step: &Step) -> Result<(), String> {
    if let Some(wait) = &step.after {
        sim.advance(duration(wait)?);
    }
    if let Some(prefix) = &step.withdraw {
        let parsed = prefix.parse().map_err(|()| format!("`{prefix}` is no prefix"))?;
        let was_there = match parsed {
            IpCidr::Ipv4(prefix) => sim.router.remove_route(prefix),
            IpCidr::Ipv6(prefix) => sim.router.remove_route(prefix),
        };
        if !was_there {
            return Err(format!("there is no route to {prefix}"));
        }
    }
    let mut problems = Vec::new();
    if let Some(hex) = &step.hex {
        let port = step.port.ok_or("a stimulus needs a port")?;
        let mut stimulus: Vec<u8> =
            pattern(hex)?.into_iter().collect::<Option<_>>().ok_or("a stimulus is exact")?;
        let mut verdicts = step.verdicts.clone();
        if let Some(verdict) = &step.verdict {
            verdicts.insert(verdict.clone(), step.repeat);
        }
        for _ in 0..step.repeat {
            let (held, fragmented) = (sim.router.stats().held.frames, sim.router.stats().fragmented);
            let verdict = sim.send(port, &stimulus);
            let held = sim.router.stats().held.frames > held;
            let (name, reason) = named(verdict, held, sim.router.stats().fragmented > fragmented);
            match verdicts.get_mut(name) {
                Some(left) if *left > 0 => *left -= 1,
                Some(_) | None => problems.push(format!("verdict: did not expect {verdict:?}")),
            }
            if reason.is_some() && reason != step.reason.as_deref() {
                problems.push(format!("reason: expected {:?}, got {reason:?}", step.reason));
            }
            books.expect(step, name, stimulus.len())?;
            if step.counting {
                count_up(&mut stimulus);
            }
        }
        problems.extend(
            verdicts
                .iter()
                .filter(|(_, left)| **left > 0)
                .map(|(name, left)| format!("{left} times no {name}")),
        );
        // What the slow path does not answer ends by default.
        if verdicts.contains_key("divert") {
            problems.extend(books.problems(sim));
            sim.advance(sim.router.config().limits.divert_deadline);
            books.expire(step)?;
        }
    }
    for end in &step.ends {
        books.end(end)?;
    }
    let sent = sim.transmitted();
    let mut expected = Vec::new();
    for send in &step.sends {
        for _ in 0..send.times {
            expected.push(Expected { port: send.port, frame: pattern(&send.hex)? });
        }
    }
    books.sent(&sent);
    problems.extend(compare::problems(&expected, &sent));
    problems.extend(books.problems(sim));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The next identification of an IPv4 frame without options.
fn count_up(frame: &mut [u8]) {
    let next = u16::from_be_bytes([frame[18], frame[19]]).wrapping_add(1);
    frame[18..20].copy_from_slice(&next.to_be_bytes());
    seal_ipv4(&mut frame[14..]);
}

/// A verdict in the words of the case files, with its reason. `held`: the router kept the frame; `fragmented`:
/// it sent it on in fragments.
fn named(verdict: Verdict, held: bool, fragmented: bool) -> (&'static str, Option<&'static str>) {
    match verdict {
        Verdict::Forward { .. } => ("forward", None),
        Verdict::Deliver => ("deliver", None),
        Verdict::Consume if held => ("hold", None),
        Verdict::Consume if fragmented => ("fragment", None),
        Verdict::Consume => ("consume", None),
        Verdict::Drop(reason) => ("drop", Some(reason.name())),
        Verdict::Divert(reason) => ("divert", Some(reason.name())),
    }
}

/// The reason with this name, be it an anomaly or another.
pub(crate) fn reason(name: &str) -> Result<DropReason, String> {
    let other = DropReason::OTHERS.iter().copied().find(|other| other.name() == name);
    other
        .or(Anomaly::from_name(name).map(DropReason::Anomaly))
        .ok_or_else(|| format!("no reason is called {name}"))
}
