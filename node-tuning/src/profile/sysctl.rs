//! One kernel setting: what is wanted, and when the machine has it already.

use serde::{Deserialize, Serialize};

use crate::ranges::Ranges;

/// A setting of `/proc/sys`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// `net.core.somaxconn`.
    pub key: String,
    /// Planes that want it.
    pub planes: Vec<String>,
    /// How far it reaches.
    pub scope: Scope,
    /// Whether a pod may set it for itself.
    pub pod: Pod,
    /// When the machine's value will do.
    pub fit: Fit,
    /// The value, in one line.
    pub value: String,
    /// The smallest number in a value.
    pub least: u32,
    /// The largest.
    pub most: u32,
    /// The first kernel that has it, or that understands the value.
    pub since: String,
    /// Whether it is applied without being asked for.
    pub on: bool,
    /// The name of its measurement.
    pub measure: String,
    /// Why.
    pub why: String,
    /// What it does not go together with, for people.
    pub conflicts: Vec<String>,
    /// Settings without which it must not be applied.
    #[serde(default)]
    pub needs: Vec<String>,
    /// A program that owns it where that program works: `kubelet`.
    #[serde(default)]
    pub owner: Option<String>,
}

/// How far a setting reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The machine.
    Host,
    /// A network namespace; a new one begins with the kernel's default.
    Netns,
}

/// Whether a pod may set it, and since which Kubernetes.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// Which list it is on.
    pub list: List,
    /// The first Kubernetes with it on that list.
    #[serde(default)]
    pub since: Option<String>,
}

/// Kubernetes' lists of settings of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// Any pod may set it.
    Safe,
    /// The kubelet must allow it.
    Unsafe,
    /// A pod has no use for it.
    None,
}

/// When the machine's value will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// It is this number.
    Exactly,
    /// It is this number or more.
    AtLeast,
    /// It is this number or less.
    AtMost,
    /// A range that reaches as far at both ends.
    Spans,
    /// A list that has all of these.
    Includes,
}

impl Sysctl {
    /// Its file below the root.
    pub fn file(&self) -> String {
        format!("proc/sys/{}", self.key.replace('.', "/"))
    }

    /// Whether it is applied on a machine: on bare metal also what only reaches the machine's own namespace.
    pub fn on_machine(&self, kubernetes: bool) -> bool {
        self.scope == Scope::Host || !kubernetes
    }

    /// What has to be written so that `found` fits; none if it fits.
    ///
    /// # Errors
    /// If `found` is not of the form that the kernel gives such a setting.
    pub fn wanted(&self, found: &str) -> Result<Option<String>, String> {
        let found = plain(found);
        let fresh = match self.fit {
            Fit::Exactly => self.value.clone(),
            Fit::AtLeast => numbers::<1>(&found)?[0].max(numbers::<1>(&self.value)?[0]).to_string(),
            Fit::AtMost => numbers::<1>(&found)?[0].min(numbers::<1>(&self.value)?[0]).to_string(),
            Fit::Spans => {
                let ([first, last], [low, high]) = (numbers(&found)?, numbers(&self.value)?);
                format!("{} {}", first.min(low), last.max(high))
            }
            Fit::Includes => {
                let mut ports: Ranges = found.parse()?;
                ports.add(&self.value.parse()?);
                ports.to_string()
            }
        };
        Ok((fresh != found).then_some(fresh))
    }
}

/// A value on one line with single spaces: the kernel shows tabs.
pub(crate) fn plain(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Exactly so many numbers.
pub(super) fn numbers<const N: usize>(text: &str) -> Result<[u64; N], String> {
    let parsed: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    let list = parsed.map_err(|_| format!("`{text}` is not {N} number(s)"))?;
    list.try_into().map_err(|_| format!("`{text}` is not {N} number(s)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysctl(fit: Fit, value: &str) -> Sysctl {
        Sysctl {
            key: "a.b".to_owned(),
            planes: Vec::new(),
            scope: Scope::Host,
            pod: Pod { list: List::None, since: None },
            fit,
            value: value.to_owned(),
            least: 0,
            most: 0,
            since: "2.6".to_owned(),
            on: true,
            measure: String::new(),
            why: String::new(),
            conflicts: Vec::new(),
            needs: Vec::new(),
            owner: None,
        }
    }

    #[test]
    fn what_an_administrator_raised_stays() {
        let cases = [
            (Fit::Exactly, "1", "2", Some("1")),
            (Fit::Exactly, "1", "1", None),
            (Fit::AtLeast, "4096", "128", Some("4096")),
            (Fit::AtLeast, "4096", "65535", None),
            (Fit::AtMost, "30", "60", Some("30")),
            (Fit::AtMost, "30", "15", None),
            (Fit::Spans, "20000 60999", "32768\t60999", Some("20000 60999")),
            (Fit::Spans, "20000 60999", "1024\t65535", None),
            (Fit::Spans, "20000 60999", "30000\t65535", Some("20000 65535")),
            (Fit::Includes, "30000-32767", "", Some("30000-32767")),
            (Fit::Includes, "30000-32767", "8080,30000-40000", None),
            (Fit::Includes, "30000-32767", "8080", Some("8080,30000-32767")),
        ];
        for (fit, value, found, expected) in cases {
            let wanted = sysctl(fit, value).wanted(found).unwrap();
            assert_eq!(wanted.as_deref(), expected, "{fit:?} {value} on {found}");
        }
        for (fit, value, found) in [(Fit::AtLeast, "1", "x"), (Fit::Spans, "1 2", "3")] {
            assert!(sysctl(fit, value).wanted(found).is_err());
        }
    }
}
