//! A linear layer: its weights as they are stored, and packed as 8-bit integers for the kernels.

use super::kernel::{LANES, each, fold, larger};

/// Outputs that a kernel computes together.
pub(super) const PANEL: usize = 16;
/// Inputs that one instruction multiplies and adds.
pub(super) const GROUP: usize = 4;

/// `y = x Wᵀ`, without bias.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[outputs][inputs]`, for the reference path.
    pub(super) exact: Vec<f32>,
    /// `[outputs / PANEL][inputs / GROUP][PANEL][GROUP]`.
    pub(super) packed: Vec<i8>,
    /// What a packed weight of 1 stands for, for each output.
    pub(super) scales: Vec<f32>,
    /// What to add to each output's total: activations are shifted to be unsigned, which adds [`ZERO`] times the
    /// sum of its packed weights.
    pub(super) offsets: Vec<i32>,
}

/// The unsigned byte that stands for an activation of 0.
const ZERO: i32 = 128;

impl Linear {
    /// Packs `weights`, `[outputs][inputs]`. Each output has a scale of its own.
    pub(super) fn new(weights: Vec<f32>, inputs: usize) -> Self {
        let outputs = weights.len() / inputs;
        debug_assert!(inputs.is_multiple_of(16) && outputs.is_multiple_of(PANEL));
        let mut layer = Self {
            inputs,
            outputs,
            packed: vec![0; weights.len()],
            scales: vec![0.0; outputs],
            offsets: vec![0; outputs],
            exact: weights,
        };
        for (output, row) in layer.exact.chunks_exact(inputs).enumerate() {
            let largest = row.iter().fold(1e-9_f32, |most, weight| most.max(weight.abs()));
            layer.scales[output] = largest / 127.0;
            for (input, weight) in row.iter().enumerate() {
                let packed = (weight / layer.scales[output]).round() as i8;
                let group = output / PANEL * (inputs / GROUP) + input / GROUP;
                layer.packed[(group * PANEL + output % PANEL) * GROUP + input % GROUP] = packed;
                layer.offsets[output] -= ZERO * i32::from(packed);
            }
        }
        layer
    }
}

/// A float so large that the next one is larger by 1.
const ROUND: f32 = 12_582_912.0;

/// Shifts a row of activations to unsigned bytes and returns what a step of 1 stands for.
#[inline(always)]
pub(super) fn quantise(row: &[f32], bytes: &mut [u8]) -> f32 {
    let rows = row.as_chunks::<LANES>().0.iter();
    let largest = rows.fold([1e-9; LANES], |most, part| each(most, part.map(f32::abs), larger));
    let largest = fold(largest, larger);
    let inverse = 127.0 / largest;
    for (byte, value) in bytes.iter_mut().zip(row) {
        // The sum's last byte is the rounded number: so large a float has no room for fractions.
        *byte = (value * inverse + (ROUND + ZERO as f32)).to_bits() as u8;
    }
    largest / 127.0
}
