//! Why something is not done: one or more findings, each with its code, its place and its remedy.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue::{self, Entry};
use aob_engine::issue::Issue;
use aob_engine::read::{Place, render};
use aob_engine::step::Refusal;
use aob_runner::runs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Result of what is asked.
pub type Result<T> = std::result::Result<T, Problem>;

/// Why something is not done.
#[derive(Debug)]
pub struct Problem {
    /// At least one.
    pub findings: Vec<Finding>,
    /// When asking again may help.
    pub retry_after: Option<Duration>,
}

/// One finding, and where it was found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What is wrong.
    pub issue: Issue,
    /// The file, argument, run or directory it is about.
    pub about: String,
    /// The place in that file.
    pub place: Option<Place>,
    /// The file's text.
    pub source: Option<Arc<str>>,
}

impl Problem {
    /// These findings, at least one.
    pub fn of(findings: Vec<Finding>) -> Self {
        Self { findings, retry_after: None }
    }

    /// One finding about an argument, a run, a directory.
    pub fn new(
        entry: &'static Entry,
        about: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::found(about, Issue::new(entry, "", message))
    }

    /// An issue found in something that has no text to show.
    pub fn found(about: impl Into<String>, issue: Issue) -> Self {
        Self::of(vec![Finding { issue, about: about.into(), place: None, source: None }])
    }

    /// Issues found in something that has no text to show; at least one.
    pub fn all(about: &str, issues: Vec<Issue>) -> Self {
        let one = |issue| Finding { issue, about: about.to_owned(), place: None, source: None };
        Self::of(issues.into_iter().map(one).collect())
    }

    /// The first finding with one more line that shows it.
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        if let Some(first) = self.findings.first_mut() {
            first.issue.details.push(line.into());
        }
        self
    }

    /// The first finding's entry in the catalogue.
    pub fn entry(&self) -> Option<&'static Entry> {
        self.findings.first().map(|first| first.issue.entry)
    }

    /// What the store says.
    pub fn store(error: aob_store::Error, about: &str) -> Self {
        use aob_store::Error;
        let entry = match &error {
            Error::Epoch => &catalogue::STORE_EPOCH,
            Error::Unreachable(_) => &catalogue::STORE_UNREACHABLE,
            Error::Full(_) => &catalogue::STORE_FULL,
            Error::Unfit(_) => &catalogue::STORE_UNFIT,
            Error::Archive(_) => &catalogue::ARCHIVE_UNFIT,
            Error::Owned(_) => &catalogue::STORE_OWNED,
            Error::Corrupt(_) => &catalogue::STORE_CORRUPT,
            Error::Limit(_) => &catalogue::STORE_LIMIT,
            Error::Disk(..) => &catalogue::STORE_DISK,
        };
        Self::new(entry, about, error.to_string())
    }

    /// What kept something from being done to a run.
    pub fn runs(error: runs::Error, about: &str) -> Self {
        match error {
            runs::Error::Invalid(issues)
            | runs::Error::NoFit(issues)
            | runs::Error::BadType(issues) => Self::all(about, issues),
            runs::Error::NoRun(run) => {
                Self::new(&catalogue::NO_RUN, about, format!("there is no run {run}"))
            }
            runs::Error::NoWorkflow(name) => {
                Self::new(&catalogue::NO_WORKFLOW, about, format!("there is no workflow {name}"))
            }
            none @ runs::Error::NoType(_) => {
                Self::new(&catalogue::NO_TYPE, about, none.to_string())
            }
            moved @ runs::Error::TypeMoved(_) => {
                Self::new(&catalogue::TYPE_MOVED, about, moved.to_string())
            }
            runs::Error::NoMove(why) => Self::new(&catalogue::NOT_POSSIBLE, about, why),
            runs::Error::NoNode(why) => Self::new(&catalogue::NO_NODE, about, why),
            runs::Error::Throttled(throttled) => Self {
                retry_after: Some(throttled.retry_after),
                ..Self::new(&catalogue::TIER_LIMIT, about, throttled.to_string())
            },
            runs::Error::NoGraph(digest) => Self::new(
                &catalogue::NO_WORKFLOW,
                about,
                format!("the graph {digest} is not in the store"),
            ),
            runs::Error::Refused(Refusal::Start(issues)) => Self::all(about, issues),
            runs::Error::Refused(refusal) => {
                Self::new(&catalogue::STORE_CORRUPT, about, refusal.to_string())
            }
            runs::Error::Store(error) => Self::store(error, about),
            busy @ runs::Error::Busy(_) => Self::new(&catalogue::BUSY, about, busy.to_string()),
        }
    }
}

impl Finding {
    /// As people read it, ending with a line break.
    pub fn text(&self, colour: bool) -> String {
        render(&self.issue, self.place, &self.about, self.source.as_deref(), colour)
    }

    /// As programs read it.
    pub fn value(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(Sent::from(self)).unwrap_or_default();
        if let (Some(place), Some(fields)) = (self.place, value.as_object_mut()) {
            fields.insert("line".into(), place.line.into());
            fields.insert("column".into(), place.column.into());
        }
        value
    }
}

/// A finding on its way between two processes, or to a program.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// `AOB5003`.
    code: String,
    /// Whether it only warns.
    #[serde(default)]
    warning: bool,
    /// The file, argument, run or member that it is about.
    about: String,
    /// JSON pointer (RFC 6901) of the place in that.
    #[serde(default)]
    pointer: String,
    /// One sentence.
    message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// Further lines that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

impl From<&Finding> for Sent {
    fn from(finding: &Finding) -> Self {
        let Issue { entry, pointer, message, details, warning, .. } = finding.issue.clone();
        let remedy = Some(finding.issue.help().to_owned());
        let about = finding.about.clone();
        Self { code: entry.code.to_owned(), warning, about, pointer, message, remedy, details }
    }
}

impl From<Vec<Sent>> for Problem {
    fn from(sent: Vec<Sent>) -> Self {
        let mut findings: Vec<Finding> = sent.into_iter().map(Finding::from).collect();
        if findings.is_empty() {
            findings = Self::new(
                &catalogue::PROTOCOL,
                "the answer",
                "an error without a reason was answered",
            )
            .findings;
        }
        Self::of(findings)
    }
}

impl From<Sent> for Finding {
    fn from(sent: Sent) -> Self {
        let entry = catalogue::find(&sent.code).unwrap_or(&catalogue::PROTOCOL);
        let issue = Issue {
            entry,
            pointer: sent.pointer,
            message: sent.message,
            remedy: sent.remedy,
            details: sent.details,
            warning: sent.warning,
        };
        Self { issue, about: sent.about, place: None, source: None }
    }
}
