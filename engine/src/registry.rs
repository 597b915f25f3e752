//! The node types an installation knows: the built-in ones, and those registered beside them.

mod agent;
mod error;
mod kept;
mod marks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::canonical;
use crate::ir::{Effect, Pool, UsedTypes};
pub use error::RegistryError;
pub use kept::{HttpRun, KeptType, LambdaRun, RunBy};
pub(crate) use marks::Marks;

/// Most bytes of a registered type's schema, as JSON text.
pub const MAX_SCHEMA: usize = 256 * 1024;
/// Most registered types.
pub const MAX_TYPES: usize = 1000;

/// The known node types by name, and what is known of agents' tools. Made once per process and shared:
/// compiling the schemas takes milliseconds, copying a registry nothing.
#[derive(Debug, Clone)]
pub struct Registry {
    types: BTreeMap<String, Arc<TypeInfo>>,
    tools: BTreeMap<String, Effect>,
    tenant_runners: bool,
}

impl Registry {
    /// The built-in types.
    pub fn builtin() -> Self {
        let types = aob_schema::NODE_TYPES
            .iter()
            .map(|&(name, text)| (name.to_owned(), Arc::new(TypeInfo::builtin(name, text))))
            .collect();
        Self { types, tools: BTreeMap::new(), tenant_runners: false }
    }

    /// The same for an installation whose tenants have runners of their own: tasks that are theirs go to these. Every
    /// process of an installation must be told the same, or tasks wait for runners that are not there.
    pub fn with_tenant_runners(mut self, are_there: bool) -> Self {
        self.tenant_runners = are_there;
        self
    }

    /// Whether tenants have runners of their own.
    pub fn has_tenant_runners(&self) -> bool {
        self.tenant_runners
    }

    /// The same and one more type, which is part of the installation's programs.
    ///
    /// # Errors
    /// A name that is not dotted or is taken, a schema that is none, or too many types.
    pub fn with(mut self, registered: RegisteredType) -> Result<Self, RegistryError> {
        let name = registered.name.clone();
        self.check_name(&name)?;
        let info = TypeInfo::registered(registered, Pool::System, false, None)?;
        self.types.insert(name, Arc::new(info));
        Ok(self)
    }

    /// One more type, which is registered in a store: graphs that use it say so ([`Self::used`]).
    ///
    /// # Errors
    /// As [`Self::with`].
    pub fn add(&mut self, kept: &KeptType) -> Result<(), RegistryError> {
        self.check_name(&kept.name)?;
        let info = TypeInfo::kept(&kept.name, &kept.told())?;
        self.types.insert(kept.name.clone(), Arc::new(info));
        Ok(())
    }

    /// The same and the registered types that a graph was compiled with.
    ///
    /// # Errors
    /// If the document is not one of [`UsedTypes`].
    pub fn with_used(mut self, document: &Value) -> Result<Self, RegistryError> {
        for (name, told) in document.as_object().into_iter().flatten() {
            self.check_name(name)?;
            self.types.insert(name.clone(), Arc::new(TypeInfo::kept(name, told)?));
        }
        Ok(self)
    }

    /// The same and the types of another registry that this one does not know.
    pub fn and(mut self, other: &Self) -> Self {
        for (name, info) in &other.types {
            self.types.entry(name.clone()).or_insert_with(|| info.clone());
        }
        self
    }

    /// What of the types in a store these names mean; none if it is nothing.
    pub fn used<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<Arc<UsedTypes>> {
        let mut document = serde_json::Map::new();
        for name in names {
            if let Some(told) = self.types.get(name).and_then(|info| info.told.as_ref())
                && !document.contains_key(name)
            {
                document.insert(name.to_owned(), told.clone());
            }
        }
        if document.is_empty() {
            return None;
        }
        let document = Value::Object(document);
        Some(Arc::new(UsedTypes { digest: canonical::digest(&document), document }))
    }

    fn check_name(&self, name: &str) -> Result<(), RegistryError> {
        if !dotted(name) {
            return Err(RegistryError::Name { name: crate::issue::excerpt(name) });
        }
        if self.types.contains_key(name) {
            return Err(RegistryError::Taken { name: name.to_owned() });
        }
        if self.types.len() >= MAX_TYPES {
            return Err(RegistryError::Full);
        }
        Ok(())
    }

    /// The same, knowing what repeating a call of this tool may do. A tool that nobody described counts
    /// as `once`.
    pub fn with_tool(mut self, name: impl Into<String>, effect: Effect) -> Self {
        self.tools.insert(name.into(), effect);
        self
    }

    /// What is known of a type.
    pub fn get(&self, name: &str) -> Option<&TypeInfo> {
        self.types.get(name).map(|info| &**info)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// What repeating an attempt of a node of this type may do, by the type and this config. Containers
    /// and gates have no attempts and count as pure.
    pub fn effect(&self, info: &TypeInfo, config: &Value) -> Effect {
        match info.effect {
            DefaultEffect::Container => Effect::Pure,
            DefaultEffect::ByMethod => match config.get("method") {
                None => Effect::Idempotent,
                Some(method) => match method.as_str() {
                    Some("GET" | "HEAD" | "PUT" | "DELETE") => Effect::Idempotent,
                    _ => Effect::Once,
                },
            },
            DefaultEffect::Fixed(effect) if info.builtin && info.name == "agent" => {
                match config.get("tools") {
                    None => effect,
                    Some(Value::Array(tools)) if tools.iter().all(|tool| self.repeatable(tool)) => {
                        effect
                    }
                    Some(_) => Effect::Once,
                }
            }
            DefaultEffect::Fixed(effect) => effect,
        }
    }

    fn repeatable(&self, tool: &Value) -> bool {
        let Some(name) = tool.as_str() else { return false };
        // Ours read and change nothing, whoever may call them again.
        name == "outputs"
            || name.starts_with("http:")
            || matches!(self.tools.get(name), Some(Effect::Pure | Effect::Idempotent))
    }
}

/// A type that somebody adds to an installation.
#[derive(Debug, Clone)]
pub struct RegisteredType {
    /// Dotted: `acme.enrich`.
    pub name: String,
    /// JSON Schema (draft 2020-12) of its config.
    pub schema: Value,
    /// What repeating an attempt may do, unless a node says otherwise.
    pub effect: Effect,
}

/// What is known of a node type.
pub struct TypeInfo {
    name: String,
    schema: Value,
    effect: DefaultEffect,
    builtin: bool,
    pool: Pool,
    agent: bool,
    /// What a graph keeps of it, if it is registered in a store.
    told: Option<Value>,
    marks: Marks,
    validator: Option<Validator>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DefaultEffect {
    Fixed(Effect),
    ByMethod,
    Container,
}

impl TypeInfo {
    fn builtin(name: &str, text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap_or(Value::Bool(false));
        let effect = match schema.get("x-aob-effect").and_then(Value::as_str) {
            Some("pure") => DefaultEffect::Fixed(Effect::Pure),
            Some("idempotent") => DefaultEffect::Fixed(Effect::Idempotent),
            Some("by-method") => DefaultEffect::ByMethod,
            Some("container") => DefaultEffect::Container,
            _ => DefaultEffect::Fixed(Effect::Once),
        };
        let validator = build(&schema).ok();
        Self {
            name: name.to_owned(),
            marks: Marks::of(&schema),
            schema,
            effect,
            builtin: true,
            pool: Pool::System,
            agent: name == "agent",
            told: None,
            validator,
        }
    }

    fn registered(
        registered: RegisteredType,
        pool: Pool,
        agent: bool,
        told: Option<Value>,
    ) -> Result<Self, RegistryError> {
        let RegisteredType { name, schema, effect } = registered;
        if schema.to_string().len() > MAX_SCHEMA {
            return Err(RegistryError::Size { name });
        }
        let validator = build(&schema)
            .map_err(|reason| RegistryError::Schema { name: name.clone(), reason })?;
        Ok(Self {
            marks: Marks::of(&schema),
            name,
            schema,
            effect: DefaultEffect::Fixed(effect),
            builtin: false,
            pool,
            agent,
            told,
            validator: Some(validator),
        })
    }

    /// From what a graph keeps of a type: `{config, effect, pool, agent?}`.
    fn kept(name: &str, told: &Value) -> Result<Self, RegistryError> {
        let schema = told.get("config").cloned().unwrap_or(Value::Bool(true));
        let effect = match told.get("effect").and_then(Value::as_str) {
            Some("pure") => Effect::Pure,
            Some("idempotent") => Effect::Idempotent,
            _ => Effect::Once,
        };
        let pool = match told.get("pool").and_then(Value::as_str) {
            Some("system") => Pool::System,
            _ => Pool::Tenant,
        };
        let registered = RegisteredType { name: name.to_owned(), schema, effect };
        let agent = told.get("agent") == Some(&Value::Bool(true));
        Self::registered(registered, pool, agent, Some(told.clone()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// JSON Schema of its config.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether it came with the engine.
    pub fn is_builtin(&self) -> bool {
        self.builtin
    }

    /// Whether its nodes are agents: counted as such, and answers of theirs may bring patches.
    pub fn is_agent(&self) -> bool {
        self.agent
    }

    /// Whether it is registered in a store, not part of the programs.
    pub fn is_kept(&self) -> bool {
        self.told.is_some()
    }

    pub(crate) fn pool(&self) -> Pool {
        self.pool
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Absent only if a built-in schema is broken, which refuses every config.
    pub(crate) fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }
}

impl fmt::Debug for TypeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeInfo")
            .field("name", &self.name)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

/// A validator that fetches nothing, whose patterns match in linear time.
pub(crate) fn build(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| crate::issue::excerpt(&error.to_string()))
}

fn dotted(name: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
    };
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.contains('.')
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn enrich() -> RegisteredType {
        let schema = json!({"type": "object", "properties": {"count": {"type": "integer"}}});
        RegisteredType { name: "acme.enrich".into(), schema, effect: Effect::Idempotent }
    }

    #[test]
    fn every_built_in_schema_compiles() {
        let registry = Registry::builtin();
        let wanted = [
            "agent",
            "approval",
            "delay",
            "exec",
            "foreach",
            "http",
            "job",
            "loop",
            "noop",
            "transform",
            "workflow",
        ];
        assert_eq!(registry.names().collect::<Vec<_>>(), wanted);
        for info in registry.types.values() {
            assert!(info.validator.is_some(), "{}", info.name);
        }
    }

    #[test]
    fn a_registered_type_is_found_and_a_bad_one_refused() {
        let registry = Registry::builtin().with(enrich()).unwrap();
        assert!(!registry.get("acme.enrich").unwrap().is_builtin());
        assert!(matches!(registry.with(enrich()), Err(RegistryError::Taken { .. })));
        let bare = RegisteredType { name: "enrich".into(), ..enrich() };
        assert!(matches!(Registry::builtin().with(bare), Err(RegistryError::Name { .. })));
        let broken = RegisteredType { schema: json!({"type": 5}), ..enrich() };
        assert!(matches!(Registry::builtin().with(broken), Err(RegistryError::Schema { .. })));
        let remote =
            RegisteredType { schema: json!({"$ref": "https://example.com/x.json"}), ..enrich() };
        assert!(matches!(Registry::builtin().with(remote), Err(RegistryError::Schema { .. })));
    }

    #[test]
    fn effects_follow_type_method_and_tools() {
        let registry = Registry::builtin().with(enrich()).unwrap().with_tool("look", Effect::Pure);
        let effect =
            |name: &str, config: Value| registry.effect(registry.get(name).unwrap(), &config);
        assert_eq!(effect("transform", json!({})), Effect::Pure);
        assert_eq!(effect("exec", json!({})), Effect::Once);
        assert_eq!(effect("acme.enrich", json!({})), Effect::Idempotent);
        assert_eq!(effect("http", json!({})), Effect::Idempotent);
        assert_eq!(effect("http", json!({"method": "PUT"})), Effect::Idempotent);
        assert_eq!(effect("http", json!({"method": "POST"})), Effect::Once);
        assert_eq!(effect("http", json!({"method": "${ input.m }"})), Effect::Once);
        assert_eq!(effect("agent", json!({})), Effect::Idempotent);
        assert_eq!(effect("agent", json!({"tools": ["look"]})), Effect::Idempotent);
        let ours = json!({"tools": ["outputs", "http:api.example.com"]});
        assert_eq!(effect("agent", ours), Effect::Idempotent);
        assert_eq!(effect("agent", json!({"tools": ["look", "pay"]})), Effect::Once);
        assert_eq!(effect("agent", json!({"tools": ["outputs", "mcp.erp.pay"]})), Effect::Once);
        assert_eq!(effect("agent", json!({"tools": "${ input.tools }"})), Effect::Once);
    }
}
