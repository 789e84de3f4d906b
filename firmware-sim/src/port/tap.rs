//! A TAP port: the router holds the descriptor, a Linux kernel has the interface at the other end.
//!
//! Read first: the kernel's `Documentation/networking/tuntap.rst`. A TAP made here is not persistent:
//! it goes when its descriptor is closed, however the process ends.

use super::{Gso, Netlink, Port, Received, Sent, offload, sys};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// How the kernel's side of a TAP is set up. What is `None` or empty is left as it is.
#[derive(Debug, Clone, Default)]
pub struct TapOptions {
    /// Largest IP packet in bytes.
    pub mtu: Option<u32>,
    /// Hardware address of the *kernel's* side; the router has its own.
    pub kernel_mac: Option<[u8; 6]>,
    /// Addresses of the kernel's side, each with its prefix length.
    pub kernel_addresses: Vec<(Ipv4Addr, u8)>,
    /// Lets the kernel give super-frames and unfinished checksums, where it can.
    pub offload: bool,
}

/// Why a TAP cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// `/dev/net/tun` does not exist.
    #[error(
        "TAP {name}: /dev/net/tun is missing ({source}): load the kernel module (modprobe tun) or, in a container, pass --device /dev/net/tun"
    )]
    NoDevice {
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The caller may not open `/dev/net/tun`.
    #[error(
        "TAP {name}: this user may not open /dev/net/tun ({source}): run as root, or allow it (chmod 666 /dev/net/tun)"
    )]
    DevicePermission {
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The caller may not attach to this interface.
    #[error(
        "TAP {name}: no permission ({source}): run as root, grant CAP_NET_ADMIN, or make the TAP beforehand with `ip tuntap add dev {name} mode tap user $USER`"
    )]
    Permission {
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody else holds this TAP.
    #[error("TAP {name}: another process holds it ({source}): end that process or choose another name")]
    Busy {
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The name is not one that an interface can have, or belongs to an interface that is not a TAP.
    #[error(
        "TAP {name}: not a usable TAP name ({source}): take 1 to 15 bytes that name no other kind of interface"
    )]
    Name {
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The interface exists, but a setting was refused.
    #[error(
        "TAP {name}: cannot set {what} ({source}): set it yourself with `ip link` or `ip address`, or grant CAP_NET_ADMIN"
    )]
    Configure {
        /// The interface.
        name: String,
        /// The setting.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The router's end of a TAP interface.
#[derive(Debug)]
pub struct Tap {
    file: File,
    name: String,
    index: u32,
    kernel_mac: [u8; 6],
    /// Is there a header in front of each frame?
    headers: bool,
}

impl Tap {
    /// Attaches to the TAP `name` in the calling thread's network namespace, making it if it is not there,
    /// and brings it up. The descriptor may then move to any thread.
    ///
    /// Settings that already hold are not touched, so that a TAP made for a user without privileges works.
    ///
    /// # Errors
    /// See [`TapError`]: each says what to do.
    pub fn open(name: &str, options: &TapOptions) -> Result<Self, TapError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .map_err(|source| refused(name, source))?;
        let headers = options.offload && attach_with_headers(&file, name);
        if !headers {
            sys::attach(&file, name, false).map_err(|source| refused(name, source))?;
            // A TAP that outlives its holders keeps what the last one promised. A kernel that refuses to take
            // it back has never granted it.
            let _ = sys::set_offload(&file, false);
        }
        let (index, kernel_mac) = configure(name, options)?;
        Ok(Self { file, name: name.to_owned(), index, kernel_mac, headers })
    }

    /// The interface's index, in its own namespace.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The hardware address of the kernel's side.
    pub const fn kernel_mac(&self) -> [u8; 6] {
        self.kernel_mac
    }
}

/// Says whether the kernel grants the offload; if not, nothing is attached, or attached without it.
fn attach_with_headers(file: &File, name: &str) -> bool {
    sys::attach(file, name, true)
        .and_then(|()| sys::set_header_size(file, offload::HEADER))
        .and_then(|()| sys::set_offload(file, true))
        .is_ok()
}

/// Errors after which the port is as good as before: it has no frame, or no room, now.
fn is_passing(error: &io::Error) -> bool {
    // EIO: the interface is down, which is a normal state (RFC 1812 §2.2.8).
    matches!(
        error.raw_os_error(),
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR | libc::EIO)
    )
}

fn refused(name: &str, source: io::Error) -> TapError {
    let name = name.to_owned();
    match source.raw_os_error() {
        // The device's mode gives EACCES, TUNSETIFF gives EPERM.
        Some(libc::EACCES) => TapError::DevicePermission { name, source },
        Some(libc::EPERM) => TapError::Permission { name, source },
        Some(libc::EBUSY) => TapError::Busy { name, source },
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => TapError::NoDevice { name, source },
        _ => TapError::Name { name, source },
    }
}

fn configure(name: &str, options: &TapOptions) -> Result<(u32, [u8; 6]), TapError> {
    let failed = |what| move |source| TapError::Configure { name: name.to_owned(), what, source };
    let netlink = Netlink::open().map_err(failed("anything: no netlink socket"))?;
    let link = netlink.link(name).map_err(failed("anything: the interface is not found"))?;
    if let Some(mac) = options.kernel_mac.filter(|mac| *mac != link.mac) {
        netlink.set_mac(link.index, mac).map_err(failed("the hardware address"))?;
    }
    if let Some(mtu) = options.mtu.filter(|mtu| *mtu != link.mtu) {
        netlink.set_mtu(link.index, mtu).map_err(failed("the MTU"))?;
    }
    for &(address, prefix) in &options.kernel_addresses {
        netlink.add_address(link.index, address.into(), prefix).map_err(failed("an address"))?;
    }
    if !link.up {
        netlink.set_up(link.index).map_err(failed("the interface up"))?;
    }
    Ok((link.index, options.kernel_mac.unwrap_or(link.mac)))
}

impl Tap {
    fn write(&mut self, header: [u8; offload::HEADER], frame: &[u8]) -> io::Result<Sent> {
        let written = if self.headers {
            self.file.write_vectored(&[IoSlice::new(&header), IoSlice::new(frame)])
        } else {
            self.file.write(frame)
        };
        match written {
            Ok(_) => Ok(Sent::Done),
            Err(error) if is_passing(&error) => Ok(Sent::Full),
            Err(error) => Err(error),
        }
    }
}

impl Port for Tap {
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        let mut header = [0; offload::HEADER];
        let read = if self.headers {
            self.file.read_vectored(&mut [IoSliceMut::new(&mut header), IoSliceMut::new(buf)])
        } else {
            self.file.read(buf)
        };
        match read {
            Ok(len) if self.headers => {
                let len = len.saturating_sub(header.len());
                Ok(Some(Received { len, gso: offload::settle(header, &mut buf[..len]) }))
            }
            Ok(len) => Ok(Some(len.into())),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        self.write([0; offload::HEADER], frame)
    }

    fn takes_super_frames(&self) -> bool {
        self.headers
    }

    fn send_super_frame(&mut self, frame: &[u8], gso: &Gso) -> io::Result<Sent> {
        if !self.headers {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.write(gso.header(frame), frame)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_refused_with_a_remedy() {
        let error = Tap::open("a-name-of-sixteen", &TapOptions::default()).unwrap_err();
        // Without permission to open the device that comes first; both say what to do.
        assert!(matches!(
            error,
            TapError::Name { .. } | TapError::Permission { .. } | TapError::NoDevice { .. }
        ));
        assert!(error.to_string().contains("TAP a-name-of-sixteen: "));
    }

    #[test]
    fn each_refusal_names_its_remedy() {
        for (code, word) in [
            (libc::EACCES, "chmod 666"),
            (libc::EPERM, "CAP_NET_ADMIN"),
            (libc::EBUSY, "another process"),
            (libc::ENOENT, "modprobe tun"),
            (libc::EINVAL, "15 bytes"),
        ] {
            let message = refused("tap0", io::Error::from_raw_os_error(code)).to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
