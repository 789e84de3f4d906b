//! Rules in virtual time: how answers become rules, what rules do with frames, how they end, and what none may do.

mod actions;
mod adversary;
mod attacks;
mod cves;
mod ends;
mod fickle;
mod learning;
mod life;
mod loops;
mod matching;
mod order;
mod refusals;
mod safety;
mod trial;
