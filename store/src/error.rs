/// Why a store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server restarted or failed over: drop what was cached and ask again.
    #[error("the store's epoch has changed")]
    Epoch,
    /// No new runs are taken for now.
    #[error("no new runs are taken: {0}")]
    Full(String),
    /// The server is not fit to be used; says which setting and what it must be.
    #[error("{0}")]
    Unfit(String),
    /// There can be no archive where it was said to be; says why.
    #[error("the archive: {0}")]
    Archive(String),
    /// Another process owns the data directory.
    #[error("{0} is in use by another process")]
    Owned(String),
    /// The server cannot be reached.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {0}")]
    Corrupt(String),
    /// A request beyond a limit: a defect of the caller.
    #[error("the request breaks a limit: {0}")]
    Limit(String),
    /// The disk.
    #[error("{0}: {1}")]
    Disk(String, #[source] std::io::Error),
}
