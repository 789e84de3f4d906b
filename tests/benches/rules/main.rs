//! What rules cost: nanoseconds of a hit, of many rules, of an attack on their table, of coming and going; and the time from
//! the first frame of a class to its rule. What they save: `softrouter measure`.
//!
//! Rounds of all rows take turns, and medians are printed: on a shared machine read neighbouring rows and their ratios.

mod cost;
mod learning;
mod rig;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    cost::rows(quick);
    learning::rows(quick);
}
