//! What `MemoryLow` and the planes' memory nodes do, counted in a machine of two nodes with control groups of version 2.
//!
//! `cargo xtask machines --record` writes the counts to `evidence.json`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use aob_node_tuning::render::Measured;

use crate::qemu;

const LIMIT: Duration = Duration::from_secs(300);
const MACHINE: &str = "qemu, 2 processors, 2 nodes, Linux 6.1";

#[test]
fn memory_is_kept_and_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let image = qemu::bare(folder.path(), "memory.sh");
    let disk = folder.path().join("disk");
    fs::File::create(&disk).unwrap().set_len(1 << 30).unwrap();
    let mut machine = [
        "-accel",
        "tcg,thread=single",
        "-cpu",
        "max",
        "-m",
        "1024",
        "-smp",
        "2,sockets=2",
        "-object",
        "memory-backend-ram,id=m0,size=512M",
        "-object",
        "memory-backend-ram,id=m1,size=512M",
        "-numa",
        "node,nodeid=0,cpus=0,memdev=m0",
        "-numa",
        "node,nodeid=1,cpus=1,memdev=m1",
        "-device",
        "nvme,drive=disk,serial=aob",
        "-drive",
    ]
    .map(str::to_owned)
    .to_vec();
    machine.push(format!("file={},if=none,id=disk,format=raw", disk.display()));
    let said = qemu::boot(&machine, &image, "rdinit=/memory.sh", LIMIT);
    let count =
        |name: &str| said[name].parse::<f64>().unwrap_or_else(|_| panic!("{name}: {said:?}"));
    let measured = |name: &str, what: &str, effect: fn(f64, f64) -> bool| {
        let (before, after) = (count(&format!("{name}_before")), count(&format!("{name}_after")));
        assert!(effect(before, after), "{what}: {before}, with the setting {after}");
        let (what, machine) = (what.to_owned(), MACHINE.to_owned());
        Measured { what, before, after, effect: true, machine }
    };
    let results = BTreeMap::from([
        (
            "memory low",
            measured(
                "low",
                "in a guest, MiB of the 64 that the control plane has read from a disk that are still in memory \
                 after the runner plane, which holds 550 itself, has read 900, on a machine of 1,024",
                |before, after| before < 32.0 && after >= 60.0,
            ),
        ),
        (
            "memory nodes",
            measured(
                "numa",
                "in a guest, MiB on node 0 of a process of the runner plane, on node 1, that wants more than \
                 node 1 has",
                |before, after| before > 50.0 && after < 5.0,
            ),
        ),
    ]);
    if std::env::var_os("AOB_RECORD").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/evidence.json");
        let text = fs::read_to_string(path).unwrap();
        let mut all: BTreeMap<String, Measured> = serde_json::from_str(&text).unwrap();
        all.extend(results.into_iter().map(|(name, result)| (name.to_owned(), result)));
        fs::write(path, format!("{}\n", serde_json::to_string_pretty(&all).unwrap())).unwrap();
    }
}
