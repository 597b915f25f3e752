//! Whether a request is a patch: its shape, sizes, policy and every path, all findings at once.
//!
//! One reader serves requests to patch a run and plain patches of RFC 6902. They differ by policy: a run
//! takes no move and no copy, knows every member, and its paths name nodes and edges.

use serde_json::{Map, Value, json};

pub use aob_schema::{OnConflict, Op, Operation};

use super::address::{Address, Place, segments, uncounted};
use super::keyed::is_id;
use super::{Fault, PatchLimits, quote, told};
use crate::catalogue::{
    Entry, PATCH_BYTES, PATCH_COPY, PATCH_COUNT, PATCH_DEPTH, PATCH_INSTANCE, PATCH_MEMBER,
    PATCH_MOVE, PATCH_OP, PATCH_SHAPE, PATCH_VALUE,
};
use crate::check::MOST_ISSUES;
use crate::issue::Issue;

/// A request to patch a run, judged by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// As they were given: paths may append or count positions. At least one.
    pub operations: Vec<Operation>,
    /// Revision that the operations were written against.
    pub base: Option<u32>,
    /// What a graph that has moved on means.
    pub on_conflict: OnConflict,
    /// Paths of claimed instances to cancel.
    pub cancel: Vec<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// Whether only the effects are asked for.
    pub dry_run: bool,
}

/// One operation of RFC 6902.
#[derive(Debug, Clone, PartialEq)]
pub enum PlainOperation {
    /// add, remove, replace or test.
    Change(Operation),
    /// Takes a value away and adds it elsewhere.
    Move {
        /// Pointer to the value.
        from: String,
        /// Pointer to where it goes.
        path: String,
    },
    /// Adds a value again elsewhere.
    Copy {
        /// Pointer to the value.
        from: String,
        /// Pointer to where it goes.
        path: String,
    },
}

/// Reads a request of `patch.schema.json`.
///
/// # Errors
/// Every finding up to [`MOST_ISSUES`], with pointers into the request. A request that is too large as a
/// whole is not looked into.
pub fn read(request: &Value, limits: &PatchLimits) -> Result<Request, Vec<Issue>> {
    let mut reader = Reader { limits, policy: Policy::Run, issues: Vec::new() };
    let request = reader.request(request);
    reader.finish(request)
}

/// Reads a patch document of RFC 6902: a list of operations, unknown members of which are passed over.
///
/// # Errors
/// The same as of [`read`].
pub fn read_plain(patch: &Value, limits: &PatchLimits) -> Result<Vec<PlainOperation>, Vec<Issue>> {
    let mut reader = Reader { limits, policy: Policy::Plain, issues: Vec::new() };
    let operations = match reader.fits(patch) {
        true => reader.operations(patch, "", |_, _, operation| Some(operation)),
        false => None,
    };
    reader.finish(operations)
}

/// `sha256:<hex>` over the RFC 8785 text of operations, in their order.
pub fn digest(operations: &[Operation]) -> String {
    let written = |operation: &Operation| match &operation.value {
        Some(value) => json!({"op": operation.op, "path": operation.path, "value": value}),
        None => json!({"op": operation.op, "path": operation.path}),
    };
    crate::canonical::digest(&operations.iter().map(written).collect())
}

/// Whether lists and objects nest deeper than `most` in a value, the outermost counted as 1.
pub(super) fn deeper(value: &Value, most: usize) -> bool {
    let inner = |value: &Value| most == 0 || deeper(value, most - 1);
    match value {
        Value::Array(items) => most == 0 || items.iter().any(inner),
        Value::Object(map) => most == 0 || map.values().any(inner),
        _ => false,
    }
}

/// Bytes of a value's JSON text without white space, escapes not counted. Nests no deeper than what made
/// it allows.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => match number.as_i64() {
            Some(int) => {
                int.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1 + usize::from(int < 0)
            }
            None => number.to_string().len(),
        },
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(size).sum::<usize>() + separators(items.len()),
        Value::Object(map) => {
            map.iter().map(|(key, value)| key.len() + 3 + size(value)).sum::<usize>()
                + separators(map.len())
        }
    }
}

/// The brackets and commas around so many items.
fn separators(items: usize) -> usize {
    2 + items.saturating_sub(1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Run,
    Plain,
}

const MEMBERS: [&str; 6] = ["operations", "base", "onConflict", "cancel", "reason", "dryRun"];
const OPERATION_MEMBERS: [&str; 3] = ["op", "path", "value"];

struct Reader<'l> {
    limits: &'l PatchLimits,
    policy: Policy,
    issues: Vec<Issue>,
}

impl Reader<'_> {
    fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Issue>> {
        match read {
            Some(read) if self.issues.is_empty() => Ok(read),
            _ => Err(self.issues),
        }
    }

    fn refuse(&mut self, issue: Issue) {
        if self.issues.len() < MOST_ISSUES {
            self.issues.push(issue);
        }
    }

    fn say(
        &mut self,
        entry: &'static Entry,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.refuse(Issue::new(entry, pointer, message));
    }

    /// Whether the whole is small enough to be looked into. Depth comes first: sizes are counted by
    /// descending.
    fn fits(&mut self, whole: &Value) -> bool {
        let PatchLimits { depth, bytes, .. } = *self.limits;
        if deeper(whole, depth) {
            self.say(&PATCH_DEPTH, "", format!("lists and objects nest deeper than {depth}"));
            return false;
        }
        let found = size(whole);
        if found > bytes {
            self.say(
                &PATCH_BYTES,
                "",
                format!("the patch has {found} bytes, at most {bytes} are read"),
            );
            return false;
        }
        true
    }

    fn request(&mut self, request: &Value) -> Option<Request> {
        if !self.fits(request) {
            return None;
        }
        let Some(map) = request.as_object() else {
            let issue = Issue::new(
                &PATCH_SHAPE,
                "",
                format!("the request is {}, but must be an object", told(request)),
            );
            self.refuse(match request {
                Value::Array(_) => {
                    issue.remedy("Write the operations as `{\"operations\": [..]}`.")
                }
                _ => issue,
            });
            return None;
        };
        self.members(map, &MEMBERS, "");
        let base = self.base(map.get("base"));
        let on_conflict = match map.get("onConflict").map(|word| (word, word.as_str())) {
            None | Some((_, Some("Strict"))) => OnConflict::Strict,
            Some((_, Some("Rebase"))) => OnConflict::Rebase,
            Some((other, _)) => {
                let message =
                    format!("`onConflict` is {}, but must be Strict or Rebase", told(other));
                self.say(&PATCH_SHAPE, "/onConflict", message);
                OnConflict::Strict
            }
        };
        let cancel = self.cancel(map.get("cancel"));
        let reason = self.reason(map.get("reason"));
        let dry_run = match map.get("dryRun") {
            None => false,
            Some(Value::Bool(dry_run)) => *dry_run,
            Some(other) => {
                let message = format!("`dryRun` is {}, but must be true or false", told(other));
                self.say(&PATCH_SHAPE, "/dryRun", message);
                false
            }
        };
        let Some(operations) = map.get("operations") else {
            self.say(&PATCH_SHAPE, "", "the request has no `operations`, which it needs");
            return None;
        };
        let based = base.is_some();
        let operations =
            self.operations(operations, "/operations", |reader, pointer, operation| {
                reader.within_graph(pointer, operation, based)
            })?;
        Some(Request { operations, base, on_conflict, cancel, reason, dry_run })
    }

    fn base(&mut self, base: Option<&Value>) -> Option<u32> {
        let base = base?;
        // JSON Schema takes 3.0 for an integer too.
        let whole = base
            .as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number));
        if whole.is_none() {
            let message =
                format!("`base` is {}, but must be the number of a revision, from 0", told(base));
            self.say(&PATCH_SHAPE, "/base", message);
        }
        whole.map(|number| number as u32)
    }

    fn reason(&mut self, reason: Option<&Value>) -> Option<String> {
        match reason? {
            Value::String(text) => {
                self.length(text, self.limits.reason, "/reason");
                Some(text.clone())
            }
            other => {
                self.say(
                    &PATCH_SHAPE,
                    "/reason",
                    format!("`reason` is {}, but must be text", told(other)),
                );
                None
            }
        }
    }

    fn cancel(&mut self, cancel: Option<&Value>) -> Vec<String> {
        let items = match cancel {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.say(
                    &PATCH_SHAPE,
                    "/cancel",
                    format!("`cancel` is {}, but must be a list", told(other)),
                );
                return Vec::new();
            }
        };
        let most = self.limits.cancel;
        if items.len() > most {
            let message =
                format!("the patch cancels {} instances, at most {most} are taken", items.len());
            self.say(&PATCH_COUNT, "/cancel", message);
            return Vec::new();
        }
        let mut named = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match item.as_str().filter(|text| is_instance(text)) {
                Some(text) => named.push(text.to_owned()),
                None => {
                    let message = format!("{} is no path of an instance", told(item));
                    self.say(&PATCH_INSTANCE, format!("/cancel/{at}"), message);
                }
            }
        }
        named
    }

    /// Every operation of a list; nothing if one was refused.
    fn operations<T>(
        &mut self,
        list: &Value,
        pointer: &str,
        accept: impl Fn(&mut Self, &str, PlainOperation) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(items) = list.as_array() else {
            self.say(
                &PATCH_SHAPE,
                pointer,
                format!("the operations are {}, but must be a list", told(list)),
            );
            return None;
        };
        let most = self.limits.operations;
        if items.len() > most {
            let message =
                format!("the patch has {} operations, at most {most} are taken", items.len());
            self.say(&PATCH_COUNT, pointer, message);
            return None;
        }
        if items.is_empty() && self.policy == Policy::Run {
            self.say(
                &PATCH_SHAPE,
                pointer,
                "the patch has no operation, but must have at least one",
            );
        }
        let mut operations = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let pointer = format!("{pointer}/{at}");
            let operation = self.operation(item, &pointer);
            operations.extend(operation.and_then(|operation| accept(self, &pointer, operation)));
        }
        (operations.len() == items.len()).then_some(operations)
    }

    fn operation(&mut self, item: &Value, pointer: &str) -> Option<PlainOperation> {
        let Some(map) = item.as_object() else {
            self.say(
                &PATCH_SHAPE,
                pointer,
                format!("the operation is {}, but must be an object", told(item)),
            );
            return None;
        };
        let word = self.text(map, "op", pointer);
        let run = self.policy == Policy::Run;
        let op = match word {
            Some("add") => Op::Add,
            Some("remove") => Op::Remove,
            Some("replace") => Op::Replace,
            Some("test") => Op::Test,
            Some(word @ ("move" | "copy")) if run => {
                let entry = if word == "move" { &PATCH_MOVE } else { &PATCH_COPY };
                self.say(entry, format!("{pointer}/op"), format!("`{word}` is refused here"));
                return None;
            }
            Some(word @ ("move" | "copy")) => {
                let from = self.pointer(map, "from", pointer)?.to_owned();
                let path = self.pointer(map, "path", pointer)?.to_owned();
                return Some(match word {
                    "move" => PlainOperation::Move { from, path },
                    _ => PlainOperation::Copy { from, path },
                });
            }
            Some(other) => {
                self.say(
                    &PATCH_OP,
                    format!("{pointer}/op"),
                    format!("{} is no operation", quote(other)),
                );
                return None;
            }
            None => return None,
        };
        if run {
            self.members(map, &OPERATION_MEMBERS, pointer);
        }
        let path = self.pointer(map, "path", pointer).map(str::to_owned);
        let value = match (op, map.get("value")) {
            (Op::Remove, Some(_)) if run => {
                self.say(&PATCH_VALUE, format!("{pointer}/value"), "remove has no `value`");
                return None;
            }
            (Op::Remove, _) => None,
            (_, Some(value)) => Some(value.clone()),
            (op, None) => {
                self.say(&PATCH_VALUE, pointer, format!("the {op} has no `value`, which it needs"));
                return None;
            }
        };
        Some(PlainOperation::Change(Operation { op, path: path?, value }))
    }

    /// What a patch to a run may address.
    fn within_graph(
        &mut self,
        pointer: &str,
        operation: PlainOperation,
        based: bool,
    ) -> Option<Operation> {
        let PlainOperation::Change(operation) = operation else { return None };
        let judged = Address::parse(&operation.path).and_then(|address| {
            address.item(&operation)?;
            match address.place {
                Place::Position(..) if !based => Err(uncounted()),
                _ => Ok(()),
            }
        });
        match judged {
            Ok(()) => Some(operation),
            Err(fault) => {
                self.fault(fault, pointer);
                None
            }
        }
    }

    fn fault(&mut self, fault: Fault, operation: &str) {
        self.refuse(fault.at(operation).into());
    }

    fn members(&mut self, map: &Map<String, Value>, known: &[&str], pointer: &str) {
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = if pointer.is_empty() { "a request" } else { "an operation" };
            let message = format!("{place} has no member {}", quote(name));
            let remedy = format!("Use one of {}, or remove it.", known.join(", "));
            // Only a short name is worth a pointer of its own.
            let pointer = match name.len() {
                0..=80 => format!("{pointer}/{}", super::address::escape(name)),
                _ => pointer.to_owned(),
            };
            self.refuse(Issue::new(&PATCH_MEMBER, pointer, message).remedy(remedy));
        }
    }

    /// A member that is a JSON pointer, with its escapes right.
    fn pointer<'m>(
        &mut self,
        map: &'m Map<String, Value>,
        name: &'static str,
        operation: &str,
    ) -> Option<&'m str> {
        let text = self.text(map, name, operation)?;
        if !self.length(text, self.limits.path, &format!("{operation}/{name}")) {
            return None;
        }
        match segments(text) {
            Ok(_) => Some(text),
            Err(fault) => {
                self.fault(fault.on(name), operation);
                None
            }
        }
    }

    fn text<'m>(
        &mut self,
        map: &'m Map<String, Value>,
        name: &str,
        pointer: &str,
    ) -> Option<&'m str> {
        match map.get(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                let message = format!("`{name}` is {}, but must be text", told(other));
                self.say(&PATCH_SHAPE, format!("{pointer}/{name}"), message);
                None
            }
            None => {
                self.say(
                    &PATCH_SHAPE,
                    pointer,
                    format!("the operation has no `{name}`, which it needs"),
                );
                None
            }
        }
    }

    fn length(&mut self, text: &str, most: usize, pointer: &str) -> bool {
        // Bytes are at least as many as characters, and at hand.
        let fits = text.len() <= most || text.chars().count() <= most;
        if !fits {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            self.say(&PATCH_BYTES, pointer, format!("`{name}` has more than {most} characters"));
        }
        fits
    }
}

/// `each[3]/fetch`: up to four iterations, then a node; at most 384 characters.
fn is_instance(text: &str) -> bool {
    let iteration = |part: &str| {
        part.strip_suffix(']').and_then(|part| part.split_once('[')).is_some_and(|(id, at)| {
            is_id(id) && matches!(at.len(), 1..=9) && at.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let mut parts = text.rsplit('/');
    text.len() <= 384
        && parts.next().is_some_and(is_id)
        && parts.clone().count() <= 4
        && parts.all(iteration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{
        PATCH_ADDRESS, PATCH_IDENTITY, PATCH_POINTER, PATCH_POSITION, PATCH_REACH,
    };

    fn codes(request: &Value) -> Vec<(&'static str, String)> {
        let refused = read(request, &PatchLimits::default()).map(|_| Vec::new());
        let issues = refused.unwrap_or_else(|issues| {
            assert!(!issues.is_empty());
            issues
        });
        issues.into_iter().map(|issue| (issue.entry.code, issue.pointer)).collect()
    }

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!([]), |value, _| json!([value]))
    }

    #[test]
    fn a_request_is_read_whole() {
        let request = json!({
            "operations": [
                {"op": "add", "path": "/nodes/-", "value": {"id": "check", "type": "noop"}},
                {"op": "remove", "path": "/edges/fetch->process"},
                {"op": "test", "path": "/nodes/0/config/x", "value": null}
            ],
            "base": 3.0, "onConflict": "Rebase", "cancel": ["fetch", "outer[0]/each[12]/x"], "reason": "why", "dryRun": true
        });
        let read = read(&request, &PatchLimits::default()).unwrap();
        assert_eq!(read.operations.len(), 3);
        assert_eq!(
            read.operations[1],
            Operation { op: Op::Remove, path: "/edges/fetch->process".to_owned(), value: None }
        );
        assert_eq!(read.operations[2].value, Some(Value::Null));
        assert_eq!(
            (read.base, read.on_conflict, read.dry_run),
            (Some(3), OnConflict::Rebase, true)
        );
        assert_eq!(
            (read.cancel, read.reason),
            (vec!["fetch".to_owned(), "outer[0]/each[12]/x".to_owned()], Some("why".to_owned()))
        );
        let least = json!({"operations": [{"op": "remove", "path": "/nodes/a"}]});
        let read = super::read(&least, &PatchLimits::default()).unwrap();
        assert_eq!((read.base, read.on_conflict, read.dry_run), (None, OnConflict::Strict, false));
        assert!(read.cancel.is_empty() && read.reason.is_none());
    }

    #[test]
    fn each_policy_has_its_own_code() {
        let one = |operation: Value| json!({"operations": [operation]});
        let node = json!({"id": "a", "type": "noop"});
        let many = |count: usize| vec![json!({"op": "remove", "path": "/nodes/a"}); count];
        let cases = [
            (
                one(json!({"op": "move", "from": "/nodes/a", "path": "/nodes/b"})),
                &PATCH_MOVE,
                "/operations/0/op",
            ),
            (
                one(json!({"op": "copy", "from": "/nodes/a", "path": "/nodes/-"})),
                &PATCH_COPY,
                "/operations/0/op",
            ),
            (one(json!({"op": "spam", "path": "/nodes/a"})), &PATCH_OP, "/operations/0/op"),
            (
                one(json!({"op": "remove", "path": "/nodes/a", "from": "/x"})),
                &PATCH_MEMBER,
                "/operations/0/from",
            ),
            (json!({"operations": many(1), "force/d": true}), &PATCH_MEMBER, "/force~1d"),
            (json!({"operations": many(257)}), &PATCH_COUNT, "/operations"),
            (json!({"operations": many(1), "cancel": vec!["a"; 257]}), &PATCH_COUNT, "/cancel"),
            (
                one(
                    json!({"op": "add", "path": "/nodes/a/description", "value": "x".repeat(256 << 10)}),
                ),
                &PATCH_BYTES,
                "",
            ),
            (
                one(json!({"op": "remove", "path": format!("/nodes/a/{}", "x".repeat(1024))})),
                &PATCH_BYTES,
                "/operations/0/path",
            ),
            (json!({"operations": many(1), "reason": "é".repeat(1025)}), &PATCH_BYTES, "/reason"),
            (
                one(json!({"op": "add", "path": "/nodes/a/config", "value": nested(62)})),
                &PATCH_DEPTH,
                "",
            ),
            (
                one(json!({"op": "remove", "path": "/nodes/a", "value": 1})),
                &PATCH_VALUE,
                "/operations/0/value",
            ),
            (one(json!({"op": "replace", "path": "/nodes/a/type"})), &PATCH_VALUE, "/operations/0"),
            (
                one(json!({"op": "remove", "path": "/nodes/a~2"})),
                &PATCH_POINTER,
                "/operations/0/path",
            ),
            (one(json!({"op": "remove", "path": "/nodes"})), &PATCH_ADDRESS, "/operations/0/path"),
            (
                one(json!({"op": "replace", "path": "/limits/agents", "value": 9})),
                &PATCH_REACH,
                "/operations/0/path",
            ),
            (
                one(json!({"op": "remove", "path": "/nodes/3"})),
                &PATCH_POSITION,
                "/operations/0/path",
            ),
            (
                one(json!({"op": "replace", "path": "/nodes/b", "value": node})),
                &PATCH_IDENTITY,
                "/operations/0/value",
            ),
            (json!({"operations": many(1), "cancel": ["a/b"]}), &PATCH_INSTANCE, "/cancel/0"),
            (json!({"operations": many(1), "cancel": [7]}), &PATCH_INSTANCE, "/cancel/0"),
            (json!({"operations": many(1), "base": -1}), &PATCH_SHAPE, "/base"),
            (json!({"operations": many(1), "base": 4_294_967_296_u64}), &PATCH_SHAPE, "/base"),
            (json!({"operations": many(1), "base": 0.5}), &PATCH_SHAPE, "/base"),
            (json!({"operations": many(1), "onConflict": "rebase"}), &PATCH_SHAPE, "/onConflict"),
            (json!({"operations": many(1), "dryRun": null}), &PATCH_SHAPE, "/dryRun"),
            (json!({"operations": []}), &PATCH_SHAPE, "/operations"),
            (json!({"operations": {}}), &PATCH_SHAPE, "/operations"),
            (json!({}), &PATCH_SHAPE, ""),
            (json!([{"op": "remove", "path": "/nodes/a"}]), &PATCH_SHAPE, ""),
            (one(json!("remove")), &PATCH_SHAPE, "/operations/0"),
            (one(json!({"op": 5, "path": "/nodes/a"})), &PATCH_SHAPE, "/operations/0/op"),
            (one(json!({"op": "remove"})), &PATCH_SHAPE, "/operations/0"),
        ];
        for (request, entry, pointer) in cases {
            assert_eq!(
                codes(&request),
                [(entry.code, pointer.to_owned())],
                "{}",
                crate::issue::excerpt(&request.to_string())
            );
        }
    }

    #[test]
    fn limits_are_exact() {
        let request = |value: Value, count: usize| {
            let operation = json!({"op": "add", "path": "/nodes/a/config", "value": value});
            json!({"operations": vec![operation; count]})
        };
        assert!(codes(&request(json!(0), 256)).is_empty());
        assert!(codes(&request(nested(61), 1)).is_empty());
        let frame = request(json!(""), 1).to_string().len();
        assert!(codes(&request(json!("x".repeat((256 << 10) - frame)), 1)).is_empty());
        assert_eq!(codes(&request(json!("x".repeat((256 << 10) - frame + 1)), 1)).len(), 1);
        let path = format!("/nodes/a/{}", "é".repeat(1024 - 9));
        assert!(
            codes(
                &json!({"operations": [{"op": "remove", "path": path}], "reason": "é".repeat(1024)})
            )
            .is_empty()
        );
    }

    #[test]
    fn every_fault_is_told_and_no_more_than_the_most() {
        let request = json!({"base": "x", "operations": [{"op": "copy"}, {"op": "ad", "path": "/nodes/-"}, {"op": "remove", "path": "x"}]});
        assert_eq!(codes(&request).len(), 4);
        let members: Map<String, Value> =
            (0..1000).map(|at| (format!("m{at}"), Value::Null)).collect();
        assert_eq!(codes(&Value::Object(members)).len(), MOST_ISSUES);
        let long =
            json!({"operations": [{"op": "remove", "path": "/nodes/a", "\u{1b}".repeat(5000): 1}]});
        let issues = read(&long, &PatchLimits::default()).unwrap_err();
        assert!(
            issues[0].message.len() < 600 && !issues[0].message.contains('\u{1b}'),
            "{}",
            issues[0]
        );
    }

    #[test]
    fn sizes_are_those_of_the_text() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!([true, false, 0, -7, 10, 99, 12.5, -0.25, "é"]),
            json!({"a": {"b": [1, 2]}, "c": "d"}),
            json!(u64::MAX),
            json!(i64::MIN),
        ] {
            assert_eq!(size(&value), value.to_string().len(), "{value}");
        }
    }

    #[test]
    fn a_digest_keeps_null_and_absent_apart() {
        let test =
            |value: Option<Value>| [Operation { op: Op::Test, path: "/nodes/a".to_owned(), value }];
        assert_ne!(digest(&test(None)), digest(&test(Some(Value::Null))));
        assert_eq!(digest(&test(Some(json!(1)))), digest(&test(Some(json!(1.0)))));
    }
}
