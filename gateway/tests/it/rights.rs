//! Who may do what, by tokens.

use std::sync::Arc;

use aob_gateway::caller::tokens::Tokens;
use aob_gateway::client::Proof;
use aob_gateway::http::Limits;
use aob_gateway::operation::{Asked, Request};
use serde_json::{Value, json};

use crate::place::{Place, workflow};

/// Digests of `ada`, `bert`, `cleo`, `dora`, `emil`.
const TOKENS: &str = "tokens:
  - {name: 'user:ada', sha256: 'ADA', roles: [author], tenants: [default]}
  - {name: 'user:bert', sha256: 'BERT', roles: [viewer, approver], groups: [finance]}
  - {name: 'user:cleo', sha256: 'CLEO', roles: [admin], tenants: [other]}
  - {name: 'user:dora', sha256: 'DORA', roles: [viewer], tenants: ['*']}
  - {name: 'service:emil', sha256: 'EMIL', roles: [worker]}
";

pub(crate) fn file() -> tempfile::NamedTempFile {
    use sha2::Digest as _;
    let mut text = TOKENS.to_owned();
    for name in ["ada", "bert", "cleo", "dora", "emil"] {
        let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(name));
        text = text.replace(&name.to_uppercase(), &digest);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn start(name: &str) -> Request {
    let nodes = json!([{"id": "gate", "type": "approval", "config": {"title": "Go on?"}}]);
    Request::Start {
        workflow: None,
        inline: Some(workflow(name, nodes, json!([]))),
        input: None,
        key: None,
        patch_set: None,
    }
}

async fn code(asked: &Asked, request: Request) -> &'static str {
    match asked.call(request).await {
        Ok(_) => "",
        Err(problem) => problem.entry().unwrap().code,
    }
}

#[tokio::test]
async fn a_token_gives_its_roles_in_its_tenants() {
    let file = file();
    let place = Place::with(Arc::new(Tokens::open(file.path()).unwrap()), Limits::default()).await;
    let with = |token: &str| place.client(Proof::Token(token.to_owned()));
    let (ada, bert, cleo, dora) = (with("ada"), with("bert"), with("cleo"), with("dora"));
    assert_eq!(code(&with("eve"), Request::About {}).await, "AOB6007");
    let (status, told) = place.get("/api/v1/runs").await;
    assert_eq!((status, &told["code"]), (401, &json!("AOB6007")));

    assert_eq!(code(&bert, start("x")).await, "AOB6008");
    let run = ada.call(start("x")).await.unwrap()["run"].as_str().unwrap().to_owned();
    let see = || Request::Standing { run: run.clone() };
    assert_eq!(code(&bert, see()).await, "");
    // Another tenant's run is not there, for whoever looks.
    assert_eq!(code(&cleo, see()).await, "AOB5003");
    assert_eq!(
        code(&cleo, Request::Cancel { run: run.clone(), mode: Default::default(), reason: None })
            .await,
        "AOB5003"
    );
    let listed = |asked: Asked| async move {
        let page = asked.call(Request::Runs {
            cursor: None,
            most: None,
            status: None,
            workflow: None,
            since: None,
        });
        page.await.unwrap()["items"].as_array().unwrap().len()
    };
    assert_eq!(listed(ada.clone()).await, 1);
    assert_eq!(listed(cleo.clone()).await, 0);
    let of = async |token: &str, tenant: &str| {
        let url = place.url(&format!("/api/v1/runs?tenant={tenant}"));
        let answer = place.http.get(url).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(of("cleo", "default").await.1["code"], json!("AOB6008"));
    assert_eq!(of("dora", "default").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(of("dora", "other").await, (200, json!({"items": []})));

    let tickets = bert.call(Request::Tickets { most: None }).await.unwrap();
    let ticket = loop {
        let tickets = bert.call(Request::Tickets { most: None }).await.unwrap();
        if let Some(ticket) = tickets[0]["ticket"].as_str() {
            break ticket.to_owned();
        }
        tokio::task::yield_now().await;
    };
    drop(tickets);
    let decide = || Request::Decide {
        ticket: ticket.clone(),
        decision: aob_gateway::operation::Choice::Approve,
        reason: None,
        data: None,
    };
    assert_eq!(code(&ada, decide()).await, "AOB6008");
    assert_eq!(code(&dora, decide()).await, "AOB6008");
    assert_eq!(code(&cleo, decide()).await, "AOB5004");
    assert_eq!(code(&bert, decide()).await, "");
    place.end().await;
}

#[tokio::test]
async fn a_changed_file_is_read_again() {
    let file = file();
    let place = Place::with(Arc::new(Tokens::open(file.path()).unwrap()), Limits::default()).await;
    let ada = place.client(Proof::Token("ada".to_owned()));
    assert_eq!(code(&ada, Request::About {}).await, "");
    std::fs::write(file.path(), "tokens: []\n").unwrap();
    let until = async {
        while code(&ada, Request::About {}).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::place::PATIENCE, until).await.unwrap();
    place.end().await;
}

#[test]
fn a_wrong_file_is_refused() {
    for (text, code) in [
        ("tokens: [{name: x, sha256: '00', roles: []}]", "AOB6012"),
        ("tokens: [{name: 'user:x', sha256: '0', roles: [king]}]", "AOB6012"),
        ("token: []", "AOB6012"),
        ("tokens: [", "AOB1001"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let problem = Tokens::open(file.path()).unwrap_err();
        assert_eq!(problem.entry().unwrap().code, code, "{text}: {problem:?}");
    }
    let missing = Tokens::open(std::path::Path::new("/none/tokens")).unwrap_err();
    assert_eq!(missing.entry().unwrap().code, "AOB5002");
}
