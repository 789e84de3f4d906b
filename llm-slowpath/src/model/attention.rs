//! What a layer does between its matrix products: norms, rotations, attention, the gate.

use super::kernel::Kernel;
use crate::prompt::tokens::MAX_TOKENS;
use std::f32::consts::{LN_2, LOG2_E};

/// Places of the key and value cache: those of the longest text, in whole vectors.
pub(super) const CONTEXT: usize = MAX_TOKENS.next_multiple_of(LANES);
/// Floats that the loops below handle together, so that the compiler makes vectors of them.
const LANES: usize = 16;
const EPSILON: f32 = 1e-5;

/// Root-mean-square norm of one row.
#[inline(always)]
pub(super) fn norm<K: Kernel>(kernel: K, row: &[f32], weights: &[f32], out: &mut [f32]) {
    let mut squares = [0.0_f32; LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        for (sum, &value) in squares.iter_mut().zip(chunk) {
            *sum = kernel.add_product(value, value, *sum);
        }
    }
    let mean = squares.iter().sum::<f32>() / row.len() as f32;
    let factor = 1.0 / (mean + EPSILON).sqrt();
    for ((out, value), weight) in out.iter_mut().zip(row).zip(weights) {
        *out = value * factor * weight;
    }
}

/// Turns each pair (i, i + half) of one head's row by the angles of its position.
#[inline(always)]
pub(super) fn rotate(row: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (left, right) = row.split_at_mut(cos.len());
    for (((a, b), cos), sin) in left.iter_mut().zip(right).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
    }
}

/// One query's attention over the first `count` places of one head. Keys lie `[head][CONTEXT]`, so that
/// scores are computed for many places at once; values lie `[CONTEXT][head]`.
#[inline(always)]
pub(super) fn attend<K: Kernel>(
    kernel: K,
    query: &[f32],
    keys: &[f32],
    values: &[f32],
    count: usize,
    out: &mut [f32],
) {
    let scale = 1.0 / (query.len() as f32).sqrt();
    let mut scores = [0.0_f32; CONTEXT];
    let used = &mut scores[..count.next_multiple_of(LANES)];
    for (block, scores) in used.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut totals = [0.0_f32; LANES];
        for (&q, keys) in query.iter().zip(keys.chunks_exact(CONTEXT)) {
            for (total, &key) in totals.iter_mut().zip(&keys.as_chunks::<LANES>().0[block]) {
                *total = kernel.add_product(q, key, *total);
            }
        }
        *scores = totals.map(|total| total * scale);
    }
    used[count..].fill(f32::MIN);
    let mut most = [f32::MIN; LANES];
    for chunk in used.as_chunks::<LANES>().0 {
        for (most, &score) in most.iter_mut().zip(chunk) {
            *most = most.max(score);
        }
    }
    let most = most.iter().fold(f32::MIN, |a, &b| a.max(b));
    let mut sums = [0.0_f32; LANES];
    for chunk in used.as_chunks_mut::<LANES>().0 {
        for (score, sum) in chunk.iter_mut().zip(&mut sums) {
            *score = exp(kernel, *score - most);
            *sum += *score;
        }
    }
    let share = 1.0 / sums.iter().sum::<f32>();
    let head = out.len();
    for (block, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut totals = [0.0_f32; LANES];
        for (&score, values) in used[..count].iter().zip(values.chunks_exact(head)) {
            for (total, &value) in totals.iter_mut().zip(&values.as_chunks::<LANES>().0[block]) {
                *total = kernel.add_product(score, value, *total);
            }
        }
        *out = totals.map(|total| total * share);
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
fn exp<K: Kernel>(kernel: K, x: f32) -> f32 {
    /// Adding and subtracting it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    /// Taylor coefficients of 2^x, from the fifth power down.
    const POWERS: [f32; 6] = [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, LN_2, 1.0];
    let x = x.clamp(-87.0, 88.0) * LOG2_E;
    let whole = (x + ROUND) - ROUND;
    let rest = x - whole;
    let power = POWERS.iter().fold(0.0, |sum, &next| kernel.add_product(sum, rest, next));
    f32::from_bits(((power.to_bits() as i32) + ((whole as i32) << 23)) as u32)
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
