//! What every reconcile works with.

use std::fmt::Debug;
use std::sync::Arc;

use aob_crds::{Run, RunPatch, Workflow};
use aob_runner::runs::Runs;
use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

use crate::follow::Followers;
use crate::lanes::Lanes;
use crate::lease::Leadership;
use crate::note::Notes;
use crate::pool::Pools;
use crate::retry::Retries;
use crate::waiting::{For, Waiting, Who};

/// What every reconcile works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The one way to runs.
    pub runs: Arc<Runs>,
    /// Whether this process may act.
    pub lease: Leadership,
    /// Events.
    pub notes: Notes,
    /// What watches have seen.
    pub objects: Objects,
    /// Who waits for what.
    pub waiting: Waiting,
    /// When to try again.
    pub retries: Retries,
    /// Runs that are followed.
    pub followers: Followers,
    /// Runner pods of tenants.
    pub pools: Pools,
}

/// What watches have seen, by kind.
pub struct Objects {
    /// Workflows.
    pub workflows: Lanes<Workflow>,
    /// Runs.
    pub runs: Lanes<Run>,
    /// RunPatches.
    pub patches: Lanes<RunPatch>,
}

impl Context {
    /// Objects of a kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Has those looked at again who wait for something.
    pub async fn wake(&self, what: &For) {
        for who in self.waiting.take(what) {
            match who {
                Who::Workflow(namespace, name) => {
                    self.objects.workflows.again(&namespace, &name).await;
                }
                Who::Run(namespace, name) => self.objects.runs.again(&namespace, &name).await,
                Who::Patch(namespace, name) => {
                    self.objects.patches.again(&namespace, &name).await;
                }
            }
        }
    }
}
