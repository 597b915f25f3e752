//! What would be changed on a machine, without changing anything.

use serde::Serialize;

use crate::division::{Division, divide};
use crate::machine::{Groups, Machine, version};
use crate::owner;
use crate::problem::Result;
use crate::profile::{Profiles, Scope, Sysctl, plain};
use crate::ranges::Ranges;
use crate::render;
use crate::root::Root;

/// What to plan for.
#[derive(Debug, Clone, Default)]
pub struct Aim {
    /// On a node of a cluster: processors are the kubelet's, and what lives in network namespaces is the pods'.
    pub kubernetes: bool,
    /// Settings that are off and wanted all the same.
    pub also: Vec<String>,
    /// The cluster's NodePorts, if they are not the profile's.
    pub node_ports: Option<Ranges>,
}

/// What would be changed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The profiles' digest.
    pub profiles: String,
    /// Processors.
    pub division: Division,
    /// What keeps the processors' division from being written, if anything does.
    pub undivided: Option<&'static str>,
    /// Every setting of the profiles.
    pub sysctls: Vec<Setting>,
    /// Files to be there.
    pub files: Vec<Wanted>,
}

/// A setting on this machine.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// Its value now.
    pub found: Option<String>,
    /// The value it should have.
    pub wanted: String,
    /// Another file that sets it.
    pub by: Option<String>,
    /// What to do about it.
    pub verdict: Verdict,
}

/// What to do about a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It fits.
    Fits,
    /// It will be written.
    Change,
    /// Nothing: the reason.
    Left(String),
    /// It is somebody else's, and does not fit: the owner.
    Owned(String),
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its path from the root.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether it is there with this text.
    pub present: bool,
}

impl Plan {
    /// Looks at a machine.
    ///
    /// # Errors
    /// If the machine cannot be understood, or a file that would be written is somebody else's.
    pub fn make(root: &Root, machine: &Machine, profiles: &Profiles, aim: &Aim) -> Result<Self> {
        let division = divide(machine, profiles);
        let undivided = match (&division, aim.kubernetes, machine.groups) {
            (_, true, _) => {
                Some("processors of a node belong to its kubelet (see docs/node-tuning.md)")
            }
            (Division::Own { .. }, _, Groups::V1 | Groups::None) => {
                Some("slices have processors of their own in control groups of version 2 only")
            }
            _ => None,
        };
        let others = owner::settings(root)?;
        let mut sysctls = Vec::new();
        for sysctl in &profiles.sysctls {
            sysctls.push(setting(root, machine, sysctl, aim, &others)?);
        }
        withdraw(&profiles.sysctls, &mut sysctls);
        let mut files = vec![(render::SYSCTL_D.to_owned(), render::sysctl_d(&sysctls))];
        if undivided.is_none()
            && let Division::Own { system, planes } = &division
        {
            files.extend(render::drop_ins(system, planes, profiles));
        }
        let files = files.into_iter().map(|(name, text)| owner::own_file(root, name, text));
        Ok(Self {
            profiles: profiles.digest.clone(),
            division,
            undivided,
            sysctls,
            files: files.collect::<Result<_>>()?,
        })
    }

    /// Whether the machine is as it should be.
    pub fn is_done(&self) -> bool {
        self.files.iter().all(|file| file.present)
            && self
                .sysctls
                .iter()
                .all(|one| !matches!(one.verdict, Verdict::Change | Verdict::Owned(_)))
    }

    /// Settings that are somebody else's and do not fit.
    pub fn owned(&self) -> impl Iterator<Item = (&Setting, &str)> {
        self.sysctls.iter().filter_map(|one| match &one.verdict {
            Verdict::Owned(owner) => Some((one, owner.as_str())),
            _ => None,
        })
    }
}

fn setting(
    root: &Root,
    machine: &Machine,
    sysctl: &Sysctl,
    aim: &Aim,
    others: &owner::Settings,
) -> Result<Setting> {
    let mut sysctl = sysctl.clone();
    if let (Some(ports), true) = (&aim.node_ports, sysctl.measure == "reserved") {
        sysctl.value = ports.to_string();
    }
    let found = root.read(&sysctl.file())?.map(|value| plain(&value));
    let mut setting = Setting {
        key: sysctl.key.clone(),
        wanted: sysctl.value.clone(),
        by: others.file(&sysctl.key),
        found,
        verdict: Verdict::Fits,
    };
    let left = if !sysctl.on && !aim.also.contains(&sysctl.key) {
        Some("off: its measurement shows no effect here (--also KEY applies it)".to_owned())
    } else if !sysctl.on_machine(aim.kubernetes) {
        Some("belongs to a network namespace: pods set it in their securityContext".to_owned())
    } else if version(&sysctl.since).is_some_and(|since| since > machine.kernel) {
        Some(format!("needs Linux {}", sysctl.since))
    } else if setting.found.is_none() {
        let scope = if sysctl.scope == Scope::Host {
            "only the host's network namespace has it"
        } else {
            "this kernel has no such setting"
        };
        Some(scope.to_owned())
    } else {
        None
    };
    if let Some(why) = left {
        setting.verdict = Verdict::Left(why);
        return Ok(setting);
    }
    let found = setting.found.clone().unwrap_or_default();
    let wanted = sysctl.wanted(&found).map_err(|what| crate::problem::Problem::Machine {
        path: root.path(&sysctl.file()),
        what,
    })?;
    let owner = sysctl
        .owner
        .as_deref()
        .filter(|owner| *owner == "kubelet" && (machine.kubelet || aim.kubernetes));
    setting.verdict = match (wanted, owner, others.owner(&sysctl)) {
        (None, _, None) => Verdict::Fits,
        // It fits now, and another file will change it at the next boot.
        (None, _, Some(owner)) | (Some(_), None, Some(owner)) => Verdict::Owned(owner),
        (Some(_), Some(owner), _) => Verdict::Owned(owner.to_owned()),
        (Some(wanted), None, None) => {
            setting.wanted = wanted;
            Verdict::Change
        }
    };
    Ok(setting)
}

/// A setting that needs another which is not applied is not applied either.
fn withdraw(profiles: &[Sysctl], settings: &mut [Setting]) {
    let applied = |settings: &[Setting], key: &str| {
        settings
            .iter()
            .any(|one| one.key == key && matches!(one.verdict, Verdict::Fits | Verdict::Change))
    };
    for sysctl in profiles {
        let missing = sysctl.needs.iter().find(|key| !applied(settings, key)).cloned();
        if let Some(missing) = missing
            && let Some(one) = settings.iter_mut().find(|one| one.key == sysctl.key)
            && one.verdict == Verdict::Change
        {
            one.verdict = Verdict::Left(format!("needs {missing}, which is not applied"));
        }
    }
}
