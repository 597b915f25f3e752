//! Telling somebody outside of a question: a signed request for each ticket, until it is answered with success.
//!
//! The commit that opens a question arms a timer with it, and the timer becomes a signal: both survive any process.
//! A coordinator that is given the signal makes the request beside its other work, and what became of it is one more
//! commit, which acknowledges the signal and arms the timer again if need be. So a notification may come twice, under
//! the same id, and is never lost while its question is open; and no run waits for it. Which process coordinates a
//! shard is chance, so all of them are to be given the same hooks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aob_engine::step::{Due, Input, Notified, Timer};
use aob_store::SignalEntry;
use reqwest::Client;
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use crate::clock;
use crate::node::{Guard, Policy};
use crate::runs::{Done, Error, Runs, TicketView, Work};
use crate::secret::Secrets;
use crate::signature::sign;

/// Requests that one process makes at once; what is above that comes again after the store's takeover.
const AT_ONCE: usize = 64;
/// How long a request may take in all: shorter than after what time another coordinator takes a signal over.
const PATIENCE: Duration = Duration::from_secs(4);
/// The first pause after a failure, in milliseconds; each further one is twice as long.
const PAUSE: u64 = 1_000;
/// The longest pause, in milliseconds.
const LONGEST: u64 = 600_000;
/// Attempts until it is given up: over about an hour and a half.
const MOST: u32 = 18;
/// Lost races after which a signal is left to come again.
const RACES: usize = 20;

/// Where questions of tenants are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Whose; none: everybody's that has no own one.
    pub tenant: Option<String>,
    /// Where to.
    pub url: Url,
}

/// Who is told of questions, and how requests are signed.
pub struct Notices {
    hooks: Vec<Hook>,
    secrets: Arc<Secrets>,
    /// Name and key in the secrets folder.
    secret: (String, String),
    guard: Guard,
    client: Client,
    room: Arc<Semaphore>,
    underway: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

impl std::str::FromStr for Hook {
    type Err = String;

    /// `https://...`, or `TENANT=https://...`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (tenant, url) = match text.split_once('=') {
            Some((tenant, url)) if !tenant.contains([':', '/']) => (Some(tenant.to_owned()), url),
            _ => (None, text),
        };
        let wrong = |why: &str| format!("a webhook is `URL` or `TENANT=URL`: {why}");
        let url = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("its URL is http or https, with a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("its URL has no user and no password; requests are signed"));
        }
        if tenant.as_deref() == Some("") {
            return Err(wrong("the tenant is empty"));
        }
        Ok(Self { tenant, url })
    }
}

impl Notices {
    /// Hooks whose requests are signed with the secret `NAME/KEY`, under the same rules as those of `http` nodes.
    ///
    /// # Errors
    /// If the secret cannot be read, a URL may not be reached, or no client can be made.
    pub fn new(
        hooks: Vec<Hook>,
        secret: &str,
        secrets: Arc<Secrets>,
        policy: &Policy,
    ) -> Result<Self, String> {
        let (name, key) = secret
            .split_once('/')
            .ok_or_else(|| format!("`{secret}` is no secret; write it as NAME/KEY"))?;
        secrets.text(name, key).map_err(|failure| failure.message)?;
        let guard = Guard::new(policy.private.clone());
        for hook in &hooks {
            guard.check(&hook.url).map_err(|refused| refused.to_string())?;
        }
        let builder = || {
            Client::builder()
                .user_agent(concat!("aob/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .referer(false)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .dns_resolver(guard.clone())
                .timeout(PATIENCE)
        };
        // A machine without certificates can still speak plain http.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        let client = client.map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self {
            hooks,
            secret: (name.to_owned(), key.to_owned()),
            secrets,
            guard,
            client,
            room: Arc::new(Semaphore::new(AT_ONCE)),
            underway: Mutex::default(),
        })
    }

    fn hook(&self, tenant: &str) -> Option<&Hook> {
        let own = self.hooks.iter().find(|hook| hook.tenant.as_deref() == Some(tenant));
        own.or_else(|| self.hooks.iter().find(|hook| hook.tenant.is_none()))
    }

    /// Takes the signals that call for a notification out of others, and sees to them on the side.
    pub(crate) fn take(self: &Arc<Self>, runs: &Arc<Runs>, entries: &mut Vec<SignalEntry>) {
        let (own, rest) = std::mem::take(entries).into_iter().partition(is_call);
        *entries = rest;
        for entry in own {
            let entry: SignalEntry = entry;
            if !self.begin(&entry) {
                continue;
            }
            // Without room it stays pending, and comes again.
            let Ok(permit) = self.room.clone().try_acquire_owned() else {
                self.end(&entry);
                continue;
            };
            let (notices, runs) = (self.clone(), runs.clone());
            tokio::spawn(async move {
                if let Err(error) = notices.see_to(&runs, &entry).await {
                    let run = &entry.signal.run;
                    tracing::warn!(run_id = %run, %error, "a notification is tried again later");
                }
                notices.end(&entry);
                drop(permit);
            });
        }
    }

    /// Whether this process is not at it already: a signal may be taken over meanwhile.
    fn begin(&self, entry: &SignalEntry) -> bool {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.id.clone())
    }

    fn end(&self, entry: &SignalEntry) {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry.id);
    }

    async fn see_to(&self, runs: &Runs, entry: &SignalEntry) -> Result<(), Error> {
        let run = &entry.signal.run;
        let Input::Timer(timer) = &entry.signal.input else { return Ok(()) };
        let input = match runs.noticed(run, timer).await? {
            Some((state, view)) => match self.hook(&state.head.tenant) {
                Some(hook) => self.tell(hook, &state.head.tenant, &view, timer).await,
                None => entry.signal.input.clone(),
            },
            // Nobody asks any more: the engine makes nothing of it, and it is acknowledged.
            None => entry.signal.input.clone(),
        };
        let work =
            [Work { run: run.clone(), inputs: vec![input], signals: vec![entry.id.clone()] }];
        let holder = runs.new_holder();
        for _ in 0..RACES {
            match runs.commit_as(Some(&holder), &work).await?.pop() {
                Some(Done::Raced) => drop(runs.store().hold(run, &holder, 100, false).await?),
                Some(Done::Failed(error)) => return Err(error),
                _ => return Ok(()),
            }
        }
        Err(Error::Busy(run.to_string()))
    }

    /// Makes one request; what became of it.
    async fn tell(&self, hook: &Hook, tenant: &str, view: &TicketView, timer: &Timer) -> Input {
        let attempt = view.notices + 1;
        let error = self.post(hook, tenant, view, attempt).await.err();
        let pause = PAUSE.saturating_mul(1 << (attempt - 1).min(20)).min(LONGEST);
        let again = error.is_some() && attempt < MOST;
        let run = &view.run;
        match &error {
            None => tracing::debug!(run_id = %run, ticket = %view.ticket, "a question was told"),
            Some(error) => tracing::warn!(
                run_id = %run, ticket = %view.ticket, attempt, error, "a question could not be told"
            ),
        }
        Input::Notified(Notified {
            instance: timer.instance.clone(),
            ticket: view.ticket.clone(),
            attempt,
            error,
            due: again.then(|| clock::now().saturating_add(pause)),
        })
    }

    async fn post(
        &self,
        hook: &Hook,
        tenant: &str,
        view: &TicketView,
        attempt: u32,
    ) -> Result<(), String> {
        let body = json!({
            "type": "ticket.opened",
            "id": view.ticket,
            "tenant": tenant,
            "attempt": attempt,
            "ticket": view,
        });
        let body = body.to_string().into_bytes();
        self.guard.check(&hook.url).map_err(|refused| refused.to_string())?;
        // Read anew each time, so that a rotated secret is seen at once.
        let (secrets, (name, key)) = (self.secrets.clone(), self.secret.clone());
        let secret = tokio::task::spawn_blocking(move || secrets.text(&name, &key)).await;
        let secret =
            secret.map_err(|error| error.to_string())?.map_err(|failure| failure.message)?;
        let seconds = clock::now() / 1_000;
        let request = self
            .client
            .post(hook.url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", &view.ticket)
            .header("aob-timestamp", seconds)
            .header("aob-signature", sign(secret.as_bytes(), seconds, &body))
            .body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("the webhook answered {}", response.status())),
            // The URL is the operator's own, but may hold a token.
            Err(error) => Err(told(&error.without_url())),
        }
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

fn is_call(entry: &SignalEntry) -> bool {
    matches!(&entry.signal.input, Input::Timer(timer) if timer.what == Due::Notice)
}

#[cfg(test)]
mod tests {
    use super::Hook;

    #[test]
    fn hooks_are_urls_of_everybody_or_of_a_tenant() {
        let hook: Hook = "https://chat.example.com/h?x=1".parse().unwrap();
        assert_eq!((hook.tenant, hook.url.as_str()), (None, "https://chat.example.com/h?x=1"));
        let hook: Hook = "finance=http://10.0.0.1:80/h".parse().unwrap();
        assert_eq!(hook.tenant.as_deref(), Some("finance"));
        for wrong in ["", "x", "=http://a/", "ftp://a/", "http://u:p@a/", "finance=", "mailto:a@b"]
        {
            assert!(wrong.parse::<Hook>().is_err(), "{wrong}");
        }
    }
}
