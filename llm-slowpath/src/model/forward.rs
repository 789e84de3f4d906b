//! The forward pass: rows of any texts in, the tokens that are chosen next out.

use super::attention::{attend, gate, norm, rotate};
use super::cache::Slot;
use super::kernel::{Kernel, Rows};
use super::linear::{Linear, quantise};
use super::logits::{Chosen, choose};
use super::weights::{Model, Shape};
use crate::prompt::tokens::Choices;

/// Most rows of a pass. Activations of so many stay in the processor's nearest caches, and each weight that is
/// loaded serves many of them.
pub(super) const ROWS: usize = 64;

/// One token on its way through the layers. Rows do not know of each other, but for the keys and values of those
/// before them in their slot: so it does not matter which are computed together.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) slot: usize,
    /// The token's number in the slot's text.
    pub(super) at: usize,
    pub(super) token: u16,
    pub(super) place: u8,
    /// The tokens one of which must be chosen next; none if that is not asked.
    pub(super) offered: Choices,
}

/// Memory that a pass works in.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The residual stream, `[row][width]`.
    pub(super) stream: Vec<f32>,
    /// Input or output of a matrix product, `[row][width]`.
    pub(super) narrow: Vec<f32>,
    /// Queries, keys and values, `[row][3 * width]`.
    pub(super) qkv: Vec<f32>,
    /// Gates and ups, `[row][2 * inner]`.
    pub(super) wide: Vec<f32>,
    /// Their product, `[row][inner]`.
    pub(super) inner: Vec<f32>,
    pub(super) quantised: Quantised,
    /// Features of one row, normed: what its logits are made of.
    pub(super) features: Vec<f32>,
    /// Logits of the offered tokens of one row, one range after another.
    pub(super) logits: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct Quantised {
    pub(super) bytes: Vec<u8>,
    pub(super) scales: Vec<f32>,
}

/// One forward pass of at most [`ROWS`] rows, not yet bound to a kernel.
pub(super) struct Pass<'a> {
    pub(super) model: &'a Model,
    pub(super) slots: &'a mut [Slot],
    pub(super) rows: &'a [Row],
    pub(super) chosen: &'a mut Vec<Chosen>,
    pub(super) scratch: &'a mut Scratch,
}

impl Pass<'_> {
    /// Runs it. Inlined into a function that has the kernel's instructions.
    #[inline(always)]
    pub(super) fn run<K: Kernel>(self, kernel: K) {
        let Self { model, slots, rows, chosen, scratch: s } = self;
        let Shape { width, layers, heads, inner } = model.shape;
        let head = model.shape.head();
        let mut count = rows.len();
        for (stream, row) in s.stream.chunks_exact_mut(width).zip(rows) {
            stream.copy_from_slice(&model.embedding[usize::from(row.token) * width..][..width]);
        }
        for (at, layer) in model.layers.iter().enumerate() {
            norms(kernel, &s.stream[..count * width], &layer.norm1, &mut s.narrow);
            multiply(kernel, &layer.qkv, &s.narrow[..count * width], &mut s.quantised, &mut s.qkv);
            for (qkv, row) in s.qkv.chunks_exact_mut(3 * width).zip(rows) {
                let turn = usize::from(row.place);
                let angles = turn * head / 2..(turn + 1) * head / 2;
                let (cos, sin) = (&model.cos[angles.clone()], &model.sin[angles]);
                let (turned, values) = qkv.split_at_mut(2 * width);
                turned.chunks_exact_mut(head).for_each(|part| rotate(part, cos, sin));
                slots[row.slot].store(at, row.at, &turned[width..], values);
            }
            // After the last layer's keys and values, only rows that ask what comes next go on.
            let last = at + 1 == layers;
            let mut kept = 0;
            for (i, row) in rows.iter().enumerate() {
                if last {
                    if row.offered.is_empty() {
                        continue;
                    }
                    s.stream.copy_within(i * width..(i + 1) * width, kept * width);
                }
                let slot = &slots[row.slot];
                let queries = s.qkv[i * 3 * width..][..width].chunks_exact(head);
                let outs = s.narrow[kept * width..][..width].chunks_exact_mut(head);
                for (h, (query, out)) in queries.zip(outs).enumerate() {
                    attend(kernel, query, slot.cells(at, h), row.at + 1, out);
                }
                kept += 1;
            }
            count = kept;
            if count == 0 {
                return;
            }
            debug_assert_eq!(heads * head, width);

            let stream = &mut s.stream[..count * width];
            multiply(kernel, &layer.out, &s.narrow[..count * width], &mut s.quantised, &mut s.wide);
            add(stream, &s.wide);
            norms(kernel, stream, &layer.norm2, &mut s.narrow);
            multiply(kernel, &layer.gate_up, &s.narrow[..count * width], &mut s.quantised, &mut s.wide);
            for (row, out) in s.wide.chunks_exact(2 * inner).zip(s.inner.chunks_exact_mut(inner)).take(count)
            {
                gate(kernel, row, out);
            }
            multiply(kernel, &layer.down, &s.inner[..count * inner], &mut s.quantised, &mut s.narrow);
            add(stream, &s.narrow);
        }
        let asking = rows.iter().filter(|row| !row.offered.is_empty());
        for (row, stream) in asking.zip(s.stream.chunks_exact(width)) {
            norm(kernel, stream, &model.norm, &mut s.features);
            chosen.push(choose(kernel, model, &s.features, &row.offered, &mut s.logits));
        }
    }
}

#[inline(always)]
fn norms<K: Kernel>(kernel: K, rows: &[f32], weights: &[f32], out: &mut [f32]) {
    for (row, out) in rows.chunks_exact(weights.len()).zip(out.chunks_exact_mut(weights.len())) {
        norm(kernel, row, weights, out);
    }
}

#[inline(always)]
fn add(stream: &mut [f32], change: &[f32]) {
    for (value, change) in stream.iter_mut().zip(change) {
        *value += change;
    }
}

/// Multiplies the rows of `x` by `layer`, quantising them first if the kernel wants that.
#[inline(always)]
fn multiply<K: Kernel>(kernel: K, layer: &Linear, x: &[f32], quantised: &mut Quantised, y: &mut [f32]) {
    let rows = x.len() / layer.inputs;
    let (bytes, scales) = (&mut quantised.bytes[..x.len()], &mut quantised.scales[..rows]);
    if K::INT8 {
        let parts = x.chunks_exact(layer.inputs).zip(bytes.chunks_exact_mut(layer.inputs));
        for ((row, bytes), scale) in parts.zip(scales.iter_mut()) {
            *scale = quantise(row, bytes);
        }
    }
    kernel.multiply(layer, Rows { floats: x, bytes, scales }, &mut y[..rows * layer.outputs]);
}
