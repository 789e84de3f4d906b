//! The ioctls of a TAP: attaching an open `/dev/net/tun` to an interface, and what it may leave to its reader.

use nix::libc;
use std::fs::File;
use std::io;
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
