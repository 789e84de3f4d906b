//! The bodies of the fuzz targets: any bytes in, a panic if the router or its slow path did wrong.
//!
//! `tests/fuzz` runs them under libFuzzer, and `tests/tests/fuzz_corpus.rs` replays the corpora of `tests/fuzz/corpus`
//! in every `make test`. An input that is too short reads as zeroes, so every input means something.

mod answers;
mod classify;
mod decode;
mod prompt;
mod quote;
mod rules;
pub mod seeds;
mod sequence;

use stack::Sizes;

/// Small tables: a router is made for every input.
const SMALL: Sizes = Sizes {
    routes: 8,
    routes_index: 0,
    neighbors: 16,
    waiting: 8,
    diverts: 16,
    flows: 64,
    rules: 16,
    candidates: 4,
    transmit: 16,
    events: 8,
    echoes: 2,
    status: 0,
    reassembly: 2,
};

/// A fuzz target; its name is that of its corpus and of its program.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// lower_snake.
    pub name: &'static str,
    /// Panics if the router did wrong.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "classify", run: classify::run },
    Target { name: "sequence", run: sequence::run },
    Target { name: "answers", run: answers::run },
    Target { name: "quote", run: quote::run },
    Target { name: "prompt", run: prompt::run },
    Target { name: "decode", run: decode::run },
    Target { name: "rules", run: rules::run },
];

/// Runs one input of one target.
///
/// # Panics
/// If the router did wrong, or there is no such target.
pub fn run(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|known| known.name == target);
    (found.expect("a target of this name").run)(data);
}

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// At most `len` bytes: as many as there are.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Bytes behind their length.
    fn counted(&mut self) -> &'a [u8] {
        let len = self.word();
        self.take(usize::from(len))
    }
}
