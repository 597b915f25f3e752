//! The admission stop: no new runs when the server's memory is nearly full.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::cmd;

use super::client::Client;
use super::session::field;
use super::value::text;
use crate::{Error, Result};

/// Percent of `maxmemory` from which on no run starts: what is left is for those under way.
const STOP: u64 = 80;
/// How old the answer may be.
const FRESH: Duration = Duration::from_secs(1);

/// The server's memory as it was seen last.
#[derive(Default)]
pub(super) struct Memory {
    seen: Mutex<Option<(Instant, Option<String>)>>,
}

impl Memory {
    /// Whether a run may start.
    ///
    /// # Errors
    /// [`Error::Full`] with the figures and what to do.
    pub(super) async fn admit(&self, client: &Client) -> Result<()> {
        let seen = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh =
                seen.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, why)| why.clone());
            if let (None, Some((at, _))) = (&fresh, seen.as_mut()) {
                // One asks; whoever comes meanwhile goes by what was known.
                *at = Instant::now();
            }
            fresh
        };
        let why = match seen {
            Some(why) => why,
            None => {
                let info = client.call(cmd("INFO").arg("memory"), true).await?;
                let why = judge(&String::from_utf8_lossy(text(&info)));
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                *seen = Some((Instant::now(), why.clone()));
                why
            }
        };
        why.map_or(Ok(()), |why| Err(Error::Full(why)))
    }
}

fn judge(info: &str) -> Option<String> {
    let bytes = |name| field(info, name).and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
    let (used, most) = (bytes("used_memory"), bytes("maxmemory"));
    let full = most > 0 && u128::from(used) * 100 >= u128::from(most) * u128::from(STOP);
    full.then(|| {
        format!(
            "the server uses {} MiB of its maxmemory of {} MiB, {STOP} % or more; raise it with CONFIG SET maxmemory, \
             or drop finished runs sooner",
            used >> 20,
            most >> 20
        )
    })
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn starts_stop_at_eighty_percent() {
        let info = |used: u64, most: u64| format!("used_memory:{used}\r\nmaxmemory:{most}\r\n");
        assert!(judge(&info(799, 1_000)).is_none());
        assert!(judge(&info(800, 1_000)).is_some_and(|why| why.contains("maxmemory")));
        assert!(judge(&info(u64::MAX, 0)).is_none());
    }
}
