//! Which store is meant.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aob_engine::catalogue;

use super::cluster;
use crate::arguments::Where;
use crate::context::{self, Server, Target};
use crate::problem::{Problem, Result};

/// Where runs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A server.
    Redis(String),
    /// A data directory.
    Folder(PathBuf),
    /// A gateway.
    Gateway(Server),
}

impl Place {
    /// A flag counts before the environment, and that before the usual directory.
    pub(crate) fn of(given: &Where) -> Result<Self> {
        let flags = given.redis.is_some() || given.data.is_some();
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = match &given.context {
            Some(name) => Some((name.clone(), "--context")),
            None if flags => None,
            None => set("AOB_CONTEXT").map(|name| (name, "AOB_CONTEXT")),
        };
        if let Some((name, about)) = named {
            return Self::to(context::load()?.target(&name, about)?);
        }
        if let (false, Some(gateway)) = (flags, cluster::usual()) {
            return Ok(Self::Gateway(gateway));
        }
        if !flags && set("AOB_REDIS").is_none() && set("AOB_DATA").is_none() {
            let config = context::load()?;
            if let Some(name) = &config.current {
                return Self::to(config.target(name, "the context in use")?);
            }
        }
        Self::usual(given)
    }

    /// The data directory of a process that serves one: contexts do not count.
    pub(crate) fn folder(data: Option<PathBuf>) -> Result<PathBuf> {
        let given = Where { redis: None, data, context: None };
        let set = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.filter(|_| name != "AOB_REDIS").map(PathBuf::from)
        };
        match Self::choose(&given, set)? {
            Self::Folder(dir) => Ok(dir),
            Self::Redis(_) | Self::Gateway(_) => Ok(PathBuf::from(".")),
        }
    }

    /// The archive of a store that this process opens itself [env: AOB_ARCHIVE].
    pub(crate) fn archive() -> Option<String> {
        std::env::var("AOB_ARCHIVE").ok().filter(|url| !url.is_empty())
    }

    fn to(target: Target) -> Result<Self> {
        match target {
            Target::Redis(url) => Ok(Self::Redis(url)),
            Target::Server(server) => Ok(Self::Gateway(server)),
            Target::Data(Some(dir)) => Ok(Self::Folder(dir)),
            Target::Data(None) => Self::folder(None).map(Self::Folder),
        }
    }

    fn usual(given: &Where) -> Result<Self> {
        Self::choose(given, |name| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        })
    }

    fn choose(given: &Where, set: impl Fn(&str) -> Option<PathBuf>) -> Result<Self> {
        if let Some(url) = &given.redis {
            return Ok(Self::Redis(url.clone()));
        }
        if let Some(dir) = &given.data {
            return Ok(Self::Folder(dir.clone()));
        }
        if let Some(url) = set("AOB_REDIS").and_then(|url| url.into_os_string().into_string().ok())
        {
            return Ok(Self::Redis(url));
        }
        let usual = || {
            let state = set("XDG_STATE_HOME").filter(|dir| dir.is_absolute());
            state
                .or_else(|| set("HOME").map(|home| home.join(".local/state")))
                .map(|state| state.join("aob"))
        };
        set("AOB_DATA").or_else(usual).map(Self::Folder).ok_or_else(|| {
            let message =
                "neither --data nor AOB_DATA, XDG_STATE_HOME or HOME says where runs are kept";
            Problem::new(&catalogue::NO_HOME, "--data", message)
        })
    }

    /// The flag that leads another command to the same place; nothing where that is what it would take anyway.
    pub(crate) fn flag(&self, given: &Where) -> String {
        if let Some(name) = &given.context {
            return format!(" --context {name}");
        }
        match (given.redis.is_some(), given.data.is_some(), self) {
            (true, _, Self::Redis(url)) if !url.contains('@') => format!(" --redis {url}"),
            (true, _, _) => " --redis URL".to_owned(),
            (_, true, Self::Folder(dir)) => {
                format!(" --data-dir {}", quoted(&dir.display().to_string()))
            }
            _ => String::new(),
        }
    }
}

/// Makes the directory for this user alone, if it is not there.
pub(super) fn make(dir: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        let shown = dir.display().to_string();
        Problem::new(&catalogue::STORE_DISK, &shown, format!("{shown}: {error}"))
    })
}

/// As a shell takes it.
pub(crate) fn quoted(text: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=+,@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(harmless) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Place, quoted};
    use crate::arguments::Where;

    #[test]
    fn a_flag_counts_before_the_environment() {
        let none = Where { redis: None, data: None, context: None };
        let data = Where { redis: None, data: Some("d".into()), context: None };
        let all = |name: &str| {
            let value = match name {
                "AOB_REDIS" => "redis://r",
                "AOB_DATA" => "/e",
                "XDG_STATE_HOME" => "/x",
                _ => "/h",
            };
            Some(PathBuf::from(value))
        };
        let folder = |path: &str| Place::Folder(path.into());
        assert_eq!(Place::choose(&data, all).unwrap(), folder("d"));
        assert_eq!(Place::choose(&none, all).unwrap(), Place::Redis("redis://r".into()));
        assert_eq!(
            Place::choose(&none, |name| all(name).filter(|_| name != "AOB_REDIS")).unwrap(),
            folder("/e")
        );
        assert_eq!(
            Place::choose(&none, |name| all(name).filter(|_| !name.starts_with("AOB"))).unwrap(),
            folder("/x/aob")
        );
        let home = |name: &str| all(name).filter(|_| name == "HOME");
        assert_eq!(Place::choose(&none, home).unwrap(), folder("/h/.local/state/aob"));
        assert!(Place::choose(&none, |_| None).is_err());
    }

    #[test]
    fn a_shell_takes_it_as_one_word() {
        assert_eq!(quoted("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(quoted("a b'c"), "'a b'\\''c'");
    }
}
