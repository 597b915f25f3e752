//! The guest with the package: its file system, its machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::qemu;

/// Services that would only make the boot longer: no device, seat, timer or clock of the guest is of interest.
const OFF: [&str; 14] = [
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-logind.service",
    "getty.target",
    "serial-getty@ttyS0.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-timesyncd.service",
    "systemd-random-seed.service",
    "systemd-pstore.service",
];

/// What the test needs of the machine's own settings: commands that runs may execute, an agent runner's types, a
/// watchdog that does not take half a minute.
const DROP_IN: &str =
    "[Service]\nEnvironment=AOB_ALLOW_EXEC=sleep,sh\nWatchdogSec=20s\nTimeoutAbortSec=2s\n";

/// Programs that are not optimised, five at once on emulated processors, take more than the usual 90 s to begin.
const PATIENT: &str = "[Manager]\nDefaultTimeoutStartSec=300s\n";

/// The longest that a boot with all checks may take; qemu without hardware help on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(1_500);

/// What the guest said, by name.
pub(crate) fn boot() -> BTreeMap<String, String> {
    let deb = PathBuf::from(std::env::var("AOB_DEB").expect("AOB_DEB: run `cargo xtask machines`"));
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), &deb);
    // Node 1 has more than the runner's slice may use: what is killed there has met the slice's limit.
    let machine = [
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-m",
        "2304",
        "-smp",
        "20,sockets=2,cores=10",
        "-object",
        "memory-backend-ram,id=m0,size=896M",
        "-object",
        "memory-backend-ram,id=m1,size=1408M",
        "-numa",
        "node,nodeid=0,cpus=0-7,cpus=16-19,memdev=m0",
        "-numa",
        "node,nodeid=1,cpus=8-15,memdev=m1",
    ]
    .map(str::to_owned);
    qemu::boot(&machine, &image, "rdinit=/sbin/init systemd.show_status=0", LIMIT)
}

/// The Debian, and over it the package and the probe.
fn image(folder: &Path, deb: &Path) -> PathBuf {
    let over = folder.join("over");
    let units = over.join("etc/systemd/system");
    fs::create_dir_all(units.join("multi-user.target.wants")).unwrap();
    fs::copy(deb, over.join("aob.deb")).unwrap();
    fs::write(over.join("probe.sh"), include_str!("probe.sh")).unwrap();
    fs::write(over.join("live.yaml"), include_str!("live.yaml")).unwrap();
    for (name, text) in [
        ("etc/systemd/system/aob-runner.service.d/30-test.conf", DROP_IN),
        ("etc/systemd/system.conf.d/test.conf", PATIENT),
        ("etc/aob/runner-agent.env", "AOB_TYPES=agent\n"),
        ("etc/aob/secrets/erp/token", "geheim\n"),
    ] {
        let path = over.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for unit in OFF {
        std::os::unix::fs::symlink("/dev/null", units.join(unit)).unwrap();
    }
    let unit = "[Unit]\nAfter=redis-server.service dbus.service\n[Service]\nType=exec\nExecStart=/bin/bash /probe.sh\n";
    fs::write(units.join("probe.service"), unit).unwrap();
    std::os::unix::fs::symlink(
        "../probe.service",
        units.join("multi-user.target.wants/probe.service"),
    )
    .unwrap();
    qemu::image(folder, &over)
}
