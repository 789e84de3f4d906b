//! The embedded models on questions that training never drew: about as good as MODEL.md says.
//!
//! `softrouter exam` asks more of them; here are enough to notice wrong weights, a wrong prompt or a wrong kernel.

use llm_slowpath::{Embedded, Said};
use pktgen::tasks::{Item, Right, Split, example, ping, repair, triage};
use stack::ActionKind;
use tests::questions::asked;

const SEED: u64 = 0xacc;

fn is_right(said: &Said, right: &Right) -> bool {
    match (said, right) {
        (Said::Triage(kind, advice), Right::Triage(wanted, what)) => (kind, advice) == (wanted, &Some(*what)),
        (Said::Repair(fixes), Right::Repair(wanted)) => fixes == wanted,
        (Said::PingDelta(delta), Right::PingDelta(wanted)) => delta == wanted,
        (Said::PingFull(frame), Right::PingFull(wanted)) => frame == wanted,
        (Said::Example(reply), Right::Example { reply: wanted, .. }) => reply.as_ref() == Some(wanted),
        _ => false,
    }
}

/// At most `wrong` of `count` answers may be wrong.
fn examine(name: &str, count: u64, wrong: u64, item: impl Fn(u64) -> Item) {
    let mut embedded = Embedded::new().expect("the weights are sound");
    let mistakes = (0..count).filter(|&index| {
        let Item { question, right } = item(index);
        let spoken = embedded.ask(&asked(&question)).expect("a prompt can say every question");
        !is_right(&spoken.said, &right)
    });
    let mistakes = mistakes.count() as u64;
    println!("{name}: {mistakes} of {count} wrong");
    assert!(mistakes <= wrong, "{name}: {mistakes} of {count} wrong, seed {SEED:#x}");
}

#[test]
fn discretionary_triage_on_unseen_templates() {
    examine("triage", 2_000, 2, |index| {
        triage::item(Split::HeldOut, triage::Focus::Discretionary, SEED, index)
    });
    // Which is no matter of always saying the same.
    let drops = (0..2_000).filter(|&index| {
        let right = triage::item(Split::HeldOut, triage::Focus::Discretionary, SEED, index).right;
        matches!(right, Right::Triage(ActionKind::Drop, _))
    });
    assert!(drops.count() < 1_400);
}

#[test]
fn fixed_reasons() {
    examine("fixed", 2_000, 2, |index| triage::item(Split::HeldOut, triage::Focus::Fixed, SEED, index));
}

#[test]
fn repair() {
    examine("repair", 1_000, 2, |index| repair::item(Split::HeldOut, SEED, index));
}

#[test]
fn ping_delta_even_where_carries_run_far() {
    examine("ping_delta", 600, 0, |index| ping::delta(Split::HeldOut, SEED, index, 50));
}

#[test]
fn ping_full_even_where_carries_run_far() {
    examine("ping_full", 300, 0, |index| ping::full(Split::HeldOut, SEED, index, 50));
}

#[test]
fn by_example_on_unseen_protocols() {
    examine("by_example", 1_000, 15, |index| example::item(Split::HeldOut, SEED, index));
}
