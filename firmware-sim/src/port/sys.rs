//! The unsafe calls of ports: a TAP's ioctls, and what packet sockets need.

use nix::libc;
use socket2::{SockAddr, SockAddrStorage};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

/// `struct ifreq` of `<linux/if.h>` as TUNSETIFF reads it, with every byte ours.
#[repr(C)]
struct TunRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: u16,
    rest: [u8; size_of::<libc::ifreq>() - libc::IFNAMSIZ - 2],
}

const _: () = assert!(size_of::<TunRequest>() == size_of::<libc::ifreq>());

nix::ioctl_write_ptr_bad!(
    tun_set_iff,
    nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
    TunRequest
);

nix::ioctl_write_ptr_bad!(
    tun_set_header_size,
    nix::request_code_write!(b'T', 216, size_of::<libc::c_int>()),
    libc::c_int
);

nix::ioctl_write_int_bad!(tun_set_offload, nix::request_code_write!(b'T', 208, size_of::<libc::c_uint>()));

/// Attaches `tun` to the TAP interface `name`, which is made if it does not exist; with `headers`, a
/// `struct virtio_net_hdr` is in front of each frame.
pub(super) fn attach(tun: &File, name: &str, headers: bool) -> io::Result<()> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains(['\0', '/', '%']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface name has 1 to 15 bytes"));
    }
    let mut request = TunRequest {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_TAP | libc::IFF_NO_PI | if headers { libc::IFF_VNET_HDR } else { 0 }) as u16,
        rest: [0; size_of::<libc::ifreq>() - libc::IFNAMSIZ - 2],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the descriptor is open, and TUNSETIFF reads (and may write back) exactly one `struct ifreq`,
    // whose size and layout `TunRequest` has and whose bytes are all initialised. The kernel keeps no pointer.
    unsafe { tun_set_iff(tun.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// Sets the length of the header in front of each frame, which a TAP keeps from one holder to the next.
pub(super) fn set_header_size(tun: &File, size: usize) -> io::Result<()> {
    let size = size as libc::c_int;
    // SAFETY: the descriptor is open, and TUNSETVNETHDRSZ reads one `int`. The kernel keeps no pointer.
    unsafe { tun_set_header_size(tun.as_raw_fd(), &raw const size) }?;
    Ok(())
}

/// Lets the kernel leave checksums and segmentation to the TAP's reader, or takes that back.
pub(super) fn set_offload(tun: &File, offload: bool) -> io::Result<()> {
    let all = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    let flags = if offload { all } else { 0 };
    // SAFETY: the descriptor is open, and the argument of TUNSETOFFLOAD is a number.
    unsafe { tun_set_offload(tun.as_raw_fd(), flags as libc::c_int) }?;
    Ok(())
}

/// The address of an interface for `bind` on a packet socket. Protocol 0: it sends, and receives nothing.
pub(crate) fn packet_address(interface_index: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the kernel's address types, so it fits into the zeroed storage.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface_index.cast_signed();
    // SAFETY: the storage holds an initialised `sockaddr_ll`, and that is its length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

/// Was a frame that a packet socket heard sent by this very host?
pub(crate) fn was_sent_here(from: &SockAddr) -> bool {
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
pub(crate) fn filled(buffer: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the caller passes the part of the buffer that the kernel has filled.
    unsafe { &*(std::ptr::from_ref(buffer) as *const [u8]) }
}

/// Lets the interface give a packet socket what is addressed to other stations, too (`man 7 packet`).
pub(super) fn hear_all(socket: &socket2::Socket, interface_index: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: interface_index.cast_signed(),
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    let (pointer, len) = (std::ptr::from_ref(&request).cast(), size_of_val(&request) as libc::socklen_t);
    // SAFETY: the descriptor is open, and the kernel reads one `struct packet_mreq` of the length that it is told.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, pointer, len)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
