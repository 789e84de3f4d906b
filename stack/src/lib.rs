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
mod config_check;
pub mod divert;
#[cfg(test)]
mod draws;
pub mod event;
mod family;
pub mod forward;
pub mod frame;
pub mod host;
mod named;
mod places;
mod poll;
mod router;
pub mod rules;
mod soft_device;
pub mod stats;
mod storage;
pub mod time;
pub mod verdict;
pub mod wire;

pub use answer::{Action, ActionKind, Answer, Approved, EchoDelta, Rejection, Source};
pub use classify::{Anomaly, Mode};
pub use config::{Config, ConfigError, Limits, PortConfig, PortId, Posture, Rate, ReversePath, Vlan};
pub use divert::{ClassKey, Direction, DivertId, Diverted};
pub use event::Event;
pub use family::Family;
pub use forward::{Origin, Route, Target, Transmit};
pub use frame::FrameBuf;
pub use router::Router;
pub use rules::{RuleId, RuleLimits, RuleSpec, Witness};
pub use soft_device::{SoftDevice, SoftRxToken, SoftTxToken, WrapError};
pub use stats::Stats;
pub use storage::{Allocate, Sizes, Storage};
pub use verdict::{DropReason, Verdict};
