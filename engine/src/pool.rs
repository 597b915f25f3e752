//! Who executes what, where tenants have runners of their own: whatever reads secrets or asks a model is theirs, and
//! everything of a workflow that says what its runners are to be.

use serde_json::{Value, json};

use crate::canonical::digest;
use crate::check::{Role, Type};
use crate::ir::{Kind, Pool};
use crate::registry::{Registry, TypeInfo};

/// Built-in types that no runner executes for a tenant: jobs are made by the operator, local commands are a machine's.
const ELSEWHERE: &[&str] = &["job", "exec"];

/// The name of the runners that a workflow's `spec.runner` asks for: ten hexadecimal digits. The same words are the same
/// runners, and workflows without any share some.
pub fn name(runner: Option<&Value>) -> String {
    let asked = runner.cloned().unwrap_or_else(|| json!({}));
    digest(&asked).trim_start_matches("sha256:").chars().take(10).collect()
}

/// Whether a text could be such a name.
pub fn is_name(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Who executes a node. `own`: the workflow says what its runners are to be.
pub(crate) fn of(of: Type<'_>, kind: &Kind, registry: &Registry, own: bool) -> Pool {
    let Some(info) = of.info else { return Pool::System };
    let Kind::Task { config, .. } = kind else { return info.pool() };
    let could =
        registry.has_tenant_runners() && info.is_builtin() && !ELSEWHERE.contains(&info.name());
    let is_theirs =
        || own || of.role == Role::Agent || config.reads().any(|(_, read)| read.root == "secrets");
    if could && is_theirs() { Pool::Runners } else { TypeInfo::pool(info) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::Ceiling;
    use crate::compile::compile;
    use crate::ir::{tenant_of_queue, type_of_queue};

    /// Queue of each node's tasks.
    fn queues(spec: Value, registry: &Registry) -> BTreeMap<String, String> {
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": spec,
        });
        let ir = compile(&document, registry, &Ceiling::default()).unwrap();
        let of = |node: &crate::ir::Node| {
            node.pool.queue(&node.node_type, &ir.runners, "finance").to_string()
        };
        ir.nodes.iter().map(|node| (node.id.to_string(), of(node))).collect()
    }

    fn spec() -> Value {
        json!({"nodes": [
            {"id": "ask", "type": "agent", "config": {"model": "scripted/x", "prompt": "Hello."}},
            {"id": "open", "type": "http", "config": {"url": "https://example.com"}},
            {"id": "secret", "type": "http", "config": {
                "url": "https://example.com", "headers": {"authorization": "Bearer ${ secrets.erp.token }"},
            }},
            {"id": "job", "type": "job", "config": {
                "image": "acme/x:1", "env": {"TOKEN": "${ secrets.erp.token }"},
            }},
            {"id": "plain", "type": "noop"},
        ]})
    }

    #[test]
    fn without_runners_of_tenants_everything_is_the_installations() {
        let found = queues(spec(), &Registry::builtin());
        assert!(found.values().all(|queue| !queue.contains('@')), "{found:?}");
    }

    #[test]
    fn models_and_secrets_are_the_tenants() {
        let found = queues(spec(), &Registry::builtin().with_tenant_runners(true));
        let own = format!("+{}@finance", name(None));
        let told: Vec<(&str, String)> = found
            .iter()
            .map(|(id, queue)| (id.as_str(), queue.replace(&own, " of the tenant")))
            .collect();
        assert_eq!(
            told,
            [
                ("ask", "agent of the tenant".to_owned()),
                ("job", "job".to_owned()),
                ("open", "http".to_owned()),
                ("plain", "noop".to_owned()),
                ("secret", "http of the tenant".to_owned()),
            ]
        );
    }

    #[test]
    fn a_workflow_that_says_what_its_runners_are_runs_on_them() {
        let mut spec = spec();
        spec["runner"] = json!({"cpu": 2, "pinning": "Require"});
        let found = queues(spec.clone(), &Registry::builtin().with_tenant_runners(true));
        let own = name(Some(&spec["runner"]));
        assert_ne!(own, name(None));
        assert_eq!(found["plain"], format!("noop+{own}@finance"));
        assert_eq!(found["job"], "job");
        spec["runner"] = json!({"pinning": "Require", "cpu": 2});
        assert_eq!(name(Some(&spec["runner"])), own, "the order of the words means nothing");
    }

    #[test]
    fn a_queue_says_whose_it_is() {
        let own = name(None);
        assert!(is_name(&own) && !is_name("x") && !is_name("012345678@"));
        let queue = Pool::Runners.queue(&"agent".into(), &own, "t@u");
        assert_eq!(
            (type_of_queue(&queue), tenant_of_queue(&queue)),
            ("agent", Some(("t@u", Some(&*own))))
        );
        let queue = Pool::Tenant.queue(&"acme.x".into(), &own, "t");
        assert_eq!((type_of_queue(&queue), tenant_of_queue(&queue)), ("acme.x", Some(("t", None))));
        assert_eq!((type_of_queue("http"), tenant_of_queue("http")), ("http", None));
    }
}
