//! The Unix socket itself: only its owner can open it, a dead router's is replaced, and it is gone when the run ends.
//!
//! Read first: `man 7 unix`.

use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Clients that may wait to be looked at.
const BACKLOG: i32 = 16;
const REMEDY: &str = "name another path with --control, or with `socket` in [control]";

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody answers there.
    #[error("control socket {0}: another router is listening there\n  remedy: end that one, or {REMEDY}")]
    Live(PathBuf),
    /// It must not be replaced.
    #[error("control socket {0}: there is something that is no socket\n  remedy: {REMEDY}")]
    NoSocket(PathBuf),
    /// The kernel refuses it.
    #[error("control socket {path}: {source}\n  remedy: {REMEDY}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where the socket is unless the operator says otherwise.
pub fn default_path() -> PathBuf {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    folder.map_or_else(|| PathBuf::from(SYSTEM), |folder| Path::new(&folder).join("softrouter.sock"))
}

/// Where the router of a user without a runtime folder has it.
pub(super) const SYSTEM: &str = "/run/softrouter.sock";

/// A socket that listens, and that is removed at the end.
#[derive(Debug)]
pub struct Listening {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode: another router may have taken the name since.
    id: (u64, u64),
}

impl Listening {
    /// Listens at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn at(path: &Path) -> Result<Self, ControlError> {
        let failed = |source| ControlError::Io { path: path.to_owned(), source };
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        // Linux gives the file the mode that its socket has; and until it listens nobody can connect.
        let owner = Mode::S_IRUSR | Mode::S_IWUSR;
        fchmod(&socket, owner).map_err(|errno| failed(errno.into()))?;
        let address = SockAddr::unix(path).map_err(failed)?;
        if let Err(error) = socket.bind(&address) {
            if error.kind() != io::ErrorKind::AddrInUse {
                return Err(failed(error));
            }
            remove_stale(path, &address)?;
            socket.bind(&address).map_err(failed)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        let id = (metadata.dev(), metadata.ino());
        socket.listen(BACKLOG).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener: socket.into(), path: path.to_owned(), id })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a router that is gone.
fn remove_stale(path: &Path, address: &SockAddr) -> Result<(), ControlError> {
    let failed = |source| ControlError::Io { path: path.to_owned(), source };
    if !fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
        return Err(ControlError::NoSocket(path.to_owned()));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    // One that listens and has no time yet says so at once.
    probe.set_nonblocking(true).map_err(failed)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(failed(error)),
        Ok(()) | Err(_) => Err(ControlError::Live(path.to_owned())),
    }
}
