//! What a path names: a node, an edge, or a place within one.
//!
//! Nodes and edges are addressed by name. Positions are counted as RFC 6902 counts them, each operation
//! seeing what the ones before it left, in the lists that the graph of the base revision prints: nodes
//! by id, edges by name.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::keyed::{Key, is_id};
use super::{EdgeName, Fault, Keyed, Op, Operation, PatchError, quote, told};
use crate::catalogue::{
    PATCH_ADDRESS, PATCH_IDENTITY, PATCH_POINTER, PATCH_POSITION, PATCH_REACH, PATCH_TARGET,
    PATCH_VALUE,
};

/// The operations with every path by name, one for each, in the same order. `base` is the document of the
/// revision that positions were counted in.
///
/// # Errors
/// A path that names nothing, a position without a base or beyond its end, a value whose name differs
/// from that in its path. Whether what is named exists is found out when it is applied.
pub fn canonical(
    operations: &[Operation],
    base: Option<&Value>,
) -> Result<Vec<Operation>, PatchError> {
    let place = |at: usize| format!("/operations/{at}");
    let mut addresses = Vec::with_capacity(operations.len());
    for (at, operation) in operations.iter().enumerate() {
        addresses.push(Address::parse(&operation.path).map_err(|fault| fault.at(&place(at)))?);
    }
    let counting = addresses.iter().any(|address| matches!(address.place, Place::Position(..)));
    let mut positions = match base.filter(|_| counting) {
        Some(base) => Some(Positions::of(base)?),
        None => None,
    };
    let mut named = Vec::with_capacity(operations.len());
    for (at, (operation, address)) in operations.iter().zip(&addresses).enumerate() {
        let item = Positions::resolve(&mut positions, operation, address)
            .map_err(|fault| fault.at(&place(at)))?;
        let path = format!("/{}/{item}{}", item.list(), address.below);
        named.push(Operation { op: operation.op, path, value: operation.value.clone() });
    }
    Ok(named)
}

/// The ids that operations touch: those they name and both ends of every edge they name. Patches whose
/// footprints are disjoint do not meet. Positions, which canonical operations do not have, are left out.
pub fn footprint(operations: &[Operation]) -> BTreeSet<String> {
    operations.iter().flat_map(touched).collect()
}

/// The ids that one operation touches.
pub(super) fn touched(operation: &Operation) -> Vec<String> {
    let item = Address::parse(&operation.path).and_then(|address| address.item(operation));
    match item {
        Ok(Some(Item::Node(id))) => vec![id],
        Ok(Some(Item::Edge(name))) => vec![name.from, name.to],
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// The unescaped segments of a JSON pointer.
pub(super) fn segments(pointer: &str) -> Result<Vec<Cow<'_, str>>, Fault> {
    let Some(rest) = pointer.strip_prefix('/') else {
        return match pointer {
            "" => Ok(Vec::new()),
            _ => Err(Fault::new(
                &PATCH_POINTER,
                "path",
                format!("{} does not begin with `/`", quote(pointer)),
            )),
        };
    };
    rest.split('/').map(segment).collect()
}

fn segment(written: &str) -> Result<Cow<'_, str>, Fault> {
    if !written.contains('~') {
        return Ok(Cow::Borrowed(written));
    }
    let whole = written.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    if !whole {
        let message = format!("in {} a `~` is followed by neither 0 nor 1", quote(written));
        return Err(Fault::new(&PATCH_POINTER, "path", message));
    }
    Ok(Cow::Owned(written.replace("~1", "/").replace("~0", "~")))
}

/// One segment as it is written in a pointer.
pub(super) fn escape(segment: &str) -> Cow<'_, str> {
    if segment.contains(['~', '/']) {
        Cow::Owned(segment.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(segment)
    }
}

/// One of the two lists of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Nodes,
    Edges,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nodes => "nodes",
            Self::Edges => "edges",
        })
    }
}

/// The name of a node or an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Node(String),
    Edge(EdgeName),
}

impl Item {
    /// The name of what an operation puts into a list.
    fn of(list: List, operation: &Operation) -> Result<Self, Fault> {
        let value = operation.value.as_ref().ok_or_else(|| {
            Fault::new(&PATCH_VALUE, "value", "the operation has no `value` to put there")
        })?;
        let (named, fault) = match list {
            List::Nodes => {
                let fault = || {
                    match value.get("id") {
                    Some(id) => Fault::new(&PATCH_VALUE, "value/id", format!("{} is no node id", told(id)))
                        .remedy("An id is a lower-case letter, then lower-case letters, digits and `_`, 63 at most."),
                    None => Fault::new(&PATCH_VALUE, "value", "the value is no node: it has no `id`")
                        .remedy("Write it like `{\"id\": \"check\", \"type\": \"transform\", \"config\": {..}}`."),
                }
                };
                (<String as Key>::of(value).map(Self::Node), fault())
            }
            List::Edges => {
                let fault = Fault::new(&PATCH_VALUE, "value", "the value is no edge: `from` and `to` are node ids, `after` is success, failure or always")
                    .remedy("Write it like `{\"from\": \"fetch\", \"to\": \"check\"}`.");
                (EdgeName::of(value).map(Self::Edge), fault)
            }
        };
        named.ok_or(fault)
    }

    pub(super) fn list(&self) -> List {
        match self {
            Self::Node(_) => List::Nodes,
            Self::Edge(_) => List::Edges,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => f.write_str(id),
            Self::Edge(name) => name.fmt(f),
        }
    }
}

/// How a path says which node or edge it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Append(List),
    Position(List, usize),
    Named(Item),
}

/// A path that lies within the graph.
#[derive(Debug)]
pub(super) struct Address<'a> {
    pub(super) place: Place,
    /// What comes after it, as written: empty, or beginning with `/`.
    pub(super) below: &'a str,
}

impl<'a> Address<'a> {
    /// Reads a path and judges whether a patch may go there.
    pub(super) fn parse(path: &'a str) -> Result<Self, Fault> {
        let segments = segments(path)?;
        let list = match segments.first().map(AsRef::as_ref) {
            Some("nodes") => List::Nodes,
            Some("edges") => List::Edges,
            Some(other) => return Err(outside(other)),
            None => return Err(whole("the whole document", "/nodes/<id>")),
        };
        let Some(name) = segments.get(1) else {
            return Err(whole("a whole list", &format!("/{list}/<name>")));
        };
        let place = Place::of(list, name)?;
        // Three slashes lead to what is below: before the list, the name and the first field.
        let below = path.match_indices('/').nth(2).map_or("", |(at, _)| &path[at..]);
        if matches!(place, Place::Append(_)) && !below.is_empty() {
            let message = "`-` is the place behind the last item, where nothing is yet";
            return Err(Fault::new(&PATCH_ADDRESS, "path", message));
        }
        Ok(Self { place, below })
    }

    /// The node or edge that an operation is about; none where a position decides.
    pub(super) fn item(&self, operation: &Operation) -> Result<Option<Item>, Fault> {
        let given = match operation.op {
            Op::Add | Op::Replace if self.below.is_empty() => {
                Some(Item::of(self.place.list(), operation)?)
            }
            _ => None,
        };
        match (&self.place, given, operation.op) {
            (Place::Append(_) | Place::Position(..), given @ Some(_), Op::Add) => Ok(given),
            (Place::Append(_), ..) => {
                let message = "`-` is the place behind the last item: only add goes there";
                Err(Fault::new(&PATCH_ADDRESS, "path", message))
            }
            (Place::Position(..), ..) => Ok(None),
            (Place::Named(item), Some(given), _) => renamed(item, &given).map(|()| Some(given)),
            (Place::Named(item), None, _) => Ok(Some(item.clone())),
        }
    }
}

impl Place {
    fn of(list: List, name: &str) -> Result<Self, Fault> {
        if name == "-" {
            return Ok(Self::Append(list));
        }
        if let Some(at) = position(name) {
            return Ok(Self::Position(list, at));
        }
        let (item, kind, form) = match list {
            List::Nodes => {
                (is_id(name).then(|| Item::Node(name.to_owned())), "node", "/nodes/<id>")
            }
            List::Edges => (
                EdgeName::parse(name).map(Item::Edge),
                "edge",
                "/edges/<from>-><to>, with :failure or :always behind it for those",
            ),
        };
        item.map(Self::Named).ok_or_else(|| {
            Fault::new(&PATCH_ADDRESS, "path", format!("{} names no {kind}", quote(name)))
                .remedy(format!("Write `/{list}/-` to add, or {form}."))
        })
    }

    fn list(&self) -> List {
        match self {
            Self::Append(list) | Self::Position(list, _) => *list,
            Self::Named(item) => item.list(),
        }
    }
}

/// A position in a list as RFC 6901 writes it: digits, no zero before others.
pub(super) fn position(segment: &str) -> Option<usize> {
    let digits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (segment == "0" || !segment.starts_with('0')))
        .then(|| segment.parse().ok())
        .flatten()
}

/// Refuses a value whose name is not that of the place it is put in.
fn renamed(item: &Item, given: &Item) -> Result<(), Fault> {
    if item == given {
        return Ok(());
    }
    let message = format!("the path names `{item}`, its value is `{given}`");
    Err(Fault::new(&PATCH_IDENTITY, "value", message)
        .remedy(format!("Remove `/{0}/{item}` and add the new one at `/{0}/-`.", item.list())))
}

fn whole(what: &str, form: &str) -> Fault {
    Fault::new(&PATCH_ADDRESS, "path", format!("the path names {what}, not one node or edge of it"))
        .remedy(format!("Write an operation for each node and edge: `{form}`."))
}

fn outside(first: &str) -> Fault {
    match first {
        "spec" => {
            Fault::new(&PATCH_ADDRESS, "path", "the path begins at the document, not at its graph")
                .remedy("Leave `/spec` away: `/nodes/..` or `/edges/..`.")
        }
        "input" | "output" | "limits" | "unknownTypes" | "retention" | "runner" | "metadata"
        | "apiVersion" | "kind" | "status" => Fault::new(
            &PATCH_REACH,
            "path",
            format!("`{first}` of a running workflow is not patched"),
        ),
        other => {
            Fault::new(&PATCH_ADDRESS, "path", format!("{} is no list of a graph", quote(other)))
        }
    }
}

/// The lists as the operations so far have left them.
#[derive(Debug)]
struct Positions {
    nodes: Vec<Item>,
    edges: Vec<Item>,
}

impl Positions {
    fn of(base: &Value) -> Result<Self, PatchError> {
        let graph = Keyed::of(base)?;
        Ok(Self {
            nodes: graph.nodes.into_keys().map(Item::Node).collect(),
            edges: graph.edges.into_keys().map(Item::Edge).collect(),
        })
    }

    /// What an operation is about. Lists are followed where there are any.
    fn resolve(
        positions: &mut Option<Self>,
        operation: &Operation,
        address: &Address<'_>,
    ) -> Result<Item, Fault> {
        let named = address.item(operation)?;
        let Some(positions) = positions else {
            return match (&address.place, named) {
                (Place::Named(_) | Place::Append(_), Some(item)) => Ok(item),
                _ => Err(uncounted()),
            };
        };
        let list = match address.place.list() {
            List::Nodes => &mut positions.nodes,
            List::Edges => &mut positions.edges,
        };
        let item = match (&address.place, named) {
            (_, Some(item)) => item,
            (Place::Position(_, at), None) => {
                let item = list.get(*at).cloned().ok_or_else(|| beyond(*at, list.len()))?;
                if address.below.is_empty() && operation.op == Op::Replace {
                    renamed(&item, &Item::of(item.list(), operation)?)?;
                }
                item
            }
            _ => return Err(uncounted()),
        };
        match (operation.op, &address.place) {
            _ if !address.below.is_empty() => {}
            (Op::Add, Place::Position(_, at)) if *at > list.len() => {
                return Err(beyond(*at, list.len()));
            }
            (Op::Add, Place::Position(_, at)) => list.insert(*at, item.clone()),
            (Op::Add, _) => list.push(item.clone()),
            (Op::Remove, _) => list.retain(|known| *known != item),
            _ => {}
        }
        Ok(item)
    }
}

pub(super) fn uncounted() -> Fault {
    Fault::new(
        &PATCH_POSITION,
        "path",
        "the path counts positions, and no base says in which graph",
    )
}

fn beyond(at: usize, length: usize) -> Fault {
    let message = format!("there is no position {at} in a list of {length}");
    Fault::new(&PATCH_TARGET, "path", message)
        .remedy("Positions count from 0 in the graph of `base`, sorted by name, as the operations before left it.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operation(op: Op, path: &str, value: Option<Value>) -> Operation {
        Operation { op, path: path.to_owned(), value }
    }

    fn paths(operations: &[Operation], base: &Value) -> Vec<String> {
        canonical(operations, Some(base))
            .unwrap()
            .into_iter()
            .map(|operation| operation.path)
            .collect()
    }

    #[test]
    fn pointers_are_read_as_rfc_6901_says() {
        assert_eq!(segments("").unwrap(), [""; 0]);
        assert_eq!(segments("/").unwrap(), [""]);
        assert_eq!(segments("/a~1b/~01/m~0n//").unwrap(), ["a/b", "~1", "m~n", "", ""]);
        for wrong in ["a", "/~", "/~2", "/a~", "/~~0", "/ok/~x"] {
            assert_eq!(segments(wrong).unwrap_err().entry, &PATCH_POINTER, "{wrong}");
        }
        for text in ["a/b", "~1", "~0/~", "plain"] {
            assert_eq!(segment(&escape(text)).unwrap(), text);
        }
    }

    #[test]
    fn paths_are_put_into_their_canonical_form() {
        let node = json!({"id": "new", "type": "noop"});
        let edge = json!({"from": "a", "to": "new", "after": "failure"});
        let operations = [
            operation(Op::Add, "/nodes/-", Some(node.clone())),
            operation(Op::Add, "/nodes/new", Some(node)),
            operation(Op::Add, "/edges/-", Some(edge)),
            operation(Op::Remove, "/edges/a->b:success/when", None),
            operation(Op::Add, "/nodes/a/config/x~1y/-", Some(json!(1))),
            operation(Op::Test, "/edges/a->b:always", Some(json!(1))),
        ];
        let wanted = [
            "/nodes/new",
            "/nodes/new",
            "/edges/a->new:failure",
            "/edges/a->b/when",
            "/nodes/a/config/x~1y/-",
            "/edges/a->b:always",
        ];
        assert_eq!(paths(&operations, &json!({})), wanted);
        assert_eq!(Vec::from_iter(footprint(&operations)), ["a", "b", "new"]);
    }

    #[test]
    fn positions_are_counted_in_the_sorted_graph_as_operations_leave_it() {
        let base = json!({"spec": {
            "nodes": [{"id": "c"}, {"id": "a"}, {"id": "d"}, {"id": "b"}],
            "edges": [{"from": "b", "to": "c"}, {"from": "a", "to": "b"}, {"from": "a", "to": "b", "after": "always"}]
        }});
        let operations = [
            operation(Op::Remove, "/nodes/0", None),
            operation(Op::Replace, "/nodes/0/type", Some(json!("noop"))),
            operation(Op::Add, "/nodes/1", Some(json!({"id": "new"}))),
            operation(Op::Test, "/nodes/1", Some(json!(1))),
            operation(Op::Test, "/nodes/2/id", Some(json!("c"))),
            operation(Op::Add, "/nodes/-", Some(json!({"id": "last"}))),
            operation(Op::Remove, "/nodes/4", None),
            operation(Op::Remove, "/nodes/c", None),
            operation(Op::Remove, "/nodes/2", None),
            operation(Op::Remove, "/edges/0", None),
            operation(Op::Remove, "/edges/0", None),
            operation(Op::Remove, "/edges/0", None),
        ];
        let wanted = [
            "/nodes/a",
            "/nodes/b/type",
            "/nodes/new",
            "/nodes/new",
            "/nodes/c/id",
            "/nodes/last",
            "/nodes/last",
            "/nodes/c",
            "/nodes/d",
            "/edges/a->b:always",
            "/edges/a->b",
            "/edges/b->c",
        ];
        assert_eq!(paths(&operations, &base), wanted);
    }

    #[test]
    fn what_cannot_be_addressed_is_refused_with_its_code() {
        let base = json!({"spec": {"nodes": [{"id": "a"}, {"id": "b"}]}});
        let node = || Some(json!({"id": "c"}));
        for (op, path, value, base, entry, field) in [
            (Op::Remove, "", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/nodes", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/nodes/A", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/nodes/01", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/nodes/", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/nodes/-", None, None, &PATCH_ADDRESS, "path"),
            (Op::Replace, "/nodes/-", node(), None, &PATCH_ADDRESS, "path"),
            (Op::Add, "/nodes/-/config", Some(json!(1)), None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/edges/a", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/spec/nodes/a", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "/colour", None, None, &PATCH_ADDRESS, "path"),
            (Op::Remove, "nodes/a", None, None, &PATCH_POINTER, "path"),
            (Op::Replace, "/limits/agents", Some(json!(9)), None, &PATCH_REACH, "path"),
            (Op::Test, "/metadata/name", Some(json!("x")), None, &PATCH_REACH, "path"),
            (Op::Replace, "/output", Some(json!("x")), None, &PATCH_REACH, "path"),
            (Op::Remove, "/nodes/0", None, None, &PATCH_POSITION, "path"),
            (Op::Add, "/nodes/0", node(), None, &PATCH_POSITION, "path"),
            (Op::Remove, "/nodes/2", None, Some(&base), &PATCH_TARGET, "path"),
            (Op::Add, "/nodes/3", node(), Some(&base), &PATCH_TARGET, "path"),
            (Op::Replace, "/nodes/0", node(), Some(&base), &PATCH_IDENTITY, "value"),
            (Op::Replace, "/nodes/a", node(), None, &PATCH_IDENTITY, "value"),
            (
                Op::Add,
                "/edges/a->b",
                Some(json!({"from": "a", "to": "b", "after": "failure"})),
                None,
                &PATCH_IDENTITY,
                "value",
            ),
            (Op::Add, "/nodes/-", Some(json!({"type": "noop"})), None, &PATCH_VALUE, "value"),
            (Op::Add, "/nodes/-", Some(json!({"id": "A-b"})), None, &PATCH_VALUE, "value/id"),
            (Op::Add, "/nodes/-", None, None, &PATCH_VALUE, "value"),
            (Op::Add, "/edges/-", Some(json!({"from": "a"})), None, &PATCH_VALUE, "value"),
        ] {
            let operations = [operation(Op::Test, "/nodes/a", None), operation(op, path, value)];
            let error = canonical(&operations, base).unwrap_err();
            assert_eq!(
                (error.entry.code, error.pointer),
                (entry.code, format!("/operations/1/{field}")),
                "{op} {path}"
            );
        }
    }
}
