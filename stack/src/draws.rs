//! Random draws for the tests of this crate, which depend on no other.

/// Numbers from 0 to just below the argument, the same ones for the same seed: the upper bits of a linear congruential generator
/// (Knuth's MMIX).
pub(crate) fn draws(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}
