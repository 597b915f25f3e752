//! Secrets as files: `<folder>/<name>/<key>`; as credentials of systemd `<folder>/secrets_<name>_<key>`.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use aob_engine::catalogue::{SECRET_INVALID, SECRET_MISSING};

use crate::node::Failure;

/// The largest secret, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The text of a secret without its trailing line end.
pub(super) fn read(folder: &Path, name: &str, key: &str) -> Result<String, Failure> {
    let missing = || {
        Failure::new(&SECRET_MISSING, format!("secret `{name}/{key}` is not in the secrets folder"))
    };
    let invalid =
        |what: &str| Failure::new(&SECRET_INVALID, format!("secret `{name}/{key}` {what}"));
    let told = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => missing(),
        kind => invalid(&format!("cannot be read: {kind}")),
    };

    // The engine makes no other names, but a task may come from elsewhere.
    if !is_name(name) || !is_name(key) {
        return Err(invalid("has a name that is none"));
    }
    // A mounted Kubernetes secret is symbolic links within its folder; only links that leave it are refused.
    let root = folder.canonicalize().map_err(|error| told(&error))?;
    let path = match root.join(name).join(key).canonicalize() {
        // `LoadCredential=secrets:FOLDER` makes one flat folder of all. A name with `_` would be two things there.
        Err(error) if error.kind() == ErrorKind::NotFound && !name.contains('_') => {
            root.join(format!("secrets_{name}_{key}")).canonicalize()
        }
        nested => nested,
    };
    let path = path.map_err(|error| told(&error))?;
    if !path.starts_with(&root) {
        return Err(invalid("is a link that leaves the secrets folder"));
    }
    // Asked before opening: opening a named pipe would wait for its writer.
    if !path.metadata().map_err(|error| told(&error))?.is_file() {
        return Err(invalid("is not a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(|error| told(&error))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| told(&error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(invalid("is larger than 64 KiB"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| invalid("is not UTF-8 text"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(invalid("is empty"));
    }
    Ok(text)
}

/// A single step down. Kubernetes keeps its own files under names with two dots.
fn is_name(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !part.is_empty() && part != "." && !part.starts_with("..") && part.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_systemd_are_one_flat_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secrets_erp_api_token"), "value\n").unwrap();
        std::fs::write(folder.path().join("tokens"), "not a secret of workflows").unwrap();
        assert_eq!(read(folder.path(), "erp", "api_token").unwrap(), "value");
        // The same file, were names with `_` looked for.
        for (name, key) in [("erp_api", "token"), ("erp", "token"), ("tokens", "")] {
            assert!(read(folder.path(), name, key).is_err(), "{name}/{key}");
        }
    }

    #[test]
    fn files_are_judged() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), "outside").unwrap();
        let folder = dir.path().join("secrets");
        std::fs::create_dir_all(folder.join("n/dir")).unwrap();
        let write =
            |key: &str, bytes: &[u8]| std::fs::write(folder.join("n").join(key), bytes).unwrap();
        write("plain", b"value");
        write("lines", b"one\ntwo\r\n");
        write("two_ends", b"one\n\n");
        write("empty", b"\n");
        write("binary", b"\xff\xfe");
        write("most", &vec![b'x'; 65_536]);
        write("more", &vec![b'x'; 65_537]);
        std::os::unix::fs::symlink("plain", folder.join("n/inside")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.join("n/leaves")).unwrap();
        std::os::unix::fs::symlink(dir.path(), folder.join("up")).unwrap();
        std::fs::write(dir.path().join("k"), "beside").unwrap();

        for (key, text) in
            [("plain", "value"), ("inside", "value"), ("lines", "one\ntwo"), ("two_ends", "one\n")]
        {
            assert_eq!(read(&folder, "n", key).unwrap(), text, "{key}");
        }
        assert_eq!(read(&folder, "n", "most").unwrap().len(), 65_536);
        for (name, key, code, said) in [
            ("n", "none", "secret_missing", "n/none"),
            ("none", "plain", "secret_missing", "none/plain"),
            ("n", "empty", "secret_invalid", "is empty"),
            ("n", "binary", "secret_invalid", "UTF-8"),
            ("n", "more", "secret_invalid", "64 KiB"),
            ("n", "dir", "secret_invalid", "not a file"),
            ("n", "leaves", "secret_invalid", "leaves"),
            ("up", "k", "secret_invalid", "leaves"),
            ("..", "k", "secret_invalid", "none"),
            ("n", "../n/plain", "secret_invalid", "none"),
            ("n", "..data", "secret_invalid", "none"),
            (".", "k", "secret_invalid", "none"),
            ("n", "", "secret_invalid", "none"),
        ] {
            let failure = read(&folder, name, key).unwrap_err();
            assert_eq!(failure.code, code, "{name}/{key}");
            assert!(failure.message.contains(said), "{}", failure.message);
        }
    }
}
