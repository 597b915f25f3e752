//! Turns watches into reconciles, the same for every kind.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_crds::event;
use aob_telemetry::metrics::metrics;
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt as _, StreamExt as _};
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{self, ObjectRef, store::Writer};
use kube::runtime::{Controller, WatchStreamExt as _, watcher};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::lanes::{Guarded, Lane};
use crate::note::Note;

/// Objects of a kind that are reconciled at once in each lane.
const AT_ONCE: u16 = 16;
/// Objects that wait to be looked at again.
const QUEUE: usize = 4_096;
/// Objects in one page of a list: it is held twice while it is read.
const PAGE: u32 = 200;
/// An object that nothing has happened to is looked at again after this: a trigger may have been lost.
pub const SLOW: Duration = Duration::from_secs(600);

/// How long the watch may take to bring what somebody else has written, or its first list.
const CHANGED: Duration = Duration::from_secs(1);

/// When the process ends.
pub type Stop = Shared<BoxFuture<'static, ()>>;

/// What a kind's controller does.
pub struct Kind<K> {
    /// Looks at an object.
    pub reconcile: fn(Arc<K>, Arc<Context>) -> BoxFuture<'static, Result<Action>>,
    /// Drops what need not be kept of an object while it is only known.
    pub trim: fn(&mut K),
}

/// A lane that has not begun.
pub struct Prepared<K: Resource<DynamicType = ()> + Clone + 'static> {
    api: Api<Guarded<K>>,
    seen: reflector::Store<Guarded<K>>,
    writer: Writer<Guarded<K>>,
    again: mpsc::Receiver<ObjectRef<Guarded<K>>>,
}

/// A lane over an API, and the way to run it.
pub fn lane<K>(namespace: Option<String>, api: Api<Guarded<K>>) -> (Lane<K>, Prepared<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    let (seen, writer) = reflector::store();
    let (sender, again) = mpsc::channel(QUEUE);
    let lane = Lane { namespace, seen: seen.clone(), again: sender };
    (lane, Prepared { api, seen, writer, again })
}

/// Reconciles until it is told to stop.
pub async fn run<K>(prepared: Prepared<K>, kind: Kind<K>, context: Arc<Context>, stop: Stop)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let Kind { reconcile, trim } = kind;
    let Prepared { api, seen, writer, mut again } = prepared;
    let objects = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(move |object| {
            object.meta_mut().managed_fields = None;
            if let Ok(object) = &mut object.0 {
                trim(object);
            }
        })
        .reflect(writer)
        .applied_objects()
        .inspect(|seen| {
            if let Err(error) = seen {
                tracing::warn!(kind = %K::kind(&()), %error, "the watch is begun anew");
            }
        });
    let again = futures::stream::poll_fn(move |task| again.poll_recv(task));
    Controller::for_stream(objects, seen)
        .with_config(Config::default().concurrency(AT_ONCE))
        .reconcile_on(again)
        .graceful_shutdown_on(stop)
        .run(
            move |object, context| guarded(reconcile, object, context),
            |object: Arc<Guarded<K>>, error: &Error, context: Arc<Context>| {
                after(&*object, error, &context)
            },
            context,
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

/// One reconcile, counted; an object that cannot be read is told of and left alone.
async fn guarded<K>(
    reconcile: fn(Arc<K>, Arc<Context>) -> BoxFuture<'static, Result<Action>>,
    object: Arc<Guarded<K>>,
    context: Arc<Context>,
) -> Result<Action>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let began = Instant::now();
    let kind = K::kind(&());
    let done = match &object.0 {
        Ok(readable) => reconcile(Arc::new(readable.clone()), context.clone()).await,
        Err(broken) => Err(Error::Unreadable(Box::new(broken.clone()))),
    };
    metrics().operator_reconcile_seconds.observe([&*kind], began.elapsed());
    match &done {
        Ok(_) => {
            metrics().operator_reconciles.one([&*kind, "done"]);
            context.retries.done(&key(&*object));
        }
        Err(error) => {
            metrics().operator_reconciles.one([&*kind, error.name()]);
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            if matches!(error, Error::Changed | Error::Unread(_)) {
                tracing::debug!(%kind, namespace, name, %error, "it is looked at again soon");
            } else {
                tracing::warn!(%kind, namespace, name, error = %error, "a reconcile did not come to its end");
            }
            if let Error::Unreadable(broken) = error {
                let note = Note::warning(event::UNREADABLE, broken.error.clone());
                context.notes.write(&*object, vec![note]).await;
            }
        }
    }
    done
}

/// What follows a reconcile that did not come to its end.
fn after<K: Resource<DynamicType = ()>>(
    object: &Guarded<K>,
    error: &Error,
    context: &Context,
) -> Action {
    match error {
        // Only a change of it mends this.
        Error::Unreadable(_) | Error::Incomplete(_) => Action::await_change(),
        // The watch brings what it is now; if it does not, this does. A list has been waited for already.
        Error::Changed | Error::Unread(_) => Action::requeue(CHANGED),
        _ => Action::requeue(context.retries.failed(&key(object), rand::random())),
    }
}

fn key<K: Resource<DynamicType = ()>>(object: &Guarded<K>) -> String {
    let namespace = object.namespace().unwrap_or_default();
    format!("{}/{namespace}/{}", K::kind(&()), object.name_any())
}

/// A word to stop that many can wait for.
pub fn stop(word: impl Future<Output = ()> + Send + 'static) -> Stop {
    word.boxed().shared()
}
