//! Everything that is made of profiles: files of a machine, units of the package, fragments for Kubernetes, tables.

mod kubernetes;
mod repository;
mod tables;
mod units;

use std::fmt::Write as _;

use crate::owner::MARK;
use crate::plan::{Setting, Verdict};

pub use kubernetes::{kubelet, pod_sysctls};
pub use repository::repository;
pub use tables::{Measured, machine, settings};
pub use units::{drop_ins, package};

/// The settings' file: its name sorts late, for systemd-sysctl writes all files again and the last one wins.
pub const SYSCTL_D: &str = "etc/sysctl.d/99-zz-aob.conf";

/// The file of settings, so that they are there after the next boot. What another file sets stays that file's.
pub fn sysctl_d(settings: &[Setting]) -> String {
    let mut text = format!("{MARK}\n");
    for setting in settings.iter().filter(|one| one.by.is_none()) {
        let value = match (&setting.verdict, &setting.found) {
            (Verdict::Change, _) => &setting.wanted,
            (Verdict::Fits, Some(found)) => found,
            _ => continue,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} = {value}", setting.key);
    }
    text
}
