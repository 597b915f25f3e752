//! Values during evaluation: JSON is borrowed, what is made is shared, so that copying one is cheap.

mod result;

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map as JsonMap, Number, Value};

/// The largest int that every reader of JSON keeps: 2^53 - 1.
pub(super) const MAX_INT: u64 = (1 << 53) - 1;

#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'a>),
    List(List<'a>),
    Map(Map<'a>),
}

#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Lent(&'a str),
    Made(Rc<str>),
}

#[derive(Debug, Clone)]
pub(super) enum List<'a> {
    Lent(&'a [Value]),
    Made(Rc<Vec<Val<'a>>>),
}

#[derive(Debug, Clone)]
pub(super) enum Map<'a> {
    Lent(&'a JsonMap<String, Value>),
    Made(Rc<BTreeMap<Rc<str>, Val<'a>>>),
}

impl<'a> Val<'a> {
    /// A number of integral value is an int, whatever its spelling; beyond 2^53 - 1 it stays a double.
    pub(super) fn lend(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Number(number) => Self::number(number),
            Value::String(text) => Self::Text(Text::Lent(text)),
            Value::Array(items) => Self::List(List::Lent(items)),
            Value::Object(map) => Self::Map(Map::Lent(map)),
        }
    }

    fn number(number: &Number) -> Self {
        if let Some(int) = number.as_i64() {
            return Self::Int(int);
        }
        let double = number.as_f64().unwrap_or(f64::MAX);
        match safe_int(double) {
            Some(int) => Self::Int(int),
            None => Self::Double(double),
        }
    }

    pub(super) fn made_text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    pub(super) fn made_list(items: Vec<Self>) -> Self {
        Self::List(List::Made(Rc::new(items)))
    }

    /// What kind of value it is, for messages and `type(x) ==`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Lent(items) => items.get(index).map(Val::lend),
            Self::Made(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(map) => map.len(),
            Self::Made(map) => map.len(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Val<'a>> {
        match self {
            Self::Lent(map) => map.get(key).map(Val::lend),
            Self::Made(map) => map.get(key).cloned(),
        }
    }

    /// The first keys, in their order.
    pub(super) fn keys(&self, most: usize) -> Vec<Text<'a>> {
        match self {
            Self::Lent(map) => map.keys().take(most).map(|key| Text::Lent(key)).collect(),
            Self::Made(map) => {
                map.keys().take(most).map(|key| Text::Made(Rc::clone(key))).collect()
            }
        }
    }
}

/// The int of a double that has no fraction and lies within 2^53 - 1.
pub(super) fn safe_int(double: f64) -> Option<i64> {
    let whole = double.trunc() == double && double.abs() <= MAX_INT as f64;
    // The cast is exact within that range.
    whole.then_some(double as i64)
}
