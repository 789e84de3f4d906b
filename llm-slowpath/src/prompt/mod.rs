//! Prompts: the embedded model's tokens, the text for general models, and what they may answer.

pub mod decode;
pub mod exam;
pub mod schema;
pub mod text;
pub mod tokens;
