//! The slow path: prompts, backends, decoding, and the service that joins them to the router.

pub mod answer;
pub mod model;
pub mod prompt;
