//! Where a verb acts: on Redis, on the data directory of this process, or through the process that owns it.

pub(crate) mod cluster;
pub(crate) mod gateway;
mod house;
mod link;
mod place;
mod rules;
mod settings;

use std::sync::Arc;

use aob_gateway::caller::open::Open;
use aob_gateway::http::{Limits, ServeOptions, Server};
use aob_gateway::operation::{About, NodeRules};
use aob_gateway::perform::Performer;
use aob_runner::service::Service;

use crate::operations::Asked;
use crate::problem::{Problem, Result};
use link::{Link, Role};

pub(crate) use house::{House, Listen};
pub(crate) use place::{Place, quoted};
pub(crate) use rules::lacks;
pub(crate) use settings::Settings;

/// An open store, or a connection to the process that has it open.
pub(crate) struct Access {
    /// What can be asked.
    pub(crate) operations: Asked,
    link: Arc<Link>,
    driving: Option<Driving>,
}

/// What moves runs in this process.
struct Driving {
    service: Service,
    server: Option<Server>,
}

impl Access {
    /// Opens the place. An owner that begins or ends just now is waited for.
    pub(crate) async fn open(place: &Place) -> Result<Self> {
        let link = Arc::new(Link::open(place).await?);
        Ok(Self { operations: link.clone(), link, driving: None })
    }

    /// The rules of the process that runs the nodes, if that is another one.
    pub(crate) fn guest_of(&self) -> Option<NodeRules> {
        match &*self.link.role() {
            Role::Guest(_, rules) => Some(rules.clone()),
            Role::Redis(..) | Role::Owner(..) | Role::Gateway(..) => None,
        }
    }

    /// Whether a gateway is asked, behind which others move runs.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(&*self.link.role(), Role::Gateway(..))
    }

    /// Whether this process has a data directory to itself.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(&*self.link.role(), Role::Owner(..))
    }

    /// Begins to move runs in this process and, as owner of a directory, to serve others. A guest leaves both to
    /// its host, until that has ended.
    pub(crate) async fn drive(&mut self, settings: &Settings) -> Result<()> {
        if self.driving.is_some() {
            return Ok(());
        }
        let role = self.link.role();
        let (runs, dir) = match &*role {
            Role::Redis(runs, _) => (runs, None),
            Role::Owner(runs, _, dir) => (runs, Some(dir)),
            Role::Guest(..) | Role::Gateway(..) => return Ok(()),
        };
        let service = Service::spawn(&settings.service(runs.clone(), dir.is_some()));
        let server = match dir {
            Some(dir) => {
                let about = About::this(Some(settings.rules()));
                Some(Server::in_folder(dir, guests(Performer::new(runs.clone(), about)))?)
            }
            None => None,
        };
        self.driving = Some(Driving { service, server });
        Ok(())
    }

    /// How many other processes follow runs that this one moves.
    pub(crate) fn guests(&self) -> usize {
        self.driving
            .as_ref()
            .and_then(|driving| driving.server.as_ref())
            .map_or(0, Server::followers)
    }

    /// Waits until no guest is left.
    pub(crate) async fn guests_gone(&self) {
        if let Some(server) = self.driving.as_ref().and_then(|driving| driving.server.as_ref()) {
            server.followers_gone().await;
        }
    }

    /// Ends: nothing new is claimed, what runs finishes or is handed back, everything is on disk.
    pub(crate) async fn close(mut self) -> Result<()> {
        if let Some(Driving { service, server }) = self.driving.take() {
            service.stop().await;
            if let Some(server) = server {
                server.end().await;
            }
        }
        let role = self.link.role();
        let (runs, about) = match &*role {
            Role::Redis(runs, _) => (runs, "--redis".to_owned()),
            Role::Owner(runs, _, dir) => (runs, dir.display().to_string()),
            Role::Guest(..) | Role::Gateway(..) => return Ok(()),
        };
        runs.store().close().await.map_err(|error| Problem::store(error, &about))
    }
}

/// What guests are served: every one of them is this user.
fn guests(performer: Arc<Performer>) -> ServeOptions {
    let door = Open::new(format!("user:{}", user())).of(crate::groups::groups());
    let limits = Limits { rate: 100_000, burst: 100_000, ..Limits::default() };
    ServeOptions::all(performer, Arc::new(door), limits)
}

/// Who acts: the user by name, else by number.
pub(crate) fn user() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = set("USER").or_else(|| set("LOGNAME"));
    name.unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}
