//! An agent's attempt, whose questions and tools are its children.

use aob_telemetry::trace::Span;

/// What the span of an agent's attempt is called.
pub const INVOKED: &str = "invoke_agent";

/// The span of an agent's attempt, with what others look for in it.
pub fn invoked(span: Span, run: &str, instance: &str) -> Span {
    let (_, node) = instance.rsplit_once('/').unwrap_or(("", instance));
    span.with("gen_ai.operation.name", INVOKED)
        .with("gen_ai.conversation.id", run)
        .with("gen_ai.agent.id", instance)
        .with("gen_ai.agent.name", node)
}
