//! Registered node types: kept in the store, and told to whatever is compiled from then on.
//!
//! A revision keeps what it was told ([`aob_engine::ir::UsedTypes`], an artifact named by the run's state): a type that
//! is changed or removed later changes nothing about what runs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use aob_engine::canonical::canonical_json;
use aob_engine::compile::compile_after;
use aob_engine::ir::{Ir, Kind};
use aob_engine::issue::Issue;
use aob_engine::registry::{KeptType, Registry, RunBy};
use aob_engine::state::{Fence, State};
use aob_store::TaskRef;
use async_trait::async_trait;
use serde_json::Value;

use super::{Error, Runs};
use crate::node::{RunSource, Task};
use crate::remote::TaskName;

/// Most registries of tenants kept.
const MOST_REGISTRIES: usize = 64;

/// A registered type as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeView {
    /// What a change of it has to name.
    pub version: u64,
    /// Its document, as it was put.
    pub document: Value,
    /// What that says.
    pub kept: Arc<KeptType>,
}

/// What this process knows of the types in the store.
#[derive(Default)]
pub(super) struct Types {
    known: Known,
    /// By digest: what graphs were told.
    used: BTreeMap<String, Arc<Registry>>,
}

#[derive(Default, Clone)]
struct Known {
    version: u64,
    types: Arc<BTreeMap<String, TypeView>>,
    /// By tenant; without one: all types.
    tenants: BTreeMap<Option<String>, Arc<Tenant>>,
}

/// The types that a tenant knows.
pub(super) struct Tenant {
    pub(super) registry: Arc<Registry>,
    /// Names what is compiled with it; none if nothing is registered for it.
    digest: Option<String>,
}

impl Runs {
    /// The registered types that a tenant knows, by name; without a tenant all.
    ///
    /// # Errors
    /// The store's.
    pub async fn types(&self, tenant: Option<&str>) -> Result<Vec<TypeView>, Error> {
        let known = self.known_types().await?;
        let is_known = |view: &&TypeView| {
            tenant.is_none_or(|tenant| view.kept.is_for(tenant, &BTreeMap::new()))
        };
        Ok(known.types.values().filter(is_known).cloned().collect())
    }

    /// A registered type.
    ///
    /// # Errors
    /// [`Error::NoType`] or the store's.
    pub async fn type_named(&self, name: &str) -> Result<TypeView, Error> {
        let known = self.known_types().await?;
        known.types.get(name).cloned().ok_or_else(|| Error::NoType(name.to_owned()))
    }

    /// Registers a type, or changes it on the version that is known (0: it is not there; none: whatever is there).
    ///
    /// # Errors
    /// [`Error::BadType`] with every finding; [`Error::TypeMoved`]; the store's.
    pub async fn put_type(&self, document: &Value, known: Option<u64>) -> Result<TypeView, Error> {
        let kept = Arc::new(KeptType::read(document).map_err(Error::BadType)?);
        // Names that the programs themselves know are taken.
        self.registry.as_ref().clone().add(&kept).map_err(|error| {
            let entry = &aob_engine::catalogue::BAD_NODE_TYPE;
            Error::BadType(vec![Issue::new(entry, "/metadata/name", error.to_string())])
        })?;
        let text = canonical_json(document);
        for _ in 0..10 {
            let on = match known {
                Some(known) => known,
                None => self.version_of(&kept.name).await?,
            };
            match self.store.put_type(&kept.name, on, text.as_bytes()).await? {
                Some(version) => {
                    let document = document.clone();
                    return Ok(TypeView { version, document, kept });
                }
                None if known.is_some() => break,
                None => {}
            }
        }
        Err(Error::TypeMoved(kept.name.clone()))
    }

    /// Removes a type on the version that is known; none: whatever is there. What runs keeps it.
    ///
    /// # Errors
    /// [`Error::NoType`], [`Error::TypeMoved`], the store's.
    pub async fn drop_type(&self, name: &str, known: Option<u64>) -> Result<(), Error> {
        for _ in 0..10 {
            let on = match known {
                Some(known) => known,
                None => self.type_named(name).await?.version,
            };
            if self.store.drop_type(name, on).await? {
                return Ok(());
            }
            if known.is_some() {
                break;
            }
        }
        Err(Error::TypeMoved(name.to_owned()))
    }

    /// Names of types whose tasks are executed for everybody: by runners those with `http` and `lambda`, by whoever
    /// makes Jobs those with `job`.
    ///
    /// # Errors
    /// The store's.
    pub async fn served_types(&self, jobs: bool) -> Result<Vec<Arc<str>>, Error> {
        let known = self.known_types().await?;
        let is_served = |view: &&TypeView| match view.kept.run {
            RunBy::Http(_) | RunBy::Lambda(_) => !jobs,
            RunBy::Job => jobs,
            RunBy::Worker => false,
        };
        let served = known.types.values().filter(is_served);
        Ok(served.map(|view| view.kept.name.as_str().into()).collect())
    }

    /// Judges a document with the types that a tenant knows; without a tenant with all that are registered.
    ///
    /// # Errors
    /// The store's; the inner one is every finding.
    pub async fn judge_for(
        &self,
        tenant: Option<&str>,
        document: &Value,
    ) -> Result<Result<Arc<Ir>, Vec<Issue>>, Error> {
        let registry = match names_others(document, &self.registry) {
            true => self.tenant(tenant).await?.registry.clone(),
            false => self.registry.clone(),
        };
        self.judge_with(document, &registry).await
    }

    /// Judges a document, and keeps what its graph was told of registered types.
    pub(super) async fn judge_with(
        &self,
        document: &Value,
        registry: &Registry,
    ) -> Result<Result<Arc<Ir>, Vec<Issue>>, Error> {
        self.judge_after(document, registry, None).await
    }

    /// The same, given the graph of an earlier revision.
    pub(super) async fn judge_after(
        &self,
        document: &Value,
        registry: &Registry,
        before: Option<&Ir>,
    ) -> Result<Result<Arc<Ir>, Vec<Issue>>, Error> {
        let ir = match compile_after(document, registry, &self.ceiling, before) {
            Ok(ir) => Arc::new(ir),
            Err(issues) => return Ok(Err(issues)),
        };
        self.keep_used(&ir).await?;
        self.remember(&ir);
        Ok(Ok(ir))
    }

    /// The graph of a document that is kept, as a run of this tenant would begin on it now.
    ///
    /// # Errors
    /// [`Error::NoGraph`], [`Error::Invalid`], the store's.
    pub async fn ir_for(&self, tenant: Option<&str>, digest: &str) -> Result<Arc<Ir>, Error> {
        // Where every type is known to the programs themselves, no registered one matters.
        if let Some(ir) = self.known_ir(digest, None)
            && !ir.nodes.iter().any(|node| matches!(node.kind, Kind::Unknown))
        {
            return Ok(ir);
        }
        let document = match self.known_document(digest) {
            Some(document) => document,
            None => {
                let document = Arc::new(self.artifact(digest).await?);
                self.remember_document(digest, &document);
                document
            }
        };
        if !names_others(&document, &self.registry) {
            return self.judge_with(&document, &self.registry).await?.map_err(Error::Invalid);
        }
        let tenant = self.tenant(tenant).await?;
        let name = tenant.digest.as_deref();
        if let Some(ir) = self.known_ir(digest, name) {
            return Ok(ir);
        }
        let ir = self.judge_with(&document, &tenant.registry).await?.map_err(Error::Invalid)?;
        self.remember_as(digest, name, &ir);
        Ok(ir)
    }

    /// What a patch of a run is judged with: the types that its graph has keep what they are, others are as they are now.
    pub(super) async fn registry_for_patch(&self, state: &State) -> Result<Registry, Error> {
        let own = self.registry_used(state.head.types.as_deref()).await?;
        let now = self.tenant(Some(&state.head.tenant)).await?;
        Ok(own.as_ref().clone().and(&now.registry))
    }

    /// The types that a graph was told of.
    pub(super) async fn registry_used(&self, digest: Option<&str>) -> Result<Arc<Registry>, Error> {
        let Some(digest) = digest else { return Ok(self.registry.clone()) };
        if let Some(known) = self.lock_types().used.get(digest) {
            return Ok(known.clone());
        }
        let document = self.artifact(digest).await?;
        let registry = self.registry.as_ref().clone().with_used(&document);
        let registry = Arc::new(registry.map_err(|error| {
            aob_store::Error::Corrupt(format!("the types {digest} of a graph: {error}"))
        })?);
        let mut types = self.lock_types();
        if types.used.len() >= MOST_REGISTRIES {
            types.used.clear();
        }
        types.used.insert(digest.to_owned(), registry.clone());
        Ok(registry)
    }

    /// Keeps what a graph was told of registered types, so that others compile it to the same.
    pub(super) async fn keep_used(&self, ir: &Ir) -> Result<(), Error> {
        let Some(used) = &ir.types else { return Ok(()) };
        if self.lock_types().used.contains_key(&used.digest) {
            return Ok(());
        }
        self.store.put_artifact(&used.digest, canonical_json(&used.document).as_bytes()).await?;
        // Only what is in the store is known.
        self.registry_used(Some(&used.digest)).await?;
        Ok(())
    }

    async fn tenant(&self, tenant: Option<&str>) -> Result<Arc<Tenant>, Error> {
        let known = self.known_types().await?;
        let key = tenant.map(str::to_owned);
        if let Some(found) = known.tenants.get(&key) {
            return Ok(found.clone());
        }
        let mut registry = self.registry.as_ref().clone();
        let labels = BTreeMap::new();
        for view in known.types.values() {
            if tenant.is_some_and(|tenant| !view.kept.is_for(tenant, &labels)) {
                continue;
            }
            // A name that a newer program knows itself is the program's.
            if let Err(error) = registry.add(&view.kept) {
                tracing::warn!(%error, "a registered type is not used");
            }
        }
        let names: Vec<String> = registry.names().map(str::to_owned).collect();
        let used = registry.used(names.iter().map(String::as_str));
        let digest = used.map(|used| used.digest.clone());
        let made = Arc::new(Tenant { registry: Arc::new(registry), digest });
        let mut types = self.lock_types();
        if types.known.version == known.version {
            if types.known.tenants.len() >= MOST_REGISTRIES {
                types.known.tenants.clear();
            }
            types.known.tenants.insert(key, made.clone());
        }
        Ok(made)
    }

    async fn version_of(&self, name: &str) -> Result<u64, Error> {
        Ok(self.known_types().await?.types.get(name).map_or(0, |view| view.version))
    }

    /// The types as they are in the store now: read anew if they were changed.
    async fn known_types(&self) -> Result<Known, Error> {
        let version = self.store.types_version().await?;
        {
            let types = self.lock_types();
            if types.known.version == version {
                return Ok(types.known.clone());
            }
        }
        let mut read = BTreeMap::new();
        for kept in self.store.types().await? {
            let bad = |why: String| {
                aob_store::Error::Corrupt(format!("the node type {}: {why}", kept.name))
            };
            let document: Value =
                serde_json::from_slice(&kept.document).map_err(|error| bad(error.to_string()))?;
            let told = KeptType::read(&document).map_err(|issues| {
                bad(issues.first().map_or_else(String::new, ToString::to_string))
            })?;
            let view = TypeView { version: kept.version, document, kept: Arc::new(told) };
            read.insert(kept.name, view);
        }
        // Read after the version, so perhaps younger: then it is read once more than needed.
        let known = Known { version, types: Arc::new(read), tenants: BTreeMap::new() };
        let mut types = self.lock_types();
        if version >= types.known.version {
            types.known = known.clone();
        }
        Ok(known)
    }

    fn lock_types(&self) -> std::sync::MutexGuard<'_, Types> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RunSource for Runs {
    async fn run_by(&self, node_type: &str) -> Result<Option<RunBy>, String> {
        match self.type_named(node_type).await {
            Ok(view) => Ok(Some(view.kept.run.clone())),
            Err(Error::NoType(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn name(&self, task: &Task) -> String {
        let fence = task.fence.parse().unwrap_or(Fence(0, 0));
        let at = TaskRef {
            run: task.run.as_str().into(),
            instance: task.instance.clone(),
            node_type: task.node_type.as_str().into(),
            fence,
            cell: 0,
            entry: String::new(),
        };
        TaskName { at, consumer: "".into(), due: None }.text()
    }
}

/// Whether a document has nodes of types that these do not know.
fn names_others(document: &Value, registry: &Registry) -> bool {
    let nodes = document.pointer("/spec/nodes").and_then(Value::as_array);
    nodes.into_iter().flatten().any(|node| {
        let name = node.get("type").and_then(Value::as_str);
        name.is_some_and(|name| registry.get(name).is_none())
    })
}
