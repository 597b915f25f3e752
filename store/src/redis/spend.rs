//! What tenants may have, and what their agents cost in a day: in shard 0, so that one clock and one count hold for all.

use ::redis::cmd;

use super::RedisStore;
use super::args::Args;
use super::value::{int, items, present};
use crate::Result;
use crate::spend::{Spend, Spent, check_limits, check_spend};

impl RedisStore {
    pub(super) async fn take(&self, spend: &Spend) -> Result<Spent> {
        check_spend(spend)?;
        let mut args = Args::default();
        args.push(&*spend.tenant);
        args.push(&spend.id);
        args.number(spend.call);
        let reserve = spend.reserve.map_or([None, None], |new| [Some(new.amount), Some(new.cap)]);
        for number in [spend.used, reserve[0], reserve[1], spend.now] {
            match number {
                Some(number) => args.number(number),
                None => args.push(""),
            }
        }
        let answer = self.function("aob1_spend", 0, &args).await?;
        Ok(match items(&answer) {
            [taken, until] => {
                Spent::Short { taken: int(taken).unsigned_abs(), until: int(until).unsigned_abs() }
            }
            _ => Spent::Taken,
        })
    }

    pub(super) async fn read_limits(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        let command = cmd("HGET").arg(self.keys.of(0, "limits")).arg(tenant).take();
        let answer = self.client.call(&command, true).await?;
        Ok(present(&answer).map(<[u8]>::to_vec))
    }

    pub(super) async fn write_limits(&self, tenant: &str, document: Option<&[u8]>) -> Result<()> {
        check_limits(tenant, document)?;
        let key = self.keys.of(0, "limits");
        let command = match document {
            Some(document) => cmd("HSET").arg(key).arg(tenant).arg(document).take(),
            None => cmd("HDEL").arg(key).arg(tenant).take(),
        };
        self.client.call(&command, true).await?;
        Ok(())
    }
}
