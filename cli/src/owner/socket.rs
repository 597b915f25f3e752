//! The owner's socket, and who may speak on it.

use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the data directory.
const NAME: &str = "aob.sock";
/// Longest path that fits a socket's address.
const LONGEST: usize = 100;

/// Listens in the directory that this process owns. What a predecessor left is removed first: it cannot be in use,
/// as the directory has one owner.
pub(super) fn listen(dir: &Path) -> std::io::Result<UnixListener> {
    let path = path(dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = reach(dir, |path| UnixListener::bind(path))?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the owner.
pub(super) async fn connect(dir: &Path) -> std::io::Result<UnixStream> {
    let std_stream = reach(dir, |path| std::os::unix::net::UnixStream::connect(path))?;
    std_stream.set_nonblocking(true)?;
    UnixStream::from_std(std_stream)
}

/// Removes the socket.
pub(super) fn remove(dir: &Path) {
    // The next owner removes it otherwise.
    drop(std::fs::remove_file(path(dir)));
}

/// Whether the other side is this user or root.
pub(super) fn is_ours(stream: &UnixStream) -> std::io::Result<bool> {
    let peer = stream.peer_cred()?.uid();
    Ok(peer == 0 || peer == rustix::process::getuid().as_raw())
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// A directory whose path is too long for an address is reached through its descriptor.
fn reach<T>(dir: &Path, with: impl Fn(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let path = path(dir);
    if path.as_os_str().len() <= LONGEST {
        return with(&path);
    }
    let open = std::fs::File::open(dir)?;
    with(&Path::new("/proc/self/fd").join(open.as_raw_fd().to_string()).join(NAME))
}
