//! A journal whose frames are whole but say anything, and one of raw bytes.
#![no_main]

use aob_store::embedded::{Embedded, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut file = b"AOBJRNL\x01".to_vec();
    if mode & 1 == 0 {
        // The magic of a real file, so that the reader gets further than its first line.
        file = real_header();
        let mut record = (rest.len() as u32).to_le_bytes().to_vec();
        record.extend_from_slice(rest);
        let payload = if mode & 2 == 0 { record } else { rest.to_vec() };
        let mut frame = vec![0; 24];
        frame[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        frame[8..16].copy_from_slice(&1_u64.to_le_bytes());
        frame[16..20].copy_from_slice(&1_u32.to_le_bytes());
        frame[20..24].copy_from_slice(&1_u32.to_le_bytes());
        frame.extend_from_slice(&payload);
        let crc = crc32fast::hash(&frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(&frame);
    } else {
        file.extend_from_slice(rest);
    }
    std::fs::write(dir.path().join("journal-1"), &file).expect("a file");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _inside = runtime.enter();
    // Whatever it is: opened to a prefix, or refused with a place; never a panic.
    drop(Embedded::open(dir.path(), Options { fsync: false, ..Options::default() }));
});

/// What the store itself writes at the start of a journal.
fn real_header() -> Vec<u8> {
    static HEADER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    HEADER
        .get_or_init(|| {
            let dir = tempfile::tempdir().expect("a folder");
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let _inside = runtime.enter();
            drop(Embedded::open(dir.path(), Options { fsync: false, ..Options::default() }).expect("an empty store"));
            let bytes = std::fs::read(dir.path().join("journal-1")).expect("a journal");
            bytes[..24].to_vec()
        })
        .clone()
}
