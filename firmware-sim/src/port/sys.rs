//! The one ioctl of a TAP: attaching an open `/dev/net/tun` to an interface.

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

/// Attaches `tun` to the TAP interface `name`, which is made if it does not exist.
pub(super) fn attach(tun: &File, name: &str) -> io::Result<()> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains(['\0', '/', '%']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface name has 1 to 15 bytes"));
    }
    let mut request = TunRequest {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_TAP | libc::IFF_NO_PI) as u16,
        rest: [0; size_of::<libc::ifreq>() - libc::IFNAMSIZ - 2],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the descriptor is open, and TUNSETIFF reads (and may write back) exactly one `struct ifreq`,
    // whose size and layout `TunRequest` has and whose bytes are all initialised. The kernel keeps no pointer.
    unsafe { tun_set_iff(tun.as_raw_fd(), &raw const request) }?;
    Ok(())
}
