//! Patches to a run, as a person writes them: operations on the graph by name, judged by every layer of the engine.

mod preview;
pub(crate) mod subject;
