//! What differential tests share: the frames, and a list of the kinds of difference that were found.

use pktgen::{Generated, Generator};
use stack::Anomaly;
use std::collections::BTreeMap;

/// The frames of a differential test: the mix, mutants of every family, each anomaly and its near miss by themselves, and
/// fragments that overlap or just do not. Of the mix, and of the mutants, there are `each`.
pub fn frames(generator: &Generator, each: u64) -> impl Iterator<Item = Generated> {
    let mix = (0..each).map(|index| generator.frame(index));
    let mutants = (0..each).map(|index| generator.mutant(index));
    let odd = Anomaly::ALL
        .iter()
        .flat_map(move |&anomaly| (0..each / 100).filter_map(move |index| generator.of(anomaly, index)));
    let near = Anomaly::ALL.iter().flat_map(move |&anomaly| {
        (0..each / 200).filter_map(move |index| generator.near_miss(anomaly, index))
    });
    let pairs = Anomaly::ALL.iter().flat_map(move |&anomaly| {
        let pair = move |i| [generator.sequence(anomaly, i), generator.near_miss_sequence(anomaly, i)];
        (0..each / 200).flat_map(pair).flatten().flatten()
    });
    mix.chain(mutants).chain(odd).chain(near).chain(pairs)
}

/// Kinds of difference between two opinions: how often, and one example each.
#[derive(Debug, Default)]
pub struct Differences(BTreeMap<String, (u64, String)>);

impl Differences {
    /// They differ so about this frame.
    pub fn note(&mut self, what: String, made: &Generated) {
        self.note_with(what, || format!("{} by port {}: {:02x?}", made.template, made.port, made.bytes));
    }

    /// They differ so; the first example is asked for.
    pub fn note_with(&mut self, what: String, example: impl FnOnce() -> String) {
        self.0.entry(what).or_insert_with(|| (0, example())).0 += 1;
    }

    /// Prints each kind of difference, and fails if there is one.
    ///
    /// # Panics
    /// If there is one.
    pub fn assert_none(&self) {
        for (what, (count, example)) in &self.0 {
            println!("{count:6} {what}\n       first: {example}");
        }
        assert!(self.0.is_empty(), "{} kinds of difference", self.0.len());
    }
}
