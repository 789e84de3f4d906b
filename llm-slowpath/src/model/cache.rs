//! The cache of keys and values: one slot for each text in progress, which keeps its last prompt's.

use super::kernel::LANES;
use super::weights::Shape;
use crate::prompt::tokens::{MAX_TOKENS, Prompt};

/// Blocks of [`LANES`] tokens that the longest text has.
pub(super) const BLOCKS: usize = MAX_TOKENS.div_ceil(LANES);

/// Keys and values of one text, and what prompt it began with.
#[derive(Debug)]
pub(super) struct Slot {
    /// `[block][layer][head]`, of each a cell: a short text's lie together, and so do those that one query needs.
    /// A cell has keys `[feature][LANES]`, so that scores are computed for many tokens at once, then values
    /// `[LANES][feature]`.
    cells: Vec<f32>,
    layout: Layout,
    /// The prompt whose keys and values are complete.
    prompt: Option<Prompt>,
    /// When it was last used: the larger the later.
    used: u64,
}

/// Where in a slot's floats a cell lies.
#[derive(Debug, Clone, Copy)]
struct Layout {
    heads: usize,
    head: usize,
    /// Floats of a cell.
    cell: usize,
    /// Floats of a block.
    block: usize,
}

impl Slot {
    pub(super) fn new(shape: Shape) -> Self {
        let Shape { layers, heads, .. } = shape;
        let cell = 2 * LANES * shape.head();
        let block = layers * heads * cell;
        Self {
            cells: vec![0.0; BLOCKS * block],
            layout: Layout { heads, head: shape.head(), cell, block },
            prompt: None,
            used: 0,
        }
    }

    /// Tokens from the start whose keys and values are those of `prompt`. Never all of it: the last one's features
    /// are not kept.
    pub(super) fn shared(&self, prompt: &Prompt) -> usize {
        let Some(held) = &self.prompt else { return 0 };
        let mine = held.tokens().iter().zip(held.places());
        let same = mine.zip(prompt.tokens().iter().zip(prompt.places())).take_while(|(a, b)| a == b).count();
        same.min(prompt.tokens().len() - 1)
    }

    /// Starts a text with `prompt`; how many of its tokens need not be computed. Until [`Self::keep`] says that the
    /// others were, nothing is kept.
    pub(super) fn begin(&mut self, prompt: &Prompt, now: u64) -> usize {
        let shared = self.shared(prompt);
        self.prompt = None;
        self.used = now;
        shared
    }

    /// The keys and values of all of `prompt` are there.
    pub(super) fn keep(&mut self, prompt: &Prompt) {
        self.prompt = Some(prompt.clone());
    }

    /// Stores one layer's keys and values of token `at`: `[head][feature]` each. Not inlined, because in a function
    /// with AVX-512 the compiler takes scatter instructions, which are slower than plain stores.
    #[inline(never)]
    pub(super) fn store(&mut self, layer: usize, at: usize, keys: &[f32], values: &[f32]) {
        let Layout { heads, head, cell, block } = self.layout;
        let start = at / LANES * block + layer * heads * cell;
        let cells = self.cells[start..start + heads * cell].chunks_exact_mut(cell);
        let (lane, parts) = (at % LANES, head / LANES);
        for ((cell, key), value) in cells.zip(keys.chunks_exact(head)).zip(values.chunks_exact(head)) {
            let (keys, values) = cell.as_chunks_mut::<LANES>().0.split_at_mut(head);
            for (keys, &key) in keys.iter_mut().zip(key) {
                keys[lane] = key;
            }
            values[lane * parts..][..parts]
                .iter_mut()
                .zip(value.as_chunks().0)
                .for_each(|(to, from)| *to = *from);
        }
    }

    /// The cells of one layer's head, block after block.
    #[inline(always)]
    pub(super) fn cells(&self, layer: usize, head: usize) -> impl Iterator<Item = &[f32]> + Clone {
        let Layout { heads, cell, block, .. } = self.layout;
        self.cells.chunks_exact(block).map(move |block| &block[(layer * heads + head) * cell..][..cell])
    }
}

/// The slot for `prompt` among those that are not `busy`: one that holds more than half of it, otherwise the one
/// whose last use is the longest ago, so that different prompts spread over all slots.
pub(super) fn slot_for(slots: &[Slot], prompt: &Prompt, busy: u64) -> usize {
    let free = || slots.iter().enumerate().filter(|(_, slot)| slot.used != busy);
    let held = free().map(|(at, slot)| (slot.shared(prompt), at)).max();
    match held {
        Some((shared, at)) if 2 * shared > prompt.tokens().len() => at,
        _ => free().min_by_key(|(_, slot)| slot.used).map_or(0, |(at, _)| at),
    }
}
