//! What nodes may do on a runner: its operator decides, never a workflow.

use std::collections::BTreeSet;
use std::time::Duration;

use super::egress::Private;

/// The rules of one runner. The default is the safe one: public addresses only, no local commands.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which addresses that are not public may be reached.
    pub private: Private,
    /// Which local commands may run.
    pub exec: ExecPolicy,
    /// Sizes and times of requests.
    pub http: HttpLimits,
    /// The largest output, in bytes of JSON.
    pub output: usize,
    /// How long a task that was told to stop may take before it is dropped; a command gets half of it
    /// between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl Policy {
    /// The safe rules but for what two flags allow. Each: absent, nothing; empty or `any`, everything; else what it lists.
    ///
    /// # Errors
    /// If an entry of `private` is neither a host nor a block of addresses.
    pub fn allowing(exec: Option<&[String]>, private: Option<&[String]>) -> Result<Self, String> {
        let all = |list: &[String]| list.iter().all(|one| one.is_empty() || one == "any");
        let exec = match exec {
            None => ExecPolicy::Off,
            Some(list) if all(list) => ExecPolicy::Any,
            Some(list) => ExecPolicy::Only(list.iter().cloned().collect()),
        };
        let private = match private {
            None => Private::Deny,
            Some(list) if all(list) => Private::Any,
            Some(list) => {
                Private::Only(list.iter().map(|one| one.parse()).collect::<Result<_, String>>()?)
            }
        };
        Ok(Self { exec, private, ..Self::default() })
    }
}

/// Which local commands `exec` may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ExecPolicy {
    /// None.
    #[default]
    Off,
    /// Those whose first word is one of these, to the letter. It limits which program starts, not what
    /// the program does: `sh` in it is as good as `Any`.
    Only(BTreeSet<String>),
    /// All.
    Any,
}

/// Limits of one `http` attempt.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// The largest body sent, in bytes.
    pub request: usize,
    /// The largest body read, in bytes.
    pub response: usize,
    /// How many redirects are followed.
    pub redirects: usize,
    /// How long connecting may take, name and TLS included.
    pub connect: Duration,
    /// How long the whole attempt may take, redirects and bodies included.
    pub total: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            private: Private::Deny,
            exec: ExecPolicy::Off,
            http: HttpLimits::default(),
            output: 256 * 1024,
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            request: 1024 * 1024,
            response: 1024 * 1024,
            redirects: 5,
            connect: Duration::from_secs(10),
            total: Duration::from_secs(300),
        }
    }
}

impl ExecPolicy {
    /// Whether a command whose first word is `program` may run.
    #[must_use]
    pub fn allows(&self, program: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Only(programs) => programs.contains(program),
            Self::Any => true,
        }
    }
}
