//! The fields of a resource that pods and configuration are created from: a rollout applies them, and a rollback restores them. Numbers of
//! nodes, volumes, Services and the strategy are not in it.

use super::{canonical, digest};
use emqx_operator_api::annotation::RESTART_REQUESTED_AT;
use emqx_operator_api::hub::EMQX;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fields of the spec that stay as the user has them now.
const STAY: [&[&str]; 13] = [
    &["updateStrategy"],
    &["revisionHistoryLimit"],
    &["clusterDomain"],
    &["bootstrapAPIKeys"],
    &["apiTLS"],
    &["dashboardServiceTemplate"],
    &["listenersServiceTemplate"],
    &["coreTemplate", "spec", "replicas"],
    &["coreTemplate", "spec", "podDisruptionBudget"],
    &["coreTemplate", "spec", "persistentVolumeClaimSpec"],
    &["coreTemplate", "spec", "persistentVolumeClaimRetentionPolicy"],
    &["replicantTemplate", "spec", "replicas"],
    &["replicantTemplate", "spec", "podDisruptionBudget"],
];

/// The fields of a resource that nodes are created from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Templates {
    spec: Value,
    /// The requested restart of all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart_requested_at: Option<String>,
}

impl Templates {
    pub(super) fn of(cr: &EMQX) -> Templates {
        let mut spec = spec(cr);
        for path in STAY {
            take(&mut spec, path);
        }
        let wish = cr.metadata.annotations.as_ref().and_then(|all| all.get(RESTART_REQUESTED_AT));
        Templates { spec, restart_requested_at: wish.cloned() }
    }

    /// Ten characters of a digest of all fields.
    pub fn revision(&self) -> String {
        let whole = serde_json::to_value(self).expect("templates are plain data");
        digest(&canonical(&whole))[..10].to_owned()
    }

    /// The resource with these templates in place of its own, if the result is a valid resource.
    pub(crate) fn put_into(&self, cr: &EMQX) -> Option<EMQX> {
        let mut theirs = spec(cr);
        let mut spec = self.spec.clone();
        for path in STAY {
            if let Some(value) = take(&mut theirs, path) {
                put(&mut spec, path, value);
            }
        }
        // Replicants that the user does not want any more do not come back.
        if cr.spec.replicant_template.is_none() {
            take(&mut spec, &["replicantTemplate"]);
        }
        let mut cr = cr.clone();
        cr.spec = serde_json::from_value(spec).ok()?;
        let mut annotations = cr.metadata.annotations.take().unwrap_or_default();
        match &self.restart_requested_at {
            Some(wish) => annotations.insert(RESTART_REQUESTED_AT.to_owned(), wish.clone()),
            None => annotations.remove(RESTART_REQUESTED_AT),
        };
        cr.metadata.annotations = Some(annotations).filter(|all| !all.is_empty());
        Some(cr)
    }
}

fn spec(cr: &EMQX) -> Value {
    serde_json::to_value(&cr.spec).expect("a spec is plain data")
}

fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(value, |value, key| value.get_mut(*key))?;
    parent.as_object_mut()?.remove(*last)
}

fn put(value: &mut Value, path: &[&str], field: Value) {
    let mut place = value;
    for key in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[*key];
    }
    *place = field;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(spec: Value) -> EMQX {
        let metadata = json!({"name": "iot", "namespace": "default"});
        serde_json::from_value(
            json!({"apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": metadata, "spec": spec}),
        )
        .unwrap()
    }

    fn scaled(image: &str, replicas: i32) -> EMQX {
        resource(json!({
            "image": image,
            "config": {"roots": {"mqtt": {"max_packet_size": image}}},
            "coreTemplate": {"spec": {"replicas": 3, "nodeSelector": {"for": image}}},
            "replicantTemplate": {"spec": {"replicas": replicas}},
            "updateStrategy": {"type": "BlueGreen"},
            "apiTLS": {"caSecretRef": {"name": format!("ca-{replicas}")}},
        }))
    }

    #[test]
    fn numbers_and_strategy_are_no_part_of_the_revision() {
        let revision = |cr: &EMQX| Templates::of(cr).revision();
        let mut other = scaled("a", 7);
        other.spec.update_strategy = Default::default();
        assert_eq!(revision(&scaled("a", 2)), revision(&other));
        assert_ne!(revision(&scaled("a", 2)), revision(&scaled("b", 2)));
    }

    #[test]
    fn old_templates_come_back_under_new_numbers() {
        let back = Templates::of(&scaled("a", 2)).put_into(&scaled("b", 7)).unwrap();
        assert_eq!(back, scaled("a", 7));
    }

    #[test]
    fn replicants_that_are_not_wanted_do_not_come_back() {
        let back = Templates::of(&scaled("a", 2)).put_into(&resource(json!({"image": "b"}))).unwrap();
        assert_eq!((back.spec.image.as_str(), back.spec.replicant_template), ("a", None));
    }

    /// A wish to restart that did not work is not repeated with the old templates.
    #[test]
    fn the_wish_to_restart_belongs_to_the_templates() {
        let mut wish = scaled("a", 2);
        wish.metadata.annotations = Some([(RESTART_REQUESTED_AT.to_owned(), "now".to_owned())].into());
        assert_ne!(Templates::of(&wish).revision(), Templates::of(&scaled("a", 2)).revision());
        let back = Templates::of(&scaled("a", 2)).put_into(&wish).unwrap();
        assert_eq!(back, scaled("a", 2));
    }
}
