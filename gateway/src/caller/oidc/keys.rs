//! The keys that a provider signs with, as it publishes them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use serde_json::Value;
use url::Url;

use super::super::not_proven;
use super::settings::{Settings, is_safe};
use crate::problem::{Problem, Result};

/// Signatures that are believed: those that only the provider can make.
pub(super) const ALLOWED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How long an answer of the provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const LONGEST: usize = 1 << 20;
/// Most keys of a provider.
const MOST: usize = 100;
/// How long keys are believed without asking again: one that was withdrawn is believed that long.
const FRESH: Duration = Duration::from_secs(300);
/// How long they are believed while the provider does not answer.
const STALE: Duration = Duration::from_secs(3_600);
/// The provider is asked at most this often, whatever keys tokens name.
const PAUSE: Duration = Duration::from_secs(5);

/// Keys of one provider.
pub(super) struct Keys {
    http: Client,
    issuer: String,
    known: RwLock<Known>,
    /// When the provider was last asked; held while it is asked.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    keys: Arc<[Jwk]>,
    /// When the provider said so.
    at: Option<Instant>,
}

impl Keys {
    pub(super) fn of(settings: &Settings, about: &str) -> Result<Self> {
        let wrong = |why: String| Problem::new(&catalogue::BAD_ISSUER, about, why);
        let mut http =
            Client::builder().redirect(Policy::none()).connect_timeout(PATIENCE).timeout(PATIENCE);
        if let Some(path) = &settings.ca {
            let named = |why: String| wrong(format!("{}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| named(error.to_string()))?;
            let trusted =
                Certificate::from_pem_bundle(&pem).map_err(|error| named(error.to_string()))?;
            http = http.tls_certs_only(trusted);
        }
        Ok(Self {
            http: http.build().map_err(|error| wrong(error.to_string()))?,
            issuer: settings.issuer.clone(),
            known: RwLock::default(),
            asked: tokio::sync::Mutex::new(None),
        })
    }

    /// The key of this name for this way to sign; the only one that fits, if the token names none.
    pub(super) async fn find(&self, id: Option<&str>, way: Algorithm) -> Result<DecodingKey> {
        let (found, age) = self.kept(id, way);
        if let Some(key) = found.as_ref().filter(|_| age < FRESH) {
            return key_of(key);
        }
        let asked = self.ask_again().await;
        let (found, age) = self.kept(id, way);
        match found {
            Some(key) if age < STALE => return key_of(&key),
            _ => asked?,
        }
        match age < FRESH {
            true => {
                Err(not_proven("the token is signed with a key that the provider does not have"))
            }
            // It was asked a moment ago, and said nothing.
            false => Err(self.silent("it has not answered".to_owned())),
        }
    }

    /// What is known of a key, and how old that is.
    fn kept(&self, id: Option<&str>, way: Algorithm) -> (Option<Jwk>, Duration) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut fitting = known.keys.iter().filter(|key| fits(key, id, way));
        let first = fitting.next();
        // A token that names none is read with the one there is, never with one of many.
        let found = first.filter(|_| id.is_some() || fitting.next().is_none()).cloned();
        (found, known.at.map_or(Duration::MAX, |at| at.elapsed()))
    }

    /// Asks the provider, but not again at once.
    async fn ask_again(&self) -> Result<()> {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(());
        }
        *asked = Some(Instant::now());
        let keys = self.fetch().await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { keys, at: Some(Instant::now()) };
        Ok(())
    }

    async fn fetch(&self) -> Result<Arc<[Jwk]>> {
        let issuer = self.issuer.trim_end_matches('/');
        let about = self.get(&format!("{issuer}/.well-known/openid-configuration")).await?;
        if about["issuer"].as_str() != Some(&self.issuer) {
            return Err(self.silent("it says that it is another issuer".to_owned()));
        }
        let place = about["jwks_uri"].as_str().and_then(|place| Url::parse(place).ok());
        let Some(place) = place.filter(is_safe) else {
            return Err(self.silent("it has no safe address for its keys".to_owned()));
        };
        let set = self.get(place.as_str()).await?;
        let keys = set["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        // Keys of kinds that nobody here knows are no reason to do without the others.
        let keys = keys.iter().take(MOST);
        Ok(keys.filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
    }

    async fn get(&self, url: &str) -> Result<Value> {
        let plain = |error: reqwest::Error| self.silent(error.without_url().to_string());
        let mut answer = self.http.get(url).send().await.map_err(plain)?;
        if !answer.status().is_success() {
            return Err(self.silent(format!("it answers {}", answer.status())));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(plain)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LONGEST {
                return Err(self.silent("its answer has no end".to_owned()));
            }
        }
        serde_json::from_slice(&bytes).map_err(|_| self.silent("its answer is no JSON".to_owned()))
    }

    fn silent(&self, why: String) -> Problem {
        Problem {
            retry_after: Some(PAUSE),
            ..Problem::new(&catalogue::ISSUER_SILENT, self.issuer.clone(), why)
        }
    }
}

fn fits(key: &Jwk, id: Option<&str>, way: Algorithm) -> bool {
    let common = &key.common;
    let signs = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption));
    let named = id.is_none_or(|id| common.key_id.as_deref() == Some(id));
    let same = common.key_algorithm.is_none_or(|given| given == way.into());
    let kind = DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == way.family());
    signs && named && same && kind
}

fn key_of(key: &Jwk) -> Result<DecodingKey> {
    DecodingKey::from_jwk(key).map_err(|_| not_proven("the provider's key cannot be used"))
}
