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
    #[error("no user namespace ({0}): run as root, or allow them (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)")]
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

/// Gives a process without root a user and network namespace of its own, in which it is root.
///
/// Call it first thing in `main`: the kernel refuses it to a process with threads. Root stays as it is.
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
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|errno| LabUnavailable::UserNamespace(errno.into()))?;
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

/// Says loudly that a test did not run. With `SOFTROUTER_NO_SKIP=1` that is a failure.
///
/// It writes past the test harness, which would swallow what a passing test prints.
///
/// # Panics
/// With `SOFTROUTER_NO_SKIP=1` in the environment.
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("SOFTROUTER_NO_SKIP").is_none_or(|value| value != "1"),
        "SKIP: {reason} (and SOFTROUTER_NO_SKIP=1 forbids it)"
    );
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(io::stderr(), "SKIP: {reason}");
}
