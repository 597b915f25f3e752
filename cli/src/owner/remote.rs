//! A guest's side of the socket.

use std::path::{Path, PathBuf};

use aob_engine::catalogue;
use async_trait::async_trait;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::link::silent;
use super::protocol::{Answer, Hello, LONGEST_ANSWER, OwnRules, VERSION, read, write};
use super::socket;
use crate::operations::{Operations, Request};
use crate::problem::{Problem, Result};

/// A connection to the process that owns a data directory.
pub(super) struct Remote {
    dir: PathBuf,
    stream: Mutex<Stream>,
}

struct Stream {
    lines: BufReader<UnixStream>,
    /// A call was dropped before its answer came: the next answer would be taken for another's.
    broken: bool,
}

impl Remote {
    /// Connects, and learns by which rules the owner runs nodes.
    pub(super) async fn connect(dir: &Path) -> Result<(Self, OwnRules)> {
        let gone = |error: std::io::Error| silent(dir, &error.to_string());
        let stream = socket::connect(dir).await.map_err(gone)?;
        if !socket::is_ours(&stream).map_err(gone)? {
            return Err(Problem::new(
                &catalogue::PROTOCOL,
                dir.display().to_string(),
                "the socket is another user's",
            ));
        }
        let mut stream = BufReader::new(stream);
        write(&mut stream, &Hello { aob: VERSION }).await.map_err(gone)?;
        let answer = read::<Answer>(&mut stream, LONGEST_ANSWER).await.map_err(gone)?;
        let rules = match answer {
            Some(Answer::Done(rules)) => {
                serde_json::from_value::<OwnRules>(rules).map_err(|error| {
                    Problem::new(&catalogue::PROTOCOL, dir.display().to_string(), error.to_string())
                })?
            }
            Some(Answer::Problem(sent)) => return Err(Problem::from(sent)),
            None => return Err(silent(dir, "it hung up")),
        };
        Ok((
            Self {
                dir: dir.to_path_buf(),
                stream: Mutex::new(Stream { lines: stream, broken: false }),
            },
            rules,
        ))
    }
}

#[async_trait]
impl Operations for Remote {
    async fn call(&self, request: Request) -> Result<Value> {
        let gone = |why: String| {
            let message = format!("the process that owned {} has ended: {why}", self.dir.display());
            Problem::new(&catalogue::UNREACHABLE, self.dir.display().to_string(), message)
        };
        let mut stream = self.stream.lock().await;
        if std::mem::replace(&mut stream.broken, true) {
            return Err(gone("an answer was not waited for".to_owned()));
        }
        write(&mut stream.lines, &request).await.map_err(|error| gone(error.to_string()))?;
        let answer = read::<Answer>(&mut stream.lines, LONGEST_ANSWER).await;
        stream.broken = answer.is_err();
        match answer {
            Ok(Some(Answer::Done(value))) => Ok(value),
            Ok(Some(Answer::Problem(sent))) => Err(Problem::from(sent)),
            Ok(None) => Err(gone("it hung up".to_owned())),
            Err(error) => Err(gone(error.to_string())),
        }
    }
}
