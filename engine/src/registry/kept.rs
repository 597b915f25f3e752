//! A node type that is registered in a store: a document of kind `NodeType`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{RegistryError, agent, build, dotted};
use crate::catalogue::BAD_NODE_TYPE;
use crate::check::misfit;
use crate::ir::{Effect, Pool};
use crate::issue::Issue;

/// Most bytes of a document, as JSON text.
const MOST: usize = 64 * 1024;
/// The label that every tenant has: its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A registered type, read from its document.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptType {
    /// Dotted: `acme.enrich`.
    pub name: String,
    /// What it does, for people.
    pub description: Option<String>,
    /// JSON Schema of its config.
    pub config: Value,
    /// What repeating an attempt may do, unless a node says otherwise.
    pub effect: Effect,
    /// Who runs its tasks.
    pub run: RunBy,
    /// Whether its nodes are agents, whose answers may bring patches.
    pub agent: bool,
    /// Labels that a tenant must have to know it; empty: every tenant does.
    pub labels: BTreeMap<String, String>,
}

/// Who runs the tasks of a type.
#[derive(Debug, Clone, PartialEq)]
pub enum RunBy {
    /// Workers of the run's tenant, by the worker protocol.
    Worker,
    /// A signed request.
    Http(HttpRun),
    /// An AWS Lambda function.
    Lambda(LambdaRun),
    /// A Kubernetes Job.
    Job,
}

/// A server that is sent tasks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HttpRun {
    /// Where to.
    pub url: String,
    /// The key of the signature: `name/key` among the runner's secrets.
    pub secret: String,
}

/// A function that is invoked with tasks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LambdaRun {
    /// Name or ARN.
    pub function: String,
    /// `eu-central-1`.
    pub region: String,
    /// A version or an alias.
    #[serde(default)]
    pub qualifier: Option<String>,
    /// Folder of the runner's secrets that holds `access_key_id`, `secret_access_key`, perhaps `session_token`.
    pub credentials: String,
    /// Another address of the API than the region's.
    #[serde(default)]
    pub endpoint: Option<String>,
}

impl KeptType {
    /// Reads a document.
    ///
    /// # Errors
    /// Every finding, with pointers into the document.
    pub fn read(document: &Value) -> Result<Self, Vec<Issue>> {
        let size = crate::route::size(document);
        if size > MOST as u64 {
            let message = format!("the document is {size} bytes of JSON, at most {MOST}");
            return Err(vec![Issue::new(&BAD_NODE_TYPE, "", message)]);
        }
        let Some((schema, validator)) = shape() else {
            let message = "the schema of node types cannot be used";
            return Err(vec![Issue::new(&BAD_NODE_TYPE, "", message)]);
        };
        let mut issues: Vec<Issue> = misfit::judge(validator, schema, document, |_| false)
            .into_iter()
            .map(|misfit| {
                let issue = Issue::new(&BAD_NODE_TYPE, misfit.pointer, misfit.message);
                match misfit.remedy {
                    Some(remedy) => issue.remedy(remedy),
                    None => issue,
                }
            })
            .collect();
        let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if issues.is_empty() && !dotted(name) {
            let error = RegistryError::Name { name: crate::issue::excerpt(name) };
            issues.push(Issue::new(&BAD_NODE_TYPE, "/metadata/name", error.to_string()));
        }
        let mut config =
            document.pointer("/spec/config").cloned().unwrap_or_else(|| json!({"type": "object"}));
        let agent = document.pointer("/spec/agent") == Some(&Value::Bool(true));
        if issues.is_empty() && agent {
            issues.extend(agent::judge(document));
            agent::add_policy(&mut config);
        }
        if issues.is_empty()
            && let Err(reason) = build(&config)
        {
            let message = format!("it is no JSON Schema that can be used: {reason}");
            issues.push(Issue::new(&BAD_NODE_TYPE, "/spec/config", message));
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        let labels = document.pointer("/spec/namespaces/matchLabels").and_then(Value::as_object);
        let label = |(key, value): (&String, &Value)| {
            (key.clone(), value.as_str().unwrap_or_default().to_owned())
        };
        let told = document.pointer("/spec/description").and_then(Value::as_str);
        Ok(Self {
            name: name.to_owned(),
            description: told.map(str::to_owned),
            config,
            effect: match document.pointer("/spec/effect").and_then(Value::as_str) {
                Some("Pure") => Effect::Pure,
                Some("Idempotent") => Effect::Idempotent,
                _ => Effect::Once,
            },
            run: run_by(document).map_err(|issue| vec![issue])?,
            agent,
            labels: labels.into_iter().flatten().map(label).collect(),
        })
    }

    /// Whether a tenant knows the type; `labels` are the tenant's beside its name.
    pub fn is_for(&self, tenant: &str, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): (&String, &String)| match labels.get(key) {
            Some(found) => found == value,
            None => key == NAME_LABEL && value == tenant,
        };
        self.labels.iter().all(has)
    }

    /// Who may run its tasks: the installation sends requests and makes Jobs, everything else is the tenant's.
    pub fn pool(&self) -> Pool {
        match self.run {
            RunBy::Http(_) | RunBy::Lambda(_) | RunBy::Job => Pool::System,
            RunBy::Worker => Pool::Tenant,
        }
    }

    /// What a graph keeps of it.
    pub(super) fn told(&self) -> Value {
        let effect = match self.effect {
            Effect::Pure => "pure",
            Effect::Idempotent => "idempotent",
            Effect::Once => "once",
        };
        let pool = match self.pool() {
            Pool::System => "system",
            Pool::Tenant | Pool::Runners => "tenant",
        };
        let mut told = json!({"config": self.config, "effect": effect, "pool": pool});
        if self.agent {
            told["agent"] = Value::Bool(true);
        }
        told
    }
}

fn run_by(document: &Value) -> Result<RunBy, Issue> {
    let run = document.pointer("/spec/run").and_then(Value::as_object);
    let (kind, how) = run
        .and_then(|run| run.iter().next())
        .map_or(("", &Value::Null), |(kind, how)| (kind.as_str(), how));
    let bad = |error: serde_json::Error| {
        Issue::new(&BAD_NODE_TYPE, format!("/spec/run/{kind}"), error.to_string())
    };
    Ok(match kind {
        "http" => RunBy::Http(HttpRun::deserialize(how).map_err(bad)?),
        "lambda" => RunBy::Lambda(LambdaRun::deserialize(how).map_err(bad)?),
        "job" => RunBy::Job,
        _ => RunBy::Worker,
    })
}

/// The schema of documents; none if it is broken, which a test would tell.
fn shape() -> Option<&'static (Value, Validator)> {
    static SHAPE: OnceLock<Option<(Value, Validator)>> = OnceLock::new();
    let make = || {
        let schema: Value = serde_json::from_str(aob_schema::NODE_TYPE).ok()?;
        let validator = build(&schema).ok()?;
        Some((schema, validator))
    };
    SHAPE.get_or_init(make).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn document(run: Value) -> Value {
        json!({
            "apiVersion": "aob.dev/v1alpha1",
            "kind": "NodeType",
            "metadata": {"name": "acme.enrich"},
            "spec": {"config": {"type": "object", "required": ["iban"]}, "effect": "Idempotent", "run": run},
        })
    }

    #[test]
    fn a_document_is_read() {
        let kept = KeptType::read(&document(json!({"worker": {}}))).unwrap();
        assert_eq!(
            (kept.name.as_str(), kept.effect, &kept.run),
            ("acme.enrich", Effect::Idempotent, &RunBy::Worker)
        );
        assert_eq!(kept.pool(), Pool::Tenant);
        let call = json!({"http": {"url": "https://e.example.com/x", "secret": "enrich/key"}});
        let kept = KeptType::read(&document(call)).unwrap();
        assert_eq!(kept.pool(), Pool::System);
        let RunBy::Http(run) = kept.run else { panic!("{:?}", kept.run) };
        assert_eq!(
            (run.url.as_str(), run.secret.as_str()),
            ("https://e.example.com/x", "enrich/key")
        );
    }

    #[test]
    fn findings_have_places() {
        let places = |document: &Value| -> Vec<String> {
            KeptType::read(document).unwrap_err().into_iter().map(|issue| issue.pointer).collect()
        };
        assert_eq!(places(&document(json!({}))), ["/spec/run"]);
        assert_eq!(places(&document(json!({"worker": {}, "job": {"image": "x"}}))), ["/spec/run"]);
        assert_eq!(
            places(&document(json!({"http": {"url": "ftp://x", "secret": "a/b"}}))),
            ["/spec/run/http/url"]
        );
        let mut bare = document(json!({"worker": {}}));
        bare["metadata"]["name"] = json!("enrich");
        assert_eq!(places(&bare), ["/metadata/name"]);
        let mut broken = document(json!({"worker": {}}));
        broken["spec"]["config"] = json!({"type": 5});
        assert_eq!(places(&broken), ["/spec/config"]);
        let mut large = document(json!({"worker": {}}));
        large["spec"]["description"] = json!("x".repeat(MOST));
        assert_eq!(places(&large), [""]);
    }

    #[test]
    fn labels_say_which_tenants_know_it() {
        let mut one = document(json!({"worker": {}}));
        one["spec"]["namespaces"] =
            json!({"matchLabels": {NAME_LABEL: "finance", "enrich": "yes"}});
        let kept = KeptType::read(&one).unwrap();
        let labels = |value: &str| BTreeMap::from([("enrich".to_owned(), value.to_owned())]);
        assert!(kept.is_for("finance", &labels("yes")));
        assert!(
            !kept.is_for("finance", &labels("no")) && !kept.is_for("finance", &BTreeMap::new())
        );
        assert!(!kept.is_for("sales", &labels("yes")));
        assert!(
            KeptType::read(&document(json!({"worker": {}})))
                .unwrap()
                .is_for("sales", &BTreeMap::new())
        );
    }

    #[test]
    fn an_agent_is_one_whose_answer_can_bring_a_patch() {
        let mut one = document(json!({"worker": {}}));
        one["spec"]["agent"] = json!(true);
        one["spec"]["config"]["additionalProperties"] = json!(false);
        one["spec"]["config"]["properties"] = json!({"iban": {"type": "string"}});
        let kept = KeptType::read(&one).unwrap();
        let mut registry = Registry::builtin();
        registry.add(&kept).unwrap();
        let info = registry.get("acme.enrich").unwrap();
        assert!(info.is_agent() && !Registry::builtin().get("noop").unwrap().is_agent());
        let fits = |config: Value| info.validator().unwrap().is_valid(&config);
        assert!(fits(json!({"iban": "x"})));
        assert!(fits(json!({"iban": "x", "patch": {"allow": ["transform"], "maxNodes": 2}})));
        assert!(!fits(json!({"iban": "x", "patch": {"allow": "transform"}})));
        assert!(!fits(json!({"iban": "x", "other": 1})));
        assert!(info.marks().literal_at("/patch/allow/0"), "no output widens it");
        let used = registry.used(["acme.enrich"].into_iter()).unwrap();
        let again = Registry::builtin().with_used(&used.document).unwrap();
        assert!(again.get("acme.enrich").unwrap().is_agent());
        let plain = KeptType::read(&document(json!({"worker": {}}))).unwrap();
        assert_eq!(plain.told().get("agent"), None, "what was kept before reads as it did");

        for run in [
            json!({"job": {"image": "x"}}),
            json!({"lambda": {"function": "f", "region": "r", "credentials": "c"}}),
        ] {
            let mut one = document(run);
            one["spec"]["agent"] = json!(true);
            let issues = KeptType::read(&one).unwrap_err();
            assert_eq!((issues.len(), issues[0].pointer.as_str()), (1, "/spec/agent"));
        }
        one["spec"]["config"]["properties"]["patch"] = json!({});
        let issues = KeptType::read(&one).unwrap_err();
        assert_eq!(issues[0].pointer, "/spec/config/properties/patch");
    }

    #[test]
    fn a_graph_keeps_what_it_was_told() {
        let kept = KeptType::read(&document(json!({"worker": {}}))).unwrap();
        let mut registry = Registry::builtin();
        registry.add(&kept).unwrap();
        assert!(matches!(registry.add(&kept), Err(RegistryError::Taken { .. })));
        assert_eq!(registry.used(["noop"].into_iter()), None);
        let used = registry.used(["noop", "acme.enrich", "acme.enrich"].into_iter()).unwrap();
        let again = Registry::builtin().with_used(&used.document).unwrap();
        assert_eq!(again.used(["acme.enrich"].into_iter()), Some(used));
        assert_eq!(again.get("acme.enrich").unwrap().pool(), Pool::Tenant);
    }
}
