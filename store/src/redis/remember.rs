//! Requests under idempotency keys: one string each, `answered:<tenant> <key>`, gone after a day.

use ::redis::cmd;

use super::RedisStore;
use super::value::present;
use crate::Result;
use crate::answered::{LIFE, Remembered, check_key, decode, encode};
use crate::patched::check_names;

impl RedisStore {
    pub(super) async fn remembered(
        &self,
        tenant: &str,
        key: &str,
        request: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<Remembered>> {
        check_names(&[tenant])?;
        check_key(key, answer)?;
        let mut command = cmd("SET");
        // A key has no spaces within its tenant's name, so that two cannot be taken for one another.
        command.arg(self.keys.tenant(0, "answered", &format!("{tenant} {key}")));
        command.arg(encode(request, answer)).arg("EX").arg(LIFE.as_secs());
        if answer.is_none() {
            command.arg("NX").arg("GET");
        }
        let before = self.client.call(&command, true).await?;
        match present(&before) {
            Some(bytes) => decode(bytes).map(Some),
            None => Ok(None),
        }
    }
}
