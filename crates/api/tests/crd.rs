//! The shipped CRDs are what the types say, and `kubectl apply` can store them.

use emqx_operator_api::all_crds;
use std::path::PathBuf;

/// `kubectl apply` keeps what it applied in an annotation; an API server refuses annotations beyond this.
const ANNOTATION_LIMIT: usize = 256 * 1024;

fn bases() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config/crd/bases")
}

#[test]
fn the_files_in_config_are_fresh() {
    for (name, crd) in all_crds() {
        let path = bases().join(name);
        let wanted = format!(
            "# Generated from crates/api by `cargo xtask generate`; edit the types, not this file.\n---\n{}",
            serde_yaml::to_string(&crd).expect("a CRD is plain data")
        );
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &wanted).expect("config/crd/bases is writable");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == wanted, "{} is stale: run `cargo xtask generate`", path.display());
    }
}

#[test]
fn plain_kubectl_apply_can_store_every_crd() {
    for (name, crd) in all_crds() {
        let size = serde_json::to_vec(&crd).expect("a CRD is plain data").len();
        assert!(size < ANNOTATION_LIMIT, "{name} has {size} bytes");
    }
}

/// A field without a text leaves a hole in `kubectl explain`; Kubernetes' own types are explained elsewhere.
#[test]
fn every_field_of_ours_has_a_text() {
    let crd = serde_json::to_value(emqx_operator_api::emqx_crd()).expect("a CRD is plain data");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let ours = [
        &schema["spec"]["properties"],
        &schema["spec"]["properties"]["coreTemplate"]["properties"]["spec"]["properties"],
        &schema["spec"]["properties"]["replicantTemplate"]["properties"]["spec"]["properties"],
        &schema["spec"]["properties"]["updateStrategy"]["properties"],
        &schema["spec"]["properties"]["updateStrategy"]["properties"]["evacuationStrategy"]["properties"],
        &schema["status"]["properties"],
    ];
    for level in ours {
        for (name, field) in level.as_object().expect("a level of the schema has properties") {
            assert!(field["description"].is_string(), "{name} has no description");
        }
    }
}
