//! Prompts: the embedded model's tokens, the text for general models, and what they may answer.

pub mod canonical;
pub mod decode;
pub mod exam;
mod frame;
pub mod options;
pub mod pseudonym;
pub mod schema;
mod size;
pub mod text;
pub mod tokens;
pub(crate) use frame::flow;
pub use options::{Detail, PromptOptions};
pub use pseudonym::Pseudonyms;
pub use size::tokens_at_most;
