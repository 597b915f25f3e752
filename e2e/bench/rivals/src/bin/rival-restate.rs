//! Restate's handlers, and the load on a Restate that already runs.

use std::net::Ipv4Addr;

use anyhow::Result;
use clap::Parser;
use rival::cell::{Cell, Report, Shape, System};
use rival::load::closed_loop;
use rival::restate;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Serve the handlers on loopback until SIGTERM; register this address with Restate.
    Serve {
        #[arg(long, default_value_t = 9080)]
        port: u16,
    },
    /// Measure one cell and print it as a line of JSON.
    Load {
        /// Restate's ingress.
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        ingress: String,
        /// `chain:N` or `fan:W`.
        #[arg(long)]
        shape: Shape,
        /// Concurrent clients.
        #[arg(long)]
        clients: u32,
        /// The window.
        #[arg(long)]
        seconds: f64,
        /// Accepted for its plainness: a line of JSON is the only format.
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Serve { port } => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                served = restate::serve(listener) => served,
                _ = terminated.recv() => Ok(()),
            }
        }
        Command::Load { ingress, shape, clients, seconds, json: _ } => {
            let cell = Cell::new(System::Restate, shape, clients, seconds)?;
            let clients = restate::clients(&ingress, shape, clients)?;
            let report = Report::new(cell, &closed_loop(clients, cell.window).await?)?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(())
        }
    }
}
