//! Why a reconcile did not come to its end. What a spec does wrong is no error but a status.

use aob_runner::runs;
use kube::core::error_boundary::InvalidObject;

/// Why a reconcile did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("the API server: {}", told(.0))]
    Kube(#[source] Box<kube::Error>),
    /// The store, or what is in it.
    #[error(transparent)]
    Runs(Box<runs::Error>),
    /// Another process may be acting by now.
    #[error("the lease is not held any more")]
    NotLeader,
    /// Somebody has written the object since it was read.
    #[error("the object has changed since it was read")]
    Changed,
    /// What it depends on has not been listed yet.
    #[error("the list of every {0} has not been read yet")]
    Unread(String),
    /// The object is not of its kind's shape.
    #[error("it cannot be read: {0}")]
    Unreadable(Box<InvalidObject>),
    /// What was to be written is no object of its kind.
    #[error("an object could not be built: {0}")]
    Unbuilt(String),
    /// The API server always fills this in.
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}

/// Result of a step.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A name for metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kube(_) => "kube",
            Self::Runs(_) => "store",
            Self::NotLeader => "lease",
            Self::Changed => "changed",
            Self::Unread(_) => "unread",
            Self::Unreadable(_) => "unreadable",
            Self::Incomplete(_) => "incomplete",
            Self::Unbuilt(_) => "unbuilt",
        }
    }

    /// What the API server says, if it will say so again until somebody changes something.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Kube(error) => match &**error {
                kube::Error::Api(status) if matches!(status.code, 400 | 403 | 404 | 422) => {
                    Some(told(error))
                }
                _ => None,
            },
            Self::Unbuilt(why) => Some(why.clone()),
            _ => None,
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl From<runs::Error> for Error {
    fn from(error: runs::Error) -> Self {
        Self::Runs(Box::new(error))
    }
}

impl From<aob_store::Error> for Error {
    fn from(error: aob_store::Error) -> Self {
        runs::Error::from(error).into()
    }
}

/// What the API server says, in its own words.
pub(crate) fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// Whether the API server says that there is no such object.
pub(crate) fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
