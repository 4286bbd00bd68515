//! A StatefulSet of cores. Its name, its selector and its volumes never change: the data depends on them. The first set of
//! a cluster is `NAME-core`; a set beside another set has the revision in its name, and its pods have the revision as a label.

use super::labels;
use super::manifest::{Manifest, set_annotation};
use super::pod_template::{self, Template, pod_template};
use crate::desired::{Desired, Role, VolumeSpec, canonical, digest};
use crate::world::{Kind, Live};
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
    /// The claim templates of the spec, also if the existing claim templates are kept.
    pub claim_templates: Value,
    /// A digest of the claim templates.
    pub volumes_asked_for: String,
}

/// The template of the cores of any set.
pub fn core_template(desired: &Desired, availability_check: bool) -> Arc<Template> {
    let build = || Arc::new(pod_template(desired, &desired.cores, availability_check));
    desired.built.core_templates.get(availability_check, build)
}

/// An `existing` set keeps its claim templates, since Kubernetes refuses other templates, and the digest of its creation.
pub fn core_set(desired: &Desired, pods: &Template, name: String, existing: Option<&Live>) -> CoreSet {
    let key = (pods.revision.clone(), name.clone());
    let mut set = desired.built.core_sets.get(key, || build(desired, pods.clone(), name));
    // After the digest: the digest covers the wanted templates, also if Kubernetes forbids the change.
    if let Some(asked) = existing.map_or(Some(set.volumes_asked_for.as_str()), volumes_asked_for).map(str::to_owned) {
        set_annotation(&mut set.manifest, annotation::VOLUMES_ASKED_FOR, &asked);
    }
    if let Some(existing) = existing.and_then(claim_templates).filter(|existing| **existing != set.claim_templates) {
        Arc::make_mut(&mut set.manifest.body)["spec"]["volumeClaimTemplates"] = existing.clone();
    }
    set
}

/// The claim templates of an existing set.
pub fn claim_templates(live: &Live) -> Option<&Value> {
    Some(&live.body["spec"]["volumeClaimTemplates"]).filter(|templates| !templates.is_null())
}

/// A digest of the volumes that the spec asked for when the set was created.
pub fn volumes_asked_for(live: &Live) -> Option<&str> {
    live.body["metadata"]["annotations"][annotation::VOLUMES_ASKED_FOR].as_str()
}

fn build(desired: &Desired, mut pods: Template, name: String) -> CoreSet {
    let names = &desired.names;
    pod_template::add_annotation(&mut pods.template, annotation::TEMPLATE_REVISION, &pods.revision);
    let mut selector = labels::selector(names, Role::Core);
    if let Some(hash) = names.hash_of_core_set(&name) {
        pod_template::add_label(&mut pods.template, label::POD_TEMPLATE_HASH, hash);
        selector.insert(label::POD_TEMPLATE_HASH.to_owned(), hash.to_owned());
    }
    let wanted = wanted_claims(desired);
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
    let volumes_asked_for = digest(&canonical(&wanted))[..16].to_owned();
    CoreSet { manifest, revision: pods.revision, claim_templates: wanted, volumes_asked_for }
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

fn wanted_claims(desired: &Desired) -> Value {
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
