//! The software bill of materials: every crate that is linked into the operator, as CycloneDX 1.5.

use crate::{paths, shell};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const PACKAGE: &str = "emqx-operator";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// From the lock file, for the platform of the image. The same sources give the same text.
pub(super) fn of_the_operator() -> anyhow::Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(paths::root()).args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        TARGET,
    ]);
    let metadata: Value = serde_json::from_str(&shell::quietly(&mut cargo)?).context("cargo metadata is JSON")?;
    Ok(serde_json::to_string_pretty(&bill(&metadata)?)? + "\n")
}

fn bill(metadata: &Value) -> anyhow::Result<Value> {
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let root = packages.iter().find(|(_, package)| package["name"] == PACKAGE).context("the operator is a package")?;
    let linked = linked(root.0, &nodes);
    let components = linked.iter().filter(|id| *id != root.0).map(|id| component(packages[id], "library"));
    let dependencies = linked.iter().map(|id| {
        let on: Vec<_> = normal(nodes[id]).map(|id| purl(packages[id])).collect();
        json!({"ref": purl(packages[id]), "dependsOn": on})
    });
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root.1, "application")},
        "components": components.collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    }))
}

fn by_id(list: &Value) -> BTreeMap<&str, &Value> {
    list.as_array().into_iter().flatten().filter_map(|entry| Some((entry["id"].as_str()?, entry))).collect()
}

/// What the crate is linked from: neither what builds nor what tests it.
fn linked<'a>(root: &'a str, nodes: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(normal(nodes[id]));
        }
    }
    found
}

fn normal(node: &Value) -> impl Iterator<Item = &str> {
    let dependencies = node["deps"].as_array().into_iter().flatten();
    let normal = dependencies.filter(|dependency| {
        dependency["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"].is_null())
    });
    normal.filter_map(|dependency| dependency["pkg"].as_str())
}

fn component(package: &Value, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    });
    if let Some(license) = package["license"].as_str() {
        // What older crates write for OR.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    component
}

fn purl(package: &Value) -> String {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    format!("pkg:cargo/{}@{}", text("name"), text("version").replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::of_the_operator;
    use cyclonedx_bom::prelude::{Bom, Validate as _};

    #[test]
    fn the_bill_is_valid_and_names_what_is_linked() {
        let text = of_the_operator().unwrap();
        let bom = Bom::parse_from_json(text.as_bytes()).unwrap();
        assert!(bom.validate().passed(), "{:?}", bom.validate());
        let names: Vec<_> = bom.components.unwrap().0.iter().map(|component| component.name.to_string()).collect();
        for linked in ["kube", "rustls", "tokio", "emqx-client"] {
            assert!(names.iter().any(|name| name == linked), "{linked} is missing");
        }
        for not_linked in ["proptest", "emqx-sim", "xtask"] {
            assert!(!names.iter().any(|name| name == not_linked), "{not_linked} is not linked");
        }
    }
}
