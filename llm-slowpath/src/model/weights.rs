//! Reading weights: safetensors, checked for origin, version, damage and shape.

use super::kernel::LANES;
use super::linear::Linear;
use super::{ModelError, Specialist};
use crate::prompt::tokens::{MAX_TOKENS, VOCABULARY};
use half::f16;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;

/// The format of the files that this program reads: tensor names, token meanings, hash.
pub(super) const FORMAT: &str = "softrouter-tiny-2";

const _: () = assert!(VOCABULARY.is_multiple_of(LANES));

/// Sizes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
}

impl Shape {
    pub(super) const fn head(self) -> usize {
        self.width / self.heads
    }

    fn check(self) -> Result<Self, ModelError> {
        let Self { width, layers, heads, inner } = self;
        let sizes = (1..=1024).contains(&width) && (1..=32).contains(&layers) && (1..=4096).contains(&inner);
        let panels = width.is_multiple_of(64) && inner.is_multiple_of(64);
        if !sizes || !panels || heads == 0 || !width.is_multiple_of(heads) || !self.head().is_multiple_of(16)
        {
            return Err(ModelError::Shape(format!(
                "{self:?}: width (to 1024) and inner (to 4096) must be multiples of 64, width/heads of 16"
            )));
        }
        Ok(self)
    }
}

/// One decoder layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) norm1: Vec<f32>,
    pub(super) qkv: Linear,
    pub(super) out: Linear,
    pub(super) norm2: Vec<f32>,
    pub(super) gate_up: Linear,
    pub(super) down: Linear,
}

/// The weights, ready to run. Shared by any number of sessions.
#[derive(Debug)]
pub struct Model {
    pub(super) shape: Shape,
    /// `[VOCABULARY][width]`; zeros for tokens that the model does not know.
    pub(super) embedding: Vec<f32>,
    /// The same, as logits are computed: `[VOCABULARY / LANES][width][LANES]`.
    pub(super) unembedding: Vec<f32>,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    pub(super) logit_scale: f32,
    /// Cosine and sine of each position's angles, `[MAX_TOKENS][head / 2]`.
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
    specialist: Specialist,
    parameters: usize,
    hash: u64,
    trained: String,
}

impl Model {
    /// The weights that are part of this program.
    ///
    /// # Errors
    /// None, unless the program was built with a damaged file.
    pub fn embedded(specialist: Specialist) -> Result<Self, ModelError> {
        Self::from_bytes(specialist, specialist.weights())
    }

    /// The weights in a file.
    ///
    /// # Errors
    /// If the file cannot be read, is foreign, damaged, of another version or of another specialist.
    pub fn from_file(specialist: Specialist, path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let read = |source| ModelError::Read { path: path.into(), source };
        Self::from_bytes(specialist, &std::fs::read(path).map_err(read)?)
    }

    /// The weights in a safetensors file's bytes.
    ///
    /// # Errors
    /// If they are foreign, damaged, of another version or of another specialist.
    pub fn from_bytes(specialist: Specialist, bytes: &[u8]) -> Result<Self, ModelError> {
        let (header, metadata) = SafeTensors::read_metadata(bytes)?;
        let none = HashMap::new();
        let notes = metadata.metadata().as_ref().unwrap_or(&none);
        let note = |key: &'static str| notes.get(key).ok_or(ModelError::Foreign(key));
        let format = note("format")?;
        if format != FORMAT {
            return Err(ModelError::Version { found: format.clone() });
        }
        // The length of the header comes first, in 8 bytes; the tensors follow the header.
        let computed = fnv1a(&bytes[8 + header..]);
        let stored = note("hash")?;
        if u64::from_str_radix(stored, 16) != Ok(computed) {
            return Err(ModelError::Damaged { computed, stored: stored.clone() });
        }
        let number = |key: &'static str| -> Result<usize, ModelError> {
            let text = note(key)?;
            text.parse().map_err(|_| ModelError::Shape(format!("`{key}` is `{text}`, not a number")))
        };
        let found = note("model")?;
        if found != specialist.name() {
            return Err(ModelError::Specialist { found: found.clone(), wanted: specialist.name() });
        }
        let vocabulary = number("vocabulary")?;
        if !(1..=VOCABULARY).contains(&vocabulary) {
            return Err(ModelError::Shape(format!("{vocabulary} tokens; there are {VOCABULARY}")));
        }
        let shape = Shape {
            width: number("width")?,
            layers: number("layers")?,
            heads: number("heads")?,
            inner: number("inner")?,
        };
        let shape = shape.check()?;
        // Of numbers in these ranges, and finite weights, no activation becomes infinite.
        let real = |key: &'static str, range: RangeInclusive<f32>| -> Result<f32, ModelError> {
            let text = note(key)?;
            let wrong = || ModelError::Shape(format!("`{key}` is `{text}`, not a number in {range:?}"));
            text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
        };
        let tensors = Tensors(SafeTensors::deserialize(bytes)?);
        let (cos, sin) = rotations(shape.head(), real("rope_base", 1.0..=1e9)?);
        let mut embedding = tensors.read("embedding.weight", &[vocabulary, shape.width])?;
        embedding.resize(VOCABULARY * shape.width, 0.0);
        Ok(Self {
            shape,
            unembedding: unembedding(&embedding, shape.width),
            embedding,
            layers: (0..shape.layers).map(|at| tensors.layer(at, shape)).collect::<Result<_, _>>()?,
            norm: tensors.read("norm.weight", &[shape.width])?,
            logit_scale: real("logit_scale", 1e-6..=1e6)?,
            cos,
            sin,
            specialist,
            parameters: tensors.0.iter().map(|(_, t)| t.shape().iter().product::<usize>()).sum(),
            hash: computed,
            trained: note("trained")?.clone(),
        })
    }

    /// Which of the models it is.
    pub const fn specialist(&self) -> Specialist {
        self.specialist
    }

    /// How many parameters it has.
    pub const fn parameters(&self) -> usize {
        self.parameters
    }

    /// FNV-1a of the tensors. It tells damage and versions apart; it is no signature.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// One line: sizes, hash, training.
    pub fn describe(&self) -> String {
        let Shape { width, layers, heads, inner } = self.shape;
        format!(
            "{} {:016x}: {} parameters, width {width}, {layers} layers, {heads} heads, inner {inner}; {}",
            self.specialist.name(),
            self.hash,
            self.parameters,
            self.trained
        )
    }
}

struct Tensors<'a>(SafeTensors<'a>);

impl Tensors<'_> {
    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let wrong =
            || ModelError::Tensor { name: name.into(), expected: format!("finite F16 of shape {shape:?}") };
        let tensor = self.0.tensor(name).map_err(|_| wrong())?;
        if tensor.dtype() != Dtype::F16 || tensor.shape() != shape {
            return Err(wrong());
        }
        let halves = tensor.data().as_chunks::<2>().0.iter().map(|&bytes| f16::from_le_bytes(bytes));
        let finite = |half: f16| half.is_finite().then(|| half.to_f32());
        halves.map(finite).collect::<Option<_>>().ok_or_else(wrong)
    }

    fn layer(&self, at: usize, shape: Shape) -> Result<Layer, ModelError> {
        let Shape { width, inner, .. } = shape;
        let name = |part: &str| format!("blocks.{at}.{part}.weight");
        let linear = |part: &str, outputs: usize, inputs: usize| -> Result<Linear, ModelError> {
            Ok(Linear::new(self.read(&name(part), &[outputs, inputs])?, inputs))
        };
        Ok(Layer {
            norm1: self.read(&name("norm1"), &[width])?,
            qkv: linear("qkv", 3 * width, width)?,
            out: linear("out", width, width)?,
            norm2: self.read(&name("norm2"), &[width])?,
            gate_up: linear("gate_up", 2 * inner, width)?,
            down: linear("down", width, inner)?,
        })
    }
}

/// An embedding, `[tokens][width]`, as `[tokens / LANES][width][LANES]`.
fn unembedding(embedding: &[f32], width: usize) -> Vec<f32> {
    let panels = embedding.chunks_exact(width * LANES);
    panels.flat_map(|panel| (0..width * LANES).map(|at| panel[at % LANES * width + at / LANES])).collect()
}

fn rotations(head: usize, base: f32) -> (Vec<f32>, Vec<f32>) {
    let angles = (0..MAX_TOKENS).flat_map(|position| {
        (0..head / 2).map(move |i| position as f32 * base.powf(-((2 * i) as f32) / head as f32))
    });
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
