//! Decides about an existing object whose name the operator needs. The name alone proves nothing: the object may be the user's.
//!
//! *Decides* whether the object is taken over, from its owner, labels and annotations. *Never* takes over an object that
//! neither belongs to this resource nor says that it does: it would be changed now, and deleted with the resource.

use crate::action::Stage;
use crate::build::Manifest;
use crate::world::Kind;
use emqx_operator_api::{annotation, label};
use serde_json::Value;

/// The decision about an existing object whose name the operator needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// The object belongs to this cluster and has lost the labels by which the operator finds it, or the user hands it over:
    /// the operator adds the labels and changes nothing else.
    Label,
    /// The object belongs to this cluster, and the watch is about to report it; or Kubernetes is about to delete it.
    Wait(String),
    /// The object belongs to the user or to another controller.
    Taken(String),
}

/// The keys of the Secrets that give a cluster its identity. Users and backups create them before the resource.
const IDENTITIES: [&str; 2] = ["node_cookie", "bootstrap_api_key"];

/// `existing` is the object as the API server gives it, for the manifest that could not be created.
pub fn adoption(manifest: &Manifest, stage: Stage, existing: &Value) -> Adoption {
    let wanted = &manifest.body["metadata"];
    let metadata = &existing["metadata"];
    let instance = wanted["labels"][label::INSTANCE].as_str().unwrap_or_default();
    let is_others = metadata["labels"].get(label::INSTANCE).is_some_and(|other| other != instance);
    // The operator reads an identity, and need not own it: controllers that create Secrets keep owning them.
    let is_identity = is_identity(manifest, stage, existing) && !is_others;
    let is_labeled = metadata["labels"][label::INSTANCE] == instance
        && metadata["labels"][label::MANAGED_BY] == label::MANAGED_BY_VALUE;
    if let Some(controller) = controller(metadata) {
        let owner = &wanted["ownerReferences"][0];
        if controller["uid"] == owner["uid"] {
            return if is_labeled { known_soon(manifest) } else { Adoption::Label };
        }
        if controller["kind"] == owner["kind"] && controller["name"] == owner["name"] {
            let text = format!("{} belongs to a deleted resource of the same name, and goes with it", manifest.id);
            return Adoption::Wait(text);
        }
        if is_identity {
            return if is_labeled { known_soon(manifest) } else { Adoption::Label };
        }
        return Adoption::Taken(format!(
            "{} belongs to {}/{}; rename the EMQX resource, or that object",
            manifest.id,
            controller["kind"].as_str().unwrap_or_default(),
            controller["name"].as_str().unwrap_or_default()
        ));
    }
    if is_labeled {
        return known_soon(manifest);
    }
    let is_handed_over = metadata["annotations"][annotation::ADOPT] == instance;
    if is_handed_over || is_identity {
        return Adoption::Label;
    }
    Adoption::Taken(format!(
        "{} exists and does not belong to this resource; rename one of them, or hand it over with the annotation \
         {}={instance}: the operator then changes it, and it is deleted with the resource",
        manifest.id,
        annotation::ADOPT
    ))
}

fn controller(metadata: &Value) -> Option<&Value> {
    metadata["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

fn known_soon(manifest: &Manifest) -> Adoption {
    Adoption::Wait(format!("{} exists already", manifest.id))
}

/// A Secret with the needed keys.
fn is_identity(manifest: &Manifest, stage: Stage, existing: &Value) -> bool {
    let holds = |key: &&str| manifest.body["data"].get(*key).is_some() && existing["data"].get(*key).is_some();
    manifest.id.kind == Kind::Secret && stage == Stage::Identity && IDENTITIES.iter().any(holds)
}

#[cfg(test)]
mod tests {
    use super::{Adoption, adoption};
    use crate::action::Stage;
    use crate::build::Manifest;
    use crate::world::{Kind, ObjectId};
    use serde_json::{Value, json};
    use std::sync::Arc;

    const OURS: &str = "uid-of-the-resource";

    fn wanted(kind: Kind, data: Value) -> Manifest {
        let body = json!({
            "metadata": {
                "labels": {"apps.emqx.io/instance": "iot", "apps.emqx.io/managed-by": "emqx-operator"},
                "ownerReferences": [{"kind": "EMQX", "name": "iot", "uid": OURS, "controller": true}],
            },
            "data": data,
        });
        Manifest { id: ObjectId { kind, name: "iot-x".to_owned() }, body: Arc::new(body) }
    }

    fn owned_by(kind: &str, name: &str, uid: &str) -> Value {
        json!([{"kind": kind, "name": name, "uid": uid, "controller": true}])
    }

    fn labels(instance: &str) -> Value {
        json!({"apps.emqx.io/instance": instance, "apps.emqx.io/managed-by": "emqx-operator"})
    }

    #[track_caller]
    fn becomes(expected: &str, manifest: &Manifest, stage: Stage, existing: Value) {
        let found = match adoption(manifest, stage, &existing) {
            Adoption::Label => "label",
            Adoption::Wait(_) => "wait",
            Adoption::Taken(_) => "taken",
        };
        assert_eq!(found, expected, "{existing}");
    }

    #[test]
    fn only_what_belongs_to_the_resource_or_says_so_is_taken_over() {
        let kinds = [
            Kind::Secret,
            Kind::ConfigMap,
            Kind::Service,
            Kind::StatefulSet,
            Kind::ReplicaSet,
            Kind::PodDisruptionBudget,
        ];
        for kind in kinds {
            let one = wanted(kind, json!({"base.hocon": ""}));
            let cases = [
                ("taken", json!({})),
                ("taken", json!({"labels": {"app": "iot"}})),
                ("taken", json!({"labels": {"apps.emqx.io/instance": "iot"}})),
                ("taken", json!({"labels": labels("other")})),
                ("wait", json!({"labels": labels("iot")})),
                ("label", json!({"annotations": {"apps.emqx.io/adopt": "iot"}})),
                ("taken", json!({"annotations": {"apps.emqx.io/adopt": "other"}})),
                ("label", json!({"ownerReferences": owned_by("EMQX", "iot", OURS)})),
                ("wait", json!({"ownerReferences": owned_by("EMQX", "iot", OURS), "labels": labels("iot")})),
                ("wait", json!({"ownerReferences": owned_by("EMQX", "iot", "gone")})),
                ("taken", json!({"ownerReferences": owned_by("Deployment", "web", "w")})),
                (
                    "taken",
                    json!({"ownerReferences": owned_by("Deployment", "web", "w"), "annotations": {"apps.emqx.io/adopt": "iot"}}),
                ),
                ("taken", json!({"ownerReferences": owned_by("EMQX", "other", "o"), "labels": labels("iot")})),
            ];
            for (expected, metadata) in cases {
                becomes(expected, &one, Stage::Workload, json!({"metadata": metadata}));
            }
        }
    }

    #[test]
    fn identities_that_were_made_beforehand_are_taken_over() {
        let cookie = wanted(Kind::Secret, json!({"node_cookie": "YQ=="}));
        let restored = |metadata: Value, key: &str| json!({"metadata": metadata, "data": {key: "Yg=="}});
        becomes("label", &cookie, Stage::Identity, restored(json!({}), "node_cookie"));
        becomes("taken", &cookie, Stage::Identity, restored(json!({}), "password"));
        becomes("taken", &cookie, Stage::Identity, restored(json!({"labels": labels("other")}), "node_cookie"));
        becomes("taken", &cookie, Stage::Config, restored(json!({}), "node_cookie"));
        let sealed = json!({"ownerReferences": owned_by("SealedSecret", "iot-x", "s")});
        becomes("label", &cookie, Stage::Identity, restored(sealed, "node_cookie"));
    }
}
