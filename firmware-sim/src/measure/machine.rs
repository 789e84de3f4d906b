//! On what is measured.

use super::report::Machine;
use std::fs;

/// The machine, as it says itself; what it does not say is called unknown.
pub(super) fn machine() -> Machine {
    let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        // x86 has names; Arm has numbers of parts.
        let name =
            text.lines().find(|line| line.starts_with("model name") || line.starts_with("CPU part"))?;
        Some(name.split_once(':')?.1.trim().to_owned())
    });
    let unknown = || "unknown".to_owned();
    let kernel = line("/proc/sys/kernel/osrelease").map(|release| format!("Linux {release}"));
    let load = line("/proc/loadavg").and_then(|text| Some(text.split_whitespace().next()?.to_owned()));
    Machine {
        processor: processor.unwrap_or_else(unknown),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: kernel.unwrap_or_else(unknown),
        optimised: !cfg!(debug_assertions),
        load: load.unwrap_or_else(unknown),
    }
}
