//! Settings as they are written: a TOML file, or what the environment has.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use url::Url;

use super::{Dialect, Key, Limits, Provider, Settings, SettingsError};
use crate::price::{PriceEntry, Prices};

/// Longest file of settings, certificates or a key, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The variable that names the file.
pub(super) const VARIABLE: &str = "AOB_MODELS";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    providers: BTreeMap<String, Entry>,
    #[serde(default)]
    limits: BTreeMap<String, u64>,
    #[serde(default)]
    price: Vec<PriceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dialect: Dialect,
    base_url: String,
    key_env: Option<String>,
    key_file: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    authorities: Option<String>,
    #[serde(default)]
    http2: bool,
}

impl Settings {
    /// What the file says that `AOB_MODELS` names. Without one, `openai` and `anthropic`, each if its key is in the
    /// environment under the name that its own programs use.
    ///
    /// # Errors
    /// The setting that cannot be. Reads files: call it where blocking is allowed.
    pub fn from_env(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        if let Some(path) = get(VARIABLE) {
            let text = read(Path::new(&path), VARIABLE)?;
            return Self::parse(&text, get);
        }
        let mut settings = Self { prices: Prices::built_in(), ..Self::default() };
        let known = [
            ("openai", Dialect::Responses, "OPENAI", "https://api.openai.com/v1"),
            ("anthropic", Dialect::Messages, "ANTHROPIC", "https://api.anthropic.com/v1"),
        ];
        for (name, dialect, start, address) in known {
            let variable = format!("{start}_API_KEY");
            let Some(key) = get(&variable).filter(|key| !key.trim().is_empty()) else { continue };
            let variable = format!("{start}_BASE_URL");
            let base_url = url(&get(&variable).unwrap_or_else(|| address.to_owned()), &variable)?;
            // Its own programs write the address without the version.
            let base_url = match (dialect, base_url.path()) {
                (Dialect::Messages, "/") => url(&format!("{base_url}v1"), &variable)?,
                _ => base_url,
            };
            let provider = Provider::new(dialect, base_url).with_key(Key::new(key.trim()));
            settings.providers.insert(name.to_owned(), provider);
        }
        settings.check()?;
        Ok(settings)
    }

    /// What a file of this text says.
    ///
    /// # Errors
    /// The setting that cannot be. Reads the files that it names.
    pub fn parse(text: &str, get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let file: File = toml::from_str(text)
            .map_err(|error| SettingsError::new(VARIABLE, error.to_string()))?;
        let mut settings = Self { limits: limits(&file.limits)?, ..Self::default() };
        let own: Result<_, String> = file.price.iter().map(PriceEntry::price).collect();
        let own = own.map_err(|error| SettingsError::new("price", error))?;
        settings.prices = Prices::built_in().and(own);
        for (name, entry) in file.providers {
            let provider = entry.provider(&format!("providers.{name}"), get)?;
            settings.providers.insert(name, provider);
        }
        settings.check()?;
        Ok(settings)
    }
}

impl Entry {
    fn provider(
        self,
        place: &str,
        get: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Provider, SettingsError> {
        let mut provider =
            Provider::new(self.dialect, url(&self.base_url, &format!("{place}.base_url"))?);
        provider.key = match (&self.key_env, &self.key_file) {
            (Some(_), Some(_)) => {
                return Err(SettingsError::new(place, "either `key_env` or `key_file`, not both"));
            }
            (Some(variable), None) => {
                let place = format!("{place}.key_env");
                let missing = || SettingsError::new(&place, format!("`{variable}` is not set"));
                Some(Key::new(get(variable).ok_or_else(missing)?.trim()))
            }
            (None, Some(path)) => {
                Some(Key::new(read(Path::new(path), &format!("{place}.key_file"))?.trim()))
            }
            (None, None) => None,
        };
        if let Some(path) = &self.authorities {
            provider.authorities = read(Path::new(path), &format!("{place}.authorities"))?.into();
        }
        provider.headers =
            self.headers.into_iter().map(|(name, value)| (name, Key::new(value))).collect();
        provider.is_http2 = self.http2;
        Ok(provider)
    }
}

fn limits(said: &BTreeMap<String, u64>) -> Result<Limits, SettingsError> {
    use std::time::Duration;
    let mut limits = Limits::default();
    for (name, value) in said {
        let seconds = Duration::from_secs(*value);
        let number = usize::try_from(*value).unwrap_or(usize::MAX);
        match &**name {
            "connect_seconds" => limits.connect = seconds,
            "first_byte_seconds" => limits.first_byte = seconds,
            "between_events_seconds" => limits.between_events = seconds,
            "idle_seconds" => limits.idle = seconds,
            "longest_wait_seconds" => limits.longest_wait = seconds,
            "retries" => limits.retries = u32::try_from(*value).unwrap_or(u32::MAX).min(10),
            "in_flight" => limits.in_flight = number,
            "connections" => limits.connections = number,
            "answer_bytes" => limits.answer = number,
            "question_bytes" => limits.question = number,
            _ => {
                let message = "there is no such limit; docs/models.md has them all";
                return Err(SettingsError::new(format!("limits.{name}"), message));
            }
        }
    }
    Ok(limits)
}

fn url(text: &str, place: &str) -> Result<Url, SettingsError> {
    Url::parse(text).map_err(|error| SettingsError::new(place, format!("`{text}`: {error}")))
}

/// A small file of text.
fn read(path: &Path, place: &str) -> Result<String, SettingsError> {
    let wrong = |why: String| SettingsError::new(place, format!("`{}`: {why}", path.display()));
    let about = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if about.len() > LONGEST {
        return Err(wrong(format!("larger than {LONGEST} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}
