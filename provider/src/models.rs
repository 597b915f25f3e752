//! Everybody who can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::answer::{Answer, Event, Spent, Usage};
use crate::ask::{Ask, ModelName};
use crate::attempt::{Call, Fault, Progress};
use crate::dialect::{self, Family, Rendered};
use crate::error::{Kind, ModelError};
use crate::measure::Measured;
use crate::net::{Pool, Target};
use crate::price::{Estimate, Micros, likely, today};
use crate::settings::{Provider, Settings, SettingsError};

/// How often a question is sent on another connection at once, because a provider closed the one it went to.
const NOT_TAKEN: u32 = 4;
/// Tokens that a provider adds to a question beyond its bytes, for each of its parts.
const OVERHEAD: u64 = 64;

/// Everybody who can be asked. Cheap to clone; connections are shared by all clones.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

struct Inner {
    settings: Settings,
    pools: BTreeMap<String, Pool>,
}

impl Models {
    /// Models as the settings have them. Nothing is connected yet.
    ///
    /// # Errors
    /// The setting that cannot be.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let limits = &settings.limits;
        let mut pools = BTreeMap::new();
        for (name, provider) in &settings.providers {
            let Provider { base_url, authorities, is_http2, .. } = provider;
            let target = Target::new(base_url, authorities, *is_http2, limits.connect)
                .map_err(|why| SettingsError::new(format!("providers.{name}"), why))?;
            let pool = Pool::new(target, limits.in_flight, limits.connections, limits.idle);
            pools.insert(name.clone(), pool);
        }
        Ok(Self(Arc::new(Inner { settings, pools })))
    }

    /// What these were made of.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Connections opened to a provider so far.
    pub fn opened(&self, provider: &str) -> usize {
        self.0.pools.get(provider).map_or(0, Pool::opened)
    }

    /// What is known of a model's family; none if there is no such provider.
    pub fn family(&self, model: &ModelName) -> Option<Family> {
        let provider = self.0.settings.providers.get(&model.provider)?;
        Some(Family::of(&model.provider, provider, &model.model))
    }

    /// What `ask` may use and cost at most: reserve it before asking.
    ///
    /// # Errors
    /// Of the kinds that are known without asking: [`Kind::Unknown`], [`Kind::Invalid`], [`Kind::TooLong`].
    pub fn estimate(&self, ask: &Ask) -> Result<Estimate, ModelError> {
        let (.., rendered) = self.prepare(ask)?;
        Ok(self.bound(ask, &rendered))
    }

    /// Asks, and asks again while that certainly cost nothing; at most one of the times is billed. When `cancelled`
    /// comes first, the stream is closed, and the error says what may have been spent until then. A future that is
    /// dropped closes the stream too, but nobody is told what it cost: book the estimate.
    ///
    /// # Errors
    /// As [`Kind`] lists them.
    pub async fn ask(
        &self,
        ask: &Ask,
        cancelled: impl Future<Output = ()> + Send,
        mut on_event: impl FnMut(Event<'_>) + Send,
    ) -> Result<Answer, ModelError> {
        let (provider, pool, rendered) = self.prepare(ask)?;
        let measured = Measured::begin(ask, provider);
        let traceparent = measured.traceparent();
        let idempotency = format!("aob-{:032x}", rand::rng().random::<u128>());
        let call = Call {
            provider,
            pool,
            limits: &self.0.settings.limits,
            rendered: &rendered,
            prefix: &ask.prefix,
            idempotency: &idempotency,
            traceparent: traceparent.as_deref(),
        };
        let began = Instant::now();
        let mut first = None;
        let on_event = &mut |event: Event<'_>| {
            if matches!(event, Event::Text(_) | Event::Call { .. }) {
                first.get_or_insert_with(|| began.elapsed());
            }
            on_event(event);
        };
        let asked = Asked { models: self, ask, rendered: &rendered, call: &call };
        let result = asked.until_answered(cancelled, on_event).await;
        measured.end(&result, first);
        result
    }

    /// The provider of a question and what is sent to it.
    fn prepare(&self, ask: &Ask) -> Result<(&Provider, &Pool, Rendered), ModelError> {
        let Inner { settings, pools } = &*self.0;
        let name = &ask.model.provider;
        let (Some(provider), Some(pool)) = (settings.providers.get(name), pools.get(name)) else {
            let known: Vec<&str> = settings.providers.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none is".to_owned() } else { known.join(", ") };
            let message = format!("no provider `{name}` is set up; known: {known}");
            return Err(unsent(Kind::Unknown, message));
        };
        let rendered =
            dialect::render(name, provider, ask).map_err(|why| unsent(Kind::Invalid, why))?;
        let most = settings.limits.question;
        if rendered.body.len() > most {
            let message =
                format!("the question has {} bytes, at most {most} are sent", rendered.body.len());
            return Err(unsent(Kind::TooLong, message));
        }
        Ok((provider, pool, rendered))
    }

    fn bound(&self, ask: &Ask, rendered: &Rendered) -> Estimate {
        let bytes = rendered.body.len();
        let parts = ask.turns.len() + ask.prefix.tools().len();
        let most_input = (bytes as u64).saturating_add(OVERHEAD.saturating_mul(parts as u64 + 2));
        let most_output = u64::from(ask.max_tokens);
        let prices = &self.0.settings.prices;
        Estimate {
            likely_input: likely(bytes),
            most_input,
            most_output,
            most_cost: prices.most(&ask.model, most_input, most_output, today()),
        }
    }
}

/// A question under way.
struct Asked<'a> {
    models: &'a Models,
    ask: &'a Ask,
    rendered: &'a Rendered,
    call: &'a Call<'a>,
}

impl Asked<'_> {
    async fn until_answered(
        &self,
        cancelled: impl Future<Output = ()> + Send,
        on_event: &mut (dyn FnMut(Event<'_>) + Send),
    ) -> Result<Answer, ModelError> {
        tokio::pin!(cancelled);
        let (mut sent, mut not_taken) = (0, 0);
        loop {
            let mut progress = Progress::default();
            sent += 1;
            let attempted = tokio::select! {
                biased;
                () = &mut cancelled => None,
                attempted = self.call.attempt(&mut progress, on_event) => Some(attempted),
            };
            let fault = match attempted {
                None => return Err(self.cancelled(&progress, sent)),
                Some(Ok(())) => return Ok(self.answer(progress, sent)),
                Some(Err(fault)) => fault,
            };
            let wait = if fault.was_not_taken && not_taken < NOT_TAKEN {
                not_taken += 1;
                Some(Duration::ZERO)
            } else {
                self.wait(&fault, sent - not_taken)
            };
            let Some(wait) = wait else { return Err(self.failed(fault, &progress, sent)) };
            on_event(Event::Again { kind: fault.kind, after: wait });
            tokio::select! {
                biased;
                () = &mut cancelled => return Err(self.cancelled(&Progress::default(), sent)),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How long to wait before it is sent again; none if it is not. `sent` times it was sent for nothing.
    fn wait(&self, fault: &Fault, sent: u32) -> Option<Duration> {
        let limits = self.call.limits;
        let is_worth_it = fault.said.should.unwrap_or(fault.kind.is_retryable());
        if fault.may_cost || !is_worth_it || sent > limits.retries {
            return None;
        }
        let wait = fault
            .said
            .after
            .unwrap_or_else(|| crate::retry::wait(sent.saturating_sub(1), rand::rng().random()));
        (wait <= limits.longest_wait).then_some(wait)
    }

    fn answer(&self, mut progress: Progress, sent: u32) -> Answer {
        let spent = self.spent(&progress, true);
        let answer = &mut progress.answer;
        let (calls, stop) = answer.calls(&self.ask.prefix);
        Answer {
            calls,
            stop,
            spent,
            verbatim: answer.verbatim(self.call.provider.dialect),
            text: std::mem::take(&mut answer.text),
            model: std::mem::take(&mut answer.model),
            id: std::mem::take(&mut answer.id),
            request_id: progress.request_id,
            sent,
        }
    }

    fn failed(&self, fault: Fault, progress: &Progress, sent: u32) -> ModelError {
        let is_retryable = fault.said.should.unwrap_or(fault.kind.is_retryable());
        let message = self.hide(&format!("{}: {}", self.ask.model, fault.message));
        ModelError {
            kind: fault.kind,
            message,
            request_id: progress.request_id.clone(),
            is_retryable,
            retry_after: fault.said.after.filter(|_| is_retryable),
            spent: self.spent(progress, fault.may_cost),
            sent,
        }
    }

    fn cancelled(&self, progress: &Progress, sent: u32) -> ModelError {
        ModelError {
            kind: Kind::Cancelled,
            message: format!("{}: nobody waits for the answer any more", self.ask.model),
            request_id: progress.request_id.clone(),
            is_retryable: false,
            retry_after: None,
            spent: self.spent(progress, progress.has_left),
            sent,
        }
    }

    /// What it cost, as the provider says; the most that it can have been, as far as it does not.
    fn spent(&self, progress: &Progress, may_cost: bool) -> Spent {
        if !may_cost {
            return Spent::NOTHING;
        }
        let prices = &self.models.0.settings.prices;
        let counted = &progress.answer.counted;
        let model = &self.ask.model;
        if counted.is_whole {
            let cost = prices.cost(model, &counted.usage, today());
            return Spent { usage: counted.usage, cost, is_exact: true };
        }
        let most = self.models.bound(self.ask, self.rendered);
        let output = most.most_output.max(counted.usage.output);
        if counted.has_input {
            let usage = Usage { output, ..counted.usage };
            return Spent { usage, cost: prices.cost(model, &usage, today()), is_exact: false };
        }
        let usage = Usage { input: most.most_input, output, ..Usage::default() };
        Spent { usage, cost: most.most_cost, is_exact: false }
    }

    /// A text without the secrets of the provider, which may say them back.
    fn hide(&self, text: &str) -> String {
        let provider = self.call.provider;
        let keys = provider.key.iter().chain(provider.headers.iter().map(|(_, value)| value));
        let mut text = text.to_owned();
        for key in keys.map(|key| key.text()).filter(|key| key.len() >= 8) {
            text = text.replace(key, "***");
        }
        text.truncate(text.floor_char_boundary(1_024));
        text
    }
}

/// The first bytes of a question to such a provider of its own dialect: those that depend on its prefix alone.
///
/// # Errors
/// Why it is no question.
pub fn prefix_bytes(provider: &Provider, ask: &Ask) -> Result<bytes::Bytes, String> {
    let rendered = dialect::render(&ask.model.provider, provider, ask)?;
    Ok(rendered.body.slice(..rendered.prefix.min(rendered.body.len())))
}

/// A question that was not even sent.
fn unsent(kind: Kind, message: String) -> ModelError {
    ModelError {
        kind,
        message,
        request_id: None,
        is_retryable: false,
        retry_after: None,
        spent: Spent { usage: Usage::default(), cost: Some(Micros(0)), is_exact: true },
        sent: 0,
    }
}
