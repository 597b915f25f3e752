//! Whether the cores that were asked for are this process's own.
//!
//! The kubelet's static policy takes cores out of what everybody shares and gives them to one container: its processes
//! may use these and no others. Without it a container may use every core that the machine has, whatever it asked for.

use std::path::Path;

use aob_telemetry::metrics::metrics;
use clap::Parser;
use serde::{Deserialize, Serialize};

/// The first argument that asks for a report.
pub const VERB: &str = "cores";
/// Most cores of a machine that are counted.
const MOST: u32 = 65_536;

/// Reports whether this container's cores are its own, and ends
#[derive(Debug, Parser)]
#[command(name = "aob-runner cores")]
pub struct Wanted {
    /// Whole cores that the container asks for
    #[arg(long, env = "AOB_CORES", value_name = "NUMBER")]
    pub asked: u32,
    /// End with an error unless they are its own
    #[arg(long, env = "AOB_OWN_CORES")]
    pub require: bool,
    /// Also write the report there: /dev/termination-log
    #[arg(long, value_name = "FILE")]
    pub to: Option<std::path::PathBuf>,
}

/// What a process may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cores {
    /// Whole cores that were asked for.
    pub asked: u32,
    /// Those it may use, as the kernel writes them: `1`, `0-3,8`.
    pub allowed: String,
    /// Those the machine has.
    pub online: String,
    /// Whether they are its own.
    pub own: bool,
}

impl Cores {
    /// Of this process.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn here(asked: u32) -> Result<Self, String> {
        let read = |path: &str| {
            std::fs::read_to_string(Path::new(path)).map_err(|error| format!("{path}: {error}"))
        };
        let status = read("/proc/self/status")?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let allowed = allowed.ok_or("/proc/self/status: no Cpus_allowed_list")?.trim();
        Self::of(asked, allowed, read("/sys/devices/system/cpu/online")?.trim())
    }

    /// Cores are a process's own if it may use exactly as many as were asked for, and the machine has more: the static
    /// policy never gives all of them away.
    fn of(asked: u32, allowed: &str, online: &str) -> Result<Self, String> {
        let (may, all) = (count(allowed)?, count(online)?);
        let own = may == asked && may < all;
        Ok(Self { asked, allowed: allowed.to_owned(), online: online.to_owned(), own })
    }

    /// The same in a sentence.
    pub fn told(&self) -> String {
        let Self { asked, allowed, online, own } = self;
        let whose = if *own { "of its own" } else { "shared with others" };
        format!("{asked} asked for; may use {allowed} of {online}, {whose}")
    }

    /// Has it among the metrics.
    pub fn measure(&self) {
        let may = count(&self.allowed).unwrap_or(0);
        metrics().runner_cores.set(["asked"], self.asked.into());
        metrics().runner_cores.set(["allowed"], may.into());
        metrics().runner_cores.set(["own"], if self.own { may.into() } else { 0 });
    }
}

/// Reports, and says whether that is good enough.
///
/// # Errors
/// If the report cannot be written, or the cores are to be its own and are not.
pub fn report(wanted: &Wanted) -> Result<(), String> {
    let cores = Cores::here(wanted.asked)?;
    let text = serde_json::to_string(&cores).map_err(|error| error.to_string())?;
    tracing::info!(report = text, "{}", cores.told());
    if let Some(file) = &wanted.to {
        std::fs::write(file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    match wanted.require && !cores.own {
        true => Err(cores.told()),
        false => Ok(()),
    }
}

/// How many cores a list of the kernel's names.
fn count(list: &str) -> Result<u32, String> {
    let wrong = || format!("{list} is no list of cores");
    let mut sum: u32 = 0;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        let more = last.checked_sub(first).ok_or_else(wrong)?;
        sum = sum.saturating_add(more).saturating_add(1);
    }
    if sum > MOST { Err(wrong()) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_its_own_if_they_are_as_many_as_asked_for_and_not_all() {
        let own = |asked, allowed, online| Cores::of(asked, allowed, online).unwrap().own;
        assert!(own(1, "1", "0-1"));
        assert!(own(3, "1,4-5", "0-7"));
        assert!(!own(1, "0-1", "0-1"), "the shared ones");
        assert!(!own(1, "0,2-7", "0-7"), "what others have left");
        assert!(!own(1, "0", "0"), "no machine gives its only core away");
    }

    #[test]
    fn lists_are_the_kernels() {
        assert_eq!(count("0-3,8"), Ok(5));
        for bad in ["", "3-1", "a", "0-", "0-4294967295"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        assert!(Cores::here(1).is_ok_and(|cores| count(&cores.allowed).is_ok()));
    }
}
