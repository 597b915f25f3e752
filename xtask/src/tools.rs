//! The pinned generators and checkers of other languages, from their registries, in a cache
//! outside the tree. What is pinned stands in `schema/generators/<language>/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::install;
use crate::shell::{has, root, run_in, say};

type Found = Result<PathBuf, Box<dyn std::error::Error>>;

/// The folder whose `node_modules` has the packages of TypeScript and of editors.
pub(crate) fn node() -> Found {
    needed("node", "nodejs")?;
    needed("npm", "npm")?;
    installed("ts", &["package.json", "package-lock.json"], |folder| {
        run_in(
            folder,
            "npm",
            &["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
            &[],
        )
    })
}

/// The Python that has the packages of Python.
pub(crate) fn python() -> Found {
    needed("python3", "python3")?;
    let folder = installed("python", &["requirements.txt"], |folder| {
        run_in(folder, "python3", &["-m", "venv", "venv"], &[])?;
        let arguments = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            "requirements.txt",
        ];
        run_in(folder, "venv/bin/python", &arguments, &[])
    })?;
    Ok(folder.join("venv/bin/python"))
}

/// The folder that has the programs of Go.
pub(crate) fn go() -> Found {
    needed("go", "golang-go")?;
    installed("go", &["go.mod", "go.sum"], |folder| {
        let bin = folder.to_string_lossy().into_owned();
        run_in(folder, "go", &["install", "tool"], &[("GOBIN", &bin)])
    })
}

/// The digest of what pins the tools of a language, and of the scripts beside it.
pub(crate) fn pins(language: &str) -> Result<String, std::io::Error> {
    let folder = root().join("schema/generators").join(language);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let mut text = String::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{name} {}\n", sha256(&fs::read(path)?)));
    }
    Ok(sha256(text.as_bytes()))
}

/// Lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

fn needed(program: &str, package: &str) -> Result<(), String> {
    if has(program) {
        return Ok(());
    }
    Err(format!("{program} is not on the PATH: install it (Debian's package is {package})"))
}

/// The cache folder for what the given files pin; filled once, by one process at a time.
fn installed(
    language: &str,
    files: &[&str],
    install: impl FnOnce(&Path) -> crate::Outcome,
) -> Found {
    let source = root().join("schema/generators").join(language);
    let mut pinned = Vec::new();
    for file in files {
        pinned.extend(fs::read(source.join(file)).map_err(|error| format!("{file}: {error}"))?);
    }
    let digest = sha256(&pinned);
    let folder =
        install::cache().join(format!("{language}-{}", digest.get(..16).unwrap_or(&digest)));
    fs::create_dir_all(&folder)?;
    let done = folder.join(".complete");
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()?;
    if done.exists() {
        return Ok(folder);
    }
    say(&format!("installing what schema/generators/{language} pins into {}", folder.display()));
    for file in files {
        fs::copy(source.join(file), folder.join(file))?;
    }
    install(&folder)?;
    fs::write(&done, digest)?;
    Ok(folder)
}
