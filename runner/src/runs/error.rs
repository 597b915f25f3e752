use aob_engine::issue::Issue;
use aob_engine::step::Refusal;

/// Why something could not be done to a run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document is refused; every finding.
    #[error("the workflow is not valid: {}", .0.first().map_or_else(String::new, ToString::to_string))]
    Invalid(Vec<Issue>),
    /// No such run.
    #[error("there is no run {0}")]
    NoRun(String),
    /// No such workflow.
    #[error("there is no workflow {0}")]
    NoWorkflow(String),
    /// The tag cannot move so.
    #[error("{0}")]
    NoMove(String),
    /// No node to begin with.
    #[error("{0}")]
    NoNode(String),
    /// A patch of a set does not fit; every finding.
    #[error("the set of patches does not fit: {}", .0.first().map_or_else(String::new, ToString::to_string))]
    NoFit(Vec<Issue>),
    /// The tenant has started as many runs as it may for now.
    #[error(transparent)]
    Throttled(#[from] super::Throttled),
    /// No document with this digest.
    #[error("the graph {0} is not in the store")]
    NoGraph(String),
    /// The document registers no node type; every finding.
    #[error("the node type cannot be registered: {}", .0.first().map_or_else(String::new, ToString::to_string))]
    BadType(Vec<Issue>),
    /// No such registered type.
    #[error("there is no registered node type {0}")]
    NoType(String),
    /// It is of another version than was named.
    #[error("the node type {0} has been changed meanwhile")]
    TypeMoved(String),
    /// The engine takes no decision.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store.
    #[error(transparent)]
    Store(#[from] aob_store::Error),
    /// Others were faster too often.
    #[error("run {0} is changed by others all the time; try again")]
    Busy(String),
}
