//! The dependency arrows of ARCHITECTURE.md, between crates and between the files of the core. Cargo forbids circles between crates
//! only; these keep the core pure.

use crate::{circles, paths, shell};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::BTreeSet;

/// Crate, and the crates of ours that it may depend on.
const ARROWS: [(&str, &[&str]); 8] = [
    ("emqx-operator-api", &[]),
    ("emqx-operator-core", &["emqx-operator-api"]),
    ("emqx-operator-testkit", &["emqx-operator-api", "emqx-operator-core"]),
    ("emqx-client", &[]),
    ("emqx-operator-runtime", &["emqx-operator-api", "emqx-operator-core", "emqx-client"]),
    ("emqx-operator", &["emqx-operator-api", "emqx-operator-runtime"]),
    ("mqtt-devices", &[]),
    ("xtask", &["mqtt-devices"]),
];

/// What would bring IO, clocks or randomness into the core.
const IMPURE: [&str; 7] = ["tokio", "reqwest", "kube", "rand", "tracing", "futures", "hyper"];

/// Needs of files of the core that close a circle, each with its reason.
const ALLOWED: [(&str, &str); 1] = [
    // What was built from a spec is kept with it, or simulations would build it again and again.
    ("desired", "build/built"),
];

/// What is wanted knows no rule, facts know no rule, and no rule knows another.
const LIFECYCLE: [(&str, &[&str]); 3] = [
    ("rules", &["rules", "removal/checks"]),
    ("facts", &["rules", "removal"]),
    ("removal/checks", &["rules", "removal/checks", "removal/admission"]),
];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut metadata = shell::cargo();
    metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&shell::quietly(&mut metadata)?).context("cargo metadata is JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let names: BTreeSet<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in dependencies(package) {
            let allowed = ARROWS.iter().find(|(of, _)| *of == name).map(|(_, allowed)| *allowed);
            if names.contains(dependency) && allowed.is_some_and(|allowed| !allowed.contains(&dependency)) {
                wrong.push(format!("{name} must not depend on {dependency}"));
            }
            if name == "emqx-operator-core" && IMPURE.contains(&dependency) {
                wrong.push(format!("{name} is pure, and {dependency} is not"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("the architecture is violated:\n  {}", wrong.join("\n  "));
    }
    println!("{} crates depend on each other as the architecture says", names.len());
    let files = circles::check(&paths::root().join("crates/core/src"), &ALLOWED, &LIFECYCLE)?;
    println!("{files} files of the core need each other in one direction");
    Ok(())
}

/// Dependencies of the shipped code; tests may use what they like.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies.filter(|dependency| dependency["kind"].is_null()).filter_map(|dependency| dependency["name"].as_str())
}
