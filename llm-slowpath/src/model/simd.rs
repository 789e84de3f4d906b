//! The kernels with special instructions: the only file of this crate with unsafe code.

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{has_avx2, has_avx512_vnni, with_avx2, with_avx512_vnni};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::model::forward::Pass;
    use crate::model::kernel::{Kernel, Portable, Rows, finish};
    use crate::model::linear::{GROUP, Linear, PANEL};
    use std::arch::x86_64::*;

    pub(in crate::model) fn has_avx512_vnni() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("fma")
    }

    pub(in crate::model) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }

    /// Runs `pass` compiled for AVX-512 VNNI, or portably if this processor lacks it.
    pub(in crate::model) fn with_avx512_vnni(pass: Pass<'_>) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
        fn run(pass: Pass<'_>) {
            pass.run(Avx512Vnni(()));
        }
        if has_avx512_vnni() {
            // SAFETY: the instructions that `run` may use were just found to be there.
            unsafe { run(pass) }
        } else {
            pass.run(Portable);
        }
    }

    /// Runs `pass` compiled for AVX2, or portably if this processor lacks it.
    pub(in crate::model) fn with_avx2(pass: Pass<'_>) {
        #[target_feature(enable = "avx2,fma")]
        fn run(pass: Pass<'_>) {
            pass.run(Avx2(()));
        }
        if has_avx2() {
            // SAFETY: the instructions that `run` may use were just found to be there.
            unsafe { run(pass) }
        } else {
            pass.run(Portable);
        }
    }

    /// Exists only inside [`with_avx512_vnni`], so having one proves that the instructions are there.
    #[derive(Clone, Copy)]
    pub(in crate::model) struct Avx512Vnni(());

    /// Exists only inside [`with_avx2`], so having one proves that the instructions are there.
    #[derive(Clone, Copy)]
    pub(in crate::model) struct Avx2(());

    impl Kernel for Avx512Vnni {
        const INT8: bool = true;
        const FUSED: bool = true;

        #[inline(always)]
        fn multiply(self, layer: &Linear, x: Rows<'_>, y: &mut [f32]) {
            // SAFETY: `self` exists only where the instructions do.
            unsafe { multiply_vnni(layer, x, y) }
        }
    }

    impl Kernel for Avx2 {
        const INT8: bool = true;
        const FUSED: bool = true;

        #[inline(always)]
        fn multiply(self, layer: &Linear, x: Rows<'_>, y: &mut [f32]) {
            // SAFETY: `self` exists only where the instructions do.
            unsafe { multiply_avx2(layer, x, y) }
        }
    }

    /// Rows and panels whose totals are kept in registers together.
    const ROWS: usize = 4;
    const PANELS: usize = 4;

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
    fn multiply_vnni(layer: &Linear, x: Rows<'_>, y: &mut [f32]) {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let rows = x.scales.len();
        let mut row = 0;
        while row + ROWS <= rows {
            tile_vnni::<ROWS>(layer, x, row, y);
            row += ROWS;
        }
        match rows - row {
            1 => tile_vnni::<1>(layer, x, row, y),
            2 => tile_vnni::<2>(layer, x, row, y),
            3 => tile_vnni::<3>(layer, x, row, y),
            _ => {}
        }
        debug_assert!(x.bytes.len() >= rows * inputs && y.len() >= rows * outputs);
    }

    /// `N` rows from `row` on, against the whole layer.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
    #[inline]
    fn tile_vnni<const N: usize>(layer: &Linear, x: Rows<'_>, row: usize, y: &mut [f32]) {
        let groups = layer.inputs / GROUP;
        let bytes: [&[[u8; GROUP]]; N] = std::array::from_fn(|r| {
            x.bytes[(row + r) * layer.inputs..][..layer.inputs].as_chunks::<GROUP>().0
        });
        let panels = layer.packed.as_chunks::<{ PANEL * GROUP }>().0;
        for (first, four) in panels.chunks_exact(groups * PANELS).enumerate() {
            let outputs = first * PANELS * PANEL;
            let offsets = layer.offsets[outputs..].as_chunks::<PANEL>().0;
            let scales = layer.scales[outputs..].as_chunks::<PANEL>().0;
            // SAFETY: the sources are arrays of 64 bytes, and the loads ask for no alignment.
            let offsets = std::array::from_fn(|p| unsafe { _mm512_loadu_si512(offsets[p].as_ptr().cast()) });
            // SAFETY: as above.
            let scales: [__m512; PANELS] =
                std::array::from_fn(|p| unsafe { _mm512_loadu_ps(scales[p].as_ptr()) });
            let mut totals: [[__m512i; PANELS]; N] = [offsets; N];
            for group in 0..groups {
                let weights: [__m512i; PANELS] = std::array::from_fn(|p| {
                    // SAFETY: the source is an array of 64 bytes, and the load asks for no alignment.
                    unsafe { _mm512_loadu_si512(four[p * groups + group].as_ptr().cast()) }
                });
                for (totals, bytes) in totals.iter_mut().zip(bytes) {
                    let x = _mm512_set1_epi32(i32::from_le_bytes(bytes[group]));
                    for (total, &weights) in totals.iter_mut().zip(&weights) {
                        *total = _mm512_dpbusd_epi32(*total, x, weights);
                    }
                }
            }
            for (r, totals) in totals.iter().enumerate() {
                let y = y[(row + r) * layer.outputs + outputs..].as_chunks_mut::<PANEL>().0;
                let scale = _mm512_set1_ps(x.scales[row + r]);
                for ((out, &total), &of_output) in y.iter_mut().zip(totals).zip(&scales) {
                    let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(total), _mm512_mul_ps(of_output, scale));
                    // SAFETY: the target is an array of 64 bytes, and the store asks for no alignment.
                    unsafe { _mm512_storeu_ps(out.as_mut_ptr(), scaled) };
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    fn multiply_avx2(layer: &Linear, x: Rows<'_>, y: &mut [f32]) {
        let panels = layer.packed.as_chunks::<{ PANEL * GROUP }>().0;
        let groups = layer.inputs / GROUP;
        for (panel, weights) in panels.chunks_exact(groups).enumerate() {
            let rows = x.bytes.chunks_exact(layer.inputs).zip(y.chunks_exact_mut(layer.outputs));
            for ((bytes, y), &scale) in rows.zip(x.scales) {
                let mut totals = [_mm256_setzero_si256(); 4];
                for (weights, &x) in weights.iter().zip(bytes.as_chunks::<GROUP>().0) {
                    // Widened to 16 bits first: the byte multiply-add of AVX2 saturates.
                    let x = _mm256_cvtepu8_epi16(_mm_set1_epi32(i32::from_le_bytes(x)));
                    for (total, weights) in totals.iter_mut().zip(weights.as_chunks::<16>().0) {
                        // SAFETY: the source is an array of 16 bytes, and the load asks for no alignment.
                        let weights = unsafe { _mm_loadu_si128(weights.as_ptr().cast()) };
                        let pairs = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(weights));
                        *total = _mm256_add_epi32(*total, pairs);
                    }
                }
                // Each total holds two halves of four outputs' sums.
                let mut words = [0_i32; PANEL];
                for (four, total) in words.as_chunks_mut::<4>().0.iter_mut().zip(totals) {
                    let mut halves = [0_i32; 8];
                    // SAFETY: the target is an array of 32 bytes, and the store asks for no alignment.
                    unsafe { _mm256_storeu_si256(halves.as_mut_ptr().cast(), total) };
                    for (word, half) in four.iter_mut().zip(halves.as_chunks::<2>().0) {
                        *word = half[0] + half[1];
                    }
                }
                finish(layer, panel, scale, &words, &mut y.as_chunks_mut::<PANEL>().0[panel]);
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use other::{has_avx2, has_avx512_vnni, with_avx2, with_avx512_vnni};

#[cfg(not(target_arch = "x86_64"))]
mod other {
    use crate::model::forward::Pass;
    use crate::model::kernel::Portable;

    pub(in crate::model) const fn has_avx512_vnni() -> bool {
        false
    }

    pub(in crate::model) const fn has_avx2() -> bool {
        false
    }

    pub(in crate::model) fn with_avx512_vnni(pass: Pass<'_>) {
        pass.run(Portable);
    }

    pub(in crate::model) fn with_avx2(pass: Pass<'_>) {
        pass.run(Portable);
    }
}
