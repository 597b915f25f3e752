//! A machine in qemu, and what it says on its serial line.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What protects against other users of a real processor only makes an emulated one slower, and so does waiting until
/// each of many has been seen idle.
const KERNEL: &str =
    "console=ttyS0 panic=-1 quiet mitigations=off no5lvl rcupdate.rcu_expedited=1 audit=0";

/// Boots a kernel with its first file system; `machine` are qemu's arguments for processors and memory, `words` the
/// kernel's. Gives the lines `AOB@@ NAME=VALUE` until one is named `end`; fails if none is within `limit`.
pub(crate) fn boot(
    machine: &[String],
    image: &Path,
    words: &str,
    limit: Duration,
) -> BTreeMap<String, String> {
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(machine)
        .args(["-nographic", "-no-reboot", "-net", "none"])
        .arg("-kernel")
        .arg(guest().join("vmlinuz"))
        .arg("-initrd")
        .arg(image)
        .args(["-append", &format!("{KERNEL} {words}")])
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
        let left = limit.saturating_sub(start.elapsed());
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

/// The Debian in `folder`, and what is in `over` over it: archives one after the other are one file system.
pub(crate) fn image(folder: &Path, over: &Path) -> PathBuf {
    let image = folder.join("initrd");
    let script = r#"set -e -o pipefail
        cp "$1/root.cpio" "$3"
        cd "$2" && find . -mindepth 1 -print0 | cpio --quiet -0 -o -H newc -R root:root >> "$3""#;
    let status = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(guest())
        .arg(over)
        .arg(&image)
        .status()
        .unwrap();
    assert!(status.success(), "the guest's file system could not be packed");
    image
}

/// The Debian with a script of this folder, which is to be its first process.
pub(crate) fn bare(folder: &Path, script: &str) -> PathBuf {
    let over = folder.join("over");
    std::fs::create_dir(&over).unwrap();
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boot"));
    std::fs::copy(scripts.join(script), over.join(script)).unwrap();
    image(folder, &over)
}

fn guest() -> PathBuf {
    PathBuf::from(std::env::var("AOB_GUEST").expect("AOB_GUEST: run `cargo xtask machines`"))
}
