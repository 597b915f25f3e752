//! Typed edits, as a model writes them best, and the operations of RFC 6902 that they are.

use aob_engine::catalogue::PATCH_SHAPE;
use aob_engine::patch::Finding;
use serde_json::{Map, Value, json};

/// Most edits of one call; the run takes 256 operations at most, and an edit is at most two.
const MOST: usize = 100;

/// The operations of a call of the tool `patch`: its edits in their order, then its raw operations.
///
/// # Errors
/// Every edit that is none, with a pointer into the arguments.
pub(super) fn operations(arguments: &Value) -> Result<Vec<Value>, Vec<Finding>> {
    let (mut all, mut found) = (Vec::new(), Vec::new());
    let known = ["edits", "operations", "reason"];
    for name in arguments.as_object().into_iter().flat_map(Map::keys) {
        if !known.contains(&name.as_str()) {
            let remedy = "Use `edits`, `operations` and `reason` only.";
            found.push(finding(
                format!("/{}", cut(name)),
                format!("`{}` is no member of a patch", cut(name)),
                remedy,
            ));
        }
    }
    let list = |name: &str| match arguments.get(name) {
        None | Some(Value::Null) => Ok(&[][..]),
        Some(Value::Array(items)) if items.len() <= MOST => Ok(items.as_slice()),
        Some(Value::Array(items)) => Err(finding(
            format!("/{name}"),
            format!("{} are given, at most {MOST} are taken", items.len()),
            "Make fewer changes.",
        )),
        Some(_) => Err(finding(
            format!("/{name}"),
            format!("`{name}` is no list"),
            "Write a list, even of one.",
        )),
    };
    match list("edits") {
        Ok(edits) => {
            for (at, edit) in edits.iter().enumerate() {
                match compile(edit) {
                    Ok(operations) => all.extend(operations),
                    Err((field, message, remedy)) => {
                        let pointer = match field {
                            "" => format!("/edits/{at}"),
                            field => format!("/edits/{at}/{field}"),
                        };
                        found.push(finding(pointer, message, remedy));
                    }
                }
            }
        }
        Err(wrong) => found.push(wrong),
    }
    match list("operations") {
        Ok(operations) => all.extend(operations.iter().cloned()),
        Err(wrong) => found.push(wrong),
    }
    if all.is_empty() && found.is_empty() {
        let remedy = "Give at least one edit, or do not call `patch`.";
        found.push(finding("/edits", "the patch changes nothing", remedy));
    }
    if found.is_empty() { Ok(all) } else { Err(found) }
}

/// Where a finding about a request lies in what the model wrote. `before` operations were found good earlier, then come
/// those of `edits` edits, one each, then the raw ones.
pub(super) fn located(mut found: Finding, before: usize, edits: usize) -> Finding {
    let rest = found.pointer.strip_prefix("/operations/").map(str::to_owned);
    let Some(rest) = rest else { return found };
    let (index, within) = rest.split_once('/').unwrap_or((&rest, ""));
    let Ok(index) = index.parse::<usize>() else { return found };
    let Some(own) = index.checked_sub(before) else { return found };
    found.pointer = if own < edits {
        let field = within.strip_prefix("value").unwrap_or_default();
        format!("/edits/{own}{field}")
    } else {
        let at = own - edits;
        if within.is_empty() {
            format!("/operations/{at}")
        } else {
            format!("/operations/{at}/{within}")
        }
    };
    found
}

type Fault = (&'static str, String, String);

fn compile(edit: &Value) -> Result<Vec<Value>, Fault> {
    let text = |name: &'static str| -> Result<&str, Fault> {
        edit.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| {
            let fault = format!("the edit has no `{name}`");
            (name, fault, format!("Give `{name}` as a text."))
        })
    };
    let kind = text("do").map_err(|(_, _, _)| {
        let remedy =
            "Begin each edit with `do`: add_node, connect, disconnect, set_config or remove_node.";
        ("do", "the edit does not say what to do".to_owned(), remedy.to_owned())
    })?;
    let fields: &[&str] = match kind {
        "add_node" => {
            &["do", "id", "type", "config", "join", "within", "retry", "timeout", "onError"]
        }
        "connect" => &["do", "from", "to", "after", "when", "otherwise"],
        "disconnect" => &["do", "from", "to", "after"],
        "set_config" => &["do", "id", "config"],
        "remove_node" => &["do", "id"],
        other => {
            let message = format!("`{}` is no edit", cut(other));
            let remedy = "Use add_node, connect, disconnect, set_config or remove_node.";
            return Err(("do", message, remedy.to_owned()));
        }
    };
    if let Some(name) = edit
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .find(|name| !fields.contains(&name.as_str()))
    {
        let message = format!("`{kind}` has no `{}`", cut(name));
        let remedy = format!("`{kind}` takes {}.", fields[1..].join(", "));
        return Err(("", message, remedy));
    }
    let rest = || -> Map<String, Value> {
        let members = edit.as_object().cloned().unwrap_or_default();
        members.into_iter().filter(|(name, value)| name != "do" && !value.is_null()).collect()
    };
    let edge = || -> Result<String, Fault> {
        let after = edit.get("after").and_then(Value::as_str).filter(|after| *after != "success");
        let suffix = after.map_or(String::new(), |after| format!(":{after}"));
        Ok(format!("/edges/{}", escape(&format!("{}->{}{suffix}", text("from")?, text("to")?))))
    };
    Ok(match kind {
        "add_node" => {
            text("id")?;
            text("type")?;
            vec![json!({"op": "add", "path": "/nodes/-", "value": rest()})]
        }
        "connect" => {
            text("from")?;
            text("to")?;
            vec![json!({"op": "add", "path": "/edges/-", "value": rest()})]
        }
        "disconnect" => vec![json!({"op": "remove", "path": edge()?})],
        "set_config" => {
            let path = format!("/nodes/{}/config", escape(text("id")?));
            let value = edit.get("config").cloned().ok_or_else(|| {
                (
                    "config",
                    "the edit has no `config`".to_owned(),
                    "Give the whole config.".to_owned(),
                )
            })?;
            vec![json!({"op": "add", "path": path, "value": value})]
        }
        _ => vec![json!({"op": "remove", "path": format!("/nodes/{}", escape(text("id")?))})],
    })
}

/// A name as a segment of a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn finding(
    pointer: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        code: PATCH_SHAPE.code.to_owned(),
        pointer: pointer.into(),
        message: message.into(),
        remedy: remedy.into(),
        details: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_operations() {
        let edits = json!({"edits": [
            {"do": "disconnect", "from": "a", "to": "b"},
            {"do": "add_node", "id": "check", "type": "transform", "config": {"value": 1}, "join": null},
            {"do": "connect", "from": "a", "to": "check"},
            {"do": "connect", "from": "check", "to": "b", "after": "failure"},
            {"do": "set_config", "id": "b", "config": {}},
            {"do": "remove_node", "id": "c"}
        ], "operations": [{"op": "test", "path": "/nodes/a/type", "value": "noop"}], "reason": "r"});
        assert_eq!(
            Value::from(operations(&edits).unwrap()),
            json!([
                {"op": "remove", "path": "/edges/a->b"},
                {"op": "add", "path": "/nodes/-", "value": {"id": "check", "type": "transform", "config": {"value": 1}}},
                {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "check"}},
                {"op": "add", "path": "/edges/-", "value": {"from": "check", "to": "b", "after": "failure"}},
                {"op": "add", "path": "/nodes/b/config", "value": {}},
                {"op": "remove", "path": "/nodes/c"},
                {"op": "test", "path": "/nodes/a/type", "value": "noop"}
            ])
        );
    }

    #[test]
    fn findings_are_told_where_the_model_wrote() {
        let at = |pointer: &str| located(finding(pointer, "m", "r"), 2, 3).pointer;
        assert_eq!(at("/operations/3/value/config/url"), "/edits/1/config/url");
        assert_eq!(at("/operations/2/path"), "/edits/0");
        assert_eq!(at("/operations/5/value"), "/operations/0/value");
        assert_eq!(at("/operations/1/value"), "/operations/1/value");
        assert_eq!(at("/edges/a->b"), "/edges/a->b");
    }

    #[test]
    fn what_is_no_edit_is_named() {
        for (arguments, pointer) in [
            (json!({}), "/edits"),
            (json!({"edits": {}}), "/edits"),
            (json!({"edits": [{"id": "x"}]}), "/edits/0/do"),
            (json!({"edits": [{"do": "insert"}]}), "/edits/0/do"),
            (json!({"edits": [{"do": "add_node", "id": "x"}]}), "/edits/0/type"),
            (json!({"edits": [{"do": "connect", "from": "x"}]}), "/edits/0/to"),
            (
                json!({"edits": [{"do": "connect", "from": "x", "to": "y", "type": "z"}]}),
                "/edits/0",
            ),
            (json!({"edits": [], "patch": 1}), "/patch"),
            (json!({"operations": vec![json!({}); 101]}), "/operations"),
        ] {
            let found = operations(&arguments).unwrap_err();
            assert_eq!(found[0].pointer, pointer, "{arguments}: {found:?}");
            assert!(!found[0].remedy.is_empty());
        }
    }
}
