//! The rows, by resource.

use aob_engine::catalogue;

use super::Kind::{Flag, List, Number, Text};
use super::Method::{Delete, Get, Post, Put};
use super::{Route, of};
use crate::operation::{
    About, Answered, BacklogRow, Done, EventPage, GraphAt, Kept, LimitsRow, LogPage, NamedSet,
    Page, PatchAnswer, PatchOf, Published, RunRow, Signs, Standing, Started, Tasks, TicketRow,
    TypeGone, TypeRow, Verified, Version, VersionRow, WorkflowRow, schema,
};

const SEE: (&str, &str) = ("get", "runs");
const STEER: (&str, &str) = ("update", "runs");
const READ: (&str, &str) = ("get", "workflows");
const WORK: (&str, &str) = ("update", "tasks");
const KEEP: (&str, &str) = ("update", "workflows");

/// Every route.
pub static ROUTES: &[Route] = &[
    Route::new(Get, "about", "/", ("get", "api"), of::<About>),
    // Workflows: versions, tags, sets of patches.
    Route::new(Post, "publish", "/workflows", ("create", "workflows"), of::<Published>),
    Route::new(Get, "workflows", "/workflows", ("list", "workflows"), of::<Page<WorkflowRow>>)
        .query(&[("cursor", Text), ("most", Number)]),
    Route::new(Get, "workflow", "/workflows/{workflow}", READ, of::<Version>)
        .query(&[("tag", Text)])
        .missing(&catalogue::NO_WORKFLOW),
    Route::new(Get, "versions", "/workflows/{workflow}/versions", READ, of::<Vec<VersionRow>>),
    Route::new(Get, "tag", "/workflows/{workflow}/tags/{tag}", READ, of::<WorkflowRow>)
        .missing(&catalogue::NO_WORKFLOW),
    Route::new(Post, "setTag", "/workflows/{workflow}/tags/{tag}", KEEP, of::<WorkflowRow>),
    Route::new(Post, "undoTag", "/workflows/{workflow}/tags/{tag}/undo", KEEP, of::<WorkflowRow>),
    Route::new(Post, "redoTag", "/workflows/{workflow}/tags/{tag}/redo", KEEP, of::<WorkflowRow>),
    Route::new(Get, "timeline", "/workflows/{workflow}/tags/{tag}/timeline", READ, schema::moves),
    Route::new(Post, "keepPatchSet", "/workflows/{workflow}/patch-sets", KEEP, of::<NamedSet>)
        .query(&[("version", Text), ("name", Text)])
        .whole("request"),
    Route::new(Get, "patchSets", "/workflows/{workflow}/patch-sets", READ, of::<Vec<NamedSet>>),
    Route::new(Get, "patchSet", "/workflows/{workflow}/patch-sets/{name}", READ, of::<NamedSet>)
        .missing(&catalogue::NO_PATCH_SET),
    Route::new(Get, "document", "/documents/{digest}", READ, schema::object)
        .missing(&catalogue::NO_WORKFLOW),
    // Runs.
    Route::new(Post, "start", "/runs", ("create", "runs"), of::<Started>),
    Route::new(Get, "runs", "/runs", ("list", "runs"), of::<Page<RunRow>>).query(&[
        ("cursor", Text),
        ("most", Number),
        ("status", Text),
        ("workflow", Text),
        ("since", Number),
    ]),
    Route::new(Get, "standing", "/runs/{run}", SEE, of::<Standing>),
    Route::new(Get, "base", "/runs/{run}/base", SEE, of::<GraphAt>)
        .missing(&catalogue::NO_REVISION),
    Route::new(Get, "graph", "/runs/{run}/graph", SEE, of::<GraphAt>)
        .query(&[("revision", Number)])
        .missing(&catalogue::NO_REVISION),
    Route::new(Get, "events", "/runs/{run}/events", SEE, of::<EventPage>)
        .query(&[("after", Number), ("most", Number)]),
    Route::new(Get, "watch", "/runs/{run}/watch", SEE, of::<u64>)
        .query(&[("seq", Number), ("waitMs", Number)]),
    Route::new(Get, "logs", "/runs/{run}/logs", SEE, of::<LogPage>)
        .query(&[("after", Number), ("most", Number)]),
    Route::new(Get, "output", "/runs/{run}/output", SEE, of::<Kept>).query(&[("instance", Text)]),
    Route::new(Get, "verify", "/runs/{run}/verify", SEE, of::<Verified>),
    Route::new(Get, "inspect", "/runs/{run}/inspect", SEE, of::<Vec<String>>),
    Route::new(Post, "replay", "/runs/{run}/replay", ("create", "runs"), of::<Started>),
    Route::new(Post, "promote", "/runs/{run}/promote", KEEP, of::<Published>),
    Route::new(Post, "cancel", "/runs/{run}/cancel", STEER, of::<Done>),
    Route::new(Post, "suspend", "/runs/{run}/suspend", STEER, of::<Done>),
    Route::new(Post, "resume", "/runs/{run}/resume", STEER, of::<Done>),
    Route::new(Post, "retry", "/runs/{run}/nodes/{instance}/retry", STEER, of::<Done>),
    Route::new(Post, "budget", "/runs/{run}/budget", ("approve", "budgets"), of::<Done>),
    Route::new(Post, "settle", "/runs/{run}/nodes/{instance}/settle", STEER, of::<Done>),
    // Patches.
    Route::new(Get, "patches", "/runs/{run}/patches", ("list", "runpatches"), schema::records),
    Route::new(Post, "patch", "/runs/{run}/patch", ("create", "runpatches"), of::<PatchAnswer>)
        .query(&[("id", Text), ("approves", List), ("dryRun", Flag)])
        .whole("request"),
    Route::new(
        Delete,
        "undoPatch",
        "/runs/{run}/patches/{patch}",
        ("delete", "runpatches"),
        of::<PatchAnswer>,
    )
    .query(&[("id", Text), ("approves", List), ("dryRun", Flag), ("reason", Text)]),
    Route::new(Get, "findPatches", "/patches", ("list", "runpatches"), of::<Vec<PatchOf>>)
        .query(&[("prefix", Text)]),
    // People and workers.
    Route::new(Get, "tickets", "/tickets", ("list", "runs"), of::<Vec<TicketRow>>)
        .query(&[("most", Number)]),
    Route::new(Post, "decide", "/tickets/{ticket}", ("approve", "gates"), of::<Done>),
    Route::new(Get, "limits", "/limits", ("list", "runs"), of::<LimitsRow>),
    Route::new(Get, "backlog", "/backlog", ("list", "nodetypes"), of::<Vec<BacklogRow>>),
    // Registered types, and workers.
    Route::new(Get, "types", "/types", ("list", "nodetypes"), of::<Vec<TypeRow>>),
    Route::new(Get, "type", "/types/{name}", ("get", "nodetypes"), of::<TypeRow>),
    Route::new(Put, "putType", "/types/{name}", ("update", "nodetypes"), of::<TypeRow>)
        .query(&[("version", Number)])
        .whole("document"),
    Route::new(Delete, "dropType", "/types/{name}", ("delete", "nodetypes"), of::<TypeGone>)
        .query(&[("version", Number)]),
    Route::new(Post, "claim", "/work/claim", WORK, of::<Tasks>),
    Route::new(Post, "heartbeat", "/work/heartbeat", WORK, of::<Signs>),
    Route::new(Post, "complete", "/work/complete", WORK, of::<Answered>),
    Route::new(Post, "fail", "/work/fail", WORK, of::<Answered>),
    Route::new(Post, "release", "/work/release", WORK, of::<Answered>),
    Route::new(Post, "tell", "/work/log", WORK, of::<bool>),
    Route::new(Post, "consult", "/work/consult", WORK, schema::told),
    Route::new(Get, "find", "/ids", ("list", "runs"), of::<Vec<String>>).query(&[("prefix", Text)]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::SchemaGenerator;
    use serde_json::Value;

    use super::ROUTES;
    use crate::operation::Request;
    use crate::route::Body;

    #[test]
    fn every_request_has_one_route_and_every_member_a_place() {
        let schema = SchemaGenerator::default().into_root_schema_for::<Request>();
        let variants = schema.get("oneOf").and_then(Value::as_array).unwrap().clone();
        assert_eq!(variants.len(), ROUTES.len());
        let mut seen = BTreeSet::new();
        for variant in variants {
            let op = variant["properties"]["op"]["const"].as_str().unwrap();
            let routes: Vec<_> = ROUTES.iter().filter(|route| route.op == op).collect();
            let [route] = routes.as_slice() else { panic!("{op}: {} routes", routes.len()) };
            assert!(seen.insert((route.method.name(), route.path)), "{op}: a path twice");
            let members = variant["properties"].as_object().unwrap().keys();
            let members: BTreeSet<&str> =
                members.map(String::as_str).filter(|member| *member != "op").collect();
            let mut placed: BTreeSet<&str> = route.in_path().collect();
            placed.extend(route.query.iter().map(|(name, _)| *name));
            match route.body {
                Body::None => assert_eq!(members, placed, "{op}"),
                Body::Members => assert!(placed.is_subset(&members), "{op}: {placed:?}"),
                Body::Whole(member) => {
                    placed.insert(member);
                    assert_eq!(members, placed, "{op}");
                }
            }
        }
    }
}
