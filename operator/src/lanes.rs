//! What is known of the objects of a kind, and a way to have one looked at again: a lane for each namespace that is
//! watched, or one for all.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::NamespaceResourceScope;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;

use crate::error::{Error, Result};

/// An object, or what could be read of it.
pub type Guarded<K> = DeserializeGuard<K>;

/// How long one question waits for a first list.
const FIRST: Duration = Duration::from_secs(5);

/// Objects of a kind, in the namespaces that are watched.
///
/// Nothing is answered of a namespace before its first list has been read: until then what is not known may be there, and
/// whoever took it for missing would write that over what is settled, or let go of what is to be cleaned up.
pub struct Lanes<K: Resource<DynamicType = ()> + Clone + 'static>(Vec<Lane<K>>);

/// Those of one namespace, or of all.
pub struct Lane<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// None: all.
    pub namespace: Option<String>,
    /// What the watch has seen.
    pub seen: Store<Guarded<K>>,
    /// Has one looked at again.
    pub again: mpsc::Sender<ObjectRef<Guarded<K>>>,
}

impl<K: Resource<DynamicType = ()> + Clone + Debug + 'static> Lanes<K> {
    /// These.
    pub fn new(lanes: Vec<Lane<K>>) -> Self {
        Self(lanes)
    }

    /// An object that the watch has seen, if it can be read.
    ///
    /// # Errors
    /// [`Error::Unread`].
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<Arc<Guarded<K>>>> {
        let Some(lane) = self.read(namespace).await? else { return Ok(None) };
        let found = lane.seen.get(&reference(namespace, name));
        Ok(found.filter(|found| found.0.is_ok()))
    }

    /// Whether an object has certainly gone.
    pub fn is_gone(&self, namespace: &str, name: &str) -> bool {
        self.lane(namespace).is_none_or(|lane| {
            let is_read = matches!(lane.seen.wait_until_ready().now_or_never(), Some(Ok(())));
            is_read && lane.seen.get(&reference(namespace, name)).is_none()
        })
    }

    /// Those of a namespace that are wanted.
    ///
    /// # Errors
    /// [`Error::Unread`].
    pub async fn all(&self, namespace: &str, wanted: impl Fn(&K) -> bool) -> Result<Vec<K>> {
        let Some(lane) = self.read(namespace).await? else { return Ok(Vec::new()) };
        let state = lane.seen.state();
        let of = state.iter().filter_map(|one| one.0.as_ref().ok());
        Ok(of
            .filter(|one| one.meta().namespace.as_deref().unwrap_or_default() == namespace)
            .filter(|one| wanted(one))
            .cloned()
            .collect())
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.0.iter().map(|lane| lane.seen.len()).sum()
    }

    /// Whether objects of a namespace are seen.
    pub fn is_watched(&self, namespace: &str) -> bool {
        self.lane(namespace).is_some()
    }

    /// Objects of another kind in the same namespaces.
    pub fn apis<T>(&self, client: &Client) -> Vec<Api<T>>
    where
        T: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let one = |lane: &Lane<K>| match &lane.namespace {
            None => Api::all(client.clone()),
            Some(namespace) => Api::namespaced(client.clone(), namespace),
        };
        self.0.iter().map(one).collect()
    }

    /// Has an object looked at again soon.
    pub async fn again(&self, namespace: &str, name: &str) {
        if let Some(lane) = self.lane(namespace) {
            // Nobody listens only while the process ends.
            let _ = lane.again.send(reference(namespace, name)).await;
        }
    }

    /// The lane of a namespace, once its first list has been read.
    async fn read(&self, namespace: &str) -> Result<Option<&Lane<K>>> {
        let Some(lane) = self.lane(namespace) else { return Ok(None) };
        match tokio::time::timeout(FIRST, lane.seen.wait_until_ready()).await {
            Ok(Ok(())) => Ok(Some(lane)),
            _ => Err(Error::Unread(K::kind(&()).into_owned())),
        }
    }

    fn lane(&self, namespace: &str) -> Option<&Lane<K>> {
        self.0.iter().find(|lane| lane.namespace.as_deref().is_none_or(|own| own == namespace))
    }
}

fn reference<K: Resource<DynamicType = ()> + Clone + 'static>(
    namespace: &str,
    name: &str,
) -> ObjectRef<Guarded<K>> {
    let one = ObjectRef::new(name);
    if namespace.is_empty() { one } else { one.within(namespace) }
}
