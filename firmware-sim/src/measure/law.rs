//! The fraction law: at R frames a second, a slow path of u answers a second lasts only while the odd share is below u/R.
//!
//! u is what is served when odd frames alone are offered without pause; the largest share that lasts is then looked for,
//! at the offered load, without knowing u.

use super::figures::key;
use super::load::Offer;
use super::pool::Pool;
use super::report::{Cost, Help, Law};
use super::rig::{Books, Limits, Observed, Rig, Work};
use super::{MeasureError, Session};
use crate::page::number::percent;
use pktgen::World;
use pktgen::build::{self, Ipv4, ethertype, protocol};
use stack::stats::Path;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Odd frames in a million that are tried.
const SHARES: [u64; 19] = [
    500, 1_000, 2_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 50_000, 100_000, 200_000, 300_000,
    400_000, 500_000, 700_000, 900_000, 990_000, 1_000_000,
];
/// A noisy machine gets more than one chance.
const TRIES: usize = 3;
/// Senders of odd frames: neither gateways nor neighbours of the router's.
const SENDERS: u8 = 64;
/// Frames in memory.
const FRAMES: usize = 4_096;
/// Each of one class: priority-tagged packets, which an answer or a rule has forwarded without their tags.
const WHAT: &str = "priority-tagged UDP of 64 senders";

/// The law with each help, and what an odd frame costs then.
///
/// # Errors
/// See [`MeasureError`].
pub(super) fn measure(session: &Session<'_>) -> Result<(Vec<Law>, Vec<Cost>), MeasureError> {
    let (plan, mut laws, mut costs) = (session.plan, Vec::new(), Vec::new());
    for help in [Help::None, Help::Cache, Help::Rules] {
        session.say(format_args!("the fraction law, {}", help.name()));
        let alone = run(session, help, 1_000_000, f64::INFINITY)?;
        if session.is_stopped() {
            break;
        }
        let rate = alone.served() / alone.seconds();
        let share = alone.served() / alone.grew(|books| books.received).max(1.0);
        let key = format!("tagged_{}", key(help));
        costs.push(super::costs::line(
            &key,
            format!("{WHAT}: {}, {} served", help.name(), percent(share)),
            &alone,
        ));
        costs.extend(super::costs::call(help, &alone));
        // Below `lasted` all shares lasted, from `failed` on none did.
        let (mut lasted, mut failed) = (0, SHARES.len());
        while lasted < failed && !session.is_stopped() {
            let middle = (lasted + failed) / 2;
            session.say(format_args!("the fraction law, {}: {} %", help.name(), SHARES[middle] as f64 / 1e4));
            if lasts(session, help, SHARES[middle])? {
                lasted = middle + 1;
            } else {
                failed = middle;
            }
        }
        if session.is_stopped() {
            break;
        }
        let share = |at: usize| SHARES.get(at).map(|&share| share as f64 / 1e6);
        laws.push(Law {
            help,
            alone: rate,
            predicted: (rate / plan.offered).min(1.0),
            sustained: lasted.checked_sub(1).and_then(share),
            not_sustained: share(failed),
        });
    }
    Ok((laws, costs))
}

/// Is the whole load taken in time, every healthy frame forwarded, and 99.9 % of the odd ones served?
fn lasts(session: &Session<'_>, help: Help, share: u64) -> Result<bool, MeasureError> {
    for _ in 0..TRIES {
        let observed = run(session, help, share, session.plan.offered)?;
        // Until all has been dealt with: what is refused last was offered, too.
        let (before, after) = (&observed.before, &observed.after);
        let grew = |figure: fn(&Books) -> u64| figure(after).saturating_sub(figure(before));
        let lost = grew(|books| books.counts.due.lost.iter().sum());
        let kept = grew(|books| books.counts.received).saturating_sub(grew(|books| books.counts.forwarded));
        let refused = grew(|books| books.paths[Path::SlowRefused as usize].frames);
        let odd = grew(|books| books.counts.due.offered[1]);
        if lost == 0 && kept == 0 && refused as f64 <= odd as f64 * 0.001 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn run(session: &Session<'_>, help: Help, odd: u64, rate: f64) -> Result<Observed, MeasureError> {
    let plan = session.plan;
    let slow = if plan.slow_path.is_local() { 1 } else { 5 };
    let [warm_up, counted] = if plan.quick { [150, 150] } else { [300, 700] };
    let warm_up = Duration::from_millis(warm_up * slow);
    let span = warm_up + Duration::from_millis(counted * slow);
    let offer = Offer { rate, odd, ring: plan.ring, span };
    let healthy = Pool::healthy(plan.seed, &[(1, 64)], FRAMES)?;
    let work = Work { offer, warm_up, healthy, odd: tagged(), connections: 0 };
    Rig { plan, help, limits: Limits::Model }.run(&work, session)
}

/// Odd frames of one class.
fn tagged() -> Pool {
    let world = World::lab();
    let (port, server) = (&world.ports[0], world.ports[1].hosts[0]);
    let mut pool = Pool::default();
    for number in 0..SENDERS {
        let source = Ipv4Addr::new(10, 0, 1, 100 + number);
        let header = Ipv4 { protocol: protocol::UDP, ..Ipv4::new(source, server.address) };
        let datagram = build::udp(source, server.address, 9_000, 9_000, &[number; 14]);
        let packet = header.packet(&datagram);
        let frame = build::ethernet(port.mac, [2, 0, 0, 9, 0, number], ethertype::IPV4, &packet);
        pool.push(&build::tag(&frame, ethertype::VLAN, 0));
    }
    pool
}
