//! Programs of Go modules, built once for what their `go.sum` pins, for the version of Go and the linker's flags.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::install::cache;
use crate::shell::{has, output, root, run_in, say};
use crate::tools::sha256;

type Found = Result<PathBuf, Box<dyn std::error::Error>>;

/// Where Kubernetes' programs are told what they are.
const VERSIONED: &[&str] = &["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

/// The folder with etcd, etcdctl, kubectl, kubelet and the parts of the control plane.
pub(crate) fn kubernetes() -> Found {
    let version = pinned("kubernetes", "k8s.io/kubernetes")?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("0"), parts.next().unwrap_or("0"));
    let mut flags = String::from("-s -w");
    for package in VERSIONED {
        // Nothing of the day or the machine: the same sources are the same programs.
        for (name, value) in [
            ("gitVersion", version.as_str()),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("gitCommit", "0000000000000000000000000000000000000000"),
            ("buildDate", "1970-01-01T00:00:00Z"),
        ] {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    let programs = [
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
        ("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),
    ];
    built("kubernetes", &flags, &programs)
}

/// The program helm.
pub(crate) fn helm() -> Found {
    let version = pinned("helm", "helm.sh/helm/v3")?;
    let mut flags = format!("-s -w -X helm.sh/helm/v3/internal/version.version={version}");
    // Which Kubernetes a chart is rendered for when none is asked; without it that is one of years ago.
    let client = pinned("helm", "k8s.io/client-go")?;
    let minor = client.split('.').nth(1).unwrap_or("0");
    for package in ["chartutil", "lint/rules"] {
        for (part, value) in [("Major", "1"), ("Minor", minor)] {
            flags.push_str(&format!(" -X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={value}"));
        }
    }
    Ok(built("helm", &flags, &[("helm", "helm.sh/helm/v3/cmd/helm")])?.join("helm"))
}

/// The program that answers for names of services.
pub(crate) fn coredns() -> Found {
    let programs = [("coredns", "github.com/coredns/coredns")];
    Ok(built("coredns", "-s -w", &programs)?.join("coredns"))
}

/// A provider of OpenID Connect.
pub(crate) fn dex() -> Found {
    Ok(built("dex", "-s -w", &[("dex", "github.com/dexidp/dex/cmd/dex")])?.join("dex"))
}

/// The program that keeps a pod's namespaces.
pub(crate) fn pause() -> Found {
    Ok(built("pause", "-s -w", &[("pause", ".")])?.join("pause"))
}

/// The version of a module that a `go.mod` requires.
fn pinned(module: &str, path: &str) -> Result<String, Box<dyn std::error::Error>> {
    let file = root().join("e2e/cluster").join(module).join("go.mod");
    let text = fs::read_to_string(&file)?;
    let found = text.lines().find_map(|line| {
        let (name, version) = line.trim().trim_start_matches("require ").trim().split_once(' ')?;
        (name == path && version.starts_with('v')).then(|| version.to_owned())
    });
    let found = found.ok_or_else(|| format!("{}: requires no {path}", file.display()))?;
    Ok(found.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Builds what is not in the cache; one process at a time, each program whole or not at all.
fn built(module: &str, flags: &str, programs: &[(&str, &str)]) -> Found {
    if !has("go") {
        return Err("go is not on the PATH: install Go 1.25 or newer".into());
    }
    let source = root().join("e2e/cluster").join(module);
    let mut key = Vec::new();
    for file in ["go.mod", "go.sum"] {
        key.extend(fs::read(source.join(file)).map_err(|error| format!("{file}: {error}"))?);
    }
    if module == "pause" {
        key.extend(fs::read(source.join("main.go"))?);
    }
    key.extend(flags.bytes());
    key.extend(output("go", &["env", "GOVERSION"])?.trim().bytes());
    let digest = sha256(&key);
    let name = format!("{module}-{}", digest.get(..16).unwrap_or(&digest));
    let folder = cache().join(&name);
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()?;
    if !folder.join(".complete").exists() {
        let count = programs.len();
        say(&format!("building {count} programs of e2e/cluster/{module}, once: minutes"));
        for (number, (program, package)) in programs.iter().enumerate() {
            if folder.join(program).exists() {
                continue;
            }
            say(&format!("  {program} ({} of {count})", number + 1));
            build(&source, flags, &folder, program, package)?;
        }
        fs::write(folder.join(".complete"), &digest)?;
    }
    point(module, &name)?;
    Ok(folder)
}

fn build(
    source: &Path,
    flags: &str,
    folder: &Path,
    program: &str,
    package: &str,
) -> crate::Outcome {
    let half = folder.join(format!(".{program}"));
    let to = half.to_string_lossy();
    let arguments = ["build", "-p", "2", "-trimpath", "-ldflags", flags, "-o", &*to, package];
    // One of the stores that the provider knows is written in C; nobody asks for it, but it has to be there.
    let c = if program == "dex" { "1" } else { "0" };
    let environment = [("CGO_ENABLED", c), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=readonly")];
    run_in(source, "go", &arguments, &environment)?;
    Ok(fs::rename(&half, folder.join(program))?)
}

/// Tests know a name without a digest: it leads to what was asked for last.
fn point(module: &str, name: &str) -> std::io::Result<()> {
    let link = cache().join(module);
    if fs::read_link(&link).is_ok_and(|there| there == Path::new(name)) {
        return Ok(());
    }
    let half = cache().join(format!(".{module}-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &half)?;
    fs::rename(half, link)
}
