//! Where a workflow's requests may go: the guard against server-side request forgery.
//!
//! A name is looked up once and the connection goes to the address that was judged. Everything that is not
//! plainly public is refused unless the runner's operator allows it.

mod address;
mod allowed;
mod network;

pub use allowed::{Allowed, Private};
pub use network::Network;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The longest name of a host, in bytes.
const NAME: usize = 253;
/// How many addresses of a name are looked at.
const ADDRESSES: usize = 16;

/// Looks names up. The guard judges what it finds.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of a host.
    ///
    /// # Errors
    /// Those of the system's resolver.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Judges URLs and addresses by the runner's rules, and resolves names for a client.
#[derive(Clone)]
pub struct Guard {
    private: Arc<Private>,
    lookup: Arc<dyn Lookup>,
}

/// Why an address may not be reached. It never tells what address a name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    host: String,
    why: &'static str,
}

impl Guard {
    /// A guard that looks names up as the system does.
    #[must_use]
    pub fn new(private: Private) -> Self {
        Self::with_lookup(private, Arc::new(System))
    }

    /// A guard with its own way to look names up.
    #[must_use]
    pub fn with_lookup(private: Private, lookup: Arc<dyn Lookup>) -> Self {
        Self { private: Arc::new(private), lookup }
    }

    /// Judges the host of a URL as far as that goes without looking it up. For each hop of a redirect anew.
    ///
    /// # Errors
    /// The host is a special address, or a name that leads into the cluster or to a cloud's metadata.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        let refused = |host: &dyn fmt::Display, why| Refused { host: host.to_string(), why };
        match url.host() {
            None => Err(refused(&"", "the URL has no host")),
            Some(Host::Ipv4(ip)) => self.judge(ip.into()).map_err(|why| refused(&ip, why)),
            Some(Host::Ipv6(ip)) => self.judge(ip.into()).map_err(|why| refused(&ip, why)),
            Some(Host::Domain(name)) => {
                self.private.judge_name(name).map_err(|why| refused(&name, why))
            }
        }
    }

    /// The addresses of a host, if every one of them may be reached: a name with one special address
    /// among public ones is a trap.
    ///
    /// # Errors
    /// [`Refused`] inside an [`io::Error`], or that of the lookup.
    pub async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let refused = |why| io::Error::other(Refused { host: host.to_owned(), why });
        if host.len() > NAME {
            return Err(refused("its name is too long"));
        }
        self.private.judge_name(host).map_err(refused)?;
        let mut found = self.lookup.addresses(host).await?;
        found.truncate(ADDRESSES);
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        if !self.private.names(host) {
            for &ip in &found {
                self.judge(ip).map_err(refused)?;
            }
        }
        Ok(found)
    }

    fn judge(&self, ip: IpAddr) -> Result<(), &'static str> {
        self.private.judge_address(ip)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

impl Refused {
    /// Finds a refusal among the causes of an error.
    #[must_use]
    pub fn among<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let found =
                error.downcast_ref().or_else(|| inside.and_then(|inside| inside.downcast_ref()));
            if found.is_some() {
                return found;
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, why } = self;
        write!(
            f,
            "`{host}` may not be reached from a workflow: {why}; the runner's operator can allow it with --allow-private {host}"
        )
    }
}

impl std::error::Error for Refused {}

/// The system's resolver.
struct System;

#[async_trait]
impl Lookup for System {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

#[cfg(test)]
mod tests;
