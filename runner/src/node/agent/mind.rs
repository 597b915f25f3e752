//! Who is asked.

use aob_provider::{Answer, Ask, Estimate, ModelError, ModelName, Models};
use async_trait::async_trait;

use crate::node::Cancel;

/// Language models, or what stands in for them in a test.
#[async_trait]
pub trait Mind: Send + Sync {
    /// Whether its provider is set up.
    fn knows(&self, model: &ModelName) -> bool;

    /// Whether any provider is: else tasks of agents are left to others.
    fn is_any(&self) -> bool {
        true
    }

    /// What a question may use and cost at most.
    ///
    /// # Errors
    /// What is known without asking.
    fn estimate(&self, ask: &Ask) -> Result<Estimate, ModelError>;

    /// Asks; the word to stop closes the stream.
    ///
    /// # Errors
    /// With what may have been spent.
    async fn ask(&self, ask: &Ask, cancel: &Cancel) -> Result<Answer, ModelError>;
}

#[async_trait]
impl Mind for Models {
    fn knows(&self, model: &ModelName) -> bool {
        self.settings().providers.contains_key(&model.provider)
    }

    fn is_any(&self) -> bool {
        !self.settings().providers.is_empty()
    }

    fn estimate(&self, ask: &Ask) -> Result<Estimate, ModelError> {
        Self::estimate(self, ask)
    }

    async fn ask(&self, ask: &Ask, cancel: &Cancel) -> Result<Answer, ModelError> {
        let cancelled = async {
            cancel.cancelled().await;
        };
        Self::ask(self, ask, cancelled, |_| {}).await
    }
}
