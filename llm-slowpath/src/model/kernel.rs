//! The kernels' common face, how one is chosen at run time, and the two that need no special processor.

use super::linear::{GROUP, Linear, PANEL};

/// Floats that the plain loops handle together, so that the compiler makes vectors of them.
pub(super) const LANES: usize = 16;

/// Whether the layers compute in 8-bit integers or as the training framework did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 8-bit integers: what the router runs.
    Int8,
    /// 32-bit floats: the reference that tests compare with.
    Float32,
}

/// Which instructions the layers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// AVX-512 with vector neural network instructions.
    Avx512Vnni,
    /// AVX2.
    Avx2,
    /// Any processor.
    Portable,
}

impl Backend {
    /// Fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512Vnni, Self::Avx2, Self::Portable];

    /// Does this processor have it?
    pub fn available(self) -> bool {
        match self {
            Self::Avx512Vnni => super::simd::has_avx512_vnni(),
            Self::Avx2 => super::simd::has_avx2(),
            Self::Portable => true,
        }
    }

    /// The fastest that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|b| b.available()).unwrap_or(Self::Portable)
    }

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512-vnni",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

/// Rows of activations, as floats and (unless `bytes` is empty) shifted to unsigned bytes.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) floats: &'a [f32],
    pub(super) bytes: &'a [u8],
    /// What a step of 1 stands for, for each row.
    pub(super) scales: &'a [f32],
}

/// Multiplies rows by a layer. The forward pass is generic over this and compiled once for each kernel,
/// inside a function that has the kernel's instructions, so that its plain loops use them too.
pub(super) trait Kernel: Copy {
    /// Does [`Kernel::multiply`] read [`Rows::bytes`]?
    const INT8: bool;
    /// Are fused multiply-adds one instruction?
    const FUSED: bool;

    /// `y[rows][outputs] = x[rows][inputs] Wᵀ`.
    fn multiply(self, layer: &Linear, x: Rows<'_>, y: &mut [f32]);

    /// `a * b + c`.
    #[inline(always)]
    fn add_product(self, a: f32, b: f32, c: f32) -> f32 {
        if Self::FUSED { a.mul_add(b, c) } else { a * b + c }
    }
}

/// 32-bit floats in the order in which they are stored.
#[derive(Clone, Copy)]
pub(super) struct Reference;

impl Kernel for Reference {
    const INT8: bool = false;
    const FUSED: bool = false;

    fn multiply(self, layer: &Linear, x: Rows<'_>, y: &mut [f32]) {
        for (row, y) in x.floats.chunks_exact(layer.inputs).zip(y.chunks_exact_mut(layer.outputs)) {
            for (out, weights) in y.iter_mut().zip(layer.exact.chunks_exact(layer.inputs)) {
                *out = dot(row, weights);
            }
        }
    }
}

/// The sum of the products, in [`LANES`] parts, so that the compiler makes vectors of them.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut totals = [0.0_f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            totals[i] += a[i] * b[i];
        }
    }
    totals.iter().sum()
}

/// Two rows' elements, joined pair by pair.
#[inline(always)]
pub(super) fn each(mut a: [f32; LANES], b: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = join(*a, b);
    }
    a
}

/// All of a row's elements, joined in halves.
#[inline(always)]
pub(super) fn fold(mut row: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            row[i] = join(row[i], row[i + half]);
        }
    }
    row[0]
}

/// The larger one. Unlike `f32::max` it is one instruction, because it does not look for NaN.
#[inline(always)]
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// 8-bit integers without special instructions.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Kernel for Portable {
    const INT8: bool = true;
    const FUSED: bool = false;

    #[inline(always)]
    fn multiply(self, layer: &Linear, x: Rows<'_>, y: &mut [f32]) {
        let rows = x.bytes.chunks_exact(layer.inputs).zip(y.chunks_exact_mut(layer.outputs));
        for ((row, y), &scale) in rows.zip(x.scales) {
            let panels = layer.packed.chunks_exact(layer.inputs * PANEL);
            for (panel, (weights, out)) in panels.zip(y.as_chunks_mut::<PANEL>().0).enumerate() {
                let mut totals = [0_i32; PANEL];
                for (group, x) in
                    weights.as_chunks::<{ PANEL * GROUP }>().0.iter().zip(row.as_chunks::<GROUP>().0)
                {
                    for (total, w) in totals.iter_mut().zip(group.as_chunks::<GROUP>().0) {
                        for i in 0..GROUP {
                            *total += i32::from(w[i]) * i32::from(x[i]);
                        }
                    }
                }
                finish(layer, panel, scale, &totals, out);
            }
        }
    }
}

/// Takes the shift out of a panel's totals and scales them.
#[inline(always)]
pub(super) fn finish(
    layer: &Linear,
    panel: usize,
    scale: f32,
    totals: &[i32; PANEL],
    out: &mut [f32; PANEL],
) {
    let at = panel * PANEL;
    for i in 0..PANEL {
        let total = totals[i] + layer.offsets[at + i];
        out[i] = total as f32 * (layer.scales[at + i] * scale);
    }
}
