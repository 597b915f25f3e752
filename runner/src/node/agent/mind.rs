//! Who is asked.

use aob_provider::{Answer, Ask, Estimate, ModelError, ModelName, Models};
use async_trait::async_trait;

use crate::node::Cancel;

/// Language models, or what stands in for them in a test.
#[async_trait]
pub trait Mind: Send + Sync {
    /// Whether its provider is set up.
    fn knows(&self, model: &ModelName) -> bool;

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
    fn knows(&self, _: &ModelName) -> bool {
        // `estimate` says so for each question, before anything is reserved.
        true
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
