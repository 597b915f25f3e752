//! What a worker's task has to say: lines of its run's log.

use std::sync::Arc;

use aob_engine::catalogue::BAD_ANSWER;
use aob_store::LogLine;
use serde::{Deserialize, Serialize};

use super::{Error, Remote, TaskName, refused};
use crate::clock;

/// Most lines of one request.
const MOST: usize = 256;
/// Longest line, in bytes.
const LONGEST: usize = 8 * 1024;

/// Which of a task's streams a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// What a command printed.
    Out,
    /// What a command said about itself.
    Err,
    /// What the node type itself has to say.
    Aob,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its stream.
    pub from: Said,
    /// At most 8 KiB, without its end.
    pub text: String,
}

impl Remote {
    /// Keeps lines that a task wrote, as lines of its run's log, also those that come after its answer; false if the
    /// task is another's by now.
    ///
    /// # Errors
    /// [`Error::Refused`], the store's.
    pub async fn tell(
        self: &Arc<Self>,
        tenant: &str,
        (task, fence): (&str, &str),
        lines: Vec<Line>,
    ) -> Result<bool, Error> {
        let name = TaskName::fenced(task, fence)?;
        if lines.len() > MOST {
            let message = format!("{} lines, at most {MOST} at once", lines.len());
            return Err(refused(&BAD_ANSWER, "/lines", message));
        }
        // An agent's answer is committed with its patch, and what it said in its last turn may come after that.
        let waits = self.is_theirs(tenant, &name.at).await?.is_some();
        if !waits && self.answered(&name.at).await?.is_none() {
            return Ok(false);
        }
        let t = clock::now();
        let kept: Vec<LogLine> = lines
            .into_iter()
            .map(|Line { from, mut text }| {
                text.truncate(text.floor_char_boundary(LONGEST));
                let from = match from {
                    Said::Out => "out",
                    Said::Err => "err",
                    Said::Aob => "aob",
                };
                LogLine { t, at: name.at.instance.clone(), from: from.to_owned(), text }
            })
            .collect();
        self.runs.store().log(&name.at.run, &kept).await?;
        Ok(true)
    }
}
