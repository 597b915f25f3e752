//! What is asked over HTTP is done, and what is not understood is told.

use aob_gateway::operation::{
    Choice, Done, GraphAt, Kept, Kind, PatchAnswer, Request, TicketRow, WorkflowRow,
};
use aob_runner::runs::TenantLimits;
use aob_store::{Reserve, Spend, Spent};
use serde_json::{Value, json};

use crate::place::{Place, workflow};

fn gated() -> (Value, Value) {
    let nodes = json!([
        {"id": "a", "type": "transform", "config": {"value": 1}},
        {"id": "gate", "type": "approval", "config": {"title": "Go on?"}},
        {"id": "b", "type": "transform", "config": {"value": "${ nodes.a.output + 1 }"}},
    ]);
    (nodes, json!([{"from": "a", "to": "gate"}, {"from": "gate", "to": "b"}]))
}

#[tokio::test]
async fn a_run_goes_from_start_to_end() {
    let place = Place::new().await;
    let (nodes, edges) = gated();
    let run = place.run("orders", nodes, edges).await;
    let (status, shown) = place.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!(
        (status, &shown["status"], &shown["needs"]),
        (200, &json!("waiting"), &json!("person"))
    );
    assert_eq!((&shown["workflow"], &shown["tenant"]), (&json!("orders"), &json!("default")));

    let tickets: Vec<TicketRow> = place.asked.ask(Request::Tickets { most: None }).await.unwrap();
    let ticket = &tickets[0].ticket;
    let resolved = place.asked.resolve(Kind::Ticket, &ticket[..ticket.len() - 1]).await.unwrap();
    assert_eq!(resolved, *ticket);
    let decide = |decision| Request::Decide {
        ticket: ticket.clone(),
        decision,
        reason: Some("LGTM".to_owned()),
        data: None,
    };
    let done: Done = place.asked.ask(decide(Choice::Approve)).await.unwrap();
    assert_eq!(done, Done { run: run.clone(), instance: Some("gate".to_owned()), same: false });
    let late = place.asked.call(decide(Choice::Reject)).await.unwrap_err();
    assert_eq!(late.entry().unwrap().code, "AOB5004");

    assert_eq!(place.settled(&run).await.status, "succeeded");
    let output = Request::Output { run: run.clone(), instance: Some("b".to_owned()) };
    let kept: Kept = place.asked.ask(output).await.unwrap();
    assert_eq!(kept, Kept { there: true, value: json!(2) });
    let (status, page) = place.get(&format!("/api/v1/runs/{run}/events?after=1&most=2")).await;
    assert_eq!(status, 200);
    let numbers: Vec<&Value> =
        page["events"].as_array().unwrap().iter().map(|event| &event["n"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(3)]);
    let (_, verified) = place.get(&format!("/api/v1/runs/{run}/verify")).await;
    assert_eq!(verified.get("broken"), None);
    let (_, listed) = place.get("/api/v1/runs?status=succeeded&most=1").await;
    assert_eq!(listed["items"][0]["run"], json!(run));
    let (_, listed) = place.get("/api/v1/runs?status=failed").await;
    assert_eq!(listed, json!({"items": []}));
    place.end().await;
}

#[tokio::test]
async fn lists_go_on_at_their_cursor() {
    let place = Place::new().await;
    let nodes = json!([{"id": "a", "type": "noop"}]);
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.insert(0, place.run("many", nodes.clone(), json!([])).await);
    }
    for tag in ["a", "b", "c"] {
        let body = json!({"workflow": workflow("many", nodes.clone(), json!([])), "tag": tag});
        assert_eq!(place.post("/api/v1/workflows", body).await.0, 200);
    }
    let walk = async |path: &str, member: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = place.get(&format!("/api/v1/{path}?most=2{cursor}")).await;
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            found.extend(items.iter().map(|row| row[member].as_str().unwrap().to_owned()));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace(':', "%3A")),
                None => return found,
            }
        }
    };
    assert_eq!(walk("runs", "run").await, runs);
    assert_eq!(walk("workflows", "tag").await, ["a", "b", "c"]);
    place.end().await;
}

#[tokio::test]
async fn tags_move_and_versions_are_listed() {
    let place = Place::new().await;
    let version = |value: i64| {
        let nodes = json!([{"id": "a", "type": "transform", "config": {"value": value}}]);
        json!({"workflow": workflow("steps", nodes, json!([])), "tag": "main"})
    };
    let (_, first) = place.post("/api/v1/workflows", version(1)).await;
    let (_, second) = place.post("/api/v1/workflows", version(2)).await;
    assert_ne!(first["digest"], second["digest"]);
    let (_, undone) = place.post("/api/v1/workflows/steps/tags/main/undo", json!({})).await;
    assert_eq!(undone["digest"], first["digest"]);
    let (status, none) = place.post("/api/v1/workflows/steps/tags/main/undo", json!({})).await;
    assert_eq!((status, &none["code"]), (409, &json!("AOB5009")));
    let (_, shown) = place.get("/api/v1/workflows/steps?tag=main").await;
    assert_eq!(shown["document"]["spec"]["nodes"][0]["config"]["value"], json!(1));
    let (_, versions) = place.get("/api/v1/workflows/steps/versions").await;
    assert_eq!(versions[0]["tags"], json!(["main"]));
    assert_eq!(versions.as_array().unwrap().len(), 2);
    let tag = |tag: &str| Request::Tag { workflow: "steps".to_owned(), tag: tag.to_owned() };
    let none: Option<WorkflowRow> = place.asked.ask(tag("none")).await.unwrap();
    assert_eq!(none, None);
    let (status, missing) = place.get("/api/v1/workflows/steps/tags/none").await;
    assert_eq!((status, &missing["code"]), (404, &json!("AOB5008")));
    place.end().await;
}

#[tokio::test]
async fn a_run_is_patched_and_the_patch_taken_out() {
    let place = Place::new().await;
    let (nodes, edges) = gated();
    let run = place.run("orders", nodes, edges).await;
    let request = json!({"operations": [{"op": "add", "path": "/nodes/-", "value": {"id": "c", "type": "noop"}}, {"op": "add", "path": "/edges/-", "value": {"from": "b", "to": "c"}}], "reason": "more"});
    let (status, answer) =
        place.post(&format!("/api/v1/runs/{run}/patch?dryRun=true"), request.clone()).await;
    assert_eq!((status, &answer["record"]["accepted"]["revision"]), (200, &json!(1)), "{answer}");
    let path = format!("/api/v1/runs/{run}/patch?id=patch_x1");
    let (_, answer) = place.post(&path, request.clone()).await;
    assert_eq!((&answer["record"]["id"], &answer["existing"]), (&json!("patch_x1"), &json!(false)));
    assert_eq!(place.post(&path, request).await.1["existing"], json!(true));
    let undo = Request::UndoPatch {
        run: run.clone(),
        patch: "patch_x1".to_owned(),
        id: None,
        approves: Vec::new(),
        dry_run: false,
        reason: None,
    };
    let undone: PatchAnswer = place.asked.ask(undo).await.unwrap();
    assert_eq!(undone.record.accepted().unwrap().revision, 2);
    let graph = |revision| Request::Graph { run: run.clone(), revision };
    let now: GraphAt = place.asked.ask(graph(None)).await.unwrap();
    assert_eq!((now.revision, now.document["spec"]["nodes"].as_array().unwrap().len()), (2, 3));
    let none: Option<GraphAt> = place.asked.ask(graph(Some(9))).await.unwrap();
    assert!(none.is_none());
    place.end().await;
}

#[tokio::test]
async fn a_paused_node_is_settled_by_its_path() {
    let place = Place::new().await;
    let nodes = json!([{
        "id": "each",
        "type": "foreach",
        "config": {"items": [1]},
        "body": {"nodes": [{"id": "odd one", "type": "noop"}]},
    }]);
    let (status, refused) =
        place.post("/api/v1/runs", json!({"inline": workflow("x", nodes, json!([]))})).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused["findings"].as_array().unwrap().len() > 1, "{refused}");
    let nodes = json!([{
        "id": "charge",
        "type": "transform",
        "config": {"value": 1, "assert": [{"that": "false", "message": "expired"}]},
        "onError": "pause",
    }]);
    let run = place.run("pausing", nodes, json!([])).await;
    let path = format!("/api/v1/runs/{run}/nodes/charge/settle");
    let (status, told) = place.post(&path, json!({})).await;
    assert_eq!((status, &told["code"]), (400, &json!("AOB6001")));
    let wrong = format!("/api/v1/runs/{run}/nodes/each%5B0%5D%2Fnone/retry");
    let (status, told) = place.post(&wrong, json!({})).await;
    assert_eq!((status, &told["code"]), (404, &json!("AOB5016")), "{told}");
    let (status, done) = place.post(&path, json!({"output": null, "reason": "by hand"})).await;
    assert_eq!((status, &done["same"]), (200, &json!(false)));
    assert_eq!(place.settled(&run).await.status, "succeeded");
    place.end().await;
}

#[tokio::test]
async fn what_is_not_understood_is_told() {
    let place = Place::new().await;
    for (path, status, code) in [
        ("/api/v2/runs", 404, "AOB6002"),
        ("/api/v1/runs/run_none", 404, "AOB5003"),
        ("/api/v1/runs/run_none/patch", 405, "AOB6003"),
        ("/api/v1/runs?most=x", 400, "AOB6001"),
        ("/api/v1/runs?moist=1", 400, "AOB6001"),
        ("/api/v1/runs?most=1&most=2", 400, "AOB6001"),
        ("/api/v1/runs/%ff", 400, "AOB6001"),
        ("/api/v1/documents/sha256:0", 404, "AOB5008"),
    ] {
        let (got, told) = place.get(path).await;
        assert_eq!((got, &told["code"]), (status, &json!(code)), "{path}: {told}");
        assert!(told["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{told}");
        assert_eq!(told["type"], json!(format!("urn:aob:error:{code}")));
    }
    for (body, code) in [
        (json!([1]), "AOB6001"),
        (json!({"workflow": "none"}), "AOB5008"),
        (json!({"workflow": "a", "inline": {}}), "AOB6001"),
        (json!({"workflows": "a"}), "AOB6001"),
        (json!({"op": "about"}), "AOB6001"),
        (json!({"inline": {}}), "AOB1302"),
    ] {
        let (_, told) = place.post("/api/v1/runs", body.clone()).await;
        assert!(told["code"] == json!(code) || code == "AOB1302", "{body}: {told}");
    }
    let twice =
        place.http.post(place.url("/api/v1/runs")).header("content-type", "application/json");
    let twice = twice.body("{\"workflow\": \"a\", \"workflow\": \"b\"}").send().await.unwrap();
    assert_eq!(twice.status(), 422);
    let plain = place.http.post(place.url("/api/v1/runs")).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    place.end().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    use aob_gateway::client::{Client, Proof};
    let place = Place::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let problem = place.also_at(taken.local_addr().unwrap()).await.err().unwrap();
    assert_eq!(problem.entry().unwrap().code, "AOB6011");
    let address = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let nobody = Client::at(&address, Proof::User("ada".into()), None, None).unwrap();
    assert_eq!(nobody.about().await.unwrap_err().entry().unwrap().code, "AOB5006");
    place.end().await;
}

#[tokio::test]
async fn a_tenant_is_told_what_it_is_limited_to_and_what_of_a_day_is_used() {
    let place = Place::new().await;
    assert_eq!(place.get("/api/v1/limits").await, (200, json!({})));
    let limits =
        TenantLimits { agents: Some(3), usd_per_day: Some(2_500_000), runs_per_minute: Some(60) };
    place.runs.put_limits("default", &limits).await.unwrap();
    let reserve = Some(Reserve { amount: 120_000, cap: 2_500_000 });
    let spend =
        Spend { tenant: "default".into(), id: "a".into(), call: 1, used: None, reserve, now: None };
    assert_eq!(place.runs.store().spend(&spend).await.unwrap(), Spent::Taken);
    let (_, mut told) = place.get("/api/v1/limits").await;
    let ends = told["dayEnds"].take().as_u64().unwrap();
    assert_eq!(ends % 86_400_000, 0);
    let wanted = json!({
        "agents": 3, "runsPerMinute": 60, "usdPerDay": "2.50", "usdToday": "0.12", "dayEnds": null,
    });
    assert_eq!(told, wanted);
}
