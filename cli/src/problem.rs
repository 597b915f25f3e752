//! What stops a command: one or more findings, each with its code, its place and its remedy.

use std::sync::Arc;

use aob_engine::catalogue::{self, Entry};
use aob_engine::issue::Issue;
use aob_engine::read::{Place, render};
use aob_engine::step::Refusal;
use aob_runner::runs;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// Result of what a command does.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// Why a command stops.
#[derive(Debug)]
pub(crate) struct Problem {
    /// At least one.
    pub(crate) findings: Vec<Finding>,
}

/// One finding, and where it was found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// What is wrong.
    pub(crate) issue: Issue,
    /// The file, argument, run or directory it is about.
    pub(crate) about: String,
    /// The place in that file.
    pub(crate) place: Option<Place>,
    /// The file's text.
    pub(crate) source: Option<Arc<str>>,
}

impl Problem {
    /// One finding about an argument, a run, a directory.
    pub(crate) fn new(
        entry: &'static Entry,
        about: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::found(about, Issue::new(entry, "", message))
    }

    /// An issue found in something that has no text to show.
    pub(crate) fn found(about: impl Into<String>, issue: Issue) -> Self {
        Self { findings: vec![Finding { issue, about: about.into(), place: None, source: None }] }
    }

    /// The first finding with one more line that shows it.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        if let Some(first) = self.findings.first_mut() {
            first.issue.details.push(line.into());
        }
        self
    }

    /// The first finding's entry in the catalogue.
    pub(crate) fn entry(&self) -> Option<&'static Entry> {
        self.findings.first().map(|first| first.issue.entry)
    }

    /// How the command ends: what could not be read counts before what was refused.
    pub(crate) fn exit(&self) -> Exit {
        let mut exits = self
            .findings
            .iter()
            .filter(|one| !one.issue.warning)
            .map(|one| Exit::of(one.issue.entry));
        let first = exits.next().unwrap_or(Exit::Error);
        if exits.any(|exit| exit == Exit::Usage) { Exit::Usage } else { first }
    }

    /// What the store says.
    pub(crate) fn store(error: aob_store::Error, about: &str) -> Self {
        use aob_store::Error;
        let entry = match &error {
            Error::Epoch => &catalogue::STORE_EPOCH,
            Error::Unreachable(_) => &catalogue::STORE_UNREACHABLE,
            Error::Full(_) => &catalogue::STORE_FULL,
            Error::Unfit(_) => &catalogue::STORE_UNFIT,
            Error::Owned(_) => &catalogue::STORE_OWNED,
            Error::Corrupt(_) => &catalogue::STORE_CORRUPT,
            Error::Limit(_) => &catalogue::STORE_LIMIT,
            Error::Disk(..) => &catalogue::STORE_DISK,
        };
        Self::new(entry, about, error.to_string())
    }

    /// What kept something from being done to a run.
    pub(crate) fn runs(error: runs::Error, about: &str) -> Self {
        match error {
            runs::Error::Invalid(issues)
            | runs::Error::NoFit(issues)
            | runs::Error::BadType(issues) => {
                let one =
                    |issue| Finding { issue, about: about.to_owned(), place: None, source: None };
                Self { findings: issues.into_iter().map(one).collect() }
            }
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
            throttled @ runs::Error::Throttled(_) => {
                Self::new(&catalogue::TIER_LIMIT, about, throttled.to_string())
            }
            runs::Error::NoGraph(digest) => Self::new(
                &catalogue::NO_WORKFLOW,
                about,
                format!("the graph {digest} is not in the store"),
            ),
            runs::Error::Refused(Refusal::Start(issue)) => Self::found(about, *issue),
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
    pub(crate) fn text(&self, colour: bool) -> String {
        render(&self.issue, self.place, &self.about, self.source.as_deref(), colour)
    }

    /// As programs read it.
    pub(crate) fn value(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(Sent::from(self)).unwrap_or_default();
        if let (Some(place), Some(fields)) = (self.place, value.as_object_mut()) {
            fields.insert("line".into(), place.line.into());
            fields.insert("column".into(), place.column.into());
        }
        value
    }
}

/// A finding on its way between two processes, or to a program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    code: String,
    #[serde(default)]
    warning: bool,
    about: String,
    #[serde(default)]
    pointer: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
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
                "the owner",
                "an error without a reason was answered",
            )
            .findings;
        }
        Self { findings }
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
