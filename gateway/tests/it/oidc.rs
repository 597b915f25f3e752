//! Users of an OIDC provider: a real one (dex), over TLS.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_gateway::caller::oidc::Oidc;
use aob_gateway::client::Proof;
use aob_gateway::http::Limits;
use aob_gateway::operation::{Asked, Request};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::place::{PATIENCE, Place, certificate, workflow};

/// The bcrypt digest of `password`.
const PASSWORD: &str = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W";

/// Between two looks at what will change.
const PAUSE: Duration = Duration::from_millis(100);

/// A provider with its users, ada and bert.
struct Dex {
    dir: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Dex {
    async fn start() -> Self {
        let dir = certificate();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut dex = Self { dir, port: port.local_addr().unwrap().port(), child: None };
        drop(port);
        dex.again("1h").await;
        dex
    }

    fn issuer(&self) -> String {
        format!("https://127.0.0.1:{}/dex", self.port)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts it, instead of the one that runs: with other keys. Its tokens are valid that long.
    async fn again(&mut self, valid: &str) {
        self.stop();
        let cache =
            std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from);
        let program = cache.join("dex/dex");
        assert!(program.exists(), "{} is not there; cargo xtask test builds it", program.display());
        let user = |id: &str| json!({"email": format!("{id}@example.org"), "username": id, "userID": id, "hash": PASSWORD});
        let client = |id: &str| json!({"id": id, "name": id, "secret": "s3cret", "redirectURIs": ["http://127.0.0.1/"]});
        let config = json!({
            "issuer": self.issuer(),
            "storage": {"type": "memory"},
            "web": {
                "https": format!("127.0.0.1:{}", self.port),
                "tlsCert": self.path("cert.pem"), "tlsKey": self.path("key.pem"),
            },
            "oauth2": {"passwordConnector": "local", "skipApprovalScreen": true},
            "expiry": {"idTokens": valid},
            "staticClients": [client("aob"), client("other")],
            "enablePasswordDB": true,
            "staticPasswords": [user("ada"), user("bert")],
        });
        std::fs::write(self.path("dex.json"), config.to_string()).unwrap();
        let log = std::fs::File::create(self.path("dex.log")).unwrap();
        let child = Command::new(&program)
            .arg("serve")
            .arg(self.path("dex.json"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        let url = format!("{}/.well-known/openid-configuration", self.issuer());
        while self.http().get(&url).send().await.is_err() {
            let log = std::fs::read_to_string(self.path("dex.log")).unwrap();
            assert!(began.elapsed() < PATIENCE, "dex does not answer: {log}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn http(&self) -> reqwest::Client {
        let pem = std::fs::read(self.path("cert.pem")).unwrap();
        let trusted = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
        reqwest::Client::builder().tls_certs_only(trusted).no_proxy().build().unwrap()
    }

    /// The ID token of a user who logs in at a client.
    async fn token(&self, user: &str, client: &str) -> String {
        let form = format!(
            "grant_type=password&scope=openid+email+groups&username={user}%40example.org&password=password"
        );
        let request = self.http().post(format!("{}/token", self.issuer()));
        let request = request.basic_auth(client, Some("s3cret"));
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["id_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The file that a gateway gets, with this beside what it always has.
    fn file(&self, more: &str) -> PathBuf {
        let text = format!(
            "issuer: {}\nca: {}\naudiences: [aob]\nuser: email\ngrants:\n\
             - {{users: [ada@example.org], tenants: [default], roles: [author]}}\n{more}",
            self.issuer(),
            self.path("cert.pem").display(),
        );
        let path = self.path("oidc.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dex {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn place(file: &Path) -> Place {
    Place::with(Arc::new(Oidc::open(file, None).unwrap()), Limits::default()).await
}

fn start() -> Request {
    let nodes = json!([{"id": "gate", "type": "approval", "config": {"title": "Go on?"}}]);
    let inline = Some(workflow("x", nodes, json!([])));
    Request::Start { workflow: None, inline, input: None, key: None, patch_set: None }
}

/// Code and words of a refusal; nothing where there is none.
async fn said(asked: &Asked, request: Request) -> (String, String) {
    match asked.call(request).await {
        Ok(_) => Default::default(),
        Err(problem) => {
            let first = problem.findings.first().unwrap();
            (first.issue.entry.code.to_owned(), first.issue.message.clone())
        }
    }
}

/// The token with another header, claims, or signature.
fn forged(token: &str, part: usize, with: &str) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    with.clone_into(&mut parts[part]);
    parts.join(".")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_the_provider_has_what_it_is_granted() {
    let dex = Dex::start().await;
    let place = place(&dex.file("")).await;
    let with = |token: &str| place.client(Proof::Token(token.to_owned()));
    let ada = dex.token("ada", "aob").await;
    let Ok(started) = with(&ada).call(start()).await else { panic!("ada may start") };
    let events = place.http.get(
        place.url(&format!("/api/v1/runs/{}/events?after=0", started["run"].as_str().unwrap())),
    );
    let events = events.bearer_auth(&ada).send().await.unwrap().text().await.unwrap();
    assert!(events.contains("user:ada@example.org"), "{events}");
    // Known, but granted nothing.
    let bert = dex.token("bert", "aob").await;
    assert_eq!(said(&with(&bert), Request::About {}).await.0, "");
    assert_eq!(said(&with(&bert), start()).await.0, "AOB6008");

    let claims = |claims: Value| BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    let body = BASE64URL_NOPAD.decode(ada.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let mut other: Value = serde_json::from_slice(&body).unwrap();
    other["email"] = json!("root@example.org");
    let none = claims(json!({"alg": "none", "typ": "JWT"}));
    let secret = claims(json!({"alg": "HS256", "typ": "JWT"}));
    let unknown = claims(json!({"alg": "RS256", "kid": "another"}));
    for (token, words) in [
        (dex.token("ada", "other").await, "meant for somebody else"),
        (forged(&ada, 1, &claims(other)), "signature is wrong"),
        (forged(&ada, 2, "AAAA"), "signature is wrong"),
        (forged(&forged(&ada, 0, &none), 2, ""), "no token of a user"),
        (forged(&ada, 0, &secret), "not believed"),
        (forged(&ada, 0, &unknown), "does not have"),
        ("a.b.c".to_owned(), "no token of a user"),
    ] {
        let (code, message) = said(&with(&token), Request::About {}).await;
        assert!(code == "AOB6007" && message.contains(words), "{words}: {code} {message}");
        assert!(!message.contains(&ada), "{message}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_and_so_do_the_keys_of_a_provider() {
    let mut dex = Dex::start().await;
    let place = place(&dex.file("leeway: 0\n")).await;
    let with = |token: &str| place.client(Proof::Token(token.to_owned()));
    let first = dex.token("ada", "aob").await;
    assert_eq!(said(&with(&first), Request::About {}).await.0, "");
    // Other keys: those who come with the new ones are let in without a restart, those with the old ones no more.
    dex.again("3s").await;
    let began = Instant::now();
    loop {
        let second = dex.token("ada", "aob").await;
        let (code, message) = said(&with(&second), Request::About {}).await;
        if code.is_empty() {
            assert!(said(&with(&first), Request::About {}).await.1.contains("does not have"));
            let said = loop {
                let (code, message) = said(&with(&second), Request::About {}).await;
                if !code.is_empty() {
                    break message;
                }
                assert!(began.elapsed() < PATIENCE, "it does not end");
                tokio::time::sleep(PAUSE).await;
            };
            assert!(said.contains("expired"), "{said}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{code} {message}");
        tokio::time::sleep(PAUSE).await;
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_answer_lets_nobody_in() {
    let mut dex = Dex::start().await;
    let token = dex.token("ada", "aob").await;
    let file = dex.file("");
    // It calls itself by another name than the file does.
    let text = std::fs::read_to_string(&file).unwrap();
    let named = dex.path("named.yaml");
    std::fs::write(&named, text.replace("/dex\n", "/dex/\n")).unwrap();
    let strange = place(&named).await;
    let strange_said = said(&strange.client(Proof::Token(token.clone())), Request::About {}).await;
    assert_eq!(strange_said.0, "AOB6014");
    assert!(strange_said.1.contains("another issuer"), "{strange_said:?}");
    strange.end().await;

    dex.stop();
    let silent = place(&file).await;
    // And again a moment later, when the provider is not asked again.
    for _ in 0..2 {
        let answer = silent.http.get(silent.url("/api/v1/runs")).bearer_auth(&token).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        let body = answer.text().await.unwrap();
        assert!(body.contains("AOB6014") && !body.contains(&token), "{body}");
    }
    silent.end().await;
}
