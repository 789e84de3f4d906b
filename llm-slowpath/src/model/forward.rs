//! The forward pass: tokens in, the last token's features out, with a cache of keys and values.

use super::attention::{CONTEXT, attend, gate, norm, rotate};
use super::kernel::{Backend, Kernel, Portable, Precision, Reference, Rows};
use super::linear::{Linear, quantise};
use super::simd::{with_avx2, with_avx512_vnni};
use super::weights::{Model, Shape};

/// Everything that one answer needs beside the weights; made once, used for one answer after another.
#[derive(Debug)]
pub struct Session {
    backend: Backend,
    precision: Precision,
    /// Tokens seen.
    length: usize,
    /// `[layer][head][feature][CONTEXT]`.
    keys: Vec<f32>,
    /// `[layer][head][CONTEXT][feature]`.
    values: Vec<f32>,
    /// The residual stream, `[token][width]`.
    stream: Vec<f32>,
    /// Input or output of a matrix product, `[token][width]`.
    narrow: Vec<f32>,
    /// Queries, keys and values, `[token][3 * width]`.
    qkv: Vec<f32>,
    /// Gates and ups, `[token][2 * inner]`.
    wide: Vec<f32>,
    /// Their product, `[token][inner]`.
    inner: Vec<f32>,
    quantised: Quantised,
    /// Features of the last token, normed: what the logits are made of.
    pub(super) features: Vec<f32>,
}

#[derive(Debug)]
struct Quantised {
    bytes: Vec<u8>,
    scales: Vec<f32>,
}

impl Model {
    /// A session on the fastest kernel of this processor.
    pub fn session(&self) -> Session {
        self.session_on(Backend::detect(), Precision::Int8)
    }

    /// A session on a kernel of the caller's choice; one that this processor lacks becomes the portable one.
    pub fn session_on(&self, backend: Backend, precision: Precision) -> Session {
        let Shape { width, layers, inner, .. } = self.shape;
        Session {
            backend: if backend.available() { backend } else { Backend::Portable },
            precision,
            length: 0,
            keys: vec![0.0; layers * width * CONTEXT],
            values: vec![0.0; layers * width * CONTEXT],
            stream: vec![0.0; CONTEXT * width],
            narrow: vec![0.0; CONTEXT * width],
            qkv: vec![0.0; CONTEXT * 3 * width],
            wide: vec![0.0; CONTEXT * 2 * inner],
            inner: vec![0.0; CONTEXT * inner],
            quantised: Quantised { bytes: vec![0; CONTEXT * width.max(inner)], scales: vec![0.0; CONTEXT] },
            features: vec![0.0; width],
        }
    }
}

impl Session {
    /// Forgets what it has seen.
    pub(super) const fn clear(&mut self) {
        self.length = 0;
    }

    /// The kernel that it runs on.
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Goes on with `tokens` and leaves the last one's features.
    ///
    /// # Panics
    /// If there are none, or more than the longest prompt and answer together.
    pub(super) fn feed(&mut self, model: &Model, tokens: &[u8]) {
        assert!(!tokens.is_empty() && self.length + tokens.len() <= CONTEXT, "text does not fit");
        let (backend, precision) = (self.backend, self.precision);
        let pass = Pass { model, session: self, tokens };
        match (precision, backend) {
            (Precision::Float32, _) => pass.run(Reference),
            (Precision::Int8, Backend::Avx512Vnni) => with_avx512_vnni(pass),
            (Precision::Int8, Backend::Avx2) => with_avx2(pass),
            (Precision::Int8, Backend::Portable) => pass.run(Portable),
        }
    }
}

/// One forward pass, not yet bound to a kernel.
pub(super) struct Pass<'a> {
    model: &'a Model,
    session: &'a mut Session,
    tokens: &'a [u8],
}

impl Pass<'_> {
    /// Runs it. Inlined into a function that has the kernel's instructions.
    #[inline(always)]
    pub(super) fn run<K: Kernel>(self, kernel: K) {
        let Self { model, session: s, tokens } = self;
        let Shape { width, layers, heads, inner } = model.shape;
        let (count, head) = (tokens.len(), model.shape.head());
        for (row, &token) in s.stream.chunks_exact_mut(width).zip(tokens) {
            row.copy_from_slice(&model.embedding[usize::from(token) * width..][..width]);
        }
        for (at, layer) in model.layers.iter().enumerate() {
            // Of the last layer only the last token's features are used.
            let first = if at + 1 == layers { count - 1 } else { 0 };
            let cached = at * width * CONTEXT..(at + 1) * width * CONTEXT;
            let (keys, values) = (&mut s.keys[cached.clone()], &mut s.values[cached]);

            norms(kernel, &s.stream[..count * width], &layer.norm1, &mut s.narrow);
            multiply(kernel, &layer.qkv, &s.narrow[..count * width], &mut s.quantised, &mut s.qkv);
            for (i, row) in s.qkv.chunks_exact_mut(3 * width).take(count).enumerate() {
                let place = s.length + i;
                let angles = place * head / 2..(place + 1) * head / 2;
                let (cos, sin) = (&model.cos[angles.clone()], &model.sin[angles]);
                let (turned, rest) = row.split_at_mut(2 * width);
                turned.chunks_exact_mut(head).for_each(|part| rotate(part, cos, sin));
                for (keys, &key) in keys.chunks_exact_mut(CONTEXT).zip(&turned[width..]) {
                    keys[place] = key;
                }
                for (values, value) in values.chunks_exact_mut(CONTEXT * head).zip(rest.chunks_exact(head)) {
                    values[place * head..][..head].copy_from_slice(value);
                }
            }
            for h in 0..heads {
                let part = h * head * CONTEXT..(h + 1) * head * CONTEXT;
                let (keys, values) = (&keys[part.clone()], &values[part]);
                for i in first..count {
                    let query = &s.qkv[i * 3 * width + h * head..][..head];
                    let out = &mut s.narrow[(i - first) * width + h * head..][..head];
                    attend(kernel, query, keys, values, s.length + i + 1, out);
                }
            }

            let stream = &mut s.stream[first * width..count * width];
            let rows = count - first;
            multiply(kernel, &layer.out, &s.narrow[..rows * width], &mut s.quantised, &mut s.wide);
            add(stream, &s.wide);
            norms(kernel, stream, &layer.norm2, &mut s.narrow);
            multiply(kernel, &layer.gate_up, &s.narrow[..rows * width], &mut s.quantised, &mut s.wide);
            for (row, out) in s.wide.chunks_exact(2 * inner).zip(s.inner.chunks_exact_mut(inner)).take(rows) {
                gate(kernel, row, out);
            }
            multiply(kernel, &layer.down, &s.inner[..rows * inner], &mut s.quantised, &mut s.narrow);
            add(stream, &s.narrow);
        }
        s.length += count;
        norm(kernel, &s.stream[(count - 1) * width..count * width], &model.norm, &mut s.features);
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
