//! Recordings with rules: some that answers made, some that an operator installs, pins, revokes and flushes.

use super::*;
use crate::rules::{Names, Times, form_from, spec_from};
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::{RuleId, RuleSpec, RuleState};
use stack::stats::Path as FramePath;

/// The operator's: a reply spelt by a template to a protocol that nobody speaks.
fn template_rule() -> RuleSpec {
    let text = r#"{"reason": "ethertype_unknown", "port": "0", "direction": "self", "posture": "open",
        "fields": {"ethertype": "0x88b5", "link_destination": "the router"},
        "action": {"do": "reply", "with": {"template": [{"constant": 7}, {"next": 0}, {"copy": 1}]}},
        "meter": {"per_second": 1000, "burst": 1000}}"#;
    let form = form_from(serde_json::from_str(text).unwrap()).unwrap();
    spec_from(&form, &mut Names::Numbers, &Times::OF_RUN).unwrap()
}

/// Answers everything with a drop that is to serve the class.
fn answer_all<R: Draw>(owner: &mut Owner<R>) {
    owner.feed();
    while let Some((diverted, _)) = owner.waiting.pop() {
        let answer = Answer {
            id: diverted.id,
            nonce: diverted.nonce,
            reason: diverted.reason(),
            action: Action::Drop,
            source: Source::Model,
            advice: Some(Advice { scope: Scope::Class, lifetime: Lifetime::Long }),
            witness: stack::Witness { backend: 1, prompt: 0xfeed },
        };
        if let Ok(approved) = owner.router.approve(owner.now, &answer) {
            let _ = owner.router.apply(owner.now, approved);
        }
    }
    owner.flush();
}

#[test]
fn rules_learnt_and_installed_replay_identical() {
    let file = TestFile::new("rules");
    let generator = Generator::new(World::lab(), 11);
    let mut owner = Owner {
        router: start(&file.0),
        rng: rng_for(11, 0x7265_6332, 0),
        now: Instant::from_secs(1),
        out: Box::new([0; FRAME_MAX]),
        waiting: Vec::new(),
    };
    for greeting in generator.greetings() {
        owner.receive(greeting.port, &greeting.bytes);
    }
    let now = owner.now;
    let installed = owner.router.install_rule(now, template_rule()).unwrap();
    assert!(owner.router.install_rule(now, template_rule()).is_err(), "the same rule");
    let request = [&[2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 9, 9, 0x88, 0xb5, 1, 2, 3][..], &[0; 43]].concat();
    for index in 0..4_000 {
        owner.now += Duration::from_micros(500);
        let made = generator.odd(index);
        owner.receive(made.port, &made.bytes);
        answer_all(&mut owner);
        match index {
            500 => assert!(owner.router.pin_rule(installed, true)),
            1_000 | 3_000 => {
                let learnt =
                    owner.router.rules().find(|rule| rule.state == RuleState::Active && rule.id != installed);
                let learnt = learnt.expect("an active rule").id;
                assert!(owner.router.pin_rule(learnt, true));
                assert!(owner.router.revoke_rule(learnt));
                assert!(!owner.router.revoke_rule(RuleId(1_000_000)));
            }
            2_000 => assert!(owner.router.flush_rules() > 10),
            _ if index % 10 == 0 => owner.router.handle_timeout(owner.now),
            _ => {}
        }
        owner.flush();
        if index % 100 == 0 {
            owner.receive(0, &request);
        }
        while owner.router.poll_event().is_some() {}
    }
    let by_rule = owner.router.stats().by_path(FramePath::Rule).frames;
    let replies = owner.router.rule(installed).unwrap().tally.hits;
    assert!(by_rule > 1_000 && replies == 40, "{by_rule} frames by rules, {replies} replies");
    let written = owner.router.end_recording(true).unwrap();
    let report = replay(&file.0).unwrap();
    assert!(report.identical && report.complete, "{report}");
    assert_eq!(report.packets, written.packets);

    // Without what the operator did, the run is another one.
    for call in ["\"install_rule\"", "\"flush_rules\""] {
        let changed: Vec<_> = places(
            &file.0,
            |step| matches!(step, step::Step::Call(call_of) if serde_json::to_string(call_of).unwrap().contains(call)),
        );
        let mut bytes = fs::read(&file.0).unwrap();
        let at = changed[0].1 as usize;
        let block = &bytes[at..];
        let (from, to): (&[u8], &[u8]) = match call {
            "\"install_rule\"" => (b"\"0x88b5\"", b"\"0x88b6\""),
            _ => (b"\"flushed\":", b"\"flushed\":"),
        };
        let found = at + block.windows(from.len()).position(|bytes| bytes == from).unwrap();
        bytes[found..found + to.len()].copy_from_slice(to);
        if from == to {
            let digit = &mut bytes[found + to.len()];
            *digit = if *digit == b'1' { b'2' } else { b'1' };
        }
        let report = replay(&TestFile::with("rules-changed", &bytes).0).unwrap();
        assert!(!report.identical, "{call}: {report}");
    }
}
