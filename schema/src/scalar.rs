//! A header, query parameter or environment variable of a config.

use serde::{Deserialize, Serialize};

/// A value that is sent as text. A rendered template keeps its type, so that
/// numbers and booleans arrive here beside strings.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Sent as `true` or `false`.
    Bool(bool),
    /// Sent as its canonical JSON.
    Number(serde_json::Number),
    /// Sent as it is; before rendering it may hold `${ .. }`.
    Text(String),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_kept() {
        let written = json!([true, 5, 2.5, "5"]);
        let read: Vec<Scalar> = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(read[1], Scalar::Number(5.into()));
        assert_eq!(read[3], Scalar::Text("5".to_owned()));
        assert_eq!(serde_json::to_value(read).unwrap(), written);
        assert!(serde_json::from_value::<Scalar>(json!(null)).is_err());
    }
}
