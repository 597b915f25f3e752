//! What a kind of node renders when it begins, and everything that its expressions read.

use crate::expr::{Read, Template};
use crate::ir::{Ir, Kind, NodeIx};

impl Kind {
    /// What is rendered when an instance begins; of a task at each attempt.
    pub(crate) fn rendered(&self) -> Vec<&Template> {
        match self {
            Self::Task { config, .. }
            | Self::Delay { config }
            | Self::Approval { config }
            | Self::Child { config } => vec![config],
            Self::Foreach { items, concurrency, tolerate, .. } => {
                vec![items, concurrency, tolerate]
            }
            Self::Loop { max, .. } => vec![max],
            Self::Unknown => Vec::new(),
        }
    }

    /// What all its expressions read: of a container too what it judges and gives after an iteration.
    pub(crate) fn reads(&self) -> Vec<&Read> {
        let mut templates = self.rendered();
        let mut conditions = Vec::new();
        match self {
            Self::Task { asserts, .. } => {
                templates.extend(asserts.iter().filter_map(|assert| assert.message.as_ref()));
                conditions.extend(asserts.iter().map(|assert| &assert.that));
            }
            Self::Foreach { result, .. } => templates.extend(result),
            Self::Loop { until, result, .. } => {
                templates.extend(result);
                conditions.push(until);
            }
            _ => {}
        }
        let rendered = templates.into_iter().flat_map(Template::reads).map(|(_, read)| read);
        rendered.chain(conditions.into_iter().flat_map(|condition| condition.reads())).collect()
    }
}

/// The nodes among what is read, as far as a graph has them.
pub(crate) fn nodes<'a>(
    ir: &Ir,
    reads: impl IntoIterator<Item = &'a Read>,
) -> impl Iterator<Item = NodeIx> {
    reads.into_iter().filter_map(|read| ir.find(read.node.as_deref()?))
}
