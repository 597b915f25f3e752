//! Secrets: references in a task, values only while it runs.
//!
//! The engine renders `secrets.<name>.<key>` as a mark in a string; [`Secrets::resolve`] puts the value there when
//! the task is dispatched and returns the [`Redactor`] that takes it out again of whatever comes back.

mod folder;
mod forms;
mod redactor;

pub use redactor::Redactor;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aob_engine::catalogue::{NODE_INPUT, SECRET_INVALID, SECRET_MISSING};
use aob_engine::expr::{SecretRef, find_secrets, substitute_secrets};
use serde_json::Value;

use crate::node::Failure;

/// How much text the secrets of one task may add up to, in bytes.
const TOTAL: usize = 1024 * 1024;
/// How deep a task's input may nest; what was read as JSON nests at most this deep.
const DEPTH: usize = 128;

/// Where the values of secrets come from. Holds no value itself.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    folder: Option<PathBuf>,
}

impl Secrets {
    /// No secrets at all: every reference fails.
    #[must_use]
    pub const fn none() -> Self {
        Self { folder: None }
    }

    /// Secrets are the files `<folder>/<name>/<key>`, as a mounted Kubernetes secret has them. They are
    /// read anew for every task, so that a rotated secret is seen at once.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// Whether any string in `input` refers to a secret. Without one, `resolve` reads no file.
    #[must_use]
    pub fn mentioned(input: &Value) -> bool {
        !find_secrets(input).is_empty()
    }

    /// `input` with the value of every secret in the place of its reference, and what hides them again.
    /// Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// `secret_missing`, `secret_invalid`, `node_input` (nested too deeply); the message names the secret.
    pub fn resolve(&self, input: &Value) -> Result<(Value, Redactor), Failure> {
        let mut pass =
            Pass { secrets: self, values: BTreeMap::new(), tainted: BTreeSet::new(), total: 0 };
        let value = pass.value(input, &mut String::new(), 0)?;
        let redactor = Redactor::new(pass.values.into_values(), pass.tainted);
        Ok((value, redactor))
    }

    /// The text of one secret. Reads a file: call it where blocking is allowed.
    ///
    /// # Errors
    /// `secret_missing`, `secret_invalid`; the message names the secret.
    pub fn text(&self, name: &str, key: &str) -> Result<String, Failure> {
        self.read(&SecretRef { name: name.to_owned(), key: key.to_owned() })
    }

    fn read(&self, secret: &SecretRef) -> Result<String, Failure> {
        let SecretRef { name, key } = secret;
        let Some(folder) = &self.folder else {
            let message = format!(
                "secret `{name}/{key}` is asked for, but this runner has no secrets folder; start it with --secrets DIR"
            );
            return Err(Failure::new(&SECRET_MISSING, message));
        };
        folder::read(folder, name, key)
    }
}

/// One walk over a task's input.
struct Pass<'a> {
    secrets: &'a Secrets,
    values: BTreeMap<SecretRef, String>,
    tainted: BTreeSet<String>,
    total: usize,
}

impl Pass<'_> {
    fn value(
        &mut self,
        value: &Value,
        pointer: &mut String,
        depth: usize,
    ) -> Result<Value, Failure> {
        if depth > DEPTH {
            return Err(Failure::new(
                &NODE_INPUT,
                format!("the input nests more than {DEPTH} deep"),
            ));
        }
        Ok(match value {
            Value::String(text) => self.text(text, pointer)?,
            Value::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    out.push(self.below(&index.to_string(), item, pointer, depth)?);
                }
                Value::Array(out)
            }
            Value::Object(fields) => {
                let mut out = serde_json::Map::new();
                for (key, field) in fields {
                    let step = key.replace('~', "~0").replace('/', "~1");
                    out.insert(key.clone(), self.below(&step, field, pointer, depth)?);
                }
                Value::Object(out)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn below(
        &mut self,
        step: &str,
        value: &Value,
        pointer: &mut String,
        depth: usize,
    ) -> Result<Value, Failure> {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(step);
        let out = self.value(value, pointer, depth + 1);
        pointer.truncate(length);
        out
    }

    fn text(&mut self, text: &str, pointer: &str) -> Result<Value, Failure> {
        let mut value = Value::from(text);
        substitute_secrets(&mut value, &mut |secret| {
            if !self.tainted.contains(pointer) {
                self.tainted.insert(pointer.to_owned());
            }
            self.secret(secret)
        })?;
        Ok(value)
    }

    fn secret(&mut self, secret: &SecretRef) -> Result<String, Failure> {
        let value = match self.values.get(secret) {
            Some(known) => known.clone(),
            None => self.secrets.read(secret)?,
        };
        self.values.entry(secret.clone()).or_insert_with(|| value.clone());
        self.total += value.len();
        if self.total > TOTAL {
            let message = format!(
                "the secrets of one task add up to more than {TOTAL} bytes, at `{}/{}`",
                secret.name, secret.key
            );
            return Err(Failure::new(&SECRET_INVALID, message));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aob_engine::expr::secret_marker;
    use serde_json::json;

    fn with_secrets(files: &[(&str, &str)]) -> (tempfile::TempDir, Secrets) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let secrets = Secrets::in_folder(dir.path());
        (dir, secrets)
    }

    fn mark(reference: &str) -> String {
        let (name, key) = reference.split_once('/').unwrap();
        secret_marker(name, key)
    }

    #[test]
    fn values_take_the_place_of_references() {
        let (_dir, secrets) = with_secrets(&[("erp/token", "s3cr3t-token\n"), ("erp/user", "bob")]);
        let input = json!({"headers": {"a/b": format!("Bearer {}", mark("erp/token"))}, "list": [1, mark("erp/user")], "plain": "x"});
        let (value, redactor) = secrets.resolve(&input).unwrap();
        assert_eq!(
            value,
            json!({"headers": {"a/b": "Bearer s3cr3t-token"}, "list": [1, "bob"], "plain": "x"})
        );
        assert!(redactor.came_from_secret("/headers/a~1b") && redactor.came_from_secret("/list/1"));
        assert!(
            !redactor.came_from_secret("/plain")
                && redactor.any_below("/headers")
                && !redactor.any_below("/header")
        );
        assert_eq!(redactor.text("got s3cr3t-token from bob"), "got *** from bob");
        assert!(!format!("{redactor:?} {secrets:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_missing_secret_is_named() {
        let (_dir, secrets) = with_secrets(&[("erp/token", "x")]);
        for (secrets, reference) in
            [(&secrets, "erp/tokn"), (&secrets, "rep/token"), (&Secrets::none(), "erp/token")]
        {
            let failure = secrets.resolve(&json!([mark(reference)])).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.retryable), ("secret_missing", false));
            assert!(failure.message.contains(reference), "{}", failure.message);
        }
    }

    #[test]
    fn secrets_of_one_task_are_bounded() {
        let (_dir, secrets) = with_secrets(&[("a/b", &"x".repeat(60_000))]);
        let failure = secrets.resolve(&json!([mark("a/b").repeat(20)])).unwrap_err();
        assert_eq!(failure.code, "secret_invalid");
        let mut deep = json!(1);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        assert_eq!(secrets.resolve(&deep).unwrap_err().code, "node_input");
    }
}
