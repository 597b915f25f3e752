//! Operations applied: to any JSON document, and to the graph of a workflow by name.
//!
//! Both ways end in the same functions on a JSON value. All or nothing: work is done on a copy, of which
//! only what is touched is made. What a document may grow to is counted as it grows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::address::{Address, Item, position, segments, uncounted};
use super::keyed::Key;
use super::operation::{deeper, size};
use super::{Fault, Keyed, Op, Operation, PatchError, PatchLimits, PlainOperation, quote, told};
use crate::catalogue::{
    PATCH_DEPTH, PATCH_EXISTS, PATCH_IDENTITY, PATCH_RESULT, PATCH_TARGET, PATCH_TEST, PATCH_VALUE,
};

/// The document of a workflow with overlays applied in order: nodes sorted by id, edges by name,
/// everything else as it was. Operations are canonical; appending is understood too.
///
/// # Errors
/// The first operation that cannot be applied, or a graph without names.
pub fn materialize(document: &Value, overlays: &[&[Operation]]) -> Result<Value, PatchError> {
    layered(document, overlays).map_err(|broken| broken.told(overlays.len()))
}

/// As [`materialize`], of a document that is not needed any more: what does not change is moved.
///
/// # Errors
/// As of [`materialize`].
pub fn materialize_from(document: Value, overlays: &[&[Operation]]) -> Result<Value, PatchError> {
    let size = size(&document);
    let (mut graph, left) = Keyed::take(document)?;
    lay(&mut graph, size, overlays).map_err(|broken| broken.told(overlays.len()))?;
    Ok(graph.back(left))
}

/// Why overlays could not be applied.
#[derive(Debug)]
pub(super) enum Broken {
    /// The graph below has no names.
    Graph(PatchError),
    /// One operation of an overlay.
    Operation { overlay: usize, operation: usize, fault: Fault },
}

impl Broken {
    /// The same with a pointer into so many overlays.
    fn told(self, overlays: usize) -> PatchError {
        match self {
            Self::Graph(error) => error,
            Self::Operation { overlay, operation, fault } => fault.at(&match overlays {
                1 => format!("/operations/{operation}"),
                _ => format!("/overlays/{overlay}/operations/{operation}"),
            }),
        }
    }
}

/// As [`materialize`], saying which operation of which overlay it was.
pub(super) fn layered(document: &Value, overlays: &[&[Operation]]) -> Result<Value, Broken> {
    let mut graph = Keyed::of(document).map_err(Broken::Graph)?;
    lay(&mut graph, size(document), overlays)?;
    Ok(graph.document(document))
}

/// Applies overlays to the graph of a document of so many bytes.
fn lay<'a>(graph: &mut Keyed<'a>, size: usize, overlays: &[&'a [Operation]]) -> Result<(), Broken> {
    let limits = PatchLimits::default();
    let mut meter = Meter::of(size, &limits);
    for (overlay, operations) in overlays.iter().enumerate() {
        for (at, operation) in operations.iter().enumerate() {
            apply(graph, operation, &mut meter).map_err(|fault| Broken::Operation {
                overlay,
                operation: at,
                fault,
            })?;
        }
    }
    Ok(())
}

/// A document with a patch of RFC 6902 applied. The result is bounded by [`PatchLimits`].
///
/// # Errors
/// The first operation that cannot be applied, with a pointer into the patch: `/2/path`.
pub fn apply_plain(document: &Value, operations: &[PlainOperation]) -> Result<Value, PatchError> {
    let limits = PatchLimits::default();
    let mut meter = Meter::of(size(document), &limits);
    let mut result = document.clone();
    for (at, operation) in operations.iter().enumerate() {
        apply_one(&mut result, operation, &mut meter)
            .map_err(|fault| fault.at(&format!("/{at}")))?;
    }
    Ok(result)
}

/// Whether two values are equal, numbers by their value: 1 and 1.0 are the same.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

/// How large a document is while it changes.
struct Meter<'l> {
    limits: &'l PatchLimits,
    bytes: usize,
    /// Most bytes: what is larger already does not grow.
    most: usize,
}

impl<'l> Meter<'l> {
    fn of(bytes: usize, limits: &'l PatchLimits) -> Self {
        Self { limits, bytes, most: bytes.max(limits.result) }
    }

    /// Makes room for a value that comes to lie within `above` lists and objects, `bytes` long with its
    /// key.
    fn take(&mut self, bytes: usize, value: &Value, above: usize) -> Result<(), Fault> {
        let depth = self.limits.depth;
        if depth.checked_sub(above).is_none_or(|left| deeper(value, left)) {
            let message = format!("the result would nest deeper than {depth}");
            return Err(Fault::new(&PATCH_DEPTH, "path", message));
        }
        self.bytes += bytes;
        if self.bytes > self.most {
            let message = format!(
                "the result would have {} bytes, at most {} are kept",
                self.bytes, self.most
            );
            return Err(Fault::new(&PATCH_RESULT, "path", message));
        }
        Ok(())
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// How far below the document a node or an edge lies: document, spec, list.
const ABOVE: usize = 3;

fn apply<'a>(
    graph: &mut Keyed<'a>,
    operation: &'a Operation,
    meter: &mut Meter<'_>,
) -> Result<(), Fault> {
    let address = Address::parse(&operation.path)?;
    match address.item(operation)?.ok_or_else(uncounted)? {
        Item::Node(id) => {
            let most = meter.limits.nodes;
            Change { key: id, below: address.below, operation, most }.make(&mut graph.nodes, meter)
        }
        Item::Edge(name) => {
            let most = meter.limits.edges;
            Change { key: name, below: address.below, operation, most }
                .make(&mut graph.edges, meter)
        }
    }
}

/// One operation on one of the lists.
struct Change<'a, 'p, K> {
    key: K,
    below: &'p str,
    operation: &'a Operation,
    /// Most items of the list.
    most: usize,
}

impl<'a, K: Key> Change<'a, '_, K> {
    fn make(
        self,
        items: &mut BTreeMap<K, Cow<'a, Value>>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Fault> {
        if !self.below.is_empty() {
            return self.within(items, meter);
        }
        let kind = K::KIND;
        match self.operation.op {
            Op::Add => {
                let value = given(self.operation)?;
                if items.contains_key(&self.key) {
                    let message = format!("there is a{} {kind} `{}` already", an(kind), self.key);
                    return Err(Fault::new(&PATCH_EXISTS, "path", message));
                }
                if items.len() >= self.most {
                    let message = format!("the graph would have more than {} {kind}s", self.most);
                    return Err(Fault::new(&PATCH_RESULT, "path", message));
                }
                meter.take(size(value) + 1, value, ABOVE)?;
                items.insert(self.key, Cow::Borrowed(value));
            }
            Op::Replace => {
                let value = given(self.operation)?;
                let item = items.get_mut(&self.key).ok_or_else(|| missing(&self.key))?;
                meter.give_back(size(item));
                meter.take(size(value), value, ABOVE)?;
                *item = Cow::Borrowed(value);
            }
            Op::Remove => {
                let item = items.remove(&self.key).ok_or_else(|| missing(&self.key))?;
                meter.give_back(size(&item) + 1);
            }
            Op::Test => {
                let item = items.get(&self.key).ok_or_else(|| missing(&self.key))?;
                test(item, given(self.operation)?)?;
            }
        }
        Ok(())
    }

    fn within(
        self,
        items: &mut BTreeMap<K, Cow<'a, Value>>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Fault> {
        let item = items.get_mut(&self.key).ok_or_else(|| missing(&self.key))?;
        let path = segments(self.below)?;
        if self.operation.op == Op::Test {
            return test(find(item, &path)?, given(self.operation)?);
        }
        change(item.to_mut(), self.operation, &path, ABOVE, meter)?;
        let naming = path.first().is_some_and(|field| K::FIELDS.contains(&field.as_ref()));
        if naming && K::of(item).as_ref() != Some(&self.key) {
            let (kind, key) = (K::KIND, &self.key);
            let message = format!("the operation would give the {kind} `{key}` another name");
            return Err(Fault::new(&PATCH_IDENTITY, "path", message)
                .remedy(format!("Remove `/{kind}s/{key}` and add the new one at `/{kind}s/-`.")));
        }
        Ok(())
    }
}

fn apply_one(
    document: &mut Value,
    operation: &PlainOperation,
    meter: &mut Meter<'_>,
) -> Result<(), Fault> {
    match operation {
        PlainOperation::Change(operation) => {
            change(document, operation, &segments(&operation.path)?, 0, meter)
        }
        PlainOperation::Copy { from, path } => {
            let from = segments(from).map_err(|fault| fault.on("from"))?;
            let value = find(document, &from).map_err(|fault| fault.on("from"))?.clone();
            add(document, &segments(path)?, value, 0, meter)
        }
        PlainOperation::Move { from, path } => {
            let from = segments(from).map_err(|fault| fault.on("from"))?;
            let path = segments(path)?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(Fault::new(
                    &PATCH_TARGET,
                    "path",
                    "a value cannot be moved into itself",
                ));
            }
            if path == from {
                return find(document, &from).map(drop).map_err(|fault| fault.on("from"));
            }
            let value = remove(document, &from, meter).map_err(|fault| fault.on("from"))?;
            add(document, &path, value, 0, meter)
        }
    }
}

/// One operation on a value, which lies within `above` lists and objects.
fn change(
    value: &mut Value,
    operation: &Operation,
    path: &[Cow<'_, str>],
    above: usize,
    meter: &mut Meter<'_>,
) -> Result<(), Fault> {
    match operation.op {
        Op::Add => add(value, path, given(operation)?.clone(), above, meter),
        Op::Replace => {
            let place = find_mut(value, path)?;
            let new = given(operation)?;
            meter.give_back(size(place));
            meter.take(size(new), new, above + path.len())?;
            *place = new.clone();
            Ok(())
        }
        Op::Remove => remove(value, path, meter).map(drop),
        Op::Test => test(find(value, path)?, given(operation)?),
    }
}

fn add(
    value: &mut Value,
    path: &[Cow<'_, str>],
    new: Value,
    above: usize,
    meter: &mut Meter<'_>,
) -> Result<(), Fault> {
    let Some((last, parents)) = path.split_last() else {
        meter.give_back(size(value));
        meter.take(size(&new), &new, above)?;
        *value = new;
        return Ok(());
    };
    let within = above + path.len();
    match find_mut(value, parents)? {
        Value::Object(map) => {
            if let Some(old) = map.get(last.as_ref()) {
                meter.give_back(last.len() + 4 + size(old));
            }
            meter.take(last.len() + 4 + size(&new), &new, within)?;
            map.insert(last.clone().into_owned(), new);
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { index(last)? };
            if at > items.len() {
                return Err(beyond(at, items.len()));
            }
            meter.take(1 + size(&new), &new, within)?;
            items.insert(at, new);
        }
        scalar => return Err(no_parts(scalar, last)),
    }
    Ok(())
}

fn remove(value: &mut Value, path: &[Cow<'_, str>], meter: &mut Meter<'_>) -> Result<Value, Fault> {
    let Some((last, parents)) = path.split_last() else {
        return Err(Fault::new(&PATCH_TARGET, "path", "the whole document cannot be removed"));
    };
    let old = match find_mut(value, parents)? {
        Value::Object(map) => match map.remove(last.as_ref()) {
            Some(old) => {
                meter.give_back(last.len() + 3);
                old
            }
            None => return Err(no_field(map, last)),
        },
        Value::Array(items) => {
            let at = index(last)?;
            if at >= items.len() {
                return Err(beyond(at, items.len()));
            }
            items.remove(at)
        }
        scalar => return Err(no_parts(scalar, last)),
    };
    meter.give_back(size(&old) + 1);
    Ok(old)
}

fn test(found: &Value, wanted: &Value) -> Result<(), Fault> {
    if same(found, wanted) {
        return Ok(());
    }
    let message = format!("what is there is {}, not {}", told(found), told(wanted));
    Err(Fault::new(&PATCH_TEST, "value", message))
}

fn find<'v>(value: &'v Value, path: &[Cow<'_, str>]) -> Result<&'v Value, Fault> {
    let mut place = value;
    for segment in path {
        place = match place {
            Value::Object(map) => match map.get(segment.as_ref()) {
                Some(inner) => inner,
                None => return Err(no_field(map, segment)),
            },
            Value::Array(items) => {
                let at = index(segment)?;
                items.get(at).ok_or_else(|| beyond(at, items.len()))?
            }
            scalar => return Err(no_parts(scalar, segment)),
        };
    }
    Ok(place)
}

fn find_mut<'v>(value: &'v mut Value, path: &[Cow<'_, str>]) -> Result<&'v mut Value, Fault> {
    // Looking first costs a second descent, and spares the way back that a borrow cannot take.
    find(value, path)?;
    let mut place = value;
    for segment in path {
        place = match place {
            Value::Object(map) => map.get_mut(segment.as_ref()),
            Value::Array(items) => position(segment).and_then(|at| items.get_mut(at)),
            _ => None,
        }
        .ok_or_else(|| {
            Fault::new(&PATCH_TARGET, "path", format!("there is no {}", quote(segment)))
        })?;
    }
    Ok(place)
}

fn given(operation: &Operation) -> Result<&Value, Fault> {
    let missing = || {
        Fault::new(
            &PATCH_VALUE,
            "value",
            format!("the {} has no `value`, which it needs", operation.op),
        )
    };
    operation.value.as_ref().ok_or_else(missing)
}

fn index(segment: &str) -> Result<usize, Fault> {
    position(segment).ok_or_else(|| {
        let message = match segment {
            "-" => "`-` is the place behind the last item, where nothing is yet".to_owned(),
            other => format!("{} is no position in a list", quote(other)),
        };
        Fault::new(&PATCH_TARGET, "path", message)
    })
}

fn beyond(at: usize, length: usize) -> Fault {
    Fault::new(&PATCH_TARGET, "path", format!("there is no position {at} in a list of {length}"))
}

fn no_field(map: &serde_json::Map<String, Value>, wanted: &str) -> Fault {
    let fault = Fault::new(&PATCH_TARGET, "path", format!("there is no field {}", quote(wanted)));
    let known: Vec<String> = map.keys().take(12).map(|name| quote(name)).collect();
    match known.as_slice() {
        [] => fault.remedy("The object is empty: add what the path leads through first."),
        known => fault.remedy(format!(
            "There are {}; add what is missing on the way first.",
            known.join(", ")
        )),
    }
}

fn no_parts(scalar: &Value, wanted: &str) -> Fault {
    let message = format!("{} has no parts, so there is no {} in it", told(scalar), quote(wanted));
    Fault::new(&PATCH_TARGET, "path", message)
}

fn missing<K: Key>(key: &K) -> Fault {
    Fault::new(&PATCH_TARGET, "path", format!("there is no {} `{key}`", K::KIND))
}

fn an(kind: &str) -> &'static str {
    if kind.starts_with('e') { "n" } else { "" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::read_plain;

    fn operation(op: Op, path: &str, value: Option<Value>) -> Operation {
        Operation { op, path: path.to_owned(), value }
    }

    fn workflow() -> Value {
        json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"},
            "spec": {
                "nodes": [
                    {"id": "save", "type": "noop"},
                    {"id": "fetch", "type": "transform", "config": {"value": {"rows": [1, 2.0], "a/b": null}}}
                ],
                "edges": [{"from": "fetch", "to": "save", "when": "true"}]
            }
        })
    }

    #[test]
    fn overlays_are_applied_in_order_by_name() {
        let first = [
            operation(
                Op::Test,
                "/nodes/fetch/config/value",
                Some(json!({"a/b": null, "rows": [1.0, 2]})),
            ),
            operation(Op::Add, "/nodes/check", Some(json!({"id": "check", "type": "noop"}))),
            operation(Op::Remove, "/edges/fetch->save", None),
            operation(Op::Add, "/edges/-", Some(json!({"from": "fetch", "to": "check"}))),
            operation(
                Op::Add,
                "/edges/check->save",
                Some(json!({"from": "check", "to": "save", "after": "success"})),
            ),
            operation(Op::Add, "/nodes/fetch/config/value/rows/1", Some(json!(1.5))),
            operation(Op::Remove, "/nodes/fetch/config/value/a~1b", None),
        ];
        let second = [
            operation(
                Op::Replace,
                "/nodes/check",
                Some(json!({"id": "check", "type": "delay", "config": {"for": "1s"}})),
            ),
            operation(Op::Replace, "/nodes/check/config/for", Some(json!("2s"))),
            operation(Op::Add, "/edges/fetch->check/when", Some(json!("1 < 2"))),
            operation(
                Op::Test,
                "/edges/fetch->check",
                Some(json!({"from": "fetch", "to": "check", "when": "1 < 2"})),
            ),
        ];
        let mut wanted = workflow();
        wanted["spec"]["nodes"] = json!([
            {"id": "check", "type": "delay", "config": {"for": "2s"}},
            {"id": "fetch", "type": "transform", "config": {"value": {"rows": [1, 1.5, 2.0]}}},
            {"id": "save", "type": "noop"}
        ]);
        wanted["spec"]["edges"] = json!([
            {"from": "check", "to": "save", "after": "success"}, {"from": "fetch", "to": "check", "when": "1 < 2"}
        ]);
        assert_eq!(materialize(&workflow(), &[&first, &second]).unwrap(), wanted);
        assert_eq!(materialize_from(workflow(), &[&first, &second]).unwrap(), wanted);
        let halfway = materialize(&workflow(), &[&first]).unwrap();
        assert_eq!(materialize(&halfway, &[&second]).unwrap(), wanted);
    }

    #[test]
    fn what_cannot_be_applied_names_code_and_operation() {
        let node = |id: &str| Some(json!({"id": id, "type": "noop"}));
        for (op, path, value, entry, field) in [
            (Op::Add, "/nodes/-", node("save"), &PATCH_EXISTS, "path"),
            (
                Op::Add,
                "/edges/fetch->save",
                Some(json!({"from": "fetch", "to": "save"})),
                &PATCH_EXISTS,
                "path",
            ),
            (Op::Remove, "/nodes/other", None, &PATCH_TARGET, "path"),
            (Op::Replace, "/nodes/other", node("other"), &PATCH_TARGET, "path"),
            (Op::Test, "/edges/save->fetch", Some(json!(1)), &PATCH_TARGET, "path"),
            (Op::Remove, "/edges/fetch->save:failure", None, &PATCH_TARGET, "path"),
            (Op::Remove, "/nodes/save/config", None, &PATCH_TARGET, "path"),
            (Op::Replace, "/nodes/save/timeout", Some(json!("1s")), &PATCH_TARGET, "path"),
            (Op::Add, "/nodes/save/config/url", Some(json!("x")), &PATCH_TARGET, "path"),
            (Op::Add, "/nodes/fetch/type/x", Some(json!("x")), &PATCH_TARGET, "path"),
            (Op::Add, "/nodes/fetch/config/value/rows/3", Some(json!(1)), &PATCH_TARGET, "path"),
            (Op::Remove, "/nodes/fetch/config/value/rows/2", None, &PATCH_TARGET, "path"),
            (Op::Remove, "/nodes/fetch/config/value/rows/-", None, &PATCH_TARGET, "path"),
            (Op::Test, "/nodes/fetch/config/value/rows/01", Some(json!(2)), &PATCH_TARGET, "path"),
            (Op::Replace, "/nodes/fetch/id", Some(json!("get")), &PATCH_IDENTITY, "path"),
            (Op::Remove, "/nodes/fetch/id", None, &PATCH_IDENTITY, "path"),
            (Op::Replace, "/edges/fetch->save/to", Some(json!("fetch")), &PATCH_IDENTITY, "path"),
            (Op::Add, "/edges/fetch->save/after", Some(json!("always")), &PATCH_IDENTITY, "path"),
            (Op::Test, "/nodes/save/type", Some(json!("http")), &PATCH_TEST, "value"),
            (Op::Test, "/nodes/fetch/config/value/rows", Some(json!([2, 1])), &PATCH_TEST, "value"),
            (Op::Add, "/nodes/save/timeout", None, &PATCH_VALUE, "value"),
        ] {
            let operations = [
                operation(Op::Test, "/nodes/save/type", Some(json!("noop"))),
                operation(op, path, value),
            ];
            let error = materialize(&workflow(), &[&operations]).unwrap_err();
            assert_eq!(
                (error.entry.code, error.pointer),
                (entry.code, format!("/operations/1/{field}")),
                "{op} {path}"
            );
            let error = materialize(&workflow(), &[&[], &operations]).unwrap_err();
            let moved = materialize_from(workflow(), &[&[], &operations]).unwrap_err();
            assert_eq!(moved.to_string(), error.to_string());
            assert_eq!(error.pointer, format!("/overlays/1/operations/1/{field}"));
        }
        let kept = [
            operation(Op::Replace, "/nodes/fetch/id", Some(json!("fetch"))),
            operation(Op::Add, "/edges/fetch->save/after", Some(json!("success"))),
            operation(Op::Remove, "/edges/fetch->save/after", None),
        ];
        assert_eq!(
            materialize(&workflow(), &[&kept]).unwrap(),
            materialize(&workflow(), &[]).unwrap()
        );
    }

    #[test]
    fn nothing_grows_beyond_its_bounds() {
        let plain = |patch: Value| {
            let operations = read_plain(&patch, &PatchLimits::default()).unwrap();
            apply_plain(&json!({"a": ["0123456789"]}), &operations)
        };
        // Each copy doubles the document.
        let bomb: Vec<Value> = (0..64)
            .map(|at| json!({"op": "copy", "from": "", "path": format!("/k{at}")}))
            .collect();
        let error = plain(bomb.into()).unwrap_err();
        assert_eq!((error.entry, error.pointer.as_str()), (&PATCH_RESULT, "/17/path"));
        // Each copy doubles how deep it nests.
        let bomb: Vec<Value> = (0..64)
            .map(|at| json!({"op": "copy", "from": "/a", "path": format!("/a{}/-", "/1".repeat((1 << at.min(8)) - 1))}))
            .collect();
        let error = plain(bomb.into()).unwrap_err();
        assert_eq!((error.entry, error.pointer.as_str()), (&PATCH_DEPTH, "/5/path"));
        let value = json!("x".repeat(200_000));
        let grow: Vec<Operation> = (0..22)
            .map(|at| operation(Op::Add, &format!("/nodes/save/config/k{at}"), Some(value.clone())))
            .collect();
        let mut operations = vec![operation(Op::Add, "/nodes/save/config", Some(json!({})))];
        operations.extend(grow);
        assert_eq!(materialize(&workflow(), &[&operations]).unwrap_err().entry, &PATCH_RESULT);
        assert!(materialize(&workflow(), &[&operations[..21]]).is_ok());
        let deep = (0..40).fold(json!([]), |inner, _| json!([inner]));
        let path = format!("/nodes/fetch/config/value{}", "/0".repeat(41));
        let operations = [
            operation(Op::Replace, "/nodes/fetch/config/value", Some(deep.clone())),
            operation(Op::Add, &path, Some(deep)),
        ];
        assert!(materialize(&workflow(), &[&operations[..1]]).is_ok());
        let error = materialize(&workflow(), &[&operations]).unwrap_err();
        assert_eq!((error.entry, error.pointer.as_str()), (&PATCH_DEPTH, "/operations/1/path"));
        let nodes: Vec<Operation> = (0..9_999)
            .map(|at| {
                operation(
                    Op::Add,
                    "/nodes/-",
                    Some(json!({"id": format!("n{at}"), "type": "noop"})),
                )
            })
            .collect();
        assert!(materialize(&workflow(), &[&nodes[..9_998]]).is_ok());
        assert_eq!(materialize(&workflow(), &[&nodes]).unwrap_err().entry, &PATCH_RESULT);
    }

    #[test]
    fn nothing_is_moved_into_itself() {
        let document = json!({"a": [{}, {}]});
        let moved = |from: &str, path: &str| {
            let operation = PlainOperation::Move { from: from.to_owned(), path: path.to_owned() };
            apply_plain(&document, &[operation])
        };
        // Once it is taken away its neighbour stands where the path leads.
        assert_eq!(moved("/a/0", "/a/0/x").unwrap_err().entry, &PATCH_TARGET);
        assert_eq!(moved("", "/a").unwrap_err().entry, &PATCH_TARGET);
        assert_eq!(moved("/a/1", "/a/1").unwrap(), document);
        assert_eq!(moved("/a/2", "/a/2").unwrap_err().pointer, "/0/from");
        assert_eq!(moved("/a/0", "/a/1").unwrap(), document);
    }

    #[test]
    fn what_is_counted_is_what_is_there() {
        let limits = PatchLimits::default();
        let mut document = json!({"a": [1, 2, {"b": "c"}], "d": {"e": null}});
        let mut meter = Meter::of(size(&document), &limits);
        for patch in [
            json!({"op": "add", "path": "/a/1", "value": "x"}),
            json!({"op": "add", "path": "/d/e", "value": [1, 2, 3]}),
            json!({"op": "add", "path": "/d/f", "value": {}}),
            json!({"op": "copy", "from": "/a", "path": "/d/g"}),
            json!({"op": "move", "from": "/d/g", "path": "/a/-"}),
            json!({"op": "remove", "path": "/a/0"}),
            json!({"op": "replace", "path": "/d", "value": {"x": 1, "y": 2}}),
            json!({"op": "remove", "path": "/d/x"}),
        ] {
            let operations = read_plain(&json!([patch]), &limits).unwrap();
            apply_one(&mut document, &operations[0], &mut meter).unwrap();
            assert_eq!(meter.bytes, document.to_string().len(), "{patch}");
        }
    }
}
