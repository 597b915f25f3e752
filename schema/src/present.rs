//! Reading of an optional value of any shape.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a value that is present, so that null stays apart from absent: serde's
/// own reading of an `Option` takes both for `None`.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::TransformConfig;

    #[test]
    fn null_is_not_absent() {
        let null: TransformConfig = serde_json::from_value(json!({ "value": null })).unwrap();
        assert_eq!(null.value, Some(Value::Null));
        assert_eq!(serde_json::to_value(&null).unwrap(), json!({ "value": null }));
        let absent: TransformConfig = serde_json::from_value(json!({})).unwrap();
        assert_eq!(absent.value, None);
        assert_eq!(serde_json::to_value(&absent).unwrap(), json!({}));
    }
}
