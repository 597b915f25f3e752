//! A number, boolean or list of a config that may also be given by a template.

use serde::{Deserialize, Serialize};

/// A value as written, or the template string that yields it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Templated<T> {
    /// The value itself; what a rendered config always has.
    Value(T),
    /// A whole-string template, `${ .. }`, that is not rendered yet.
    Template(String),
}

impl<T> Templated<T> {
    /// The value, unless it is still a template.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Template(_) => None,
        }
    }

    /// The value, unless it is still a template.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Template(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let count: Templated<u64> = serde_json::from_value(json!(3)).unwrap();
        assert_eq!(count.value(), Some(&3));
        let list: Templated<Vec<String>> = serde_json::from_value(json!(["a"])).unwrap();
        assert_eq!(list.into_value(), Some(vec!["a".to_owned()]));
        let text: Templated<u64> = serde_json::from_value(json!("${ input.n }")).unwrap();
        assert_eq!(text.value(), None);
        assert!(serde_json::from_value::<Templated<u64>>(json!(true)).is_err());
    }
}
