//! Runner pods of tenants: a Deployment for each namespace and `spec.runner` in it, as many pods as there is work for.
//!
//! Workflows say what they want when they are looked at ([`Pools::want`]), the store says how much there is to do, and
//! one loop makes it so. What pods are like is `build`, how many of them `scale`, what has become of them `report`:
//! functions from values to values. Workflows that were never objects have pods too, if they ask for nothing special.

mod apply;
mod build;
mod known;
mod report;
mod scale;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_crds::event;
use aob_engine::ir::tenant_of_queue;
use aob_store::Demand;
use aob_telemetry::metrics::metrics;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context::Context;
use crate::error::Result;
use crate::note::Note;
pub use known::{Pools, Want};
pub use report::Pinned;
pub use settings::Settings;

/// How often the store is asked how much there is to do.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked how pods are that run as they should.
const AGAIN: Duration = Duration::from_secs(10);
/// After so long everything is written again: somebody may have changed it.
const SLOW: Duration = Duration::from_secs(600);

/// A namespace and the name of a `spec.runner`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The tenant.
    pub namespace: String,
    /// [`aob_engine::pool::name`].
    pub runners: String,
}

/// Keeps pools as they are wanted until it is told to stop.
pub async fn keep(context: Arc<Context>, settings: Arc<Settings>, mut stop: watch::Receiver<bool>) {
    let mut found = false;
    while !*stop.borrow() {
        if !found {
            // Pools that an operator before this one has made.
            found = match apply::find(&context).await {
                Ok(keys) => {
                    keys.into_iter().for_each(|(key, pods)| context.pools.found(key, pods));
                    true
                }
                Err(error) => {
                    tracing::warn!(%error, "the pools that are there cannot be listed");
                    false
                }
            };
        }
        if let Err(error) = look(&context, &settings).await {
            tracing::warn!(%error, "the demand for runner pods cannot be counted");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn look(context: &Arc<Context>, settings: &Settings) -> Result<()> {
    let demand = by_pool(&context.runs.store().demand().await?);
    for (key, load) in &demand {
        // A namespace that is not watched is another operator's.
        if load.waiting > 0 && context.objects.workflows.is_watched(&key.namespace) {
            context.pools.meet(key.clone());
        }
    }
    let workflows = &context.objects.workflows;
    context.pools.forget_users(|namespace, name| workflows.is_gone(namespace, name));
    let (mut wanted, mut ready) = (0, 0);
    for key in context.pools.keys() {
        let load = demand.get(&key).copied().unwrap_or_default();
        if let Err(error) = step(context, settings, &key, load).await {
            let pause = context.retries.failed(&retry(&key), rand::random());
            context.pools.pause(&key, Instant::now() + pause);
            tracing::warn!(namespace = key.namespace, runners = key.runners, %error, "a pool is not as it is wanted");
            if let Some(why) = error.refusal() {
                tell(context, &key, Pinned::refused(why)).await;
            }
        }
        let (pods, are_ready) = context.pools.count(&key);
        wanted += u64::from(pods);
        ready += u64::from(are_ready);
    }
    metrics().pool_pods.set(["wanted"], wanted);
    metrics().pool_pods.set(["ready"], ready);
    Ok(())
}

/// Makes one pool as it is wanted.
async fn step(
    context: &Arc<Context>,
    settings: &Settings,
    key: &Key,
    load: scale::Load,
) -> Result<()> {
    let now = Instant::now();
    let Some(mut turn) = context.pools.turn(key, load, settings, now) else { return Ok(()) };
    if turn.leave {
        context.lease.check()?;
        apply::remove(context, key).await?;
        context.pools.leave(key);
        return Ok(());
    }
    if turn.write {
        turn.secrets = usable(context, key, &turn).await?;
        context.lease.check()?;
        apply::apply(context, settings, key, &turn).await?;
        context.retries.done(&retry(key));
        context.pools.written(key, &turn, now);
    }
    if turn.look {
        let pods = apply::pods(context, key).await?;
        context.pools.counted(key, report::ready(&pods), now);
        tell(context, key, report::pinned(turn.pinning, &pods)).await;
    }
    Ok(())
}

/// Has the workflows of a pool say how its pods are, if that is something else than before.
async fn tell(context: &Arc<Context>, key: &Key, pinned: Pinned) {
    for workflow in context.pools.told(key, pinned) {
        context.objects.workflows.again(&key.namespace, &workflow).await;
    }
}

/// Those secrets of a pool that its namespace has labelled for it. Workflows that read others are told.
async fn usable(context: &Context, key: &Key, turn: &known::Turn) -> Result<Vec<String>> {
    let mut usable = Vec::new();
    for (secret, workflows) in &turn.asked {
        let found = apply::is_usable(context, &key.namespace, secret).await?;
        if found {
            usable.push(secret.clone());
            continue;
        }
        let label = aob_crds::label::USABLE;
        let text = format!("Secret {secret}: none of this name has the label {label}=true");
        for workflow in workflows {
            if let Some(object) = context.objects.workflows.get(&key.namespace, workflow).await?
                && let Ok(object) = &object.0
                && context.pools.is_news(key, workflow, secret)
            {
                let note = Note::warning(event::SECRET_NOT_USABLE, text.clone());
                context.notes.write(object, vec![note]).await;
            }
        }
    }
    Ok(usable)
}

fn retry(key: &Key) -> String {
    format!("pool/{}/{}", key.namespace, key.runners)
}

/// What there is to do for each pool.
fn by_pool(demand: &[Demand]) -> BTreeMap<Key, scale::Load> {
    let mut all: BTreeMap<Key, scale::Load> = BTreeMap::new();
    for Demand { queue, waiting, held } in demand {
        if let Some((tenant, Some(runners))) = tenant_of_queue(queue) {
            let key = Key { namespace: tenant.to_owned(), runners: runners.to_owned() };
            let load = all.entry(key).or_default();
            load.waiting += waiting;
            load.held += held;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_of_one_pool_are_counted_together_and_others_not() {
        let one = |queue: &str, waiting, held| Demand { queue: queue.to_owned(), waiting, held };
        let all = by_pool(&[
            one("agent+0123456789@a", 1, 2),
            one("http+0123456789@a", 3, 0),
            one("http+0123456789@b", 0, 1),
            one("http", 7, 7),
            one("acme.x@a", 7, 7),
        ]);
        let key =
            |namespace: &str| Key { namespace: namespace.into(), runners: "0123456789".into() };
        assert_eq!(all.len(), 2);
        assert_eq!(all[&key("a")], scale::Load { waiting: 4, held: 2 });
        assert_eq!(all[&key("b")], scale::Load { waiting: 0, held: 1 });
    }
}
