//! What is asked of the API server about a pool, and written to it.

use aob_crds::label::{self, manager};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::known::Turn;
use super::settings::Settings;
use super::{Key, build};
use crate::context::Context;
use crate::error::{Result, is_gone};

/// Pools that are there, with their pods.
pub(super) async fn find(context: &Context) -> Result<Vec<(Key, u32)>> {
    let mut found = Vec::new();
    let parameters = ListParams::default().labels(label::POOL).limit(10_000);
    for api in context.objects.workflows.apis::<Deployment>(&context.client) {
        for one in api.list(&parameters).await?.items {
            let runners = one.labels().get(label::POOL).cloned().unwrap_or_default();
            let replicas = one.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
            let namespace = one.namespace().unwrap_or_default();
            if aob_engine::pool::is_name(&runners) {
                found.push((Key { namespace, runners }, u32::try_from(replicas).unwrap_or(0)));
            }
        }
    }
    Ok(found)
}

/// Writes everything that belongs to a pool.
pub(super) async fn apply(
    context: &Context,
    settings: &Settings,
    key: &Key,
    turn: &Turn,
) -> Result<()> {
    write(context, key, &build::account()?).await?;
    if settings.network_policy {
        write(context, key, &build::network(settings)?).await?;
    }
    write(context, key, &build::deployment(settings, key, turn)?).await?;
    write(context, key, &build::disruption(key)?).await
}

async fn write<K>(context: &Context, key: &Key, object: &K) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = context.api(&key.namespace);
    let parameters = PatchParams::apply(manager::POOL).force();
    api.patch(&object.name_any(), &parameters, &Patch::Apply(object)).await?;
    Ok(())
}

/// Ends a pool. Its pods finish what they do.
pub(super) async fn remove(context: &Context, key: &Key) -> Result<()> {
    let name = build::name(key);
    let gone = |done: kube::Result<_>| match done {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    };
    let parameters = DeleteParams::background();
    gone(context.api::<Deployment>(&key.namespace).delete(&name, &parameters).await.map(drop))?;
    let budgets = context.api::<PodDisruptionBudget>(&key.namespace);
    gone(budgets.delete(&name, &parameters).await.map(drop))?;
    Ok(())
}

/// A pool's pods.
pub(super) async fn pods(context: &Context, key: &Key) -> Result<Vec<Pod>> {
    let selector = format!("{}={}", label::POOL, key.runners);
    let parameters = ListParams::default().labels(&selector).limit(1_000);
    Ok(context.api::<Pod>(&key.namespace).list(&parameters).await?.items)
}

/// Whether a Secret is there and labelled for workflows. What is in it is not asked for.
pub(super) async fn is_usable(context: &Context, namespace: &str, name: &str) -> Result<bool> {
    match context.api::<Secret>(namespace).get_metadata_opt(name).await? {
        Some(found) => Ok(found.labels().get(label::USABLE).is_some_and(|value| value == "true")),
        None => Ok(false),
    }
}
