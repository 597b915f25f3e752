//! Sends spans in batches, in the background, within bounds.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::TraceId;
use super::settings::Settings;
use super::span::Span;
use super::wire;
use crate::metrics::metrics;

/// Most spans that wait.
const QUEUE: usize = 8_192;
/// Most spans of a request.
const BATCH: usize = 512;
/// How long a span waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How often a request is tried.
const TRIES: u32 = 4;
/// How often trouble is told.
const TELL: Duration = Duration::from_secs(60);

/// The way to a receiver.
pub(super) struct Exporter {
    settings: Settings,
    queue: mpsc::Sender<Message>,
}

enum Message {
    Span(Box<Span>),
    /// Send what there is, and say when that is done.
    Flush(oneshot::Sender<()>),
}

impl Exporter {
    /// Begins a task that sends.
    ///
    /// # Errors
    /// If no client can be made.
    pub(super) fn begin(settings: Settings) -> Result<Self, String> {
        let client = client(&settings)?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let sender = Sender { client, settings: settings.clone(), told: None };
        tokio::spawn(sender.run(messages));
        Ok(Self { settings, queue })
    }

    pub(super) fn samples(&self, trace: &TraceId) -> bool {
        self.settings.samples(trace)
    }

    pub(super) fn emit(&self, span: Span) {
        if self.queue.try_send(Message::Span(Box::new(span))).is_err() {
            metrics().spans.one(["dropped"]);
        }
    }

    pub(super) async fn flush(&self, longest: Duration) {
        let flushed = async {
            let (done, wait) = oneshot::channel();
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // An error means that it ended: then nothing waits any more.
                drop(wait.await);
            }
        };
        if tokio::time::timeout(longest, flushed).await.is_err() {
            tracing::warn!("not all spans could be sent in time");
        }
    }
}

struct Sender {
    client: Client,
    settings: Settings,
    /// When trouble was last told.
    told: Option<Instant>,
}

impl Sender {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch: Vec<Span> = Vec::new();
        let mut due = Instant::now();
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                () = tokio::time::sleep_until(due), if !batch.is_empty() => {
                    self.send(&mut batch).await;
                    continue;
                }
            };
            match message {
                Some(Message::Span(span)) => {
                    if batch.is_empty() {
                        due = Instant::now() + LINGER;
                    }
                    batch.push(*span);
                    if batch.len() >= BATCH {
                        self.send(&mut batch).await;
                    }
                }
                Some(Message::Flush(done)) => {
                    self.send(&mut batch).await;
                    // Whoever no longer waits does not need to know.
                    let _ = done.send(());
                }
                None => return self.send(&mut batch).await,
            }
        }
    }

    async fn send(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body = wire::request(&self.settings.resource, batch);
        batch.clear();
        let mut pause = Duration::from_millis(200);
        for last in (0..TRIES).rev() {
            let (why, wait) = match self.post(body.clone()).await {
                Ok(()) => return metrics().spans.add(["sent"], count),
                Err(Trouble::Passing(why, wait)) if last > 0 => (why, wait),
                Err(Trouble::Passing(why, _) | Trouble::Lasting(why)) => {
                    metrics().spans.add(["dropped"], count);
                    return self.tell(count, &why);
                }
            };
            tracing::debug!(why, "spans were not taken; trying again");
            tokio::time::sleep(wait.unwrap_or(pause)).await;
            pause *= 3;
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), Trouble> {
        let answer = self.client.post(self.settings.url.clone()).body(body).send().await;
        let answer =
            answer.map_err(|error| Trouble::Passing(error.without_url().to_string(), None))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let why = format!("the receiver answers {status}");
        let passing = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        if !passing.contains(&status) {
            return Err(Trouble::Lasting(why));
        }
        let wait =
            answer.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
        Err(Trouble::Passing(why, wait.map(|seconds: u64| Duration::from_secs(seconds.min(5)))))
    }

    fn tell(&mut self, count: u64, why: &str) {
        if self.told.is_none_or(|told| told.elapsed() > TELL) {
            self.told = Some(Instant::now());
            tracing::warn!(
                spans = count,
                why,
                "spans could not be sent; this is said once a minute"
            );
        }
    }
}

enum Trouble {
    /// Another try may help, after so long.
    Passing(String, Option<Duration>),
    Lasting(String),
}

fn client(settings: &Settings) -> Result<Client, String> {
    let mut headers = settings.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let builder = || {
        Client::builder()
            .user_agent(concat!("aob/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers.clone())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(settings.timeout)
    };
    // A machine without certificates can still speak plain http.
    let made = match builder().build() {
        Err(_) if settings.url.scheme() == "http" => builder().tls_certs_only([]).build(),
        made => made,
    };
    made.map_err(|error| format!("no HTTP client for traces: {error}"))
}
