//! A way to the API server that is slow, refuses, forgets where a watch was, or holds a request back: whatever a test
//! says of each request.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// A request, before the API server sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) is_watch: bool,
    /// How many came before it.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// What becomes of it.
pub(crate) enum Fate {
    Pass,
    Late(Duration),
    /// With a Status of this code.
    Refused(u16),
    /// Answered as a watch from a version that is kept no longer.
    Expired,
    /// Kept until this is true, then sent on.
    Held(watch::Receiver<bool>),
}

/// A request that was sent on.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) asked: Asked,
    /// When it was asked for.
    pub(crate) at: Instant,
    /// What the API server said.
    pub(crate) code: u16,
}

type Rule = Box<dyn Fn(&Asked) -> Fate + Send + Sync>;

/// The proxy, for as long as the test's runtime lives.
pub(crate) struct Proxy {
    /// Leads through it.
    pub(crate) kubeconfig: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Client,
    rule: Mutex<Rule>,
    sent: Mutex<Vec<Sent>>,
    count: Mutex<usize>,
    /// Watches end when it changes.
    torn: watch::Sender<u64>,
}

impl Proxy {
    /// In front of the API server that a kubeconfig names, with who that says one is.
    pub(crate) async fn start(kubeconfig: &Path, rule: Rule) -> Self {
        // Another test may have been first.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let read = Kubeconfig::read_from(kubeconfig).unwrap();
        let config =
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = kubeconfig.with_file_name(format!("through-{port}.kubeconfig"));
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "nobody"}}],
            "clusters": [{"name": "test", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "users": [{"name": "nobody", "user": {}}],
        });
        fs::write(&own, text.to_string()).unwrap();
        let shared = Arc::new(Shared {
            upstream: Client::try_from(config).unwrap(),
            rule: Mutex::new(rule),
            sent: Mutex::default(),
            count: Mutex::new(0),
            torn: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, shared.clone()));
        Self { kubeconfig: own, shared }
    }

    /// Another rule from now on.
    pub(crate) fn rule(&self, rule: Rule) {
        *self.shared.rule.lock().unwrap() = rule;
    }

    /// Ends every watch that goes through it.
    pub(crate) fn tear(&self) {
        self.shared.torn.send_modify(|torn| *torn += 1);
    }

    /// What was sent on so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.shared.sent.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            // A client that leaves is no fault of the test.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        });
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let at = Instant::now();
        let number = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        let query = request.uri().query().unwrap_or_default();
        let asked = Asked {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            is_watch: query.split('&').any(|one| one == "watch=true"),
            number,
        };
        let fate = (self.rule.lock().unwrap())(&asked);
        let (mut head, body) = request.into_parts();
        // Those of this connection, not of the next.
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            head.headers.remove(name);
        }
        let Ok(body) = body.collect().await else { return refused(400) };
        let request = Request::from_parts(head, Body::from(body.to_bytes()));
        // What is on its way arrives though whoever asked has ended.
        let sent = tokio::spawn(async move {
            match fate {
                Fate::Pass => {}
                Fate::Late(wait) => tokio::time::sleep(wait).await,
                Fate::Refused(code) => return refused(code),
                Fate::Expired => return expired(),
                Fate::Held(mut open) => drop(open.wait_for(|open| *open).await),
            }
            let is_watch = asked.is_watch;
            let answer = self.send(request, is_watch).await;
            let code = answer.status().as_u16();
            self.sent.lock().unwrap().push(Sent { asked, at, code });
            answer
        });
        sent.await.unwrap_or_else(|_| refused(500))
    }

    async fn send(&self, request: Request<Body>, is_watch: bool) -> Answer {
        match self.upstream.send(request).await {
            Ok(answer) if is_watch => {
                let (mut head, body) = answer.into_parts();
                head.headers.remove("content-length");
                let mut torn = self.torn.subscribe();
                torn.mark_unchanged();
                let until = async move { drop(torn.changed().await) };
                let data = BodyDataStream::new(body).map(|data| data.map(Frame::data));
                let data = data.take_until(Box::pin(until));
                Response::from_parts(head, StreamBody::new(data).boxed_unsync())
            }
            Ok(answer) => answer.map(|body| body.boxed_unsync()),
            Err(_) => refused(502),
        }
    }
}

fn whole(code: u16, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let builder = Response::builder().status(code).header("content-type", "application/json");
    builder.header("retry-after", "1").body(body).unwrap()
}

fn status(code: u16) -> serde_json::Value {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": format!("the test's proxy says {code}"), "code": code,
    })
}

fn refused(code: u16) -> Answer {
    whole(code, status(code).to_string())
}

/// A watch that begins well and says in its first line that it cannot go on.
fn expired() -> Answer {
    whole(200, format!("{}\n", json!({"type": "ERROR", "object": status(410)})))
}
