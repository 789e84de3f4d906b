//! The router itself among its peers: its owner loop on two TAPs, with the embedded model as its slow path.

use super::Failure;
use crate::clock::Clock;
use crate::config;
use crate::event_loop::EventLoop;
use crate::port::Port;
use crate::port::tap::Tap;
use crate::run;
use llm_slowpath::PingTask;
use stack::Stats;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const CONFIG: &str = r#"
[[port]]
name = "client"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24", "fd00:1::1/64"]
[[port]]
name = "server"
mac = "02:00:00:00:02:01"
addresses = ["10.0.2.1/24", "fd00:2::1/64"]
"#;

/// Runs it until `stop` is set; `settle` is called in its thread, once the slow path has threads of its own, which may run
/// wherever the calling one might. Its books.
pub(super) fn route(
    ports: [Tap; 2],
    stop: &AtomicBool,
    settle: impl FnOnce() -> Result<(), Failure>,
) -> Result<Box<Stats>, Failure> {
    let config = config::parse("peers", CONFIG, Clock::secret(), None)?;
    let router = run::router(&config)?;
    let ports = ports.map(|tap| Box::new(tap) as Box<dyn Port>).into();
    let (backends, service) = (config.slow_path.open(PingTask::default())?, config.slow_path.service());
    let mut owner = EventLoop::new(router, ports, backends, service, Clock::start(), None)?;
    settle()?;
    owner.run(stop, Duration::from_millis(100), |_| ())?;
    Ok(Box::new(owner.router().stats().clone()))
}
