//! From features to the next token: logits of the tokens on offer, the best one, its share of the probability.

use super::attention::exp;
use super::kernel::{Kernel, LANES, each, fold, larger};
use super::weights::Model;
use crate::prompt::tokens::Choices;

/// A token, and its share of the probability of all that were on offer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chosen {
    pub(super) token: u16,
    pub(super) share: f32,
}

/// The most probable of the `offered` tokens, which are some; of equal ones the first. `logits` gets their logits.
#[inline(always)]
pub(super) fn choose<K: Kernel>(
    kernel: K,
    model: &Model,
    features: &[f32],
    offered: &Choices,
    logits: &mut [f32],
) -> Chosen {
    if let [only] = &offered[..]
        && only.len() == 1
    {
        return Chosen { token: only.start, share: 1.0 };
    }
    let mut count = 0;
    for range in offered {
        let (start, end) = (usize::from(range.start), usize::from(range.end));
        for panel in start / LANES..end.div_ceil(LANES) {
            let found = score(kernel, features, &model.unembedding[panel * LANES * features.len()..]);
            let wanted = start.max(panel * LANES)..end.min((panel + 1) * LANES);
            for lane in wanted {
                logits[count] = found[lane % LANES] * model.logit_scale;
                count += 1;
            }
        }
    }
    logits[count..].iter_mut().take(LANES).for_each(|logit| *logit = f32::MIN);
    let rows = &logits.as_chunks::<LANES>().0[..count.div_ceil(LANES)];
    let most = fold(rows.iter().fold([f32::MIN; LANES], |most, row| each(most, *row, larger)), larger);
    let best = logits[..count].iter().position(|&logit| logit == most).unwrap_or(0);
    let mut sums = [0.0; LANES];
    for row in rows {
        sums = each(sums, row.map(|logit| exp(kernel, logit - most)), |sum, part| sum + part);
    }
    let share = 1.0 / fold(sums, |a, b| a + b);
    let token = offered.iter().flat_map(Clone::clone).nth(best).unwrap_or_default();
    Chosen { token, share }
}

/// Features times [`LANES`] tokens' embeddings, which lie `[feature][LANES]`.
#[inline(always)]
fn score<K: Kernel>(kernel: K, features: &[f32], panel: &[f32]) -> [f32; LANES] {
    let mut totals = [[0.0_f32; LANES]; 4];
    let panel = panel.as_chunks::<LANES>().0.as_chunks::<4>().0;
    for (four, rows) in features.as_chunks::<4>().0.iter().zip(panel) {
        for i in 0..4 {
            for (total, &weight) in totals[i].iter_mut().zip(&rows[i]) {
                *total = kernel.add_product(four[i], weight, *total);
            }
        }
    }
    let [a, b, c, d] = totals;
    let sum = |a, b| each(a, b, |a, b| a + b);
    sum(sum(a, b), sum(c, d))
}
