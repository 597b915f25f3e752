//! Tools of a real MCP server, that of the protocol's own makers, asked by agents whose model is scripted.

mod bounds;
mod pinned;
mod served;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::Arc;

use aob_e2e::serve;
use aob_engine::state::State;
use aob_provider::script::{Script, Server};
use aob_provider::settings::Provider;
use aob_provider::{Dialect, Models, Settings};
use aob_runner::node::{self, Agent, ExecPolicy, Policy};
use aob_runner::runs::Runs;
use aob_runner::service::Service;
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use crate::documents::workflow;
use crate::local::{ended, publish, runs, start};
use crate::python::script;

/// What the caller proves itself with.
const KEY: &str = "a key that nobody is told";

/// The server, over HTTP.
struct Tools {
    child: Child,
    port: u16,
}

impl Tools {
    fn start() -> Self {
        // Free again before the server takes it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_on(port)
    }

    fn start_on(port: u16) -> Self {
        let mut command = script("mcp", "mcp_server.py");
        command.arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It says when it listens; to try would be to take its port, now and then.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let tools = Self { child, port };
        let said = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("running on")));
        assert!(said.is_some(), "the server of tools does not listen");
        std::thread::spawn(move || lines.for_each(drop));
        tools
    }

    /// Settings that name it `erp`.
    fn settings(&self, more: &str) -> String {
        format!(
            "[servers.erp]\nurl = \"http://127.0.0.1:{}/mcp\"\nkey_env = \"ERP_KEY\"\n{more}",
            self.port
        )
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        // What counts is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that runs agents: their model is scripted, their tools are those of these settings.
struct Bench {
    runs: Arc<Runs>,
    service: Service,
    model: Server,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new(model: &str, tools: &str, exec: ExecPolicy) -> Self {
        let model = Server::start(Script::parse(model).unwrap()).await.unwrap();
        let mut provider = Provider::new(Dialect::Chat, model.base_url().parse().unwrap());
        provider.is_http2 = true;
        let providers = [("local".to_owned(), provider)].into();
        let models = Models::new(Settings { providers, ..Settings::default() }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mcp.toml");
        std::fs::write(&file, tools).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let get = move |name: &str| match name {
            "AOB_MCP" => Some(file.clone()),
            "ERP_KEY" => Some(KEY.to_owned()),
            _ => None,
        };
        let policy = Policy { exec, ..Policy::default() };
        let rules = Arc::new(policy.clone());
        let agent = Agent::new(Arc::new(models), &rules).with_servers(&get).unwrap();
        let nodes = node::Registry::built_in(&rules).with(Box::new(agent));
        let runs = runs(Arc::new(Embedded::volatile()));
        let service = Service::spawn(&serve::options(&runs, nodes, policy));
        Self { runs, service, model, _dir: dir }
    }

    /// One agent with these tools; the state in which its run ended.
    async fn ask(&self, tools: Value) -> (Arc<str>, Arc<State>) {
        let config = json!({"model": "local/m", "prompt": "go on", "tools": tools});
        let nodes = [json!({"id": "ask", "type": "agent", "config": config})];
        let digest = publish(&self.runs, &workflow("asks", &nodes, &[])).await;
        let run = start(&self.runs, &digest, json!({})).await;
        let state = ended(&self.runs, &run).await;
        (run, state)
    }

    /// What the model was told last: the text of every turn.
    fn told(&self) -> String {
        self.model.asked().last().map(|asked| format!("{:?}", asked.prompt)).unwrap_or_default()
    }

    async fn stop(self) {
        self.service.stop().await;
    }
}

/// A script of a model that calls one tool and then says what it gave.
fn calls(tool: &str, arguments: &str) -> String {
    format!(
        "[[rule]]\nmatches = \"^go on\"\nreply.calls = [{{ name = \"mcp_{tool}\", arguments = {arguments} }}]\n\
         [[rule]]\nmatches = \"(?s)(?P<all>.*)\"\nreply.text = \"{{{{all}}}}\"\n"
    )
}
