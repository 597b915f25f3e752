//! What an expression may see, and what it reads of it.

use serde_json::Value;

/// CEL's reserved words: none of them can be a node's id, the name of an item, or a variable.
pub const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// What an expression may see; asked only for what it reads.
pub trait Names {
    /// The value of a free name: `input`, `run`, `index`, `prev`, `value`, the `as` name of a scope.
    /// Absent if there is none here.
    fn name(&self, name: &str) -> Option<&Value>;

    /// What is known of a node; absent for one that has not settled.
    fn node(&self, id: &str) -> Option<NodeView<'_>>;
}

/// What is known of a settled node.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeView<'a> {
    /// `succeeded`, `failed`, `skipped`, `passed`, `cancelled`, or empty.
    pub outcome: &'a str,
    /// Its output; absent if it has none, which is not the same as null.
    pub output: Option<&'a Value>,
    /// `{code, message}` if it failed.
    pub error: Option<&'a Value>,
}

/// One thing that an expression reads from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// `nodes`, `secrets` (in templates), or the free name: `input`, `run`, `row`.
    pub root: String,
    /// The node's id, if the root is `nodes`.
    pub node: Option<String>,
    /// `output`, `outcome` or `error`, if the root is `nodes`.
    pub field: Option<String>,
    /// Whether every such read stands where `has` has shown that it is there, or within `has`.
    pub guarded: bool,
    /// As one would write it: `nodes.x.output`, `input`, `secrets.erp.token`.
    pub text: String,
}
