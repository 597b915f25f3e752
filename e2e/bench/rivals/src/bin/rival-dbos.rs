//! The load on DBOS, in process, with a PostgreSQL that already runs.

use anyhow::Result;
use clap::Parser;
use rival::cell::{Cell, Report, Shape, System};
use rival::dbos::Application;
use rival::load::closed_loop;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Measure one cell and print it as a line of JSON.
    Load {
        /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; the database is made if missing.
        #[arg(long)]
        database: String,
        /// `chain:N` or `fan:W`.
        #[arg(long)]
        shape: Shape,
        /// Concurrent clients.
        #[arg(long)]
        clients: u32,
        /// The window.
        #[arg(long)]
        seconds: f64,
        /// Connections in the pool.
        #[arg(long, default_value_t = Application::CONNECTIONS)]
        connections: u32,
        /// Accepted for its plainness: a line of JSON is the only format.
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let Command::Load { database, shape, clients, seconds, connections, json: _ } =
        Command::parse();
    let cell = Cell::new(System::Dbos, shape, clients, seconds)?;
    let application = Application::launch(&database, connections).await?;
    let sample = closed_loop(application.clients(shape, clients), cell.window).await;
    application.shutdown().await;
    println!("{}", serde_json::to_string(&Report::new(cell, &sample?)?)?);
    Ok(())
}
