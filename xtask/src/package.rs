//! `cargo xtask package`: the Debian package, with manual pages and completions made by the programs themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, root, say};
use crate::{Outcome, install};

/// The version of cargo-deb that makes it.
const CARGO_DEB: &str = "3.7.0";

/// Programs, with what their page's title says.
const PROGRAMS: [(&str, &str); 4] = [
    ("aob", "workflows from the command line"),
    ("aob-runner", "executes nodes of workflow runs and routes their results"),
    ("aob-gateway", "the HTTP API of workflow runs"),
    ("aob-node", "tunes a machine for AOB"),
];

/// Flags of `cargo xtask package`.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// A quick build for tests, not optimised.
    #[arg(long)]
    quick: bool,
}

/// Makes it and says where it is.
pub(crate) fn run(flags: &Flags) -> Outcome {
    let path = make(flags.quick)?;
    say(&format!("package: {}", path.display()));
    Ok(())
}

/// Makes the package; its path.
pub(crate) fn make(quick: bool) -> Result<PathBuf, Box<dyn std::error::Error>> {
    install::packages(&[("help2man", "help2man"), ("dpkg-shlibdeps", "dpkg-dev")])?;
    let cargo_deb = install::cargo("cargo-deb", CARGO_DEB)?;
    let profile = if quick { "dev" } else { "release" };
    // As everything else is built, so that nothing is built twice.
    shell::run("cargo", &["build", "--workspace", "--bins", "--profile", profile], &[])?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let programs = target.join(if quick { "debug" } else { "release" });
    let folder = root().join("target/package");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for (program, about) in PROGRAMS {
        pages(&programs.join(program), program, about, &folder.join("man"))?;
    }
    completions(&programs.join("aob"), &["completion"], "aob", &folder)?;
    completions(&programs.join("aob-node"), &["completion"], "aob-node", &folder)?;
    let output = folder.join("aob.deb");
    let (profile, to) = (format!("--profile={profile}"), format!("--output={}", output.display()));
    let mut arguments = vec![
        "--package",
        "aob-node-tuning",
        "--no-build",
        "--strip",
        profile.as_str(),
        to.as_str(),
    ];
    if quick {
        // The system's gzip: what cargo-deb has itself packs so well that it takes minutes.
        arguments.extend(["--fast", "--compress-type", "gz", "--compress-system"]);
    }
    shell::run(&cargo_deb.display().to_string(), &arguments, &[])?;
    if quick {
        unpacked(&output)?;
    }
    Ok(output)
}

/// The same package without compression: a guest without hardware help takes longer to unpack it than for all else.
fn unpacked(package: &Path) -> Outcome {
    let (package, folder) =
        (package.display().to_string(), package.with_extension("d").display().to_string());
    shell::run("dpkg-deb", &["-R", &package, &folder], &[])?;
    shell::run("dpkg-deb", &["--root-owner-group", "-Znone", "-b", &folder, &package], &[])?;
    Ok(fs::remove_dir_all(folder)?)
}

/// A page of the program, and one of each verb that it lists in its help.
fn pages(program: &Path, name: &str, about: &str, folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    page(program, &[], name, about, folder)?;
    for (verb, about) in verbs(program)? {
        page(program, &[&verb], &format!("{name}-{verb}"), &about, folder)?;
    }
    Ok(())
}

fn page(program: &Path, verb: &[&str], name: &str, about: &str, folder: &Path) -> Outcome {
    let mut asked = program.display().to_string();
    for word in verb {
        asked.push(' ');
        asked.push_str(word);
    }
    let output = format!("--output={}", folder.join(format!("{name}.1")).display());
    let about = format!("--name={about}");
    let version = format!("--version-string={}", env!("CARGO_PKG_VERSION"));
    let status = Command::new("help2man")
        .args(["--no-info", "--no-discard-stderr", "--section=1", "--source=AOB", "--manual=AOB"])
        .args([&about, &version, &output, &asked])
        .env("SOURCE_DATE_EPOCH", "0")
        .env("COLUMNS", "100")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("help2man made no page of `{asked}`").into())
    }
}

/// Verbs of a program, with what each does: what its help lists after its usage and before its options, in groups or not.
fn verbs(program: &Path) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let output = Command::new(program).arg("--help").output()?;
    let help = String::from_utf8(output.stdout)?;
    let lines = help.lines().skip_while(|line| !line.starts_with("Usage:")).skip(1);
    let lines = lines.take_while(|line| *line != "Options:" && !line.starts_with("  -"));
    let verb = |line: &str| {
        let (verb, about) = line.trim().split_once(char::is_whitespace)?;
        // Lines that go on begin further to the right.
        let first = line.starts_with("  ") && !line.starts_with("   ");
        (first && verb != "help").then(|| (verb.to_owned(), about.trim().to_owned()))
    };
    let verbs: Vec<_> = lines.filter_map(verb).collect();
    // Only the usage tells: an option's value may be called so too.
    let usage = help.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    if verbs.is_empty() && usage.ends_with("<COMMAND>") {
        return Err(format!("{}: no verb is found in its help", program.display()).into());
    }
    Ok(verbs)
}

fn completions(program: &Path, verb: &[&str], name: &str, folder: &Path) -> Outcome {
    for (shell, file) in
        [("bash", name.to_owned()), ("zsh", format!("_{name}")), ("fish", format!("{name}.fish"))]
    {
        let output = Command::new(program).args(verb).arg(shell).output()?;
        if !output.status.success() || output.stdout.is_empty() {
            return Err(format!("{name} has no completions for {shell}").into());
        }
        let folder = folder.join("completions").join(shell);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(file), output.stdout)?;
    }
    Ok(())
}
