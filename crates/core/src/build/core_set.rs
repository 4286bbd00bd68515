//! A StatefulSet of cores. Its name, its selector and its volumes never change: the data hangs on them. The first one of
//! a cluster is `NAME-core`; one that grew beside another has the revision in its name, and its pods carry that as a label.

use super::labels;
use super::manifest::{Manifest, covers};
use super::pod_template::{self, Template, pod_template};
use crate::desired::{Desired, Role, VolumeSpec};
use crate::world::Kind;
use emqx_operator_api::hub::VolumeRetention;
use emqx_operator_api::{annotation, label};
use k8s_openapi::api::apps::v1::{
    StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The set, without the number of its pods.
#[derive(Clone, Debug)]
pub struct CoreSet {
    pub manifest: Manifest,
    pub revision: String,
    /// The claim templates as the spec wants them, also where those that exist are kept.
    pub claim_templates: Value,
}

/// The template of the cores, whichever set they live in.
pub fn core_template(desired: &Desired, availability_check: bool) -> Arc<Template> {
    let build = || Arc::new(pod_template(desired, &desired.cores, availability_check));
    desired.built.core_templates.get(availability_check, build)
}

/// `existing` are the claim templates of the set that exists: Kubernetes refuses any other.
pub fn core_set(desired: &Desired, pods: &Template, name: String, existing: Option<&Value>) -> CoreSet {
    let key = (pods.revision.clone(), name.clone());
    let mut set = desired.built.core_sets.get(key, || build(desired, pods.clone(), name));
    // After the digest was made: it speaks of what is wanted, also where Kubernetes forbids it.
    if let Some(existing) = existing.filter(|existing| **existing != set.claim_templates) {
        Arc::make_mut(&mut set.manifest.body)["spec"]["volumeClaimTemplates"] = existing.clone();
    }
    set
}

fn build(desired: &Desired, mut pods: Template, name: String) -> CoreSet {
    let names = &desired.names;
    pod_template::add_annotation(&mut pods.template, annotation::TEMPLATE_REVISION, &pods.revision);
    let mut selector = labels::selector(names, Role::Core);
    if let Some(hash) = names.hash_of_core_set(&name) {
        pod_template::add_label(&mut pods.template, label::POD_TEMPLATE_HASH, hash);
        selector.insert(label::POD_TEMPLATE_HASH.to_owned(), hash.to_owned());
    }
    let wanted = claim_templates(desired);
    let spec = StatefulSetSpec {
        service_name: Some(names.headless_service()),
        selector: LabelSelector { match_labels: Some(selector.clone()), ..LabelSelector::default() },
        // After a full stop a single core may wait for the tables of its peers, so all start together.
        pod_management_policy: Some("Parallel".to_owned()),
        // Pods are replaced by the operator, when their clients have left.
        update_strategy: Some(StatefulSetUpdateStrategy { type_: Some("OnDelete".to_owned()), rolling_update: None }),
        persistent_volume_claim_retention_policy: Some(retention(&desired.volume)),
        min_ready_seconds: Some(desired.cores.template.min_ready_seconds).filter(|seconds| *seconds > 0),
        template: pods.template,
        ..StatefulSetSpec::default()
    };
    let mut spec = serde_json::to_value(spec).expect("Kubernetes types are plain data");
    spec["volumeClaimTemplates"] = wanted.clone();
    let manifest =
        Manifest::new(desired, Kind::StatefulSet, name, &selector, &BTreeMap::new(), json!({ "spec": spec }));
    CoreSet { manifest, revision: pods.revision, claim_templates: wanted }
}

/// Volumes are never deleted on scale-down by Kubernetes: it does not know whether shards are still on them.
fn retention(volume: &VolumeSpec) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let when_deleted = match volume.when_deleted {
        VolumeRetention::Retain => "Retain",
        VolumeRetention::Delete => "Delete",
    };
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(when_deleted.to_owned()),
        when_scaled: Some("Retain".to_owned()),
    }
}

/// Whether claim templates that exist ask for the volumes that are wanted. Unlike elsewhere, a field that is not wanted
/// counts: without a storage class the default one is asked for, and with an empty one none.
pub fn asks_for_the_same(existing: &Value, wanted: &Value) -> bool {
    let (existing, wanted) = (&existing[0]["spec"], &wanted[0]["spec"]);
    let more = existing.as_object().is_some_and(|fields| fields.keys().any(|field| wanted.get(field).is_none()));
    let class = |spec: &Value| spec.get("storageClassName").cloned();
    !more && class(existing) == class(wanted) && covers(existing, wanted, "")
}

fn claim_templates(desired: &Desired) -> Value {
    let mut claim = desired.volume.claim.clone();
    claim.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    let template = PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(desired.names.data_volume()),
            labels: Some(labels::selector(&desired.names, Role::Core)),
            ..ObjectMeta::default()
        },
        spec: Some(claim),
        status: None,
    };
    json!([template])
}

#[cfg(test)]
mod tests {
    use super::asks_for_the_same;
    use serde_json::{Value, json};

    fn same(existing: Value, wanted: Value) -> bool {
        asks_for_the_same(&json!([{ "spec": existing }]), &json!([{ "spec": wanted }]))
    }

    #[test]
    fn a_class_that_is_not_asked_for_any_more_is_another_volume() {
        assert!(!same(json!({"storageClassName": "fast"}), json!({})));
        assert!(!same(json!({}), json!({"storageClassName": ""})));
        assert!(same(json!({"storageClassName": "fast"}), json!({"storageClassName": "fast"})));
    }

    #[test]
    fn sizes_are_compared_as_quantities() {
        let size = |text: &str| json!({"resources": {"requests": {"storage": text}}, "accessModes": ["ReadWriteOnce"]});
        assert!(same(size("1Gi"), size("1024Mi")));
        assert!(!same(size("1Gi"), size("500Mi")));
    }
}
