//! What answering needs beside the weights: slots, scratch memory, and the rows of the next pass.

use super::cache::Slot;
use super::decode::Sequence;
use super::forward::{Pass, Quantised, ROWS, Row, Scratch};
use super::kernel::{Backend, Portable, Precision, Reference};
use super::logits::Chosen;
use super::simd::{with_avx2, with_avx512_vnni};
use super::weights::{Model, Shape};
use crate::prompt::tokens::VOCABULARY;

/// Prompts that are answered in one pass; more are answered in several.
pub const MAX_BATCH: usize = 16;

/// Everything that answering needs beside the weights; made once, used for one batch of prompts after another.
#[derive(Debug)]
pub struct Session {
    backend: Backend,
    precision: Precision,
    /// Hash of the model whose keys and values the slots hold.
    model: u64,
    pub(super) slots: Vec<Slot>,
    /// Counts batches.
    pub(super) now: u64,
    pub(super) sequences: Vec<Sequence>,
    /// Not yet computed.
    pub(super) rows: Vec<Row>,
    /// What was chosen after each row that asked, in their order.
    pub(super) chosen: Vec<Chosen>,
    pub(super) scratch: Scratch,
}

impl Model {
    /// A session on the fastest kernel of this processor.
    pub fn session(&self) -> Session {
        self.session_on(Backend::detect(), Precision::Int8)
    }

    /// A session on a kernel of the caller's choice; one that this processor lacks becomes the portable one.
    pub fn session_on(&self, backend: Backend, precision: Precision) -> Session {
        let Shape { width, inner, .. } = self.shape;
        Session {
            backend: if backend.available() { backend } else { Backend::Portable },
            precision,
            model: self.hash(),
            slots: (0..MAX_BATCH).map(|_| Slot::new(self.shape)).collect(),
            now: 0,
            sequences: Vec::with_capacity(MAX_BATCH),
            rows: Vec::with_capacity(ROWS),
            chosen: Vec::with_capacity(MAX_BATCH),
            scratch: Scratch {
                stream: vec![0.0; ROWS * width],
                narrow: vec![0.0; ROWS * width],
                qkv: vec![0.0; ROWS * 3 * width],
                wide: vec![0.0; ROWS * width.max(2 * inner)],
                inner: vec![0.0; ROWS * inner],
                quantised: Quantised { bytes: vec![0; ROWS * width.max(inner)], scales: vec![0.0; ROWS] },
                features: vec![0.0; width],
                logits: vec![0.0; VOCABULARY],
            },
        }
    }
}

impl Session {
    /// The kernel that it runs on.
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Begins a batch.
    ///
    /// # Panics
    /// If the session is another model's.
    pub(super) fn begin(&mut self, model: &Model) {
        assert_eq!(self.model, model.hash(), "a session of another model");
        self.now += 1;
        self.rows.clear();
        self.chosen.clear();
        self.sequences.clear();
    }

    /// Adds a row, and computes those that have gathered when they fill a pass.
    pub(super) fn feed(&mut self, model: &Model, row: Row) {
        self.rows.push(row);
        if self.rows.len() == ROWS {
            self.compute(model);
        }
    }

    /// Computes the rows that have gathered.
    pub(super) fn compute(&mut self, model: &Model) {
        if self.rows.is_empty() {
            return;
        }
        let (backend, precision) = (self.backend, self.precision);
        let Self { slots, rows, chosen, scratch, .. } = self;
        let pass = Pass { model, slots, rows, chosen, scratch };
        match (precision, backend) {
            (Precision::Float32, _) => pass.run(Reference),
            (Precision::Int8, Backend::Avx512Vnni) => with_avx512_vnni(pass),
            (Precision::Int8, Backend::Avx2) => with_avx2(pass),
            (Precision::Int8, Backend::Portable) => pass.run(Portable),
        }
        self.rows.clear();
    }
}
