//! The file of contexts: `$XDG_CONFIG_HOME/aob/config.yaml`, readable by its user alone, as it may hold tokens.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aob_engine::catalogue;
use aob_engine::read::{self, Limits};
use serde::{Deserialize, Serialize};

use super::{Server, Target};
use crate::arguments::Format;
use crate::problem::{Problem, Result};
use crate::show::value::value;

/// Longest file, in bytes.
const LONGEST: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// The context in use where no other one is named.
    pub(crate) current: Option<String>,
    pub(crate) contexts: BTreeMap<String, Target>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Entry>,
}

/// One of `data`, `redis`, `server`, or none of them for the usual data directory.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redis: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Reads the file; nothing if there is none.
pub(crate) fn load() -> Result<Config> {
    match path() {
        Some(path) => read(&path),
        None => Ok(Config::default()),
    }
}

/// Changes the file, or makes it. Two that change it at once do so one after the other, and a crash leaves the old
/// or the new one.
pub(crate) fn edit<T>(change: impl FnOnce(&mut Config) -> Result<T>) -> Result<T> {
    let Some(path) = path() else {
        let message = "neither XDG_CONFIG_HOME nor HOME says where contexts are kept";
        return Err(Problem::new(&catalogue::CONTEXT_FILE, "the environment", message));
    };
    let wrong = |error: std::io::Error| wrong(&path, error.to_string());
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(wrong)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(dir.join("config.lock"))
        .map_err(wrong)?;
    lock.lock().map_err(wrong)?;
    let mut config = read(&path)?;
    let done = change(&mut config)?;
    write(&path, &config).map_err(wrong)?;
    Ok(done)
}

/// Where the file is.
fn path() -> Option<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
    let config = config.or_else(|| set("HOME").map(|home| home.join(".config")));
    config.map(|config| config.join("aob/config.yaml"))
}

fn read(path: &Path) -> Result<Config> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
        Err(error) => return Err(wrong(path, error.to_string())),
    };
    let about = file.metadata().map_err(|error| wrong(path, error.to_string()))?;
    if about.len() > LONGEST {
        return Err(wrong(path, format!("it has more than {LONGEST} bytes")));
    }
    let text = std::fs::read(path).map_err(|error| wrong(path, error.to_string()))?;
    let documents = read::documents(&text, &Limits::default()).map_err(|found| {
        wrong(path, found.first().map_or_else(String::new, |one| one.issue.message.clone()))
    })?;
    let written: Written = match documents.as_slice() {
        [] => return Ok(Config::default()),
        // The value may be a token: only what is wrong with its form is told.
        [one] => serde_json::from_value(one.value.clone())
            .map_err(|error| wrong(path, form(&error.to_string())))?,
        _ => return Err(wrong(path, "it is more than one document".to_owned())),
    };
    let config = Config::of(written).map_err(|why| wrong(path, why))?;
    let mode = about.permissions().mode();
    if config.has_secrets() && mode & 0o077 != 0 {
        let shown = path.display();
        let why = format!("it holds tokens, and others can read it: chmod 600 {shown}");
        return Err(wrong(path, why));
    }
    Ok(config)
}

fn write(path: &Path, config: &Config) -> std::io::Result<()> {
    let written = serde_json::to_value(Written::from(config))?;
    let text = value(&written, Some(Format::Yaml), false);
    let new = path.with_extension("new");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

impl Config {
    fn of(written: Written) -> std::result::Result<Self, String> {
        let mut contexts = BTreeMap::new();
        for (name, entry) in written.contexts {
            super::name(&name)?;
            let Entry { data, redis, server, tenant, ca, token } = entry;
            let target = match (data, redis, server) {
                (data, None, None) => Target::Data(data),
                (None, Some(redis), None) => Target::Redis(redis),
                (None, None, Some(url)) => Target::Server(Server { url, tenant, ca, token }),
                _ => {
                    return Err(format!("context {name} has more than one of data, redis, server"));
                }
            };
            contexts.insert(name, target);
        }
        Ok(Self { current: written.current, contexts })
    }

    fn has_secrets(&self) -> bool {
        self.contexts.values().any(|target| match target {
            Target::Data(_) => false,
            Target::Redis(url) => url.contains('@'),
            Target::Server(server) => server.token.is_some(),
        })
    }
}

impl From<&Config> for Written {
    fn from(config: &Config) -> Self {
        let entry = |target: &Target| match target.clone() {
            Target::Data(data) => Entry { data, ..Entry::default() },
            Target::Redis(redis) => Entry { redis: Some(redis), ..Entry::default() },
            Target::Server(Server { url, tenant, ca, token }) => {
                Entry { server: Some(url), tenant, ca, token, ..Entry::default() }
            }
        };
        let contexts = config.contexts.iter().map(|(name, target)| (name.clone(), entry(target)));
        Self { current: config.current.clone(), contexts: contexts.collect() }
    }
}

/// Serde's message without the value that it found.
fn form(message: &str) -> String {
    match message.split_once(": ") {
        Some(("invalid type" | "invalid value", rest)) => {
            let expected = rest.rsplit_once("expected ").map_or("", |(_, expected)| expected);
            format!("a member is not what it must be: expected {expected}")
        }
        _ => message.to_owned(),
    }
}

fn wrong(path: &Path, why: String) -> Problem {
    let about = path.display().to_string();
    Problem::new(
        &catalogue::CONTEXT_FILE,
        &about,
        format!("the file of contexts cannot be used: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(token: Option<&str>) -> Target {
        Target::Server(Server {
            url: "https://aob.example.com".into(),
            tenant: Some("billing".into()),
            ca: None,
            token: token.map(str::to_owned),
        })
    }

    #[test]
    fn what_is_written_is_read_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        assert_eq!(read(&path).unwrap(), Config::default());
        let mut config = Config { current: Some("prod".into()), ..Config::default() };
        config.contexts.insert("prod".into(), server(Some("a token: \"x\"")));
        config.contexts.insert("box".into(), Target::Redis("redis://box".into()));
        config.contexts.insert("here".into(), Target::Data(None));
        config.contexts.insert("there".into(), Target::Data(Some("/d".into())));
        write(&path, &config).unwrap();
        assert_eq!(read(&path).unwrap(), config);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_token_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        let mut config = Config::default();
        config.contexts.insert("prod".into(), server(Some("s3cret")));
        write(&path, &config).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = format!("{:?}", read(&path).unwrap_err());
        assert!(said.contains("chmod 600") && !said.contains("s3cret"), "{said}");
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_values() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        for (text, why) in [
            ("contexts: {a: {server: s3cret, redis: s3cret}}", "more than one"),
            ("contexts: {a: {sever: s3cret}}", "sever"),
            ("contexts: [s3cret]", "expected a map"),
            ("contexts: {a: {token: {s3cret: 1}}}", "expected a string"),
            ("contexts: {'a b': {}}", "name"),
            ("a: [", "cannot be used"),
            ("current: a\n---\ncurrent: b\n", "more than one document"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = format!("{:?}", read(&path).unwrap_err());
            assert!(said.contains(why) && !said.contains("s3cret"), "{text}: {said}");
        }
    }
}
