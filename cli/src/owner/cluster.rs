//! A gateway in a Kubernetes cluster, by the way that kubectl has to it: `kubectl://NAMESPACE/[SCHEME:]SERVICE[:PORT]`.
//!
//! `kubectl proxy` lends its proof to the API server, over a socket of this user alone; the API server leads on to the
//! service. The gateway is shown a token that `kubectl create token` makes, in a header of its own: the API server keeps
//! the usual one for itself.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_gateway::client::{Client, Proof};
use tempfile::TempDir;

use super::gateway::given_token;
use crate::context::Server;
use crate::problem::{Problem, Result};

/// What addresses of this kind begin with.
pub(crate) const SCHEME: &str = "kubectl://";
/// The name of this program as a plugin: `kubectl aob`.
const PLUGIN: &str = "kubectl-aob";
/// Where the chart has the gateway, in a release of its own name.
const USUAL: &str = "kubectl://aob-system/aob-gateway:api";
/// Says that the gateway is elsewhere.
const ADDRESS: &str = "AOB_GATEWAY";
/// The service account in whose name is asked.
const ACCOUNT: &str = "AOB_ACCOUNT";
/// How long kubectl may take until it leads there.
const PATIENCE: Duration = Duration::from_secs(20);
/// Ends kubectl when this process ends, however it does.
const GUARD: &str =
    "\"$@\" & child=$!; read -r _; kill $child 2>/dev/null; wait $child 2>/dev/null";

/// What kubectl is told in each call, and the namespace that was named.
static ASKED: OnceLock<Asked> = OnceLock::new();

#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    flags: Vec<String>,
    namespace: Option<String>,
}

/// The command line without what is kubectl's, if this program was called as its plugin. It is known from then on.
pub(crate) fn plugin(given: Vec<OsString>) -> Vec<OsString> {
    let program = given.first().map(PathBuf::from).unwrap_or_default();
    if program.file_name().is_none_or(|name| name != PLUGIN) {
        return given;
    }
    let (asked, rest) = split(given);
    // It is said once, before anything else.
    drop(ASKED.set(asked));
    rest
}

/// The gateway that a plugin asks where nothing else was named.
pub(crate) fn usual() -> Option<Server> {
    ASKED.get()?;
    let set = std::env::var(ADDRESS).ok().filter(|value| !value.is_empty());
    let url = set.unwrap_or_else(|| USUAL.to_owned());
    Some(Server { url, tenant: None, ca: None, token: None })
}

/// Takes out the flags that say which cluster and which namespace.
fn split(given: Vec<OsString>) -> (Asked, Vec<OsString>) {
    let (mut asked, mut rest) = (Asked::default(), Vec::new());
    let mut words = given.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if text == "--" {
            rest.push(word);
            rest.extend(words);
            break;
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), None),
        };
        if !matches!(name, "-n" | "--namespace" | "--context" | "--kubeconfig") {
            rest.push(word);
            continue;
        }
        let value = value.or_else(|| Some(words.next()?.to_string_lossy().into_owned()));
        match (name, value) {
            ("-n" | "--namespace", value) => asked.namespace = value,
            (_, Some(value)) => asked.flags.push(format!("{name}={value}")),
            // kubectl says what it misses.
            (_, None) => asked.flags.push(name.to_owned()),
        }
    }
    (asked, rest)
}

/// kubectl, as long as it leads there.
#[derive(Debug)]
pub(crate) struct Relay {
    guard: Child,
    folder: TempDir,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The end of its input ends it, and kubectl with it.
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

/// The way to the gateway of an address, and what keeps it open.
pub(crate) async fn connect(server: &Server) -> Result<(Client, Relay)> {
    let url = &server.url;
    let wrong = || {
        let message = "an address in a cluster is kubectl://NAMESPACE/SERVICE:PORT";
        Problem::new(&catalogue::USAGE, url, message)
    };
    let (namespace, service) =
        url.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let fits = |text: &str, more: &str| {
        !text.is_empty()
            && text.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
    };
    if !fits(namespace, "-") || !fits(service, "-:") {
        return Err(wrong());
    }
    let tenant = match &server.tenant {
        Some(tenant) => tenant.clone(),
        None => own_namespace(url)?,
    };
    let token = match given_token(server)? {
        Some(token) => token,
        None => token(url, &tenant)?,
    };
    let path = format!("/api/v1/namespaces/{namespace}/services/{service}/proxy");
    let relay = relay(url, &path).await?;
    let base = format!("http://localhost{path}");
    let socket = relay.folder.path().join("socket");
    let client = Client::through(&socket, &base, url, Proof::Relayed(token), Some(tenant))?;
    Ok((client, relay))
}

fn kubectl() -> Command {
    let mut command = Command::new("kubectl");
    command.args(ASKED.get().map_or(&[][..], |asked| &asked.flags));
    command
}

/// What kubectl prints.
fn said(url: &str, arguments: &[&str]) -> Result<String> {
    let unreachable = |why: String| Problem::new(&catalogue::UNREACHABLE, url, why);
    let output = kubectl().args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| unreachable(format!("kubectl: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let first = arguments.iter().take(3).copied().collect::<Vec<_>>().join(" ");
        return Err(unreachable(format!("kubectl {first}: {}", text.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The namespace that was named, else that of kubectl's context.
fn own_namespace(url: &str) -> Result<String> {
    if let Some(named) = ASKED.get().and_then(|asked| asked.namespace.clone()) {
        return Ok(named);
    }
    let view = ["config", "view", "--minify", "--output=jsonpath={.contexts[0].context.namespace}"];
    let found = said(url, &view)?;
    Ok(if found.is_empty() { "default".to_owned() } else { found })
}

/// A token of the service account in whose name is asked, for the gateway and nobody else.
fn token(url: &str, namespace: &str) -> Result<String> {
    let account = std::env::var(ACCOUNT).ok().filter(|value| !value.is_empty());
    let account = account.unwrap_or_else(|| "aob".to_owned());
    let namespace_flag = format!("--namespace={namespace}");
    said(url, &["create", "token", &account, "--audience=aob", "--duration=1h", &namespace_flag])
        .map_err(|problem| {
            problem.detail(format!(
                "the gateway knows service accounts: make {account} in {namespace} and give it a role, name another one \
                 in {ACCOUNT}, or give a token in AOB_TOKEN"
            ))
        })
}

/// Starts kubectl, and waits until its socket is there.
async fn relay(url: &str, path: &str) -> Result<Relay> {
    let unreachable = |why: String| Problem::new(&catalogue::UNREACHABLE, url, why);
    let folder = folder().map_err(|error| unreachable(format!("no folder: {error}")))?;
    let socket = folder.path().join("socket");
    let mut leads = kubectl();
    leads.arg("proxy").arg(format!("--unix-socket={}", socket.display()));
    // What else this user may do is not lent to anybody.
    leads.arg(format!("--accept-paths=^{path}/.*$"));
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "sh"]).arg(leads.get_program()).args(leads.get_args());
    // An interrupt is this program's to act on, and it may still have to ask.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let guard = command.spawn().map_err(|error| unreachable(format!("kubectl: {error}")))?;
    let relay = Relay { guard, folder };
    let begun = Instant::now();
    while tokio::net::UnixStream::connect(&socket).await.is_err() {
        if begun.elapsed() > PATIENCE {
            return Err(unreachable("kubectl proxy does not lead there".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(relay)
}

/// A new folder that is this user's alone.
fn folder() -> std::io::Result<TempDir> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let above = runtime.filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new().prefix("aob-").tempdir_in(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_is_kubectls_is_taken_out() {
        let given = "kubectl-aob -n finance logs stream run_1 --context=prod --tail 3 -- -n x";
        let (asked, rest) = split(words(given));
        assert_eq!(asked.namespace.as_deref(), Some("finance"));
        assert_eq!(asked.flags, ["--context=prod"]);
        assert_eq!(rest, words("kubectl-aob logs stream run_1 --tail 3 -- -n x"));
        let (asked, rest) = split(words("kubectl-aob ls runs --kubeconfig f --namespace=a"));
        assert_eq!(
            (asked.flags, asked.namespace),
            (vec!["--kubeconfig=f".to_owned()], Some("a".into()))
        );
        assert_eq!(rest, words("kubectl-aob ls runs"));
    }

    #[test]
    fn another_name_is_no_plugin() {
        let given = words("/usr/bin/aob ls -n x");
        assert_eq!(plugin(given.clone()), given);
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused_before_anything_is_asked() {
        for url in ["kubectl://", "kubectl://a", "kubectl://a/b/../c", "kubectl://a/b?c"] {
            let server =
                Server { url: url.into(), tenant: Some("t".into()), ca: None, token: None };
            let refused = connect(&server).await.err().and_then(|problem| problem.entry());
            assert_eq!(refused, Some(&catalogue::USAGE), "{url}");
        }
    }
}
