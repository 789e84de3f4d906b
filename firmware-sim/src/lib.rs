//! firmware-sim

pub mod lab;
pub mod port;
