//! A control plane, a store and a runner for tests that bring operators of their own: each watches one namespace, and
//! has its lease there.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guarded::Guarded;
use crate::plane::{Plane, ports};
use crate::world::{operator_by, runner, store};

/// Longer than any of the waits that a slow API server adds up to.
const PATIENCE: Duration = Duration::from_secs(240);

/// What runs for all of them.
pub(crate) struct Ground {
    pub(crate) plane: Plane,
    pub(crate) redis: String,
    _runner: Guarded,
    _store: Guarded,
}

/// The one of these tests.
pub(crate) fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let plane = Plane::start();
        let (redis, store) = store(&plane.folder);
        let runner = runner(&plane.folder, &redis);
        Ground { plane, redis, _runner: runner, _store: store }
    })
}

/// A namespace where operators of a test act.
pub(crate) struct Plot {
    pub(crate) ground: &'static Ground,
    pub(crate) name: String,
}

impl Plot {
    /// With the rights that an operator has at home.
    pub(crate) fn new(name: &str) -> Self {
        let ground = ground();
        let named = |kind: &str, about: Value| {
            let mut object = about;
            object["kind"] = json!(kind);
            object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
            object["metadata"] = json!({"name": "aob-home", "namespace": name});
            object
        };
        let rules = aob_crds::rights::rules(aob_crds::rights::HOME);
        let all = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            named("Role", json!({"rules": rules})),
            named("RoleBinding", json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "aob-home"},
                "subjects": [{"kind": "User", "name": "aob-operator", "apiGroup": "rbac.authorization.k8s.io"}],
            })),
        ]});
        ground.plane.apply(&all.to_string());
        Self { ground, name: name.to_owned() }
    }

    /// The kubeconfig of an operator without anything between.
    pub(crate) fn direct(&self) -> PathBuf {
        self.ground.plane.folder.join("operator.kubeconfig")
    }

    /// An operator, and its admin port.
    pub(crate) fn operator(&self, kubeconfig: &Path, pod: &str) -> (Guarded, u16) {
        let [admin] = ports();
        let admin_address = format!("127.0.0.1:{admin}");
        let also = [
            "--namespace",
            &self.name,
            "--watch-namespaces",
            &self.name,
            "--admin",
            &admin_address,
            // What a tenant may start in a minute is another test's matter.
            "--tier-limits",
            "simple=10000",
        ];
        let pod = format!("{}-{pod}", self.name);
        let Ground { plane, redis, .. } = self.ground;
        (operator_by(&plane.folder, kubeconfig, redis, &pod, &also), admin)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let all: Vec<&str> =
            ["-n", &self.name].into_iter().chain(arguments.iter().copied()).collect();
        self.ground.plane.kubectl(&all)
    }

    pub(crate) fn apply(&self, text: &str) {
        let file = tempfile::NamedTempFile::new_in(&self.ground.plane.folder).unwrap();
        std::fs::write(file.path(), text).unwrap();
        let done = self.kubectl(&["apply", "-f", &file.path().display().to_string()]);
        done.unwrap_or_else(|error| panic!("{error}\n{text}"));
    }

    pub(crate) fn get(&self, what: &str) -> Value {
        let found = self.kubectl(&["get", what, "-o", "json"]);
        found.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    /// Waits until something holds of an object, or of all of a kind.
    pub(crate) fn until(&self, what: &str, about: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.get(what);
            if is(&found) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {about}: {found}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until all runs are complete, and answers them.
    pub(crate) fn completed(&self, count: usize) -> Vec<Value> {
        let all = self.until("runs", "all are complete", |all| {
            let items = all["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            items.len() == count && items.iter().all(|one| holds(one, "Complete") && is_let_go(one))
        });
        all["items"].as_array().unwrap().clone()
    }

    /// The version of every object of our kinds here, by kind and name.
    pub(crate) fn versions(&self) -> Vec<(String, Value)> {
        let all = self.get("workflows,runs,runpatches");
        let items = all["items"].as_array().unwrap();
        let one = |item: &Value| {
            let name = format!("{}/{}", item["kind"], item["metadata"]["name"]);
            (name, item["metadata"]["resourceVersion"].clone())
        };
        items.iter().map(one).collect()
    }
}

/// Whether a condition is true.
pub(crate) fn holds(object: &Value, kind: &str) -> bool {
    crate::world::condition(object, kind).is_some_and(|one| one["status"] == "True")
}

/// Whether nothing of it is left to be cleaned up.
pub(crate) fn is_let_go(object: &Value) -> bool {
    object["metadata"].get("finalizers").is_none()
}
