//! The socket of the process that owns a data directory, and who may speak on it.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the data directory.
const NAME: &str = "aob.sock";
/// Longest path that fits a socket's address.
const LONGEST: usize = 100;

/// A path to a socket that fits an address. A directory whose path is too long is reached through its descriptor,
/// which is open as long as this lives.
#[derive(Debug)]
pub struct Way {
    path: PathBuf,
    _open: Option<File>,
}

impl Way {
    /// The way to the socket of this directory.
    ///
    /// # Errors
    /// If the directory cannot be opened.
    pub fn to(dir: &Path) -> std::io::Result<Self> {
        let path = path(dir);
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self { path, _open: None });
        }
        let open = File::open(dir)?;
        let path = Path::new("/proc/self/fd").join(open.as_raw_fd().to_string()).join(NAME);
        Ok(Self { path, _open: Some(open) })
    }

    /// As an address takes it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Listens in the directory that this process owns. What a predecessor left is removed first: it cannot be in use,
/// as the directory has one owner.
///
/// # Errors
/// If no socket can be made there.
pub fn listen(dir: &Path) -> std::io::Result<UnixListener> {
    let path = path(dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(Way::to(dir)?.path())?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Removes the socket.
pub fn remove(dir: &Path) {
    // The next owner removes it otherwise.
    drop(std::fs::remove_file(path(dir)));
}

/// Whether the other side is this user or root.
///
/// # Errors
/// If the system does not say who it is.
pub fn is_ours(stream: &UnixStream) -> std::io::Result<bool> {
    let peer = stream.peer_cred()?.uid();
    Ok(peer == 0 || peer == rustix::process::getuid().as_raw())
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}
