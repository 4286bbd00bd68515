//! Files as users have them, and what each gives. `cases/` has small resources after public reports and after what the Go
//! operator's documentation tells people to write.

#[path = "support/planning.rs"]
mod planning;

#[path = "support/resource.rs"]
mod support;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References, SecretData};
use emqx_operator_core::world::{Kind, KubernetesView};
use planning::{nobody, plan_for};
use serde::Deserialize as _;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn documents(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).expect(file);
    serde_yaml::Deserializer::from_str(&text).map(|one| Value::deserialize(one).expect(file)).collect()
}

/// The Secrets and ConfigMaps of a file, as the operator looks them up.
fn references(documents: &[Value]) -> References {
    let mut references = References::default();
    for object in documents {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let texts = ["stringData", "data"].into_iter().filter_map(|field| object[field].as_object()).flatten();
        let entries = texts.map(|(key, text)| (key.clone(), text.as_str().unwrap_or_default().as_bytes().to_vec()));
        let data = SecretData { resource_version: "1".to_owned(), entries: entries.collect() };
        match object["kind"].as_str() {
            Some("Secret") => drop(references.secrets.insert(name, data)),
            Some("ConfigMap") => drop(references.used.insert(("ConfigMap", name), Arc::new(data))),
            _ => {}
        }
    }
    references
}

/// The first plan, or what the user is told.
fn outcome(file: &str) -> Result<Vec<Action>, String> {
    let documents = documents(file);
    let resource = documents.iter().find(|one| one["kind"] == "EMQX").expect("a resource");
    let desired = Desired::resolve(&support::resource(resource.clone()), &references(&documents));
    let desired = desired.map_err(|mistakes| mistakes.to_string())?;
    Ok(plan_for(&desired, &KubernetesView::default(), nobody()).actions)
}

/// What a file gives before a pod is made.
enum Gives {
    /// A refusal that has all of this in it.
    Refused(&'static [&'static str]),
    /// An object with this value at this place.
    Made(Kind, &'static str, &'static str),
}
use Gives::{Made, Refused};

/// Those that speak of what Kubernetes or EMQX says later are planned here, and their tests run on real servers: budgets
/// (`strangers`), images that cannot be pulled and storage classes that do not exist (`explained`), the license (`license`).
const TABLE: &[(&str, Gives)] = &[
    ("budgets", Made(Kind::StatefulSet, "/spec/replicas", "1")),
    (
        "dashboard-by-env",
        Refused(&["env[0]", "EMQX_DASHBOARD__LISTENERS__HTTP__BIND", "roots.dashboard.listeners.http.bind"]),
    ),
    (
        "digest",
        Made(
            Kind::StatefulSet,
            "/spec/template/spec/containers/0/image",
            "registry.example/emqx/emqx@sha256:18159b2be11db91f84b8f8f655cd860f805dbd9e49a583ddaac8ab39bf4fe1a7",
        ),
    ),
    ("dotted-inside-dashboard-only", Refused(&[r#"{"listeners": {"http": {"bind": 18084}}}"#])),
    ("dotted-keys-inside", Refused(&[r#"{"listeners": {"http": {"bind": 18084}}}"#, r#"{"tcp": {"internal": …}}"#])),
    ("dotted-keys", Refused(&[r#"{"mqtt": {"max_packet_size": 10485760}}"#])),
    ("equal-labels", Made(Kind::StatefulSet, "/spec/template/metadata/labels/team", "iot")),
    ("gitops-scale", Made(Kind::StatefulSet, "/spec/replicas", "2")),
    ("helm-env", Refused(&["EMQX_CLUSTER__DNS__NAME", "EMQX_NODE__COOKIE", "reserved for the operator"])),
    ("ipv6", Made(Kind::ConfigMap, "/data/emqx.conf", "[::]:18083")),
    (
        "listener-by-envfrom",
        Refused(&["envFrom[0]", "EMQX_LISTENERS__TCP__DEFAULT__BIND", "roots.listeners.tcp.default.bind"]),
    ),
    ("listener-names", Refused(&["plain_to_the_old_devices", "63"])),
    ("listener-on-dashboard-port", Refused(&["tcp-internal", "18083", "dashboard"])),
    (
        "named-container-port",
        Made(Kind::StatefulSet, "/spec/template/spec/containers/0/ports/0/containerPort", "18083"),
    ),
    ("partial-claim", Made(Kind::StatefulSet, "/spec/volumeClaimTemplates/0/spec/accessModes/0", "ReadWriteOnce")),
    ("priority-class", Made(Kind::StatefulSet, "/spec/template/spec/priorityClassName", "system-cluster-critical")),
    (
        "quantity",
        Made(Kind::StatefulSet, "/spec/template/spec/containers/0/resources/limits/memory", "10000000000000000P"),
    ),
    ("service-with-selector", Made(Kind::Service, "/spec/ports/0/nodePort", "32012")),
    ("storage", Made(Kind::StatefulSet, "/spec/volumeClaimTemplates/0/spec/storageClassName", "standard")),
    (
        "tag-and-digest",
        Made(
            Kind::StatefulSet,
            "/spec/template/spec/containers/0/image",
            "registry.example/emqx/emqx:5.8.5@sha256:18159b2be11db91f84b8f8f655cd860f805dbd9e49a583ddaac8ab39bf4fe1a7",
        ),
    ),
    ("upgrade-without-licence", Made(Kind::StatefulSet, "/spec/replicas", "3")),
    (
        "v3-with-v2-fields",
        Refused(&["spec.config.data", "spec.config.roots", "spec.config.mode", "persistentVolumeClaimSpec"]),
    ),
    ("whole-config-from-secret", Refused(&["spec.config.roots.authentication", "holds an object or a list"])),
];

#[test]
fn each_file_gives_what_is_right() {
    for (file, gives) in TABLE {
        match (gives, outcome(&format!("{file}.yaml"))) {
            (Refused(parts), Err(text)) => {
                for part in *parts {
                    assert!(text.contains(part), "{file}: {part} is not in: {text}");
                }
            }
            (Made(kind, path, value), Ok(actions)) => {
                let manifests: Vec<_> =
                    actions.iter().filter_map(Action::manifest).filter(|one| one.id.kind == *kind).collect();
                let found = |body: &Value| match body.pointer(path) {
                    Some(Value::String(text)) => text == value || (path.ends_with(".conf") && text.contains(value)),
                    Some(other) => serde_json::from_str(value).is_ok_and(|value: Value| value == *other),
                    None => false,
                };
                let bodies: Vec<_> = manifests.iter().map(|one| one.body.to_string()).collect();
                assert!(
                    manifests.iter().any(|one| found(&one.body)),
                    "{file}: no {kind:?} has {value} at {path}: {bodies:?}"
                );
            }
            (Refused(_), Ok(_)) => panic!("{file} is planned"),
            (Made(..), Err(text)) => panic!("{file} is refused: {text}"),
        }
    }
}

#[test]
fn every_file_has_a_row() {
    let name = |file: std::io::Result<std::fs::DirEntry>| {
        file.expect("a file").path().file_stem().map(|name| name.to_string_lossy().into_owned())
    };
    let mut files: Vec<_> = std::fs::read_dir(folder()).expect("the folder").filter_map(name).collect();
    files.sort();
    let mut rows: Vec<_> = TABLE.iter().map(|(file, _)| (*file).to_owned()).collect();
    rows.sort();
    assert_eq!(files, rows);
}
