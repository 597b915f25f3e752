//! Servers as the operator writes them: a TOML file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::{Host, Url};

/// The variable that names the file.
const VARIABLE: &str = "AOB_MCP";
/// Longest file of settings, certificates or a key, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// Servers of one runner.
const SERVERS: usize = 64;

/// How long and how much.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// Until a server is connected to.
    pub(super) connect: Duration,
    /// Of one call, or of reading the list of tools.
    pub(super) call: Duration,
    /// Calls of one server at once.
    pub(super) calls: usize,
    /// Bytes of one answer.
    pub(super) answer: usize,
    /// Bytes of one tool's definition.
    pub(super) definition: usize,
    /// Tools of servers that one agent is offered.
    pub(super) tools: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(60),
            calls: 16,
            answer: 1024 * 1024,
            definition: 16 * 1024,
            tools: 64,
        }
    }
}

/// One server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) reached: Reached,
    /// Shown nowhere.
    key: Option<String>,
    /// None: all that it has.
    tools: Option<BTreeSet<String>>,
    pins: BTreeMap<String, String>,
    calls: usize,
}

/// How a server is reached.
pub(super) enum Reached {
    /// Streamable HTTP.
    Http {
        url: Url,
        headers: Vec<(HeaderName, HeaderValue)>,
        /// Certificates of authorities in PEM, beside those of the machine.
        authorities: Vec<u8>,
    },
    /// A process of this machine.
    Process { command: Vec<String>, env: BTreeMap<String, String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    servers: BTreeMap<String, Entry>,
    #[serde(default)]
    limits: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: Option<String>,
    key_env: Option<String>,
    key_file: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    authorities: Option<String>,
    command: Option<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    tools: Option<BTreeSet<String>>,
    #[serde(default)]
    pins: BTreeMap<String, String>,
}

type Get<'g> = &'g dyn Fn(&str) -> Option<String>;

/// What the file says that `AOB_MCP` names, if there is one.
pub(super) fn from_env(get: Get<'_>) -> Result<(BTreeMap<String, Server>, Limits), String> {
    match get(VARIABLE).filter(|path| !path.is_empty()) {
        None => Ok((BTreeMap::new(), Limits::default())),
        Some(path) => {
            let text = read(&path).map_err(|why| format!("{VARIABLE}: {why}"))?;
            parse(&text, get).map_err(|why| format!("{path}: {why}"))
        }
    }
}

/// What a file of this text says.
fn parse(text: &str, get: Get<'_>) -> Result<(BTreeMap<String, Server>, Limits), String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.servers.len() > SERVERS {
        return Err(format!("servers: {}; at most {SERVERS}", file.servers.len()));
    }
    let limits = limits(&file.limits)?;
    let mut servers = BTreeMap::new();
    for (name, entry) in file.servers {
        let is_plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(is_plain) {
            return Err(format!(
                "servers.{name}: a name is lower-case letters, digits and `-`, at most 32"
            ));
        }
        let server = entry.server(&name, limits.calls, get);
        let server = server.map_err(|why| format!("servers.{name}.{why}"))?;
        servers.insert(name, server);
    }
    Ok((servers, limits))
}

impl Entry {
    fn server(self, name: &str, calls: usize, get: Get<'_>) -> Result<Server, String> {
        let key = match (&self.key_env, &self.key_file) {
            (Some(_), Some(_)) => return Err("key_env: or `key_file`, not both".to_owned()),
            (Some(variable), None) => {
                Some(get(variable).ok_or_else(|| format!("key_env: `{variable}` is not set"))?)
            }
            (None, Some(path)) => Some(read(path).map_err(|why| format!("key_file: {why}"))?),
            (None, None) => None,
        };
        let key = key.map(|key| key.trim().to_owned());
        if key.as_ref().is_some_and(|key| key.is_empty() || HeaderValue::from_str(key).is_err()) {
            return Err("key: one line of printable characters".to_owned());
        }
        let reached = match (self.url, self.command) {
            (Some(url), None) => {
                if !self.env.is_empty() {
                    return Err("env: is for `command`".to_owned());
                }
                let url = address(&url).map_err(|why| format!("url: {why}"))?;
                let headers = headers(&self.headers)?;
                let authorities = match &self.authorities {
                    Some(path) => read(path).map_err(|why| format!("authorities: {why}"))?.into(),
                    None => Vec::new(),
                };
                Reached::Http { url, headers, authorities }
            }
            (None, Some(command)) => {
                if key.is_some() || !self.headers.is_empty() || self.authorities.is_some() {
                    return Err(
                        "command: a process is given no key and no headers; use `env`".to_owned()
                    );
                }
                if command.first().is_none_or(String::is_empty) {
                    return Err("command: its first word is the program".to_owned());
                }
                Reached::Process { command, env: self.env }
            }
            _ => return Err("url: either `url` or `command`".to_owned()),
        };
        for (tool, pin) in &self.pins {
            let hex = pin.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(format!(
                    "pins.{tool}: `sha256:` and 64 digits, as an error names them"
                ));
            }
        }
        let name = name.to_owned();
        Ok(Server { name, reached, key, tools: self.tools, pins: self.pins, calls })
    }
}

impl Server {
    /// Whether the operator lets agents have this tool.
    pub(super) fn allows(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.contains(tool))
    }

    /// The digest that a tool's definition has to have.
    pub(super) fn pin(&self, tool: &str) -> Option<&String> {
        self.pins.get(tool)
    }

    /// What proves who asks.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Calls of it at once.
    pub(super) fn at_once(&self) -> usize {
        self.calls
    }

    /// A text without its key, which a server may send back.
    pub(super) fn scrub(&self, text: &str) -> String {
        match &self.key {
            Some(key) if key.len() >= 8 => text.replace(key.as_str(), "***"),
            _ => text.to_owned(),
        }
    }
}

fn limits(said: &BTreeMap<String, u64>) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for (name, value) in said {
        if *value == 0 {
            return Err(format!("limits.{name}: no limit may be 0"));
        }
        let seconds = Duration::from_secs(*value);
        let number = usize::try_from(*value).unwrap_or(usize::MAX);
        match name.as_str() {
            "connect_seconds" => limits.connect = seconds,
            "call_seconds" => limits.call = seconds,
            "calls" => limits.calls = number.min(1_024),
            "answer_bytes" => limits.answer = number,
            "definition_bytes" => limits.definition = number,
            "tools" => limits.tools = number.min(128),
            _ => {
                return Err(format!(
                    "limits.{name}: there is no such limit; docs/agents.md has them all"
                ));
            }
        }
    }
    Ok(limits)
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("an address needs a host".to_owned()),
    };
    if !(url.scheme() == "https" || url.scheme() == "http" && is_here) {
        return Err(
            "what agents ask goes to another machine with TLS only: write https://".to_owned()
        );
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("an address has no fragment or user".to_owned());
    }
    Ok(url)
}

fn headers(said: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let read = |(name, value): (&String, &String)| {
        let wrong = || format!("headers: `{name}` is no header with one line");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    said.iter().map(read).collect()
}

fn read(path: &str) -> Result<String, String> {
    let wrong = |why: String| format!("`{path}`: {why}");
    let about = std::fs::metadata(Path::new(path)).map_err(|error| wrong(error.to_string()))?;
    if about.len() > LONGEST {
        return Err(wrong(format!("larger than {LONGEST} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let get = |name: &str| (name == "KEY").then(|| "a long enough key".to_owned());
        let told = |text: &str| parse(text, &get).map(|_| ()).unwrap_err();
        let good = "[servers.erp]\nurl = \"https://mcp.example.com/mcp\"\nkey_env = \"KEY\"\ntools = [\"find\"]\n[limits]\ncall_seconds = 5";
        let (servers, limits) = parse(good, &get).unwrap();
        assert_eq!(limits.call, Duration::from_secs(5));
        let erp = &servers["erp"];
        assert!(erp.allows("find") && !erp.allows("pay"));
        assert_eq!(erp.scrub("Bearer a long enough key!"), "Bearer ***!");
        for (text, place) in [
            ("[servers.erp]", "servers.erp.url"),
            ("[servers.ERP]\nurl = \"https://a.example\"", "servers.ERP"),
            ("[servers.a]\nurl = \"http://a.example\"", "servers.a.url"),
            ("[servers.a]\nurl = \"https://u:p@a.example\"", "servers.a.url"),
            ("[servers.a]\nurl = \"https://a.example\"\ncommand = [\"x\"]", "servers.a.url"),
            ("[servers.a]\nurl = \"https://a.example\"\nkey_env = \"NONE\"", "servers.a.key_env"),
            ("[servers.a]\ncommand = []", "servers.a.command"),
            ("[servers.a]\ncommand = [\"x\"]\nkey_env = \"KEY\"", "servers.a.command"),
            ("[servers.a]\ncommand = [\"x\"]\npins = {t = \"md5:1\"}", "servers.a.pins.t"),
            ("[limits]\ncalls = 0", "limits.calls"),
            ("[limits]\nspeed = 1", "limits.speed"),
            ("[server]", "server"),
        ] {
            assert!(told(text).contains(place), "{text}: {}", told(text));
        }
    }
}
