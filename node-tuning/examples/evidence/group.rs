//! A control group of version 1 that goes with its handle (version 2: the boot test).

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The same group in every controller that one of its files is of.
pub(crate) struct Group(Vec<PathBuf>);

impl Group {
    /// With these files written, in this order: `pids.max` is one of the controller `pids`.
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let mut folders = Vec::new();
        for (file, value) in files {
            let controller = file.split('.').next().unwrap();
            let folder =
                format!("/sys/fs/cgroup/{controller}/aob-evidence-{}-{name}", std::process::id());
            let folder = PathBuf::from(folder);
            if !folders.contains(&folder) {
                fs::create_dir(&folder).unwrap();
                folders.push(folder.clone());
            }
            fs::write(folder.join(file), value).unwrap();
        }
        Self(folders)
    }

    /// A command that begins in it; arguments may be added.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let script = "for one in $AOB_GROUPS; do echo $$ >$one/cgroup.procs || exit 1; done; exec \"$0\" \"$@\"";
        let groups: Vec<String> = self.0.iter().map(|one| one.display().to_string()).collect();
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program).env("AOB_GROUPS", groups.join(" "));
        command
    }

    /// This process in it, until that is dropped.
    pub(crate) fn enter(self) -> Inside {
        for folder in &self.0 {
            fs::write(folder.join("cgroup.procs"), std::process::id().to_string()).unwrap();
        }
        Inside(self)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.0 {
            // A process that has just ended may still be leaving.
            for _ in 0..100 {
                if fs::remove_dir(folder).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// That this process is in a group.
pub(crate) struct Inside(Group);

impl Drop for Inside {
    fn drop(&mut self) {
        for folder in &self.0.0 {
            let above = folder.parent().unwrap().join("cgroup.procs");
            fs::write(above, std::process::id().to_string()).unwrap();
        }
    }
}
