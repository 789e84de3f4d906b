//! Models that do not know what they want: those that change their minds never get a rule, and those that roll dice hardly.

use pktgen::dice::{Draw, rng_for};
use smoltcp::time::Duration;
use stack::Action;
use stack::answer::Scope;
use tests::Sim;
use tests::rules::{generous, tagged};

const SEED: u64 = 6_005;
const ROUNDS: u64 = 10_000;

/// Asks about a frame a millisecond, each another; how many rules were ever in shadow, and how many active.
fn life(rounds: u64, mut action: impl FnMut(u64) -> Action<'static>) -> (u64, u64) {
    let mut sim = Sim::lab_with(generous);
    for round in 0..rounds {
        let frame = [tagged(2, 0), round.to_be_bytes().to_vec()].concat();
        if matches!(sim.send(0, &frame), stack::Verdict::Divert(_)) {
            let divert = sim.diverts().pop().unwrap();
            sim.answer(&tests::rules::advised(&divert, action(round), Scope::Class)).unwrap();
        }
        sim.transmitted();
        sim.advance(Duration::from_millis(1));
    }
    let rules = sim.router.stats().rules;
    (rules.installed, rules.activated)
}

#[test]
fn a_model_that_flips_its_answer_never_gets_a_rule() {
    // Each time, every other time, and with two against one.
    for pattern in [&[0, 1][..], &[0, 0, 1, 1], &[0, 0, 1], &[0, 1, 1]] {
        let actions = [Action::Drop, Action::StripTag];
        let of = |round: u64| actions[pattern[round as usize % pattern.len()]];
        assert_eq!(life(ROUNDS, of), (0, 0), "{pattern:?}");
    }
}

/// Three answers that two equally likely actions give at random agree once in four times; after each contradiction twice as
/// many must, so that 1/4 + 1/2⁵ + 1/2¹¹ + … = 28 % of such models get a rule into shadow. There nine more answers are
/// compared with it within its ten milliseconds: one rule in 2⁹ survives that, so one model in 1,800 gets an active one.
#[test]
fn a_model_that_rolls_dice_hardly_ever_gets_a_rule() {
    println!("seed {SEED}");
    let (mut shadow, mut active) = (0, 0);
    for model in 0..400 {
        let mut rng = rng_for(SEED, 5, model);
        let rounds = if model == 0 { ROUNDS } else { 300 };
        let (installed, activated) =
            life(rounds, |_| if rng.one_in(2) { Action::Drop } else { Action::StripTag });
        // A rule that was contradicted is not made again by the next answer that says the same.
        assert!(installed <= 2, "{installed} rules of one model");
        shadow += u64::from(installed > 0);
        active += activated;
    }
    println!("{shadow} of 400 had a rule in shadow, {active} an active one");
    // Of 400, 110 and 0.2 are expected; each bound is four standard deviations away or more.
    assert!((74..=146).contains(&shadow) && active <= 2);
}
