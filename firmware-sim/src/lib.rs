//! The firmware's main loop on a host: TAP ports, the lab, and the `softrouter` command.

pub mod anomalies;
pub mod availability;
pub mod cli;
pub mod clock;
pub mod config;
mod cpu;
pub mod decision_log;
pub mod event_loop;
pub mod exam;
pub mod fuzz;
mod hex;
pub mod lab;
pub mod logs;
pub mod measure;
pub mod metrics;
mod page;
pub mod peers;
pub mod port;
pub mod prompt_command;
pub mod recording;
pub mod replay;
pub mod report;
pub mod rules;
pub mod run;
pub mod slow_path;
pub mod storage;
pub mod watch;
