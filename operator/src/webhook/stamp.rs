//! Who made an object and who changed it, as operations on its annotations. What a person writes there themselves
//! does not count. Touches nothing.

use aob_crds::label;
use serde_json::{Value, json};

/// Most groups kept of a person.
const MOST_GROUPS: usize = 64;

/// Operations (RFC 6902) that make the stamps right.
pub(super) fn stamps(user: &Value, object: &Value, before: Option<&Value>) -> Vec<Value> {
    let name = user.pointer("/username").and_then(Value::as_str).unwrap_or_default();
    let groups: Vec<&Value> = user
        .pointer("/groups")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST_GROUPS)
        .collect();
    let old = |key: &str| {
        let kept = before.and_then(|before| before.pointer(&place(key)));
        kept.and_then(Value::as_str).map(str::to_owned)
    };
    let is_changed = before.is_some_and(|before| before.get("spec") != object.get("spec"));
    let wanted = match before {
        None => [
            (label::CREATED_BY, Some(name.to_owned())),
            (label::GROUPS, Some(json!(groups).to_string())),
            (label::CHANGED_BY, None),
        ],
        Some(_) => [
            (label::CREATED_BY, old(label::CREATED_BY)),
            (label::GROUPS, old(label::GROUPS)),
            (
                label::CHANGED_BY,
                if is_changed { Some(name.to_owned()) } else { old(label::CHANGED_BY) },
            ),
        ],
    };
    let mut operations = Vec::new();
    let has_none = object.pointer("/metadata/annotations").is_none_or(Value::is_null);
    for (key, wanted) in wanted {
        let is = object.pointer(&place(key)).and_then(Value::as_str);
        match (is, wanted) {
            (is, Some(wanted)) if is != Some(&*wanted) => {
                if has_none && operations.is_empty() {
                    operations
                        .push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
                }
                operations.push(json!({"op": "add", "path": place(key), "value": wanted}));
            }
            (Some(_), None) => operations.push(json!({"op": "remove", "path": place(key)})),
            _ => {}
        }
    }
    operations
}

fn place(key: &str) -> String {
    format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Value {
        json!({"username": name, "groups": ["finance", "system:authenticated"]})
    }

    fn paths(operations: &[Value]) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        operations.iter().map(|one| (text(&one["op"]), text(&one["path"]))).collect()
    }

    #[test]
    fn whoever_makes_it_is_stamped_and_what_they_wrote_does_not_count() {
        let plain = json!({"metadata": {"name": "a"}, "spec": {}});
        let made = stamps(&user("ada"), &plain, None);
        assert_eq!(made[0], json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
        assert_eq!(made[1]["value"], "ada");
        assert_eq!(made[2]["value"], "[\"finance\",\"system:authenticated\"]");
        let forged = json!({"metadata": {"annotations": {
            "aob.dev/created-by": "root", "aob.dev/changed-by": "root", "mine": "kept",
        }}, "spec": {}});
        let add = |key: &str| ("add".to_owned(), format!("/metadata/annotations/aob.dev~1{key}"));
        let remove = ("remove".to_owned(), "/metadata/annotations/aob.dev~1changed-by".to_owned());
        let made = stamps(&user("ada"), &forged, None);
        assert_eq!(paths(&made), [add("created-by"), add("created-by-groups"), remove]);
    }

    #[test]
    fn whoever_changes_the_spec_is_stamped_beside_who_made_it() {
        let stamped = |spec: u32, by: &str| {
            json!({
                "metadata": {"annotations": {"aob.dev/created-by": by, "aob.dev/created-by-groups": "[]"}},
                "spec": {"n": spec},
            })
        };
        let before = stamped(1, "ada");
        let same = stamps(&user("bob"), &before, Some(&before));
        assert_eq!(same, Vec::<Value>::new(), "a label or a finalizer changes nothing");
        let changed = stamps(&user("bob"), &stamped(2, "ada"), Some(&before));
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0]["value"], "bob");
        let forged = stamps(&user("bob"), &stamped(1, "bob"), Some(&before));
        assert_eq!(forged[0]["value"], "ada", "who made it stays who made it");
    }
}
