//! Renders every way to install the operator that this tree offers: kustomize by kubectl, the chart by Helm.

use super::objects::Variant;
use crate::cluster::tools;
use crate::{paths, shell};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const NAMESPACE: &str = "emqx-operator-system";
/// Name of the release that makes the same objects as kustomize.
pub(crate) const RELEASE: &str = "emqx-operator";
/// The version that local clusters have; a Helm that is built from source knows none.
const KUBERNETES: &str = "1.34";
const CHART: &str = "charts/emqx-operator";

/// A variant of the kustomize tree: the name of its file, and its folder.
pub(crate) fn overlays() -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = vec![("kustomize-default".to_owned(), paths::root().join("config/default"))];
    for (name, folder) in entries("config/overlays")? {
        found.push((format!("kustomize-{name}"), folder));
    }
    Ok(found)
}

/// A variant of the chart: the name of its file, and its values.
pub(crate) fn value_files() -> anyhow::Result<Vec<(String, PathBuf)>> {
    let files = entries("charts/emqx-operator/ci")?;
    Ok(files.into_iter().map(|(name, file)| (format!("helm-{name}"), file)).collect())
}

fn entries(folder: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let folder = paths::root().join(folder);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("names are UTF-8")?;
        found.push((name.trim_end_matches("-values.yaml").to_owned(), path.clone()));
    }
    found.sort();
    Ok(found)
}

pub(crate) fn kustomize(folder: &Path) -> anyhow::Result<String> {
    shell::quietly(Command::new(tools::kubectl()?).arg("kustomize").arg(folder))
}

/// Renders the chart as `helm template` does, the CRDs and hooks included.
pub(crate) fn chart(values: &Path) -> anyhow::Result<String> {
    let mut helm = Command::new(tools::helm()?);
    helm.arg("template").arg(RELEASE).arg(paths::root().join(CHART));
    helm.args(["--namespace", NAMESPACE, "--kube-version", KUBERNETES, "--include-crds", "--values"]).arg(values);
    shell::quietly(&mut helm)
}

/// Everything, by name.
pub(crate) fn all() -> anyhow::Result<Vec<(String, String)>> {
    let mut rendered = Vec::new();
    for (name, folder) in overlays()? {
        rendered.push((name, kustomize(&folder)?));
    }
    for (name, values) in value_files()? {
        rendered.push((name, chart(&values)?));
    }
    Ok(rendered)
}

pub(crate) fn parsed() -> anyhow::Result<Vec<Variant>> {
    all()?.iter().map(|(name, text)| Variant::parse(name, text)).collect()
}
