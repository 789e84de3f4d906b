//! What a layer does between its matrix products: norms, rotations, attention, the gate.

use super::cache::BLOCKS;
use super::kernel::{Kernel, LANES, each, fold, larger};
use std::f32::consts::{LN_2, LOG2_E};

const EPSILON: f32 = 1e-5;
/// A head has a multiple of so many pairs.
const HALF: usize = LANES / 2;

/// Root-mean-square norm of one row.
#[inline(always)]
pub(super) fn norm<K: Kernel>(kernel: K, row: &[f32], weights: &[f32], out: &mut [f32]) {
    let mut squares = [0.0_f32; LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        for (sum, &value) in squares.iter_mut().zip(chunk) {
            *sum = kernel.add_product(value, value, *sum);
        }
    }
    let mean = fold(squares, |a, b| a + b) / row.len() as f32;
    let factor = 1.0 / (mean + EPSILON).sqrt();
    for ((out, value), weight) in out.iter_mut().zip(row).zip(weights) {
        *out = value * factor * weight;
    }
}

/// Turns each pair (i, i + half) of one head's row by the angles of its position.
#[inline(always)]
pub(super) fn rotate(row: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (left, right) = row.split_at_mut(cos.len());
    let pairs = left.as_chunks_mut::<HALF>().0.iter_mut().zip(right.as_chunks_mut::<HALF>().0);
    let angles = cos.as_chunks::<HALF>().0.iter().zip(sin.as_chunks::<HALF>().0);
    for ((left, right), (cos, sin)) in pairs.zip(angles) {
        let (a, b) = (*left, *right);
        *left = std::array::from_fn(|i| a[i] * cos[i] - b[i] * sin[i]);
        *right = std::array::from_fn(|i| a[i] * sin[i] + b[i] * cos[i]);
    }
}

/// One query's attention over the first `count` tokens of one head, whose keys and values lie in `cells`.
#[inline(always)]
pub(super) fn attend<'a, K: Kernel>(
    kernel: K,
    query: &[f32],
    cells: impl Iterator<Item = &'a [f32]> + Clone,
    count: usize,
    out: &mut [f32],
) {
    let head = query.len();
    let scale = 1.0 / (head as f32).sqrt();
    let mut scores = [[0.0_f32; LANES]; BLOCKS];
    let used = &mut scores[..count.div_ceil(LANES)];
    for (scores, cell) in used.iter_mut().zip(cells.clone()) {
        let mut totals = [0.0_f32; LANES];
        for (&q, keys) in query.iter().zip(cell.as_chunks::<LANES>().0) {
            for (total, &key) in totals.iter_mut().zip(keys) {
                *total = kernel.add_product(q, key, *total);
            }
        }
        *scores = totals.map(|total| total * scale);
    }
    let padding = (count - 1) % LANES + 1..LANES;
    if let Some(last) = used.last_mut() {
        last[padding.clone()].fill(f32::MIN);
    }
    let most = used.iter().fold([f32::MIN; LANES], |most, scores| each(most, *scores, larger));
    let most = fold(most, larger);
    let mut sums = [0.0_f32; LANES];
    for scores in used.iter_mut() {
        *scores = scores.map(|score| exp(kernel, score - most));
        sums = each(sums, *scores, |sum, score| sum + score);
    }
    let share = 1.0 / fold(sums, |a, b| a + b);
    if let Some(last) = used.last_mut() {
        // What lies in the cells after the text is finite, and so counts for nothing.
        last[padding].fill(0.0);
    }
    let parts = head / LANES;
    for (part, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        // Several totals, because each product waits for the one before it.
        let mut totals = [[0.0_f32; LANES]; 4];
        for (scores, cell) in used.iter().zip(cells.clone()) {
            let values = cell[LANES * head..].as_chunks::<LANES>().0.chunks_exact(4 * parts);
            for (four, values) in scores.as_chunks::<4>().0.iter().zip(values) {
                for i in 0..4 {
                    let values = &values[i * parts + part];
                    for (total, &value) in totals[i].iter_mut().zip(values) {
                        *total = kernel.add_product(four[i], value, *total);
                    }
                }
            }
        }
        let [a, b, c, d] = totals;
        let sum = |a, b| each(a, b, |a, b| a + b);
        *out = sum(sum(a, b), sum(c, d)).map(|total| total * share);
    }
}

/// `silu(gate) * up` of one row, which holds the gates, then the ups.
#[inline(always)]
pub(super) fn gate<K: Kernel>(kernel: K, row: &[f32], out: &mut [f32]) {
    let (gates, ups) = row.split_at(out.len());
    for ((out, &gate), &up) in out.iter_mut().zip(gates).zip(ups) {
        *out = gate / (1.0 + exp(kernel, -gate)) * up;
    }
}

/// e to the power of `x`, to about 1e-6 of itself. Unlike the library's it becomes vector code.
#[inline(always)]
pub(super) fn exp<K: Kernel>(kernel: K, x: f32) -> f32 {
    /// A float so large that the next one is larger by 1: adding it rounds to a whole number, which the last bits
    /// of the sum are.
    const ROUND: f32 = 12_582_912.0;
    /// Taylor coefficients of 2^x, from the fifth power down.
    const POWERS: [f32; 6] = [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, LN_2, 1.0];
    let x = x.clamp(-87.0, 88.0) * LOG2_E;
    let rounded = x + ROUND;
    let rest = x - (rounded - ROUND);
    let power = POWERS.iter().fold(0.0, |sum, &next| kernel.add_product(sum, rest, next));
    f32::from_bits(power.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::Reference;

    #[test]
    fn the_exponential_is_close_to_the_librarys() {
        for step in -8_600..=8_700_i16 {
            let x = f32::from(step) / 100.0;
            let (found, exact) = (f64::from(exp(Reference, x)), f64::from(x).exp());
            assert!((found / exact - 1.0).abs() < 1e-5, "{x}: {found} {exact}");
        }
    }
}
