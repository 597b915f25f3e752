//! A call of a tool that a model asked for.

use aob_telemetry::metrics::metrics;
use aob_telemetry::trace::{self, Begun, Kind, Span as Traced};

use crate::ask::Span;

/// A call under way: counted, and a span of its attempt if the run is traced.
pub struct ToolSpan {
    sort: &'static str,
    span: Option<(Begun, Span, String)>,
}

impl ToolSpan {
    /// It begins. `of` is the call's place in its attempt; `name` is the tool's.
    pub fn begin(of: Span, name: &str) -> Self {
        let is_on = trace::is_on(&of.run);
        let span = is_on.then(|| (Traced::begin(), of, name.chars().take(128).collect()));
        Self { sort: sort(name), span }
    }

    /// It gave something, or said what was wrong.
    pub fn end(self, is_error: bool) {
        let outcome = if is_error { "refused" } else { "answered" };
        metrics().agent_tools.one([self.sort, outcome]);
        let Some((begun, of, name)) = self.span else { return };
        let parent = trace::attempt(&of.run, &of.instance, &of.fence);
        let id = trace::within(parent, "tool", of.n);
        let span = begun
            .end(trace::trace(&of.run), id, Some(parent), "execute_tool", Kind::Internal)
            .with("gen_ai.operation.name", "execute_tool")
            .with("gen_ai.tool.name", &*name)
            .with("gen_ai.tool.type", if self.sort == "mcp" { "extension" } else { "function" })
            .with("gen_ai.conversation.id", &*of.run)
            .with("gen_ai.agent.id", &*of.instance);
        trace::emit(match is_error {
            true => span.with("error.type", "refused").failed("refused"),
            false => span,
        });
    }
}

/// What a tool is, by its name: one of few, whatever a model calls.
fn sort(name: &str) -> &'static str {
    match name {
        "patch" => "patch",
        "outputs" => "outputs",
        "http" => "http",
        name if name.starts_with("mcp.") => "mcp",
        _ => "other",
    }
}
