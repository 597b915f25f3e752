//! All rivals at once: started together, measured one cell at a time, stopped together.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::cell::{Cell, Report, System};
use crate::dbos::{Application, Postgres};
use crate::host;
use crate::load::closed_loop;
use crate::restate::{self, Site};

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Parent of the folder of this fleet's data, which is removed at its end. On the disk
    /// that is to be measured.
    pub folder: PathBuf,
    /// Where fetched packages stay.
    pub cache: PathBuf,
    /// One system; all where none.
    pub only: Option<System>,
    /// Restate's partitions.
    pub partitions: u16,
    /// Connections in DBOS's pool.
    pub connections: u32,
}

/// The running rivals.
pub struct Fleet {
    restate: Option<Site>,
    dbos: Option<(Postgres, Application)>,
    scratch: Scratch,
}

impl Fleet {
    /// Installs what is missing and starts the servers. To be called from the main thread:
    /// the servers end with the thread that started them.
    pub async fn start(options: &Options) -> Result<Self> {
        let scratch = Scratch::create(&options.folder)?;
        let mut fleet = Self { restate: None, dbos: None, scratch };
        match fleet.start_servers(options).await {
            Ok(()) => Ok(fleet),
            Err(error) => {
                fleet.stop().await.ok();
                Err(error)
            }
        }
    }

    /// Versions and effective settings of what runs.
    pub fn description(&self) -> Value {
        json!({
            "restate": self.restate.as_ref().map(Site::description),
            "dbos": self.dbos.as_ref().map(|(postgres, application)| {
                let mut description = application.description();
                description["postgres"] = postgres.description().clone();
                description
            }),
            "data_file_system": host::file_system(&self.scratch.0),
        })
    }

    /// Measures one cell.
    pub async fn measure(&mut self, cell: Cell) -> Result<Report> {
        let sample = match (cell.system, &mut self.restate, &mut self.dbos) {
            (System::Restate, Some(site), _) => {
                site.check()?;
                let clients = restate::clients(site.ingress(), cell.shape, cell.clients)?;
                closed_loop(clients, cell.window).await?
            }
            (System::Dbos, _, Some((postgres, application))) => {
                postgres.check()?;
                let clients = application.clients(cell.shape, cell.clients);
                closed_loop(clients, cell.window).await?
            }
            (system, ..) => bail!("{system} was not started"),
        };
        Report::new(cell, &sample)
    }

    /// Stops all servers and removes their data.
    pub async fn stop(self) -> Result<()> {
        let Self { restate, dbos, scratch } = self;
        let mut stopped = Ok(());
        if let Some(site) = restate {
            stopped = site.stop().await;
        }
        if let Some((postgres, application)) = dbos {
            application.shutdown().await;
            stopped = stopped.and(postgres.stop().await);
        }
        drop(scratch);
        stopped
    }

    async fn start_servers(&mut self, options: &Options) -> Result<()> {
        let wanted = |system| options.only.is_none_or(|only| only == system);
        if wanted(System::Restate) {
            let binary = host::restate_server(&options.cache).await?;
            let settings = restate::Settings { partitions: options.partitions };
            let handlers = sibling("rival-restate")?;
            self.restate = Some(Site::start(&binary, handlers, &self.scratch.0, settings).await?);
        }
        if wanted(System::Dbos) {
            let programs = host::postgres().await?;
            let postgres = Postgres::start(&programs, &self.scratch.0).await?;
            let application = Application::launch(postgres.url(), options.connections).await?;
            self.dbos = Some((postgres, application));
        }
        Ok(())
    }
}

/// The data of one fleet, removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn create(parent: &Path) -> Result<Self> {
        let folder = parent.join(format!("rivals-{}", std::process::id()));
        let scratch = || -> std::io::Result<PathBuf> {
            std::fs::create_dir_all(parent)?;
            std::fs::create_dir(&folder)?;
            // PostgreSQL's account has to reach its data in here, whatever the caller's umask.
            std::fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
            folder.canonicalize()
        };
        scratch().map(Self).with_context(|| format!("create {}", folder.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A program of this package, which lies beside the running one.
fn sibling(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.is_file() {
        bail!("{} is not there: build all of this package's programs", path.display());
    }
    Ok(path)
}
