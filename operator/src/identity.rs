//! Names that follow from an object: the id of its run or patch, and who is behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_crds::label;
use aob_runner::runs::Derived;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Who acts where the API server told nobody: the webhook has not seen the object.
const NOBODY: &str = "user:unknown";
/// What the API server's names of service accounts begin with.
const ACCOUNT: &str = "system:serviceaccount:";

/// Name, namespace and uid of an object, always there once it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its namespace: the tenant. Empty for what has none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: String,
    /// Never used again.
    pub uid: String,
    /// Counts changes of the spec.
    pub generation: i64,
    /// Milliseconds since 1970.
    pub created: u64,
}

impl Named {
    /// Reads it off an object.
    ///
    /// # Errors
    /// [`Error::Incomplete`].
    pub fn of(meta: &ObjectMeta) -> Result<Self> {
        let created = meta.creation_timestamp.as_ref().ok_or(Error::Incomplete("creation time"))?;
        Ok(Self {
            namespace: meta.namespace.as_deref().unwrap_or_default().into(),
            name: meta.name.clone().ok_or(Error::Incomplete("name"))?,
            uid: meta.uid.clone().ok_or(Error::Incomplete("uid"))?,
            generation: meta.generation.unwrap_or(0),
            created: created.0.as_millisecond().max(0) as u64,
        })
    }

    /// What the id of the run or patch that is asked for by it is made of.
    pub fn derived(&self) -> Derived {
        Derived { time: self.created, random: bits(&self.uid) }
    }

    /// The same for another question about it.
    pub fn derived_for(&self, question: &str) -> Derived {
        let hash = Sha256::digest(format!("{question} {}", self.uid).as_bytes());
        Derived { time: self.created, random: number(&hash) }
    }
}

/// Who made an object, as runs know people: `user:<name>`.
pub fn creator(annotations: Option<&BTreeMap<String, String>>) -> String {
    person(annotations, &[label::CREATED_BY])
}

/// Who changed its spec last.
pub fn changer(annotations: Option<&BTreeMap<String, String>>) -> String {
    person(annotations, &[label::CHANGED_BY, label::CREATED_BY])
}

/// The groups of whoever made it.
pub fn groups(annotations: Option<&BTreeMap<String, String>>) -> Vec<String> {
    let text = annotations.and_then(|all| all.get(label::GROUPS));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn person(annotations: Option<&BTreeMap<String, String>>, keys: &[&str]) -> String {
    let known = |key: &&str| annotations?.get(*key).filter(|name| !name.is_empty());
    let Some(name) = keys.iter().find_map(known) else { return NOBODY.to_owned() };
    match name.strip_prefix(ACCOUNT) {
        // As the gateway names it: else whoever asked by an object would be somebody else when it answers.
        Some(account) => format!("service:{account}"),
        None => format!("user:{name}"),
    }
}

/// The 128 bits of a uid; of one that is no UUID, bits of its digest.
fn bits(uid: &str) -> u128 {
    let digits: String = uid.chars().filter(|c| *c != '-').collect();
    match u128::from_str_radix(&digits, 16) {
        Ok(bits) if digits.len() == 32 => bits,
        _ => number(&Sha256::digest(uid.as_bytes())),
    }
}

fn number(hash: &[u8]) -> u128 {
    hash.iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uid: &str) -> Named {
        Named {
            namespace: "a".into(),
            name: "b".into(),
            uid: uid.into(),
            generation: 1,
            created: 7,
        }
    }

    #[test]
    fn an_object_has_one_run_and_another_object_another() {
        let one = named("3f0c9d52-8f7b-4d0e-9a54-0d9d6a3f1b11");
        assert_eq!(one.derived(), one.clone().derived());
        assert_eq!(one.derived().random, 0x3f0c_9d52_8f7b_4d0e_9a54_0d9d_6a3f_1b11);
        assert_ne!(one.derived(), named("3f0c9d52-8f7b-4d0e-9a54-0d9d6a3f1b12").derived());
        assert_ne!(one.derived_for("undo"), one.derived());
        assert_ne!(named("odd").derived().random, named("other").derived().random);
    }

    #[test]
    fn people_are_known_by_what_the_webhook_stamped() {
        let stamped: BTreeMap<String, String> = [
            (label::CREATED_BY.to_owned(), "ada".to_owned()),
            (label::GROUPS.to_owned(), "[\"finance\"]".to_owned()),
        ]
        .into();
        assert_eq!(creator(Some(&stamped)), "user:ada");
        assert_eq!(changer(Some(&stamped)), "user:ada");
        assert_eq!(groups(Some(&stamped)), ["finance"]);
        let account = "system:serviceaccount:finance:importer".to_owned();
        let stamped = [(label::CREATED_BY.to_owned(), account)].into();
        assert_eq!(creator(Some(&stamped)), "service:finance:importer");
        assert_eq!((creator(None), groups(None)), (NOBODY.to_owned(), vec![]));
    }
}
