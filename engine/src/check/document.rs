//! A workflow document as the rules see it: borrowed, in document order, without what has no place.
//!
//! What does not have the right shape has been reported by then; it is left out here, so that the
//! other rules can still be judged. Reading takes one pass and copies nothing, which the generated
//! types cannot do.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::ir::{After, Effect, OnError};

/// A workflow as written.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    pub(crate) name: &'a str,
    pub(crate) input: Option<&'a Value>,
    pub(crate) output: Option<&'a Value>,
    pub(crate) limits: Option<&'a Map<String, Value>>,
    pub(crate) retention: Option<&'a Map<String, Value>>,
    pub(crate) refuse_unknown: bool,
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) edges: Vec<Edge<'a>>,
}

/// A node as written.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Position in `spec.nodes`.
    pub(crate) at: usize,
    /// Empty if there is none.
    pub(crate) id: &'a str,
    /// Empty if there is none.
    pub(crate) node_type: &'a str,
    /// An object; an empty one if there is none.
    pub(crate) config: &'a Value,
    /// Whether a config is written.
    pub(crate) configured: bool,
    pub(crate) within: Option<&'a str>,
    /// `join: any`.
    pub(crate) any: bool,
    pub(crate) retry: Option<&'a Map<String, Value>>,
    pub(crate) timeout: Option<&'a str>,
    pub(crate) on_error: OnError,
    pub(crate) effect: Option<Effect>,
}

/// An edge as written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge<'a> {
    /// Position in `spec.edges`.
    pub(crate) at: usize,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) after: After,
    pub(crate) when: Option<&'a str>,
    pub(crate) otherwise: bool,
}

static NO_CONFIG: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

impl<'a> Document<'a> {
    /// Reads what has the right shape.
    pub(crate) fn read(document: &'a Value) -> Self {
        let mut read = Self {
            name: document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default(),
            ..Self::default()
        };
        let Some(spec) = document.get("spec").and_then(Value::as_object) else {
            return read;
        };
        for (key, value) in spec {
            match key.as_str() {
                "input" => read.input = Some(value).filter(|value| value.is_object()),
                "output" => read.output = Some(value),
                "limits" => read.limits = value.as_object(),
                "retention" => read.retention = value.as_object(),
                "unknownTypes" => read.refuse_unknown = value.as_str() == Some("Refuse"),
                "nodes" => {
                    read.nodes = entries(value).map(|(at, map)| Node::read(at, map)).collect()
                }
                "edges" => {
                    read.edges = entries(value).map(|(at, map)| Edge::read(at, map)).collect()
                }
                _ => {}
            }
        }
        read
    }
}

impl<'a> Node<'a> {
    fn read(at: usize, map: &'a Map<String, Value>) -> Self {
        let mut node = Self {
            at,
            id: "",
            node_type: "",
            config: &NO_CONFIG,
            configured: false,
            within: None,
            any: false,
            retry: None,
            timeout: None,
            on_error: OnError::Fail,
            effect: None,
        };
        for (key, value) in map {
            match key.as_str() {
                "id" => node.id = value.as_str().unwrap_or_default(),
                "type" => node.node_type = value.as_str().unwrap_or_default(),
                "config" if value.is_object() => (node.config, node.configured) = (value, true),
                "within" => node.within = value.as_str(),
                "join" => node.any = value.as_str() == Some("any"),
                "retry" => node.retry = value.as_object(),
                "timeout" => node.timeout = value.as_str(),
                "onError" => node.on_error = on_error(value),
                "effect" => node.effect = effect(value),
                _ => {}
            }
        }
        node
    }

    /// JSON pointer of the node.
    pub(crate) fn pointer(&self) -> String {
        format!("/spec/nodes/{}", self.at)
    }

    /// JSON pointer of one of its fields; of the node itself if it is not written.
    pub(crate) fn field(&self, name: &str) -> String {
        format!("/spec/nodes/{}/{name}", self.at)
    }
}

impl<'a> Edge<'a> {
    fn read(at: usize, map: &'a Map<String, Value>) -> Self {
        let mut edge =
            Self { at, from: "", to: "", after: After::Success, when: None, otherwise: false };
        for (key, value) in map {
            match key.as_str() {
                "from" => edge.from = value.as_str().unwrap_or_default(),
                "to" => edge.to = value.as_str().unwrap_or_default(),
                "after" => edge.after = after(value),
                "when" => edge.when = value.as_str(),
                "otherwise" => edge.otherwise = value.as_bool().unwrap_or_default(),
                _ => {}
            }
        }
        edge
    }

    /// JSON pointer of the edge.
    pub(crate) fn pointer(&self) -> String {
        format!("/spec/edges/{}", self.at)
    }
}

fn entries(list: &Value) -> impl Iterator<Item = (usize, &Map<String, Value>)> {
    list.as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(at, value)| Some((at, value.as_object()?)))
}

fn after(value: &Value) -> After {
    match value.as_str() {
        Some("failure") => After::Failure,
        Some("always") => After::Always,
        _ => After::Success,
    }
}

fn on_error(value: &Value) -> OnError {
    match value.as_str() {
        Some("continue") => OnError::Continue,
        Some("pause") => OnError::Pause,
        _ => OnError::Fail,
    }
}

fn effect(value: &Value) -> Option<Effect> {
    match value.as_str() {
        Some("pure") => Some(Effect::Pure),
        Some("idempotent") => Some(Effect::Idempotent),
        Some("once") => Some(Effect::Once),
        _ => None,
    }
}
