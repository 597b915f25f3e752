//! `aob up`: everything in one process.

mod demo;

use std::path::PathBuf;
use std::sync::Arc;

use aob_engine::catalogue;
use aob_gateway::http::Tls;
use aob_telemetry::admin::Admin;
use aob_telemetry::health::Health;
use aob_telemetry::notify::Manager;

use crate::arguments::Up;
use crate::drive::Stop;
use crate::exit::Exit;
use crate::owner::{House, Listen, Place, Settings};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;

/// Serves until it is told to stop.
pub(super) async fn up(arguments: &Up, terminal: Terminal) -> Result<Exit> {
    let mut stop = Stop::new()?;
    let mind = if arguments.demo { Some(demo::Mind::open().await?) } else { None };
    let settings = match &mind {
        Some(mind) => Settings::with(&arguments.rules, mind.models.clone())?,
        None => Settings::of(&arguments.rules)?,
    };
    let (dir, redis) = places(arguments)?;
    let health = Arc::new(Health::default());
    let admin = admin(arguments, &health).await?;
    let archive = arguments.archive.as_deref();
    let house = House::open(&dir, redis.as_deref(), archive, &settings, listen(arguments)?).await?;
    house.watch(&health);
    let manager = Manager::from_env().map(Arc::new);
    let watched = manager.clone().map(|manager| {
        manager.ready("moves runs and serves");
        let health = health.clone();
        tokio::spawn(async move { manager.watch(health).await })
    });
    tell(arguments, terminal, &dir, &house, admin.as_ref());
    let shown = mind
        .as_ref()
        .map(|mind| tokio::spawn(demo::show(house.ask(demo::BY), mind.model.clone(), terminal)));
    let exit = stop.next().await;
    health.stop();
    if let Some(manager) = &manager {
        manager.stopping("finishes what runs");
    }
    for task in shown.iter().chain(&watched) {
        task.abort();
    }
    terminal.say("what runs just now has 5 seconds to finish; Ctrl-C stops at once");
    tokio::select! {
        closed = house.close() => closed?,
        again = stop.next() => {
            terminal.say("stopped at once");
            return Ok(again);
        }
    }
    // Whoever asked for it is content; a shell shows how Ctrl-C ended it.
    Ok(if exit == Exit::Terminated { Exit::Done } else { exit })
}

/// The data directory, and the server if runs are kept on one.
fn places(arguments: &Up) -> Result<(PathBuf, Option<String>)> {
    let set = || std::env::var("AOB_REDIS").ok().filter(|url| !url.is_empty());
    let redis = arguments.redis.clone().or_else(|| arguments.data.is_none().then(set).flatten());
    Ok((Place::folder(arguments.data.clone())?, redis))
}

fn listen(arguments: &Up) -> Result<Option<Listen>> {
    let Some(address) = arguments.listen else { return Ok(None) };
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(cert), Some(key)) => Some(Tls::open(cert, key)?),
        _ => None,
    };
    if tls.is_none() && !address.ip().to_canonical().is_loopback() {
        let message = "tokens would travel in the open: give --tls-cert and --tls-key, or listen on 127.0.0.1";
        return Err(Problem::new(&catalogue::USAGE, "--listen", message));
    }
    Ok(Some(Listen { address, tls, tokens: arguments.tokens.clone() }))
}

async fn admin(arguments: &Up, health: &Arc<Health>) -> Result<Option<Admin>> {
    let Some(address) = arguments.admin else { return Ok(None) };
    match Admin::listen(address, health.clone()).await {
        Ok(admin) => Ok(Some(admin)),
        Err(error) => {
            let message = format!("{address}: {error}");
            Err(Problem::new(&catalogue::NO_ADDRESS, "--admin", message))
        }
    }
}

/// Says what there is, and how it is reached.
fn tell(
    arguments: &Up,
    terminal: Terminal,
    dir: &std::path::Path,
    house: &House,
    admin: Option<&Admin>,
) {
    terminal.say(&format!(
        "process {} moves runs and serves {}",
        std::process::id(),
        dir.display()
    ));
    if let Some(address) = house.address() {
        let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
        terminal.say(&format!("  API    {scheme}://{address}/api/v1"));
    }
    if let Some(admin) = admin {
        terminal.say(&format!("  admin  http://{}/metrics", admin.address()));
    }
    terminal.say("  Ctrl-C ends it; what runs goes on with the next aob up");
}
