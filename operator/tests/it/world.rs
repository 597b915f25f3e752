//! One control plane, store, operator and runner for most tests; each test has a namespace of its own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aob_crds::webhook;
use serde_json::{Value, json};

use crate::guarded::Guarded;
use crate::plane::{Plane, ports};

/// How long a condition may take, on a machine that builds beside.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that runs.
pub(crate) struct World {
    pub(crate) plane: Plane,
    pub(crate) redis: String,
    operator: Guarded,
    /// Acts if the other one has lost its lease, as on a machine that builds beside it may.
    _standby: Guarded,
    runner: Guarded,
    _store: Guarded,
}

/// The world of these tests.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let plane = Plane::start();
        let (redis, store) = store(&plane.folder);
        let [hook] = ports();
        let address = format!("127.0.0.1:{hook}");
        configure(&plane, &address);
        let operator = operator(&plane, &redis, "aob-operator-0", &["--webhook", &address]);
        let standby = self::operator(&plane, &redis, "aob-operator-1", &[]);
        let runner = runner(&plane.folder, &redis);
        World { plane, redis, _standby: standby, operator, runner, _store: store }
    })
}

impl World {
    /// A namespace that nobody else has.
    pub(crate) fn namespace(&self, name: &str) -> Space<'_> {
        self.plane.apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"));
        Space { world: self, name: name.to_owned() }
    }
}

/// A test's own namespace.
pub(crate) struct Space<'a> {
    pub(crate) world: &'a World,
    pub(crate) name: String,
}

impl Space<'_> {
    /// `kubectl apply` in it.
    pub(crate) fn apply(&self, text: &str) -> String {
        self.try_apply(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The same where it may be refused.
    pub(crate) fn try_apply(&self, text: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new_in(&self.world.plane.folder).unwrap();
        std::fs::write(file.path(), text).unwrap();
        self.kubectl(&["apply", "-f", &file.path().display().to_string()])
    }

    /// kubectl in it.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let all: Vec<&str> =
            ["-n", &self.name].into_iter().chain(arguments.iter().copied()).collect();
        self.world.plane.kubectl(&all)
    }

    /// An object.
    pub(crate) fn get(&self, what: &str) -> Value {
        let text = self.kubectl(&["get", what, "-o", "json"]).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until something holds of an object.
    pub(crate) fn until(&self, what: &str, about: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.kubectl(&["get", what, "-o", "json"]);
            let value: Value =
                found.as_ref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
            if is(&value) {
                return value;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {about}\n{found:?}\noperator: {}\nrunner: {}",
                self.world.operator.said(),
                self.world.runner.said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an object has a condition of this status, and answers its reason and message.
    pub(crate) fn condition(&self, what: &str, kind: &str, status: &str) -> (String, String) {
        let about = format!("{kind} is {status}");
        let value = self.until(what, &about, |value| {
            condition(value, kind).is_some_and(|one| one["status"] == status)
        });
        let one = condition(&value, kind).unwrap();
        (one["reason"].as_str().unwrap().to_owned(), one["message"].as_str().unwrap().to_owned())
    }

    /// Reasons of the events about an object.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let text = self.kubectl(&["get", "events.events.k8s.io", "-o", "json"]).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let about = |event: &&Value| event["regarding"]["name"] == name;
        let items = all["items"].as_array().unwrap().iter().filter(about);
        items.map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
    }
}

/// A condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

/// Has namespaces asked for that say so, and only those: other tests look at what is behind the webhook.
fn configure(plane: &Plane, address: &str) {
    let mut hook = webhook::hook();
    hook["clientConfig"] = json!({"url": format!("https://{address}{}", webhook::PATH)});
    hook["namespaceSelector"] = json!({"matchLabels": {"webhook": "on"}});
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "aob"}, "webhooks": [hook],
    });
    plane.apply(&configuration.to_string());
}

/// A server, and where it is reached.
pub(crate) fn store(folder: &Path) -> (String, Guarded) {
    let socket = folder.join("redis.sock");
    let arguments = [
        "--port",
        "0",
        "--unixsocket",
        &socket.display().to_string(),
        "--dir",
        &folder.display().to_string(),
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--maxmemory-policy",
        "noeviction",
    ]
    .map(str::to_owned);
    let server =
        Guarded::start(Path::new("redis-server"), &arguments, &[], &folder.join("redis.log"), None);
    let begun = Instant::now();
    while !socket.exists() {
        assert!(begun.elapsed() < PATIENCE, "{}", server.said());
        std::thread::sleep(Duration::from_millis(10));
    }
    (format!("unix://{}", socket.display()), server)
}

/// An operator on a plane.
pub(crate) fn operator(plane: &Plane, redis: &str, pod: &str, also: &[&str]) -> Guarded {
    operator_by(&plane.folder, &plane.folder.join("operator.kubeconfig"), redis, pod, also)
}

/// The same, over another way to the API server.
pub(crate) fn operator_by(
    folder: &Path,
    kubeconfig: &Path,
    redis: &str,
    pod: &str,
    also: &[&str],
) -> Guarded {
    let mut arguments: Vec<String> = also.iter().map(|&one| one.to_owned()).collect();
    let own = [
        ("--redis", redis),
        ("--namespace", "default"),
        ("--pod", pod),
        ("--log-format", "text"),
        ("--admin", "127.0.0.1:0"),
        ("--webhook", "off"),
    ];
    for (flag, value) in own.iter().filter(|(flag, _)| !also.contains(flag)) {
        arguments.extend([(*flag).to_owned(), (*value).to_owned()]);
    }
    let environment = [
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("RUST_LOG", "info,aob_operator=debug".to_owned()),
    ];
    let program = Path::new(env!("CARGO_BIN_EXE_aob-operator"));
    Guarded::start(program, &arguments, &environment, &folder.join(format!("{pod}.log")), None)
}

/// A runner as it was built last.
pub(crate) fn runner(folder: &Path, redis: &str) -> Guarded {
    let program: PathBuf =
        Path::new(env!("CARGO_BIN_EXE_aob-operator")).with_file_name("aob-runner");
    let arguments = ["--redis", redis, "--coordinate"].map(str::to_owned);
    Guarded::start(&program, &arguments, &[], &folder.join("runner.log"), None)
}
