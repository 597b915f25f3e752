//! Histories of runs without what differs from run to run.

use std::collections::BTreeMap;

use aob_engine::event::Change;
use aob_runner::runs::Runs;
use serde_json::Value;

/// Members whose value is a time, an id, a fence or a hash over one of them.
const OWN: &[&str] =
    &["t", "epoch", "prev", "due", "deadline", "grace", "run", "ticket", "binds", "fence"];

/// A run's events, and those of its child runs behind them in the order of their starts.
pub(crate) async fn history(runs: &Runs, run: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut open = vec![run.to_owned()];
    while !open.is_empty() {
        let run = open.remove(0);
        for (event, line) in runs.history(&run).await.unwrap() {
            open.extend(event.changes.iter().filter_map(|change| match change {
                Change::Child { run, .. } => Some(run.clone()),
                _ => None,
            }));
            let mut value: Value = serde_json::from_slice(&line).unwrap();
            strip(&mut value);
            events.push(value);
        }
    }
    events
}

/// The same by instance and edge: equal for every order in which what is independent was completed.
pub(crate) fn by_instance(events: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut all = BTreeMap::<String, Vec<Value>>::new();
    for event in events {
        for change in event["changes"].as_array().unwrap() {
            let part = |name: &str| change.get(name).map(ToString::to_string).unwrap_or_default();
            let place = format!("{}{}{}{}", part("at"), part("index"), part("scope"), part("edge"));
            let mut change = change.clone();
            change["rev"] = event["rev"].clone();
            change["by"] = event["by"].clone();
            all.entry(place).or_default().push(change);
        }
    }
    all
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if OWN.contains(&name.as_str()) {
                    *value = Value::from("*");
                } else {
                    strip(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
