//! The `softrouter` binary.
fn main() {}
