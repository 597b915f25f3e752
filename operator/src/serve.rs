//! Everything put together: until it is told to stop, or the lease is lost.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use aob_crds::manifest;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::node::{self, Policy};
use aob_runner::runs::{AgentLimits, Runs, Settings, TierLimits};
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_runner::vitals;
use aob_store::redis::RedisStore;
use aob_telemetry::Stop;
use aob_telemetry::admin::Admin;
use aob_telemetry::health::Health;
use aob_telemetry::metrics::metrics;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::context::{Context, Objects};
use crate::drive::{self, Kind, Prepared};
use crate::error::told;
use crate::job::{self, JobNode};
use crate::lanes::{Guarded, Lanes};
use crate::lease::{Keeper, Leadership, Named};
use crate::note::Notes;
use crate::{namespace, node_type, patch, pool, run, webhook, workflow};

/// The lease's name.
const LEASE: &str = "aob-operator";
/// How long reconciles under way may go on after the word to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// How often it is looked for definitions that are missing.
const LOOK: Duration = Duration::from_secs(2);

/// What a process ends with.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Serves.
///
/// # Errors
/// If it cannot begin, or the lease was lost: then a new process has to look at everything anew.
pub async fn serve(arguments: Arguments) -> Outcome {
    let mut stop = Stop::listen()?;
    let health = Arc::new(Health::default());
    let admin = Admin::listen(arguments.admin, health.clone()).await?;
    let client = Client::try_default().await?;
    let store = Arc::new(RedisStore::open(&arguments.redis).await?);
    let tiers = Some(TierLimits::parse(&arguments.tier_limits)?);
    let agents = AgentLimits::parse(&arguments.agent_limits)?;
    let settings = Settings { tiers, agents, ..Settings::default() };
    let pools = match arguments.tenant_pools.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => {
            let read = text.parse::<pool::Settings>();
            Some(Arc::new(read.map_err(|why| format!("--tenant-pools: {why}"))?))
        }
        None => None,
    };
    let registry = Registry::builtin().with_tenant_runners(pools.is_some());
    let runs = Runs::with(store, registry, Ceiling::default(), settings);
    vitals::store(&health, &runs);
    let hook = match arguments.webhook.as_str() {
        "off" => None,
        address => {
            let settings = webhook::Settings {
                address: address
                    .parse()
                    .map_err(|_| format!("--webhook {address}: ADDR:PORT or off"))?,
                namespace: arguments.namespace.clone(),
                service: arguments.webhook_service.clone(),
                secret: arguments.webhook_secret.clone(),
                configuration: arguments.webhook_configuration.clone(),
            };
            Some(webhook::serve(client.clone(), runs.clone(), settings).await?)
        }
    };
    let crds = gate(&health, "definitions", "kinds of aob.dev are missing in this cluster");
    let served = hook.as_ref().map(|hook| hook.address().to_string());
    tracing::info!(admin = %admin.address(), webhook = served, "aob-operator serves");
    tokio::select! {
        () = definitions(&client) => {}
        why = stop.next() => return ended(why),
    }
    crds.send_replace(true);
    let lease = Leadership::default();
    let named = Named {
        namespace: arguments.namespace.clone(),
        name: LEASE.to_owned(),
        own: format!("{}-{:08x}", arguments.pod, rand::random::<u32>()),
    };
    let mut keeper = Keeper::new(client.clone(), named, lease.clone());
    metrics().operator_leads.set([], 0);
    tokio::select! {
        () = keeper.get() => {}
        why = stop.next() => return ended(why),
    }
    metrics().operator_leads.set([], 1);
    tracing::info!("this process acts from now on");
    let (stopping, stopped) = watch::channel(false);
    let (context, mut tasks) = controllers(&arguments, client, runs, lease, &stopped);
    if let Some(settings) = pools {
        tasks.spawn(pool::keep(context.clone(), settings, stopped.clone()));
    }
    let jobs = jobs(&context);
    let lost = tokio::select! {
        why = keeper.keep() => Some(why),
        why = stop.next() => {
            tracing::info!(why, "aob-operator stops");
            None
        }
    };
    metrics().operator_leads.set([], 0);
    if let Some(why) = lost {
        // Nothing is finished in order: another process acts.
        return Err(format!("the lease is lost: {why}").into());
    }
    health.stop();
    stopping.send_replace(true);
    let drained = tokio::time::timeout(DRAIN, async {
        while tasks.join_next().await.is_some() {}
        jobs.stop().await;
    });
    tokio::select! {
        done = drained => if done.is_err() { tracing::warn!("reconciles under way are left") },
        _ = keeper.keep() => {}
        _ = stop.next() => {}
    }
    keeper.give_back().await;
    Ok(())
}

fn ended(why: &str) -> Outcome {
    tracing::info!(why, "aob-operator stops");
    Ok(())
}

/// A part that is missing until the sender says that it is there.
fn gate(health: &Health, part: &'static str, missing: &'static str) -> watch::Sender<bool> {
    let (sender, receiver) = watch::channel(false);
    health.ready(part, move || {
        let is_there = *receiver.borrow();
        Box::pin(async move { is_there.then_some(()).ok_or_else(|| missing.to_owned()) })
    });
    sender
}

/// Waits until every kind is defined in the cluster: the operator installs none.
async fn definitions(client: &Client) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in manifest::definitions() {
        let name = definition.name_any();
        let is_served = |found: &CustomResourceDefinition| {
            let conditions = found.status.as_ref().and_then(|status| status.conditions.as_ref());
            conditions
                .into_iter()
                .flatten()
                .any(|one| one.type_ == "Established" && one.status == "True")
        };
        loop {
            match api.get_opt(&name).await {
                Ok(Some(found)) if is_served(&found) => break,
                Ok(_) => tracing::warn!(name, "the kind is not defined in this cluster yet"),
                Err(error) => {
                    tracing::warn!(name, error = told(&error), "the API server cannot be asked");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Begins every controller.
fn controllers(
    arguments: &Arguments,
    client: Client,
    runs: Arc<Runs>,
    lease: Leadership,
    stopped: &watch::Receiver<bool>,
) -> (Arc<Context>, JoinSet<()>) {
    let (workflows, workflow_lanes) = lanes(&client, &arguments.watch_namespaces);
    let (run_objects, run_lanes) = lanes(&client, &arguments.watch_namespaces);
    let (patches, patch_lanes) = lanes(&client, &arguments.watch_namespaces);
    let context = Arc::new(Context {
        notes: Notes::new(client.clone(), &arguments.pod),
        client: client.clone(),
        runs,
        lease,
        objects: Objects { workflows, runs: run_objects, patches },
        waiting: Default::default(),
        retries: Default::default(),
        followers: Default::default(),
        pools: Default::default(),
    });
    let mut tasks = JoinSet::new();
    for lane in workflow_lanes {
        begin(&mut tasks, lane, workflow::kind(), &context, stopped);
    }
    for lane in run_lanes {
        begin(&mut tasks, lane, run::kind(), &context, stopped);
    }
    for lane in patch_lanes {
        begin(&mut tasks, lane, patch::kind(), &context, stopped);
    }
    // They belong to the whole cluster, whatever namespaces are watched.
    let (_, lane) = drive::lane(None, Api::all(client.clone()));
    begin(&mut tasks, lane, namespace::kind(), &context, stopped);
    let (_, lane) = drive::lane(None, Api::all(client));
    begin(&mut tasks, lane, node_type::kind(), &context, stopped);
    (context, tasks)
}

/// Claims the tasks of `job` nodes, and runs them as Jobs.
fn jobs(context: &Arc<Context>) -> Service {
    let policy = Arc::new(Policy::default());
    let nodes = node::Registry::built_in(&policy).with(Box::new(JobNode::new(context.clone())));
    // Registered types that are run as Jobs.
    nodes.serve_others(Box::new(JobNode::new(context.clone())));
    Service::spawn(&ServiceOptions {
        runs: context.runs.clone(),
        nodes: Arc::new(nodes),
        policy,
        secrets: Arc::new(Secrets::none()),
        types: vec![job::NAME.into()],
        coordinate: false,
        lanes: 1,
        slots: 64,
        lease: Duration::from_secs(30),
        sweep: Duration::from_secs(1),
        idle: Duration::from_secs(1),
        drain: Duration::from_secs(5),
    })
}

/// A lane for each namespace, or one for all.
fn lanes<K>(client: &Client, namespaces: &[String]) -> (Lanes<K>, Vec<Prepared<K>>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Send
        + Sync
        + 'static,
{
    let made = if namespaces.is_empty() {
        vec![drive::lane(None, Api::all(client.clone()))]
    } else {
        let one = |namespace: &String| {
            let api = Api::<Guarded<K>>::namespaced(client.clone(), namespace);
            drive::lane(Some(namespace.clone()), api)
        };
        namespaces.iter().map(one).collect()
    };
    let (lanes, prepared): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    (Lanes::new(lanes), prepared)
}

fn begin<K>(
    tasks: &mut JoinSet<()>,
    lane: Prepared<K>,
    kind: Kind<K>,
    context: &Arc<Context>,
    stopped: &watch::Receiver<bool>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let mut stopped = stopped.clone();
    let word = async move {
        // Its sender lives as long as the process serves.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    tasks.spawn(drive::run(lane, kind, context.clone(), drive::stop(word)));
}
