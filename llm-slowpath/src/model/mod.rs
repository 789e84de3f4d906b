//! The embedded models: small Llama-style decoders, run in this process on the CPU.
//!
//! The weights are part of the program ([`Model::embedded`]) or read from a file. They are stored as
//! half-precision floats and quantised to 8-bit integers when they are loaded. [`Session`] holds everything
//! that answering needs, so answering allocates nothing. However many prompts are answered together, and
//! whatever a session has kept of earlier ones, each answer is the same to the last bit.

mod attention;
mod cache;
mod decode;
mod error;
mod forward;
mod kernel;
mod linear;
mod logits;
mod session;
#[expect(unsafe_code, reason = "vector instructions")]
mod simd;
mod specialist;
mod weights;

#[cfg(test)]
mod tests;

pub use decode::Decoded;
pub use error::ModelError;
pub use kernel::{Backend, Precision};
pub use session::{MAX_BATCH, Session};
pub use specialist::Specialist;
pub use weights::Model;
