//! Who thinks in the demo: a model whose key is in the environment, else a script that says that it is one.

use std::sync::Arc;

use aob_engine::catalogue;
use aob_provider::script::{Script, Server};
use aob_provider::settings::Provider;
use aob_provider::{Dialect, Models, Settings};

use crate::problem::{Problem, Result};

/// What the stand-in says.
const SCRIPT: &str = include_str!("model.toml");
/// The models that the demo asks where there is a key, first come.
const MODELS: [(&str, &str); 2] = [("openai", "gpt-5.6"), ("anthropic", "claude-opus-5")];
/// The stand-in, as a provider of its own.
const SCRIPTED: (&str, &str) = ("scripted", "demo");

/// The models of the environment, and the stand-in beside them.
pub(in crate::verb::up) struct Mind {
    pub(in crate::verb::up) models: Arc<Models>,
    /// `provider/model` that the agent of the demo names.
    pub(in crate::verb::up) model: String,
    /// Answers as long as it is kept.
    _stand_in: Server,
}

impl Mind {
    /// Starts the stand-in on a port of this machine; a demo that was begun with it goes on with it, key or none.
    ///
    /// # Errors
    /// Settings that cannot be, or no port.
    pub(in crate::verb::up) async fn open() -> Result<Self> {
        let wrong = |why: String| Problem::new(&catalogue::USAGE, "the environment", why);
        let mut settings = Settings::from_env(&|name| std::env::var(name).ok())
            .map_err(|error| wrong(error.to_string()))?;
        let known = MODELS.iter().find(|(provider, _)| settings.providers.contains_key(*provider));
        let (provider, model) = known.unwrap_or(&SCRIPTED);
        let model = format!("{provider}/{model}");
        let no_port = |why: String| Problem::new(&catalogue::NO_ADDRESS, "--demo", why);
        let script = Script::parse(SCRIPT).map_err(|error| wrong(error.to_string()))?;
        let stand_in = Server::start(script).await.map_err(|error| no_port(error.to_string()))?;
        let address = stand_in.base_url().parse().map_err(|_| no_port(stand_in.base_url()))?;
        let mut scripted = Provider::new(Dialect::Chat, address);
        scripted.is_http2 = true;
        settings.providers.insert(SCRIPTED.0.to_owned(), scripted);
        let models = Models::new(settings).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { models: Arc::new(models), model, _stand_in: stand_in })
    }
}

/// Whether this names the stand-in.
pub(super) fn is_scripted(model: &str) -> bool {
    model.split('/').next() == Some(SCRIPTED.0)
}
