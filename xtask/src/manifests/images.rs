//! The chart lists every image that an installation pulls, for registries without access to the internet.

use super::objects::{Variant, list, shown};
use crate::paths;
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::collections::BTreeSet;

const CHART: &str = "charts/emqx-operator/Chart.yaml";

/// Images that the chart says it pulls.
pub(crate) fn listed() -> anyhow::Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(paths::root().join(CHART)).with_context(|| format!("failed to read {CHART}"))?;
    let chart: Value = serde_yaml::from_str(&text)?;
    let images = chart["annotations"]["artifacthub.io/images"].as_str().context("the chart lists images")?;
    let images: Value = serde_yaml::from_str(images)?;
    Ok(list(&images).iter().map(|image| shown(&image["image"])).collect())
}

pub(crate) fn check(variants: &[Variant]) -> anyhow::Result<()> {
    let pods = variants.iter().flat_map(Variant::pods);
    let used: BTreeSet<_> =
        pods.flat_map(|pod| pod.containers().iter().map(|container| shown(&container["image"]))).collect();
    let listed = listed()?;
    ensure!(used == listed, "{CHART} lists {listed:?}, and the variants pull {used:?}");
    Ok(())
}
