//! What is known of the objects of a kind, and a way to have one looked at again: a lane for each namespace that is
//! watched, or one for all.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;

/// An object, or what could be read of it.
pub type Guarded<K> = DeserializeGuard<K>;

/// Objects of a kind, in the namespaces that are watched.
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
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Guarded<K>>> {
        let found = self.lane(namespace)?.seen.get(&reference(namespace, name))?;
        found.0.is_ok().then_some(found)
    }

    /// Those of a namespace that are wanted.
    pub fn all(&self, namespace: &str, wanted: impl Fn(&K) -> bool) -> Vec<K> {
        let Some(lane) = self.lane(namespace) else { return Vec::new() };
        let state = lane.seen.state();
        let of = state.iter().filter_map(|one| one.0.as_ref().ok());
        of.filter(|one| one.meta().namespace.as_deref().unwrap_or_default() == namespace)
            .filter(|one| wanted(one))
            .cloned()
            .collect()
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
