//! The embedded model: a small Llama-style decoder, run in this process on the CPU.
//!
//! The weights are part of the program ([`Model::embedded`]) or read from a file. They are stored as
//! half-precision floats and quantised to 8-bit integers when they are loaded. [`Session`] holds everything
//! that one answer needs, so answering allocates nothing.

mod attention;
mod decode;
mod error;
mod forward;
mod kernel;
mod linear;
#[expect(unsafe_code, reason = "vector instructions")]
mod simd;
mod weights;

#[cfg(test)]
mod tests;

pub use decode::Decoded;
pub use error::ModelError;
pub use forward::Session;
pub use kernel::{Backend, Precision};
pub use weights::Model;
