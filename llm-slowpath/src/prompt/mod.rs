//! Prompts.

pub mod tokens;
