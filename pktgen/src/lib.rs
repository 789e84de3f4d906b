//! Seeded traffic generator, mutators and RFC oracle.

pub mod echo;
