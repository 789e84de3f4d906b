//! The exam's questions for general models: every question has a prompt, its right answer can be said, and what is
//! offered holds it.

use llm_slowpath::prompt::exam;
use llm_slowpath::prompt::schema::{Form, offered_in_exam};
use llm_slowpath::prompt::tokens;
use pktgen::tasks::triage::Focus;
use pktgen::tasks::{self, Item, Right, Split};
use tests::questions::asked;

/// Questions of every task, `count` of each kind.
fn items(count: u64) -> impl Iterator<Item = Item> {
    (0..count).flat_map(|index| {
        let (split, seed) = (Split::HeldOut, 41);
        [
            tasks::triage::item(split, Focus::Discretionary, seed, index),
            tasks::triage::item(split, Focus::Fixed, seed, index),
            tasks::repair::item(split, seed, index),
            tasks::ping::delta(split, seed, index, 50),
            tasks::ping::full(split, seed, index, 50),
            tasks::example::item(split, seed, index),
        ]
    })
}

#[test]
fn every_question_can_be_asked_briefly_and_its_right_answer_be_said() {
    for Item { question, right } in items(2_000) {
        let asked = asked(&question);
        let text = exam::prompt(&asked).expect("every question of the exam has a prompt").text;
        assert!(text.len() <= 3 * 512, "{}: {text}", text.len());
        match (&question, right) {
            (tasks::Question::Triage(key), Right::Triage(kind, _)) => {
                assert!(offered_in_exam(key.reason).contains(&kind), "{key:?}: {kind}");
                assert!(Form::Exam(tokens::Task::Triage).actions().contains(&kind));
            }
            (tasks::Question::Repair { faults, .. }, Right::Repair(_)) => {
                assert!(
                    faults.iter().all(|fault| text.contains(fault.name())),
                    "a fault is left out: {text}"
                );
            }
            (tasks::Question::PingDelta(_), Right::PingDelta(delta)) => {
                // The verdicts that the prompt tells decide whether there is a reply.
                assert_eq!(text.contains("\"wrong\""), delta.is_none(), "{text}");
            }
            (tasks::Question::PingFull(_), Right::PingFull(reply)) => {
                assert!(reply.len() <= tokens::ping::MAX_FRAME);
            }
            (tasks::Question::Example { .. }, Right::Example { reply, .. }) => {
                assert!(reply.len() <= stack::answer::template::MAX_MESSAGE);
            }
            other => panic!("{other:?}"),
        }
    }
}
