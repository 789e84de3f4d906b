//! Seeded traffic generator, mutators and RFC oracle: everything that tests, training and the exam need
//! to know what a frame is and what is right for it, without asking the router.
//!
//! Depends on `stack` for names only (anomalies, actions, class keys): no judgement here runs its code.
#![forbid(unsafe_code)]

pub mod build;
pub mod dice;
pub mod echo;
pub mod generate;
pub mod mutate;
pub mod oracle;
pub mod world;

pub use generate::{Expected, Generated, Generator, Mix};
pub use mutate::Family;
pub use world::World;
