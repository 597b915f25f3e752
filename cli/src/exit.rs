//! How a command ends, as a number for scripts.

use aob_engine::catalogue::{self, Entry};

/// The exit codes of `aob`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Something went wrong that has no number of its own.
    Error = 1,
    /// The command or a file could not be read.
    Usage = 2,
    /// A rule refuses it.
    Refused = 3,
    /// There is no such run, ticket, node, workflow.
    NotFound = 4,
    /// This person may not.
    NotAllowed = 5,
    /// The store or its owner cannot be reached.
    Unreachable = 6,
    /// The run failed.
    RunFailed = 10,
    /// The run was cancelled.
    RunCancelled = 11,
    /// The run waits for a person, or is suspended.
    Waiting = 12,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// How a command ends that stops at this error.
    pub(crate) fn of(entry: &Entry) -> Self {
        let known: &[(&[&Entry], Self)] = &[
            (
                &[
                    &catalogue::USAGE,
                    &catalogue::NO_FILE,
                    &catalogue::NOT_UNIQUE,
                    &catalogue::NO_HOME,
                    &catalogue::CONTEXT_FILE,
                ],
                Self::Usage,
            ),
            (&[&catalogue::NO_RUN, &catalogue::NO_TICKET, &catalogue::NO_WORKFLOW], Self::NotFound),
            (&[&catalogue::NO_CONTEXT], Self::NotFound),
            (
                &[
                    &catalogue::NO_NODE,
                    &catalogue::NO_CODE,
                    &catalogue::NO_SCHEMA,
                    &catalogue::NO_TYPE,
                ],
                Self::NotFound,
            ),
            (
                &[&catalogue::NO_PATCH, &catalogue::NO_PATCH_SET, &catalogue::NO_REVISION],
                Self::NotFound,
            ),
            (
                &[&catalogue::CHILD_UNKNOWN, &catalogue::NOT_POSSIBLE, &catalogue::SAME_NAME],
                Self::Refused,
            ),
            (
                &[&catalogue::BAD_INPUT, &catalogue::BAD_DECISION, &catalogue::NOT_HERE],
                Self::Refused,
            ),
            (
                &[&catalogue::OTHER_RULES, &catalogue::STORE_UNFIT, &catalogue::STORE_FULL],
                Self::Refused,
            ),
            (&[&catalogue::ARCHIVE_UNFIT], Self::Refused),
            (
                &[
                    &catalogue::NOT_AN_APPROVER,
                    &catalogue::REQUESTER_DECIDES,
                    &catalogue::PATCHER_DECIDES,
                    &catalogue::NOT_ALLOWED,
                    &catalogue::NOT_PROVEN,
                ],
                Self::NotAllowed,
            ),
            (
                &[
                    &catalogue::TICKET_CLOSED,
                    &catalogue::TICKET_LATE,
                    &catalogue::TIER_LIMIT,
                    &catalogue::BAD_NODE_TYPE,
                    &catalogue::TYPE_MOVED,
                ],
                Self::Refused,
            ),
            (
                &[&catalogue::UNREACHABLE, &catalogue::STORE_OWNED, &catalogue::PROTOCOL],
                Self::Unreachable,
            ),
            (&[&catalogue::STORE_UNREACHABLE, &catalogue::STORE_EPOCH], Self::Unreachable),
        ];
        match known.iter().find(|(entries, _)| entries.contains(&entry)) {
            Some((_, exit)) => *exit,
            None if entry.code.starts_with("AOB10") => Self::Usage,
            None if ["AOB11", "AOB12", "AOB13", "AOB20", "AOB21"]
                .iter()
                .any(|area| entry.code.starts_with(area)) =>
            {
                Self::Refused
            }
            None => Self::Error,
        }
    }

    /// For `--help`.
    pub(crate) const HELP: &str = "\
Exit codes:
  0 done   1 error   2 usage, or a file that cannot be read   3 refused by a rule   4 not found
  5 not allowed   6 store or owner unreachable   10 run failed   11 run cancelled
  12 run waits for a person or is suspended   130 interrupted (the run stays)";
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
