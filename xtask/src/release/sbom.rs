//! The software bill of materials: every crate that is linked into the operator, and the libraries of the machine that
//! builds it, as CycloneDX 1.5.

use super::linked::{Metadata, expression};
use super::toolchain::{self, Library};
use serde_json::{Value, json};

/// The same sources on the same machine give the same text.
pub(super) fn of_the_operator() -> anyhow::Result<String> {
    let bill = bill(&Metadata::read()?, &toolchain::libraries()?)?;
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

fn bill(metadata: &Metadata, libraries: &[Library]) -> anyhow::Result<Value> {
    let linked = metadata.linked()?;
    let root = linked.package(linked.root);
    let others = linked.ids.iter().filter(|id| **id != linked.root);
    let mut components: Vec<_> = others.map(|id| component(linked.package(id), "library")).collect();
    components.extend(libraries.iter().map(of_the_machine));
    let mut dependencies: Vec<_> = linked
        .ids
        .iter()
        .map(|id| {
            let mut on: Vec<_> = linked.dependencies(id).map(|id| purl(linked.package(id))).collect();
            if *id == linked.root {
                on.extend(libraries.iter().map(|library| library.purl.clone()));
            }
            json!({"ref": purl(linked.package(id)), "dependsOn": on})
        })
        .collect();
    dependencies.extend(libraries.iter().map(|library| json!({"ref": library.purl, "dependsOn": []})));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn of_the_machine(library: &Library) -> Value {
    let Library { name, version, license, purl, source, texts: _ } = library;
    json!({
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"expression": license}],
        "externalReferences": [{"type": "vcs", "url": source}],
    })
}

fn component(package: &Value, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    });
    if let Some(license) = expression(package) {
        component["licenses"] = json!([{"expression": license}]);
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
        for linked in ["kube", "rustls", "tokio", "emqx-client", "glibc", "rust-std"] {
            assert!(names.iter().any(|name| name == linked), "{linked} is missing");
        }
        for not_linked in ["proptest", "emqx-sim", "xtask"] {
            assert!(!names.iter().any(|name| name == not_linked), "{not_linked} is not linked");
        }
    }
}
