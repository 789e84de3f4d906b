//! What the lab may do here: root, a user namespace of its own, or nothing.

use super::namespace::{Host, HostError, HostPlan};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::fs;
use std::io::{self, Write};

/// How this process may make network namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// As root, directly.
    Root,
    /// As root of a user namespace that this process alone lives in.
    UserNamespace,
}

/// Why there can be no lab over TAPs; each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum LabUnavailable {
    /// The kernel grants no user namespace.
    #[error(
        "no user namespace ({0}): run as root, or allow them (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
    )]
    UserNamespace(io::Error),
    /// The user namespace is there, but this user cannot become its root.
    #[error("cannot write {file} ({source}): run as root")]
    Map {
        /// The file under `/proc/self`.
        file: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A host with a TAP cannot be made.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Gives a process without root a user namespace of its own, in which it is root and may make hosts.
///
/// Call it in `main` for the lab alone, before any thread: the kernel refuses it to a process with threads.
/// Root stays as it is. The network stays, so that a model server can still be reached.
///
/// # Errors
/// The kernel refuses; the lab can then only run in memory.
pub fn enter_unprivileged() -> Result<Privilege, LabUnavailable> {
    if geteuid().is_root() { Ok(Privilege::Root) } else { enter_user_namespace() }
}

/// As [`enter_unprivileged`], also for root.
///
/// # Errors
/// The kernel refuses.
pub fn enter_user_namespace() -> Result<Privilege, LabUnavailable> {
    // Afterwards both read as the overflow id.
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| LabUnavailable::UserNamespace(errno.into()))?;
    let write = |file, text: &str| {
        fs::write(format!("/proc/self/{file}"), text).map_err(|source| LabUnavailable::Map { file, source })
    };
    write("uid_map", &format!("0 {user} 1"))?;
    // Without this the kernel lets no ordinary user write the group map (user_namespaces(7)).
    write("setgroups", "deny")?;
    write("gid_map", &format!("0 {group} 1"))?;
    Ok(Privilege::UserNamespace)
}

/// Makes a whole host with its TAP, and lets it go again: does the lab work here?
///
/// # Errors
/// Why it does not, in one line.
pub fn probe_tap() -> Result<(), LabUnavailable> {
    Ok(Host::start(HostPlan::client()).map(drop)?)
}

/// Does the environment forbid to leave anything out (`SOFTROUTER_NO_SKIP=1`)?
pub fn no_skip() -> bool {
    std::env::var_os("SOFTROUTER_NO_SKIP").is_some_and(|value| value == "1")
}

/// Says loudly that a test did not run. With `SOFTROUTER_NO_SKIP=1` that is a failure.
///
/// It writes past the test harness, which would swallow what a passing test prints.
///
/// # Panics
/// With `SOFTROUTER_NO_SKIP=1` in the environment.
pub fn skip(reason: &str) {
    assert!(!no_skip(), "SKIP: {reason} (and SOFTROUTER_NO_SKIP=1 forbids it)");
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(io::stderr(), "SKIP: {reason}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::host::LabHost;
    use crate::lab::sys;
    use crate::lab::test_cable::Cable;
    use crate::lab::traffic::{Stop, ping};
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    const HOLD: &str = "SOFTROUTER_TEST_HOLD";

    fn this_test_binary() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--test-threads=1", "--nocapture", "--exact"]).stdin(Stdio::null());
        command
    }

    #[test]
    fn the_lab_works_in_a_user_namespace() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let mut command = this_test_binary();
        let module = module_path!().split_once("lab::").unwrap().0.split_once("::").unwrap().1;
        for test in [
            "namespace::tests::a_host_has_its_own_interfaces_and_no_ipv6",
            "traffic::ping::tests::the_hosts_ping_judges_a_live_neighbour",
            "traffic::icmp::tests::the_first_echo_with_cold_neighbours_is_answered",
            "traffic::raw::tests::frames_of_every_length_leave_byte_for_byte",
            "traffic::tcp::tests::every_byte_comes_back",
        ] {
            command.arg(format!("{module}lab::{test}"));
        }
        command.env("SOFTROUTER_NO_SKIP", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = match sys::enter_user_namespace_first(&mut command).spawn() {
            Ok(child) => child.wait_with_output().unwrap(),
            Err(reason) => return skip(&format!("no user namespace for the test's child ({reason})")),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("5 passed"), "{text}");
    }

    /// Not a test by itself: the victim of the next one.
    #[test]
    fn hold_a_cable_and_a_ping() {
        if std::env::var_os(HOLD).is_none() {
            return;
        }
        let Some(cable) = Cable::plug() else { return };
        let plan = ping::PingPlan {
            target: Cable::SECOND.into(),
            count: 100_000,
            interval: Duration::from_millis(50),
            size: 56,
            timeout: Duration::from_secs(1),
        };
        let running = cable.first.spawn_ping(&plan, Stop::default()).unwrap();
        while running.progress().get() < 2 {
            thread::sleep(Duration::from_millis(10));
        }
        println!("\nholding");
        thread::sleep(Duration::from_secs(60));
    }

    #[test]
    fn nothing_is_left_behind_by_sigkill() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let mut command = this_test_binary();
        let name = thread::current()
            .name()
            .unwrap()
            .replace("nothing_is_left_behind_by_sigkill", "hold_a_cable_and_a_ping");
        let mut victim = command.arg(name).env(HOLD, "1").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "holding"), "the victim did not start");
        let children = children_of(victim.id());
        if children.is_empty() {
            skip("no iputils ping, so there is no child that could be left behind");
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        let start = Instant::now();
        while children.iter().any(|pid| is_alive(*pid)) {
            assert!(start.elapsed() < Duration::from_secs(5), "{children:?} outlived the lab");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn status(pid: u32) -> String {
        fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
    }

    fn is_alive(pid: u32) -> bool {
        let status = status(pid);
        // A zombie is dead: whoever adopted it has only not asked yet.
        !status.is_empty() && !status.contains("State:\tZ") && status.contains("Name:\tping")
    }

    fn children_of(parent: u32) -> Vec<u32> {
        let pids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| status(*pid).contains(&format!("PPid:\t{parent}\n"))).collect()
    }
}
