//! Why a file of weights is refused.

use std::path::PathBuf;

/// Why a file of weights is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the weights in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Cut short, or no safetensors file at all.
    #[error("this is no safetensors file, or it is cut short: {0}")]
    NotSafetensors(#[from] safetensors::SafeTensorError),
    /// A safetensors file, but not one of ours.
    #[error("a safetensors file, but not one of Softrouter's: its metadata lacks `{0}`")]
    Foreign(&'static str),
    /// Written for another version of this program.
    #[error("the weights have format {found}, this program reads format {}", super::weights::FORMAT)]
    Version {
        /// The file's format.
        found: String,
    },
    /// Written for another specialist.
    #[error("these are the weights of `{found}`, not of `{wanted}`")]
    Specialist {
        /// The file's specialist.
        found: String,
        /// Whose weights were asked for.
        wanted: &'static str,
    },
    /// The tensors are not what was written.
    #[error("the weights are damaged: their hash is {computed:016x}, the file says {stored}")]
    Damaged {
        /// Hash of the tensors as they were read.
        computed: u64,
        /// Hash that the file's metadata holds.
        stored: String,
    },
    /// A shape that this program cannot run.
    #[error("unsupported shape: {0}")]
    Shape(String),
    /// A tensor is missing, or has another shape or type than the metadata implies.
    #[error("tensor `{name}` must be {expected}")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// What it must be.
        expected: String,
    },
}
