//! The lab's unsafe calls: path MTUs, and a child that dies with its parent.

use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the socket send IPv4 datagrams up to its interface's MTU with DF clear (`man 7 ip`, `IP_MTU_DISCOVER`).
pub(super) fn ignore_path_mtu(socket: &UdpSocket) -> io::Result<()> {
    let value = libc::IP_PMTUDISC_INTERFACE;
    let (pointer, len) = (std::ptr::from_ref(&value).cast(), size_of_val(&value) as libc::socklen_t);
    // SAFETY: the descriptor is open, and the kernel reads one initialised `int` of the length that it is told.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, pointer, len)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the kernel knows of the MTU of the path to the socket's peer.
pub(super) fn path_mtu(socket: &UdpSocket, is_ipv6: bool) -> io::Result<u32> {
    let (level, name) =
        if is_ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU) } else { (libc::IPPROTO_IP, libc::IP_MTU) };
    let mut value: libc::c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    let pointer = std::ptr::from_mut(&mut value).cast();
    // SAFETY: the descriptor is open, and the kernel writes one `int` at most, as `len` tells it.
    let done = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, pointer, &raw mut len) };
    if done == 0 { Ok(value.cast_unsigned()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the kernel kill the child when the thread that spawns it ends, however that comes about.
pub(super) fn die_with_this_thread(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call; it takes no lock and allocates nothing.
    unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)) }
}

/// Lets the child enter a user namespace of its own before it starts.
#[cfg(test)]
pub(super) fn enter_user_namespace_first(command: &mut Command) -> &mut Command {
    let enter = || super::privilege::enter_user_namespace().map(drop).map_err(io::Error::other);
    // SAFETY: between fork and exec the closure makes system calls and formats a few short strings; glibc keeps
    // its allocator usable in a forked child, and no other lock of the parent's is taken.
    unsafe { command.pre_exec(enter) }
}
