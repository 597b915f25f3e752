//! What is said on the owner's socket: JSON lines. The guest begins with [`Hello`], the owner answers
//! [`OwnRules`]; then each request is one line and is answered by one line, in order.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use crate::arguments::Rules;
use crate::problem::Sent;

/// Both sides must say the same.
pub(crate) const VERSION: u32 = 1;
/// Longest request: a workflow file and what surrounds it, every character escaped.
pub(crate) const LONGEST_REQUEST: u64 = 32 * 1024 * 1024;
/// Longest answer: a page of events or log lines.
pub(crate) const LONGEST_ANSWER: u64 = 512 * 1024 * 1024;

/// The first line of a guest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// [`VERSION`].
    pub(crate) aob: u32,
}

/// What nodes may do in the owner's process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnRules {
    pub(crate) pid: u32,
    pub(crate) exec: Option<Vec<String>>,
    pub(crate) private: Option<Vec<String>>,
    pub(crate) secrets: Option<PathBuf>,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// As [`crate::operations::Request`] says.
    Done(Value),
    /// Why not.
    Problem(Vec<Sent>),
}

impl OwnRules {
    /// What was asked for on the command line and is not so in the owner's process.
    pub(crate) fn lacks(&self, asked: &Rules) -> Option<String> {
        let covers = |asked: &Option<Vec<String>>, own: &Option<Vec<String>>| match (asked, own) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(asked), Some(own)) => {
                own.is_empty() || (!asked.is_empty() && asked.iter().all(|one| own.contains(one)))
            }
        };
        let shown = |flag: &str, list: &Option<Vec<String>>| match list.as_deref() {
            None | Some([]) => flag.to_owned(),
            Some(list) => format!("{flag}={}", list.join(",")),
        };
        if !covers(&asked.allow_exec, &self.exec) {
            return Some(shown("--allow-exec", &asked.allow_exec));
        }
        if !covers(&asked.allow_private, &self.private) {
            return Some(shown("--allow-private", &asked.allow_private));
        }
        let same = asked.secrets.is_none() || asked.secrets == self.secrets;
        (!same).then(|| "--secrets".to_owned())
    }
}

/// One line, none at the end; an error if it is longer than `most` or no JSON of this type.
pub(crate) async fn read<T: serde::de::DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    most: u64,
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = from.take(most + 1).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        let why = if read as u64 > most {
            format!("a line is longer than {most} bytes")
        } else {
            "the line is cut off".to_owned()
        };
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// One line.
pub(crate) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    value: &impl Serialize,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::{OwnRules, read};
    use crate::arguments::Rules;

    #[test]
    fn rules_are_compared_item_by_item() {
        let list =
            |items: &[&str]| Some(items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>());
        let own = |exec| OwnRules { pid: 1, exec, private: None, secrets: None };
        let asked = |allow_exec| Rules { allow_exec, ..Rules::default() };
        assert_eq!(own(None).lacks(&asked(None)), None);
        assert_eq!(own(None).lacks(&asked(list(&[]))).as_deref(), Some("--allow-exec"));
        assert_eq!(own(list(&[])).lacks(&asked(list(&["sh"]))), None);
        assert_eq!(own(list(&["sh"])).lacks(&asked(list(&["sh"]))), None);
        assert_eq!(
            own(list(&["sh"])).lacks(&asked(list(&["git", "sh"]))).as_deref(),
            Some("--allow-exec=git,sh")
        );
        assert_eq!(own(list(&["sh"])).lacks(&asked(list(&[]))).as_deref(), Some("--allow-exec"));
        let secrets = Rules { secrets: Some("/s".into()), ..Rules::default() };
        assert_eq!(own(None).lacks(&secrets).as_deref(), Some("--secrets"));
    }

    #[tokio::test]
    async fn lines_are_bounded_and_whole() {
        let mut from: &[u8] = b"[1]\n[2]";
        assert_eq!(read::<Vec<u8>>(&mut from, 4).await.unwrap(), Some(vec![1]));
        assert!(read::<Vec<u8>>(&mut from, 4).await.unwrap_err().to_string().contains("cut off"));
        let mut long: &[u8] = b"[1,2,3]\n";
        assert!(
            read::<Vec<u8>>(&mut long, 4).await.unwrap_err().to_string().contains("longer than 4")
        );
        let mut end: &[u8] = b"";
        assert_eq!(read::<Vec<u8>>(&mut end, 4).await.unwrap(), None);
    }
}
