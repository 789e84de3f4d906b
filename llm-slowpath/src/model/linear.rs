//! A linear layer: its weights as they are stored, and packed as 8-bit integers for the kernels.

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
    /// Sum of the packed weights of each output: activations are shifted to be unsigned, which adds
    /// [`ZERO`] times this.
    pub(super) sums: Vec<i32>,
}

/// The unsigned byte that stands for an activation of 0.
pub(super) const ZERO: i32 = 128;

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
            sums: vec![0; outputs],
            exact: weights,
        };
        for (output, row) in layer.exact.chunks_exact(inputs).enumerate() {
            let largest = row.iter().fold(1e-9_f32, |most, weight| most.max(weight.abs()));
            layer.scales[output] = largest / 127.0;
            for (input, weight) in row.iter().enumerate() {
                let packed = (weight / layer.scales[output]).round() as i8;
                let group = output / PANEL * (inputs / GROUP) + input / GROUP;
                layer.packed[(group * PANEL + output % PANEL) * GROUP + input % GROUP] = packed;
                layer.sums[output] += i32::from(packed);
            }
        }
        layer
    }
}

/// Shifts a row of activations to unsigned bytes and returns what a step of 1 stands for.
#[inline(always)]
pub(super) fn quantise(row: &[f32], bytes: &mut [u8]) -> f32 {
    let mut largest = [1e-9_f32; 16];
    for chunk in row.as_chunks::<16>().0 {
        for (most, value) in largest.iter_mut().zip(chunk) {
            *most = most.max(value.abs());
        }
    }
    let largest = largest.iter().fold(0.0_f32, |a, &b| a.max(b));
    let inverse = 127.0 / largest;
    for (byte, value) in bytes.iter_mut().zip(row) {
        // Rounds to nearest, because everything is positive after the shift.
        *byte = (value * inverse + (ZERO as f32 + 0.5)) as i32 as u8;
    }
    largest / 127.0
}
