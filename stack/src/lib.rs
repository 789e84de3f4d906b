//! The deterministic core of Softrouter: sans-IO, `no_std`, without an allocator.
//!
//! [`Router`] takes time and bytes in and gives values out. It does no I/O, reads no clock and owns
//! no thread. Frames that it cannot serve are *diverted* to a slow path, which is not trusted:
//! whatever it answers passes [`Router::approve`] before anything is sent.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

#[cfg(test)]
extern crate std;

#[cfg(all(feature = "log", feature = "defmt"))]
compile_error!("features `log` and `defmt` of `stack` exclude each other");

pub mod answer;
pub mod classify;
pub mod config;
pub mod divert;
pub mod frame;

pub use answer::{Action, ActionKind, Answer, EchoDelta, Source};
pub use classify::{Anomaly, Mode};
pub use config::{Config, ConfigError, PortConfig, PortId, Posture, Rate};
pub use divert::{ClassKey, DivertId, Diverted, Direction};
pub use frame::FrameBuf;
