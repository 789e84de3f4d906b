//! The lab's unsafe calls: packet sockets' addresses, and a child that dies with its parent.

use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use socket2::{SockAddr, SockAddrStorage};
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The address of an interface for `bind` on a packet socket. Protocol 0: it sends, and receives nothing.
pub(super) fn packet_address(interface_index: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the kernel's address types, so it fits into the zeroed storage.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface_index.cast_signed();
    // SAFETY: the storage holds an initialised `sockaddr_ll`, and that is its length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

/// Was a frame that a packet socket heard sent by this very host?
pub(super) fn was_sent_here(from: &SockAddr) -> bool {
    if from.len() < size_of::<libc::sockaddr_ll>() as libc::socklen_t
        || i32::from(from.family()) != libc::AF_PACKET
    {
        return false;
    }
    // SAFETY: the kernel wrote an address of this family and at least this length.
    let address = unsafe { &*from.as_ptr().cast::<libc::sockaddr_ll>() };
    address.sll_pkttype == libc::PACKET_OUTGOING
}

/// The bytes that a receive call wrote: exactly those that it counted.
pub(super) fn filled(buffer: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the caller passes the part of the buffer that the kernel has filled.
    unsafe { &*(std::ptr::from_ref(buffer) as *const [u8]) }
}

/// Lets the kernel kill the child when the thread that spawns it ends, however that comes about.
pub(super) fn die_with_this_thread(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call; it takes no lock and allocates nothing.
    unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)) }
}

/// Lets the child enter a user namespace of its own before it starts.
#[cfg(test)]
pub(super) fn enter_user_namespace_first(command: &mut Command) -> &mut Command {
    let enter = || super::privilege::enter_user_namespace().map(drop).map_err(std::io::Error::other);
    // SAFETY: between fork and exec the closure makes system calls and formats a few short strings; glibc keeps
    // its allocator usable in a forked child, and no other lock of the parent's is taken.
    unsafe { command.pre_exec(enter) }
}
