//! Examples and resources for the tests of this crate.

pub mod resource;

use emqx_operator_api::hub::EMQX;
use emqx_operator_core::desired::{References, SecretData};
use serde::Deserialize as _;
use std::path::{Path, PathBuf};

/// One file of `examples/`.
pub struct Example {
    pub name: String,
    pub cr: EMQX,
    pub references: References,
}

/// Every file of `examples/`, sorted by name.
pub fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("examples/ exists")
        .map(|entry| entry.expect("examples/ can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files.iter().map(|path| example(path)).collect()
}

fn example(path: &Path) -> Example {
    let text = std::fs::read_to_string(path).expect("an example can be read");
    let mut cr = None;
    let mut references = References::default();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde_json::Value::deserialize(document).expect("an example is YAML");
        match value["kind"].as_str() {
            Some("EMQX") => cr = Some(resource::resource(value)),
            Some("Secret") => {
                let entries = value["stringData"].as_object().into_iter().flatten();
                let entries =
                    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().into())).collect();
                let name = value["metadata"]["name"].as_str().expect("a Secret has a name").to_owned();
                references.secrets.insert(name, SecretData { resource_version: "7".to_owned(), entries });
            }
            kind => panic!("{}: unexpected kind {kind:?}", path.display()),
        }
    }
    Example {
        name: path.file_stem().and_then(|stem| stem.to_str()).expect("examples have plain names").to_owned(),
        cr: cr.expect("every example has an EMQX resource"),
        references,
    }
}
