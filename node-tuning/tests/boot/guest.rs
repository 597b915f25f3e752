//! Builds the guest's first file system and boots it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// What protects against other users of a real processor only makes an emulated one slower, and so does waiting until
/// each of twenty has been seen idle.
const KERNEL: &str = "console=ttyS0 panic=-1 rdinit=/sbin/init systemd.show_status=0 quiet mitigations=off no5lvl \
    rcupdate.rcu_expedited=1 audit=0";

/// The longest that a boot with all checks may take; qemu without hardware help on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(1_500);

/// What the guest said, by name.
pub(crate) fn boot() -> BTreeMap<String, String> {
    let guest =
        PathBuf::from(std::env::var("AOB_GUEST").expect("AOB_GUEST: run `cargo xtask machines`"));
    let deb = PathBuf::from(std::env::var("AOB_DEB").expect("AOB_DEB: run `cargo xtask machines`"));
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path(), &guest, &deb);
    // Node 1 has more than the runner's slice may use: what is killed there has met the slice's limit.
    let mut qemu = Command::new("qemu-system-x86_64")
        .args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-m",
            "2304",
            "-smp",
            "20,sockets=2,cores=10",
        ])
        .args([
            "-object",
            "memory-backend-ram,id=m0,size=896M",
            "-object",
            "memory-backend-ram,id=m1,size=1408M",
        ])
        .args([
            "-numa",
            "node,nodeid=0,cpus=0-7,cpus=16-19,memdev=m0",
            "-numa",
            "node,nodeid=1,cpus=8-15,memdev=m1",
        ])
        .args(["-nographic", "-no-reboot", "-net", "none"])
        .arg("-kernel")
        .arg(guest.join("vmlinuz"))
        .arg("-initrd")
        .arg(&image)
        .args(["-append", KERNEL])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-system-x86_64: run `cargo xtask machines`");
    let start = Instant::now();
    let output = qemu.stdout.take().unwrap();
    let (lines, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()).is_err()
            {
                return;
            }
        }
    });
    let mut said = BTreeMap::new();
    let mut tail = Vec::new();
    while !said.contains_key("end") {
        let left = LIMIT.saturating_sub(start.elapsed());
        let Ok(line) = heard.recv_timeout(left) else { break };
        println!("[{:>3} s] {line}", start.elapsed().as_secs());
        if let Some((name, value)) =
            line.split_once("AOB@@ ").and_then(|(_, rest)| rest.split_once('='))
        {
            said.insert(name.to_owned(), value.to_owned());
        }
        tail.push(line);
    }
    drop(qemu.kill());
    drop(qemu.wait());
    let last = tail.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n");
    assert!(said.contains_key("end"), "the guest did not come to its end; last it said:\n{last}");
    said
}

/// The Debian, and over it the package and the probe: archives one after the other are one file system.
fn image(folder: &Path, guest: &Path, deb: &Path) -> PathBuf {
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
    let image = folder.join("initrd");
    let script = r#"set -e -o pipefail
        cp "$1/root.cpio" "$3"
        cd "$2" && find . -mindepth 1 -print0 | cpio --quiet -0 -o -H newc -R root:root >> "$3""#;
    let status = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(guest)
        .arg(&over)
        .arg(&image)
        .status()
        .unwrap();
    assert!(status.success(), "the guest's file system could not be packed");
    image
}
