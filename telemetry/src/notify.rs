//! What systemd is told (`sd_notify`): ready, stopping, still alive. Without systemd nothing is said.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crate::health::{Health, told};

/// The way to the service manager of this process.
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

impl Manager {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say; none if nobody waits to be told.
    pub fn from_env() -> Option<Self> {
        let path = std::env::var("NOTIFY_SOCKET").ok()?;
        let own = |pid: String| pid.parse() == Ok(std::process::id());
        let watched = std::env::var("WATCHDOG_PID").map_or(true, own);
        let usec = std::env::var("WATCHDOG_USEC").ok().filter(|_| watched);
        let usec = usec.and_then(|usec| usec.parse().ok()).filter(|&usec| usec > 0);
        match Self::at(&path, usec.map(Duration::from_micros)) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!(%error, path, "the service manager cannot be told anything");
                None
            }
        }
    }

    /// At a socket's path, `@` before the name of an abstract one.
    ///
    /// # Errors
    /// If that is no address.
    pub fn at(path: &str, watchdog: Option<Duration>) -> std::io::Result<Self> {
        let address = match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        // Nobody reads, and the socket is full: better nothing said than everything halted.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, watchdog })
    }

    /// The process serves.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// The process stops.
    pub fn stopping(&self, status: &str) {
        self.say(&format!("STOPPING=1\nSTATUS={}", one_line(status)));
    }

    /// Gives a sign of life twice in each period, while the process is well; else says what is not. Without a
    /// watchdog it does nothing. Never ends by itself.
    pub async fn watch(&self, health: Arc<Health>) {
        let Some(period) = self.watchdog else { return std::future::pending().await };
        let mut tick = tokio::time::interval(period / 2);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let missing = health.dead().await;
            if missing.is_empty() {
                self.say("WATCHDOG=1");
            } else {
                self.say(&format!("STATUS=not well: {}", one_line(&told(&missing))));
            }
        }
    }

    fn say(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.address) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }
}

/// A line break would begin another statement.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 1_024];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_service_manager_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.to_str().unwrap(), None).unwrap();
        manager.ready("serves\nMAINPID=1");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=serves MAINPID=1");
        manager.stopping("SIGTERM");
        assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=SIGTERM");
    }

    #[test]
    fn an_abstract_socket_will_do() {
        let name = format!("aob-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::at(&format!("@{name}"), None).unwrap().ready("serves");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=serves");
    }

    #[tokio::test]
    async fn the_watchdog_hears_only_of_a_process_that_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager =
            Arc::new(Manager::at(path.to_str().unwrap(), Some(Duration::from_millis(20))).unwrap());
        let health = Arc::new(Health::default());
        let (well, check) = tokio::sync::watch::channel(true);
        health.alive("lanes", move || {
            let well = *check.borrow();
            Box::pin(async move { if well { Ok(()) } else { Err("1 of 2 runs".to_owned()) } })
        });
        let task = tokio::spawn({
            let (manager, health) = (manager.clone(), health.clone());
            async move { manager.watch(health).await }
        });
        let heard = move || {
            let socket = socket.try_clone().unwrap();
            tokio::task::spawn_blocking(move || heard(&socket))
        };
        assert_eq!(heard().await.unwrap(), "WATCHDOG=1");
        well.send_replace(false);
        let mut said = heard().await.unwrap();
        while said == "WATCHDOG=1" {
            said = heard().await.unwrap();
        }
        assert_eq!(said, "STATUS=not well: lanes: 1 of 2 runs");
        task.abort();
    }
}
