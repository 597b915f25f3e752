//! What AOB's own accounts have asked of the API server in all tests before this one, beside what the chart lets them:
//! every right is used, and nothing was asked for that is no right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::place::{SYSTEM, done, folder, kubectl};

/// Whose right it is, on what, to do what; of a name, if it is to names only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    account: String,
    resource: String,
    verb: String,
    name: Option<String>,
}

fn items(what: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["get"];
    arguments.extend(what);
    arguments.extend(["-o", "json", "-l", "app.kubernetes.io/part-of=aob"]);
    let list: Value = serde_json::from_str(&done(kubectl(&arguments))).unwrap();
    list["items"].as_array().unwrap().clone()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Right {
    /// Whether this right lets somebody do that.
    fn covers(&self, other: &Self) -> bool {
        (&self.account, &self.resource, &self.verb)
            == (&other.account, &other.resource, &other.verb)
            && (self.name.is_none() || self.name == other.name)
    }
}

/// Rights of accounts in AOB's namespace, by the bindings of the chart.
fn given() -> BTreeSet<Right> {
    let key = |role: &Value| {
        (
            role["kind"].clone(),
            role["metadata"]["namespace"].clone(),
            role["metadata"]["name"].clone(),
        )
    };
    let roles = [items(&["clusterroles"]), items(&["roles", "-A"])].concat();
    let mut given = BTreeSet::new();
    for binding in [items(&["clusterrolebindings"]), items(&["rolebindings", "-A"])].concat() {
        let to = &binding["roleRef"];
        let space =
            if to["kind"] == "Role" { &binding["metadata"]["namespace"] } else { &Value::Null };
        let wanted = (to["kind"].clone(), space.clone(), to["name"].clone());
        let role = roles.iter().find(|role| key(role) == wanted);
        let role = role.unwrap_or_else(|| panic!("no role for {binding}"));
        let subjects = binding["subjects"].as_array().unwrap().iter();
        for subject in subjects.filter(|subject| subject["namespace"] == SYSTEM) {
            let account = subject["name"].as_str().unwrap();
            given.extend(
                role["rules"].as_array().unwrap().iter().flat_map(|rule| of_rule(account, rule)),
            );
        }
    }
    given
}

fn of_rule(account: &str, rule: &Value) -> Vec<Right> {
    let names = words(&rule["resourceNames"]);
    let names = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    let mut all = Vec::new();
    for group in words(&rule["apiGroups"]) {
        for resource in words(&rule["resources"]) {
            for verb in words(&rule["verbs"]) {
                for name in &names {
                    all.push(Right {
                        account: account.to_owned(),
                        resource: format!("{group}/{resource}"),
                        verb: verb.to_owned(),
                        name: name.map(str::to_owned),
                    });
                }
            }
        }
    }
    all
}

/// What the accounts asked for and how often, and what was forbidden of it.
fn asked() -> (BTreeMap<Right, usize>, BTreeSet<Right>) {
    let prefix = format!("system:serviceaccount:{SYSTEM}:");
    let (mut asked, mut forbidden) = (BTreeMap::new(), BTreeSet::new());
    let log = folder().join("log");
    let mut files: Vec<_> =
        fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("audit"));
    assert!(!files.is_empty(), "no audit log in {}", log.display());
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            // The API server was killed within a line.
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            let user = event["user"]["username"].as_str().unwrap_or_default();
            let Some(account) = user.strip_prefix(&prefix) else { continue };
            let about = &event["objectRef"];
            let Some(resource) = about["resource"].as_str() else { continue };
            let group = about["apiGroup"].as_str().unwrap_or_default();
            let under = about["subresource"].as_str().map(|under| format!("/{under}"));
            let right = Right {
                account: account.to_owned(),
                resource: format!("{group}/{resource}{}", under.unwrap_or_default()),
                verb: event["verb"].as_str().unwrap_or_default().to_owned(),
                name: about["name"].as_str().map(str::to_owned),
            };
            if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
                forbidden.insert(right);
                continue;
            }
            // To apply what is not there is to make it, and is asked for as both.
            if right.verb == "patch" && event["responseStatus"]["code"] == 201 {
                *asked.entry(Right { verb: "create".to_owned(), ..right.clone() }).or_insert(0) +=
                    1;
            }
            *asked.entry(right).or_insert(0) += 1;
        }
    }
    (asked, forbidden)
}

#[test]
fn every_right_is_used_and_none_is_missing() {
    let given = given();
    assert!(given.len() > 20, "{given:?}");
    let (asked, forbidden) = asked();
    let mut unused = Vec::new();
    println!("| account | on | verb | of | times |\n|---|---|---|---|---|");
    for right in &given {
        let of = asked.iter().filter(|(one, _)| right.covers(one));
        let times: usize = of.map(|(_, times)| times).sum();
        let Right { account, resource, verb, name } = right;
        println!(
            "| {account} | {resource} | {verb} | {} | {times} |",
            name.as_deref().unwrap_or("any")
        );
        if times == 0 {
            unused.push(format!("{account} may {verb} {resource} and never did"));
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
    // An API server that begins knows no roles for a moment, and one that AOB was taken from has none of them.
    let missing: Vec<&Right> =
        forbidden.iter().filter(|one| !given.iter().any(|right| right.covers(one))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
