//! What an operator allows beyond public addresses.

use std::net::IpAddr;
use std::str::FromStr;

use super::Network;
use super::address::{embedded, is_metadata, special};

/// Which addresses that are not public may be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Private {
    /// None.
    #[default]
    Deny,
    /// These, and with a named host whatever address its name has.
    Only(Vec<Allowed>),
    /// All but the metadata services of clouds, which must be named.
    Any,
}

/// One entry of an operator's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// `10.0.0.0/8`, or a single address.
    Network(Network),
    /// `erp.corp.internal`, or `*.corp.internal` for all names below; lower case.
    Host(String),
}

impl Private {
    /// Judges a host's name before it is looked up.
    pub(super) fn judge_name(&self, name: &str) -> Result<(), &'static str> {
        let name = plain(name);
        let is_one_of = |list: &[&str]| list.contains(&name.as_str());
        let is_below = |list: &[&str]| {
            list.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
        };
        if self.names(&name) {
            return Ok(());
        }
        if is_one_of(&[
            "metadata",
            "instance-data",
            "metadata.google.internal",
            "metadata.azure.internal",
            "instance-data.ec2.internal",
        ]) || is_one_of(&["metadata.goog"])
            || is_below(&["metadata.google.internal", "metadata.goog"])
        {
            return Err("it is the name of a cloud's metadata service");
        }
        if *self == Self::Any {
            return Ok(());
        }
        if is_one_of(&["localhost"]) || is_below(&["localhost"]) {
            return Err("it is a name of this machine");
        }
        if is_one_of(&["kubernetes", "kubernetes.default"]) || is_below(&["svc", "cluster.local"]) {
            return Err("it is the name of a service in the cluster");
        }
        if is_below(&["internal", "local", "home.arpa"]) {
            return Err("it is a name of an inner network");
        }
        Ok(())
    }

    /// Judges an address, and those it carries.
    pub(super) fn judge_address(&self, ip: IpAddr) -> Result<(), &'static str> {
        for ip in std::iter::once(ip).chain(embedded(ip)) {
            let Some(why) = special(ip) else { continue };
            let allowed = match self {
                Self::Deny => false,
                Self::Only(list) => list.iter().any(
                    |entry| matches!(entry, Allowed::Network(network) if network.contains(ip)),
                ),
                Self::Any => !is_metadata(ip),
            };
            if !allowed {
                return Err(why);
            }
        }
        Ok(())
    }

    /// Whether the list has this name.
    pub(super) fn names(&self, name: &str) -> bool {
        let Self::Only(list) = self else { return false };
        let name = plain(name);
        list.iter().any(|entry| match entry {
            Allowed::Host(host) => match host.strip_prefix("*.") {
                Some(end) => {
                    name.strip_suffix(end).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                }
                None => name == *host,
            },
            Allowed::Network(_) => false,
        })
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        // What looks like a number was meant as a network: as a name it would never match.
        let name = plain(text);
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        let is_name = labels.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
        let is_number = labels
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_name || is_number {
            return Err(format!(
                "`{text}` is neither a network (10.0.0.0/8) nor a host (erp.corp.internal, *.corp.internal)"
            ));
        }
        Ok(Self::Host(name))
    }
}

/// A name without the dot at its end, in lower case.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(list: &[&str]) -> Private {
        Private::Only(list.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn names_of_inner_networks_are_refused() {
        for name in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "metadata",
            "metadata.google.internal",
            "metadata.google.internal.",
            "x.metadata.goog",
            "instance-data",
            "kubernetes",
            "kubernetes.default",
            "redis.default.svc",
            "redis.default.svc.cluster.local",
            "erp.internal",
            "printer.local",
            "nas.home.arpa",
        ] {
            assert!(Private::Deny.judge_name(name).is_err(), "{name}");
            assert_eq!(
                Private::Any.judge_name(name).is_err(),
                name.contains("metadata") || name.contains("instance"),
                "{name}"
            );
        }
        for name in [
            "example.com",
            "svc.example.com",
            "internal.example.com",
            "localhost.example.com",
            "mysvc",
            "xinternal",
        ] {
            assert_eq!(Private::Deny.judge_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_is_allowed_is_named() {
        let list = only(&["10.0.0.0/8", "erp.corp.internal", "*.Lab.internal"]);
        for name in
            ["erp.corp.internal", "ERP.corp.internal.", "a.lab.internal", "a.b.lab.internal"]
        {
            assert_eq!(list.judge_name(name), Ok(()), "{name}");
        }
        for name in ["x.erp.corp.internal", "lab.internal", ".lab.internal", "xlab.internal"] {
            assert!(list.judge_name(name).is_err(), "{name}");
        }
        assert_eq!(list.judge_address("10.1.2.3".parse().unwrap()), Ok(()));
        assert!(list.judge_address("192.168.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn a_tunnel_needs_both_its_ends() {
        let (mapped, inner): (IpAddr, IpAddr) =
            ("64:ff9b::10.0.0.1".parse().unwrap(), "64:ff9b::8.8.8.8".parse().unwrap());
        assert!(only(&["10.0.0.0/8"]).judge_address(mapped).is_err());
        assert!(only(&["64:ff9b::/96"]).judge_address(mapped).is_err());
        assert_eq!(only(&["64:ff9b::/96"]).judge_address(inner), Ok(()));
        assert_eq!(only(&["64:ff9b::/96", "10.0.0.0/8"]).judge_address(mapped), Ok(()));
    }

    #[test]
    fn metadata_is_never_meant_by_any() {
        for ip in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
        ] {
            assert!(Private::Any.judge_address(ip.parse().unwrap()).is_err(), "{ip}");
        }
        assert_eq!(Private::Any.judge_address("127.0.0.1".parse().unwrap()), Ok(()));
        assert_eq!(
            only(&["169.254.169.254"]).judge_address("169.254.169.254".parse().unwrap()),
            Ok(())
        );
    }

    #[test]
    fn entries_are_networks_or_names() {
        assert!(matches!("127.0.0.1".parse(), Ok(Allowed::Network(_))));
        assert_eq!("Localhost".parse(), Ok(Allowed::Host("localhost".into())));
        for text in [
            "",
            "10.0.0.0/40",
            "10.0.0.1:80",
            "http://x",
            "*",
            "*.",
            "a..b",
            "10.0",
            "256.0.0.1",
            "a b",
        ] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }
}
