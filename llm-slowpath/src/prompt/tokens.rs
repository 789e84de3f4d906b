//! Tokens of the embedded model.
