//! Settings that pods make for themselves, since a node's never reach them: in the kernel, not only in the object.

use serde_json::Value;

use crate::inside::Inside;
use crate::place::{SYSTEM, done, kubectl};

/// A pod has in its own network what it says, and this setting among it.
pub(crate) fn has(pod: &Value, setting: &str) {
    let all = pod["spec"]["securityContext"]["sysctls"].as_array().expect("settings of the pod");
    assert!(all.iter().any(|one| one["name"] == setting), "{setting}: {all:?}");
    for one in all {
        let name = one["name"].as_str().unwrap();
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let shown = done(Inside::here().in_pod(pod, &["cat", &path]));
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&shown), words(one["value"].as_str().unwrap()), "{name}");
        println!("{}: {name} = {}", pod["metadata"]["name"], words(&shown));
    }
}

#[test]
fn runners_and_gateways_have_the_settings_of_their_plane() {
    for (part, setting) in
        [("runner", "net.ipv4.ip_local_port_range"), ("gateway", "net.ipv4.tcp_fin_timeout")]
    {
        let label = format!("app.kubernetes.io/component={part}");
        let select = ["-n", SYSTEM, "get", "pods", "-o", "json", "-l", &label];
        let pods: Value = serde_json::from_str(&done(kubectl(&select))).unwrap();
        let running = |pod: &&Value| pod["status"]["phase"] == "Running";
        let pods: Vec<&Value> = pods["items"].as_array().unwrap().iter().filter(running).collect();
        assert!(!pods.is_empty(), "{part}");
        pods.iter().for_each(|pod| has(pod, setting));
    }
}
