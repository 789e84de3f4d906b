//! The embedded models in use: answering allocates nothing, one by one or in batches.

use llm_slowpath::Embedded;
use llm_slowpath::model::Specialist;
use llm_slowpath::prompt::tokens::{self, Prompt};
use pktgen::tasks::triage::Focus;
use pktgen::tasks::{Question, Split, example, ping, repair, triage};

/// Prompts of every task of one specialist.
fn prompts(specialist: Specialist, index: u64) -> Vec<Prompt> {
    let split = Split::HeldOut;
    let items = match specialist {
        Specialist::Decide => vec![
            triage::item(split, Focus::Discretionary, 1, index),
            triage::item(split, Focus::Fixed, 1, index),
            repair::item(split, 1, index),
        ],
        Specialist::Ping => vec![ping::delta(split, 1, index, 50), ping::full(split, 1, index, 50)],
        Specialist::Example => vec![example::item(split, 1, index)],
    };
    let prompt = |question| match question {
        Question::Triage(key) => Some(tokens::triage_prompt(&key)),
        Question::Repair { allowed, faults } => Some(tokens::repair_prompt(allowed, &faults)),
        Question::PingDelta(frame) => tokens::delta_prompt(&frame),
        Question::PingFull(frame) => tokens::frame_prompt(&frame),
        Question::Example { exchanges, .. } => {
            let exchanges: Vec<_> = exchanges.iter().map(|(a, b)| (&a[..], &b[..])).collect();
            tokens::example_prompt(&exchanges)
        }
    };
    items.into_iter().filter_map(|item| prompt(item.question)).collect()
}

#[test]
fn answering_allocates_nothing() {
    let mut embedded = Embedded::new().expect("the embedded models load");
    for specialist in Specialist::ALL {
        let prompts: Vec<Prompt> = (0..12).flat_map(|index| prompts(specialist, index)).collect();
        let mut out = Vec::with_capacity(prompts.len());
        let mut answered = 0;
        let counted = allocation_counter::measure(|| {
            for prompt in &prompts {
                answered += embedded.complete(prompt).tokens.len();
            }
            for batch in prompts.chunks(5) {
                embedded.complete_batch(specialist, batch, &mut out);
                answered += out.len();
            }
        });
        assert_eq!(counted.count_total, 0, "{specialist:?}");
        assert!(answered > 2 * prompts.len());
    }
}
