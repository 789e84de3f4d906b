//! Seeded traffic generator, mutators and RFC oracle: everything that tests, training and the exam need
//! to know what a frame is and what is right for it, without asking the router.
//!
//! ```
//! use pktgen::{Expected, Generator, World, oracle};
//!
//! let generator = Generator::new(World::lab(), 42);
//! let made = generator.of(stack::Anomaly::Ipv4Land, 7).expect("any world has such a frame");
//! assert_eq!(made.expected, Expected::Anomaly(stack::Anomaly::Ipv4Land));
//! let judgement = oracle::judge(generator.world(), made.port, &made.bytes);
//! assert!(judgement.agrees_with(made.expected));
//! ```
//!
//! Depends on `stack` for names only (anomalies, actions, class keys): no judgement here runs its code.
#![forbid(unsafe_code)]

pub mod build;
pub mod dice;
pub mod echo;
pub mod generate;
pub mod mutate;
pub mod oracle;
pub mod stream;
mod sum;
pub mod tasks;
pub mod world;

pub use generate::{Expected, Generated, Generator, Mix};
pub use mutate::Family;
pub use stream::{Stream, StreamMix, StreamPlan};
pub use world::World;
