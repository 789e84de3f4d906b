//! How much of a core's time a thread or a process has taken, by the scheduler's own account.
//!
//! Read first: the kernel's `Documentation/scheduler/sched-stats.rst`. The account of a thread that is just
//! running is behind by a tick at most (4 ms).

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Whose time.
#[derive(Debug, Clone)]
pub struct CpuClock(Whose);

#[derive(Debug, Clone)]
enum Whose {
    Thread(PathBuf),
    Process(PathBuf),
}

impl CpuClock {
    /// That of one thread of this process.
    pub(super) fn of_thread(id: Pid) -> Self {
        Self(Whose::Thread(format!("/proc/self/task/{id}").into()))
    }

    /// That of all threads that a process has.
    pub(super) fn of_process(id: u32) -> Self {
        Self(Whose::Process(format!("/proc/{id}/task").into()))
    }

    /// The time until now; `None`: the kernel keeps no account, or nobody is there any more.
    pub fn now(&self) -> Option<Duration> {
        match &self.0 {
            Whose::Thread(folder) => spent(folder.clone()),
            Whose::Process(folder) => {
                let threads = fs::read_dir(folder).ok()?.filter_map(Result::ok);
                Some(threads.filter_map(|thread| spent(thread.path())).sum())
            }
        }
    }
}

/// The first number is nanoseconds on a core.
fn spent(thread: PathBuf) -> Option<Duration> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Cores that the calling thread may use.
pub(super) fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect()
}

/// Lets the calling thread back to its cores, however its work ends.
pub(super) struct Unpin(Option<CpuSet>);

impl Unpin {
    pub(super) fn later() -> Self {
        Self(sched_getaffinity(Pid::from_raw(0)).ok())
    }
}

impl Drop for Unpin {
    fn drop(&mut self) {
        if let Some(set) = &self.0 {
            // It was allowed before.
            let _ = sched_setaffinity(Pid::from_raw(0), set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::gettid;
    use std::time::Instant;

    #[test]
    fn a_busy_threads_time_grows_and_a_sleeping_ones_does_not() {
        let clock = CpuClock::of_thread(gettid());
        let Some(before) = clock.now() else {
            return crate::lab::privilege::skip(
                "this kernel keeps no account of threads (CONFIG_SCHED_INFO)",
            );
        };
        std::thread::sleep(Duration::from_millis(100));
        let slept = clock.now().unwrap() - before;
        let start = Instant::now();
        while clock.now().unwrap() - before < Duration::from_millis(60) {
            assert!(start.elapsed() < Duration::from_secs(10), "no time passes");
        }
        assert!(slept < Duration::from_millis(50), "{slept:?}");
        assert!(CpuClock::of_process(std::process::id()).now().unwrap() >= Duration::from_millis(60));
        assert!(CpuClock::of_process(u32::MAX).now().is_none());
    }
}
