//! Who has the runs that commands ask for: an `aob up`, or gateways with runners on one Redis.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use aob_store::testing::{RedisServer, ServerOptions};
use sha2::Digest as _;

use crate::place::{Place, Running, Said};

/// What `ada` proves herself with.
const TOKEN: &str = "of ada";

/// Processes that live as long as this.
pub(crate) enum Host {
    /// `aob up` on the place's data directory.
    Socket { _up: Running },
    /// Two gateways, three runners.
    Https { gateways: usize, next: AtomicUsize, _running: Vec<Running>, _redis: RedisServer },
}

impl Host {
    pub(crate) fn socket(place: &Place) -> Self {
        let up = place.begin(&["up", "--allow-exec", "--allow-private"]);
        Self::Socket { _up: serving(up) }
    }

    pub(crate) fn https(place: &Place) -> Self {
        let redis = RedisServer::start(ServerOptions::default()).unwrap();
        let dir = place.path().join("host");
        std::fs::create_dir(&dir).unwrap();
        let (key, cert, tokens) =
            (dir.join("key.pem"), dir.join("cert.pem"), dir.join("tokens.yaml"));
        certificate(&key, &cert);
        let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(TOKEN));
        let roles = "[author, approver, platform, admin]";
        let entry = format!("tokens: [{{name: 'user:ada', sha256: '{digest}', roles: {roles}}}]\n");
        std::fs::write(&tokens, entry).unwrap();
        let url = redis.url();
        let mut running = Vec::new();
        for _ in 0..3 {
            let mut runner = built("aob-runner");
            runner.args(["--redis", &url, "--coordinate", "--allow-exec", "--allow-private"]);
            let mut runner = begin(&mut runner, place);
            runner.until("aob-runner serves");
            running.push(runner);
        }
        for at in 0..2 {
            let mut gateway = built("aob-gateway");
            gateway.args(["--redis", &url, "--listen", "127.0.0.1:0", "--log-format", "json"]);
            gateway.args([
                "--rate",
                "100000",
                "--tier-limits",
                "simple=10000,standard=10000,heavy=10000",
            ]);
            gateway
                .arg("--tokens")
                .arg(&tokens)
                .arg("--tls-cert")
                .arg(&cert)
                .arg("--tls-key")
                .arg(&key);
            let mut gateway = begin(&mut gateway, place);
            let said = gateway.until("aob-gateway serves");
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            let server = format!("https://{}", said["fields"]["address"].as_str().unwrap());
            let name = format!("gateway{at}");
            let cert = cert.to_str().unwrap();
            place.ends(0, &["context", "set", &name, "--server", &server, "--ca", cert]);
            running.push(gateway);
        }
        Self::Https { gateways: 2, next: AtomicUsize::new(0), _running: running, _redis: redis }
    }

    /// Leads a command here: to one gateway after the other.
    pub(crate) fn point(&self, command: &mut Command) {
        if let Self::Https { gateways, next, .. } = self {
            let at = next.fetch_add(1, Ordering::Relaxed) % gateways;
            command.env_remove("AOB_DATA").env("AOB_CONTEXT", format!("gateway{at}"));
            command.env("AOB_TOKEN", TOKEN);
        }
    }
}

/// It stays for whoever asks.
fn serving(mut up: Running) -> Running {
    up.until("moves runs and serves");
    up
}

fn begin(command: &mut Command, place: &Place) -> Running {
    command.current_dir(place.path()).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Running::of(command)
}

fn certificate(key: &Path, cert: &Path) {
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=gateway"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(cert);
    let said = Said::of(&mut command);
    assert_eq!(said.code, 0, "{}", said.err);
}

/// A program of the workspace as it was built last.
fn built(name: &str) -> Command {
    let path: PathBuf = Path::new(env!("CARGO_BIN_EXE_aob")).with_file_name(name);
    assert!(path.exists(), "{} is not there: cargo build --workspace --bins", path.display());
    Command::new(path)
}
