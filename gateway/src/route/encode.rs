//! From what is asked to the parts of an HTTP request.

use aob_engine::catalogue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::form_urlencoded;

use super::{Body, ROOT, Route};
use crate::operation::Request;
use crate::problem::{Problem, Result};

/// What is escaped in a path: everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// Path and query.
    pub target: String,
    /// What the body is, as JSON.
    pub body: Option<Value>,
}

/// The route of a request, and its parts.
///
/// # Errors
/// [`catalogue::BAD_REQUEST`] if a member of the path is empty or cannot be in one.
pub fn encode(request: &Request) -> Result<(&'static Route, Encoded)> {
    let broken = |why: &str| Problem::new(&catalogue::BAD_REQUEST, request.about(), why);
    let Ok(Value::Object(mut members)) = serde_json::to_value(request) else {
        return Err(broken("the request has no JSON form"));
    };
    let op = members.remove("op");
    let route = op.as_ref().and_then(Value::as_str).and_then(Route::of);
    let route = route.ok_or_else(|| broken("the request has no route"))?;
    let mut target = ROOT.to_owned();
    for part in route.path.split('/').filter(|part| !part.is_empty()) {
        target.push('/');
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            None => target.push_str(part),
            Some(name) => {
                let value = members.remove(name);
                let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
                if matches!(text, "" | "." | "..") {
                    return Err(broken(&format!("`{text}` cannot be the {name}")));
                }
                target.extend(utf8_percent_encode(text, ESCAPED));
            }
        }
    }
    if target == ROOT {
        target.push('/');
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, _) in route.query {
        match members.remove(*name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(values)) => values.iter().for_each(|value| {
                query.append_pair(name, &plain(value));
            }),
            Some(value) => {
                query.append_pair(name, &plain(&value));
            }
        }
    }
    let query = query.finish();
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query);
    }
    let body = match route.body {
        Body::None => None,
        Body::Members => Some(Value::Object(members)),
        Body::Whole(member) => Some(members.remove(member).unwrap_or_default()),
    };
    Ok((route, Encoded { target, body }))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::encode;
    use crate::operation::{Mode, Request};

    /// The request that a target and a body mean.
    fn back(request: &Request) -> Request {
        let (route, encoded) = encode(request).unwrap();
        let target = encoded.target.strip_prefix("/api/v1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<String> = path
            .split('/')
            .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into())
            .collect();
        let named = route.path.split('/').zip(&parts).filter_map(|(name, value)| {
            Some((name.strip_prefix('{')?.strip_suffix('}')?, value.as_str()))
        });
        route.decode(named, route.read_query(query).unwrap(), encoded.body).unwrap()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let run = || "run_1".to_owned();
        let instance = || "each[3]/a b".to_owned();
        let all = [
            Request::About {},
            Request::Settle {
                run: run(),
                instance: instance(),
                output: Some(json!(null)),
                fail: false,
                reason: None,
            },
            Request::Settle {
                run: run(),
                instance: instance(),
                output: None,
                fail: true,
                reason: Some("x".into()),
            },
            Request::Events { run: run(), after: 7, most: Some(3) },
            Request::Watch { run: run(), seq: 1, wait_ms: 2 },
            Request::Output { run: run(), instance: Some(instance()) },
            Request::Cancel { run: run(), mode: Mode::Now, reason: None },
            Request::Patch {
                run: run(),
                id: Some("patch_1".into()),
                approves: vec!["a,b".into(), "c&d".into()],
                dry_run: true,
                request: json!({"operations": []}),
            },
            Request::Start {
                workflow: None,
                inline: Some(json!({"a": 1})),
                input: None,
                key: Some("k".into()),
                patch_set: None,
            },
            Request::SetTag {
                workflow: "w".into(),
                tag: "v1.2%2F".into(),
                digest: "sha256:0".into(),
                reason: None,
            },
        ];
        for request in all {
            assert_eq!(back(&request), request);
        }
    }

    #[test]
    fn no_member_leaves_its_place_in_the_path() {
        for run in ["", ".", ".."] {
            assert!(encode(&Request::Standing { run: run.into() }).is_err(), "{run}");
        }
        let (_, encoded) = encode(&Request::Standing { run: "../runs?x#y".into() }).unwrap();
        assert_eq!(encoded.target, "/api/v1/runs/..%2Fruns%3Fx%23y");
    }
}
