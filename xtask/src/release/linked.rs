//! The crates that are linked into the operator, by the lock file, for the platform of the image.

use crate::shell;
use anyhow::Context as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PACKAGE: &str = "emqx-operator";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What `cargo metadata` says.
pub(super) struct Metadata(Value);

/// The crates, by id, and which of them the operator is.
pub(super) struct Linked<'a> {
    pub(super) root: &'a str,
    packages: BTreeMap<&'a str, &'a Value>,
    nodes: BTreeMap<&'a str, &'a Value>,
    pub(super) ids: BTreeSet<&'a str>,
}

impl Metadata {
    pub(super) fn read() -> anyhow::Result<Metadata> {
        let mut cargo = shell::cargo();
        let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET];
        cargo.args(arguments);
        Ok(Metadata(serde_json::from_str(&shell::quietly(&mut cargo)?).context("cargo metadata is JSON")?))
    }

    pub(super) fn linked(&self) -> anyhow::Result<Linked<'_>> {
        let packages = by_id(&self.0["packages"]);
        let nodes = by_id(&self.0["resolve"]["nodes"]);
        let is_root = |(_, package): &(&&str, &&Value)| package["name"] == PACKAGE;
        let root = *packages.iter().find(is_root).context("the operator is a package")?.0;
        let ids = reached(root, &nodes);
        Ok(Linked { root, packages, nodes, ids })
    }
}

impl<'a> Linked<'a> {
    pub(super) fn package(&self, id: &str) -> &'a Value {
        self.packages[id]
    }

    /// What a crate is linked with.
    pub(super) fn dependencies(&self, id: &str) -> impl Iterator<Item = &'a str> {
        normal(self.nodes[id])
    }

    /// The crates of others.
    pub(super) fn third_party(&self) -> impl Iterator<Item = &'a Value> {
        self.ids.iter().map(|id| self.packages[id]).filter(|package| !package["source"].is_null())
    }
}

fn by_id(list: &Value) -> BTreeMap<&str, &Value> {
    list.as_array().into_iter().flatten().filter_map(|entry| Some((entry["id"].as_str()?, entry))).collect()
}

/// What the crate is linked from: neither what builds nor what tests it.
fn reached<'a>(root: &'a str, nodes: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
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

/// How a crate names its licences; older ones write `/` for OR.
pub(super) fn expression(package: &Value) -> Option<String> {
    package["license"].as_str().map(|license| license.replace('/', " OR "))
}
