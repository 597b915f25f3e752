//! Whether a machine is as the profiles want it, and what has drifted since it was made so.

use serde::Serialize;

use crate::division::Division;
use crate::machine::Machine;
use crate::plan::{Aim, Plan, Verdict};
use crate::problem::Result;
use crate::profile::{Profiles, plain};
use crate::root::Root;
use crate::state::State;
use crate::systemd;

/// The state of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Digest of the profiles that were asked for.
    pub profiles: String,
    /// Whether `apply` has gone through for just these.
    pub applied: bool,
    /// What was written and is no longer so; one sentence each.
    pub drift: Vec<Drift>,
    /// What is somebody else's and does not fit; one sentence each.
    pub owned: Vec<String>,
}

/// Something that was written and is no longer so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The setting, file or slice.
    pub what: String,
    /// What it is now.
    pub found: String,
    /// What it should be.
    pub wanted: String,
}

impl Status {
    /// Whether everything is as wanted.
    pub fn tuned(&self) -> bool {
        self.applied && self.drift.is_empty() && self.owned.is_empty()
    }

    /// Looks.
    ///
    /// # Errors
    /// If the machine or what was noted about it cannot be read.
    pub fn read(root: &Root, profiles: &Profiles, aim: &Aim) -> Result<Self> {
        let machine = Machine::read(root)?;
        let state = State::read(root)?;
        let mut drift = Vec::new();
        let plan = match Plan::make(root, &machine, profiles, aim) {
            Ok(plan) => Some(plan),
            // A file of ours that somebody has replaced: told below, with its name.
            Err(crate::problem::Problem::Owned { .. }) if state.is_some() => None,
            Err(problem) => return Err(problem),
        };
        for kept in state.iter().flat_map(|state| &state.sysctls) {
            let file = format!("proc/sys/{}", kept.key.replace('.', "/"));
            let found = root.read(&file)?.map(|found| plain(&found)).unwrap_or_default();
            let sysctl = profiles.sysctls.iter().find(|one| one.key == kept.key);
            let fits =
                sysctl.is_some_and(|one| one.wanted(&found).is_ok_and(|wanted| wanted.is_none()));
            if found != kept.wrote && !fits {
                drift.push(Drift { what: kept.key.clone(), found, wanted: kept.wrote.clone() });
            }
        }
        for file in state.iter().flat_map(|state| &state.files) {
            let found = root.read(&file.name)?;
            if found.as_ref().is_none_or(|text| !file.is(text)) {
                let found = if found.is_some() { "changed" } else { "gone" }.to_owned();
                drift.push(Drift {
                    what: format!("/{}", file.name),
                    found,
                    wanted: "as written".to_owned(),
                });
            }
        }
        if let Some(Plan { division: Division::Own { planes, .. }, undivided: None, .. }) = &plan
            && state.as_ref().is_some_and(|state| state.complete)
        {
            for (part, plane) in planes.iter().zip(&profiles.planes) {
                // A slice without a service is not there; its processors are seen when it is.
                if let Some(found) = systemd::effective(root, &plane.slice())?
                    && found != part.cpus
                {
                    drift.push(Drift {
                        what: format!("{} AllowedCPUs", plane.slice()),
                        found: found.to_string(),
                        wanted: part.cpus.to_string(),
                    });
                }
            }
        }
        let changes =
            plan.iter().flat_map(|plan| &plan.sysctls).any(|one| one.verdict == Verdict::Change);
        let owned = plan.iter().flat_map(Plan::owned).map(|(setting, owner)| {
            format!(
                "{} = {} belongs to {owner}",
                setting.key,
                setting.found.as_deref().unwrap_or("-")
            )
        });
        let noted =
            state.as_ref().is_some_and(|state| state.complete && state.profiles == profiles.digest);
        Ok(Self {
            profiles: profiles.digest.clone(),
            owned: owned.collect(),
            // A change that is wanted for a setting never written (a new boot, a setting that came to be) counts too.
            applied: noted && (!changes || !drift.is_empty()),
            drift,
        })
    }
}
