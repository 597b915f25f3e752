//! What stops `aob-node`: where, which rule, and what to do.

use std::path::{Path, PathBuf};

/// Result of what this crate does.
pub type Result<T> = std::result::Result<T, Problem>;

/// Why it stops. The text is one sentence; [`Problem::remedy`] says what mends it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A profile breaks a rule of profiles.
    #[error("profile {file}: {what}")]
    Profile {
        /// The profile's file.
        file: String,
        /// What is wrong with it, with the rule.
        what: String,
    },
    /// A file of the machine cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The machine shows something that cannot be understood.
    #[error("{}: {what}", path.display())]
    Machine {
        /// The file that shows it.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Something belongs to somebody else.
    #[error("{what} belongs to {owner}")]
    Owned {
        /// The setting or file.
        what: String,
        /// Whose it is.
        owner: String,
    },
    /// Another `aob-node` works on this machine.
    #[error("another aob-node holds {}", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// A program that is needed did not do what it should.
    #[error("`{program}` failed: {what}")]
    Program {
        /// The program with its arguments.
        program: String,
        /// What it said.
        what: String,
    },
    /// What was written does not read back.
    #[error("{what} reads back as `{found}` and not as `{wanted}`")]
    Unread {
        /// The setting.
        what: String,
        /// What is read.
        found: String,
        /// What was written.
        wanted: String,
    },
    /// The cluster does not answer as it should.
    #[error("Kubernetes: {what}")]
    Cluster {
        /// What was asked and what came.
        what: String,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
    },
    /// Stopped on purpose, by a test between two steps.
    #[error("stopped before {0}")]
    Stopped(String),
}

impl Problem {
    /// An error of the file system with its path.
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// The rule that is broken, where it is not in the sentence itself.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Profile { .. } => "a profile is checked as a whole before anything is done",
            Self::File { .. } => "what aob-node writes it must also be able to read and put back",
            Self::Machine { .. } => "nothing is planned on a machine that is not understood",
            Self::Owned { .. } => "what others own is never changed, only reported",
            Self::Busy { .. } => "one aob-node at a time changes a machine",
            Self::Program { .. } => "a change counts when the system has taken it over",
            Self::Unread { .. } => "every value is read back after it is written",
            Self::Cluster { .. } => "a node says it is tuned only while it is known to be",
            Self::Stopped(_) => "apply and revert can stop between any two steps",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Profile { .. } => "mend the profile; `aob-node plan` shows what it would do",
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "run it as root; in a pod see the chart's securityContext"
            }
            Self::File { .. } => "check the path and the file system, then run the command again",
            Self::Machine { .. } => "report the file's content; --root takes a copy of the tree",
            Self::Owned { .. } => {
                "take the setting out of the other file, or leave the profile off"
            }
            Self::Busy { .. } => "wait until the other one has ended",
            Self::Program { .. } => "run the program by hand and see what it says",
            Self::Unread { .. } => "see which program writes the setting too",
            Self::Cluster { .. } => "check the ServiceAccount's rights and the API server",
            Self::Stopped(_) => "run `aob-node revert`",
        }
    }
}
