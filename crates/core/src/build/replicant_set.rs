//! The ReplicaSet of the replicants, named by the revision of its template: another template is another set.

use super::labels;
use super::manifest::Manifest;
use super::pod_template::{self, pod_template};
use crate::desired::{Desired, PoolSpec, Role};
use crate::world::Kind;
use emqx_operator_api::label;
use k8s_openapi::api::apps::v1::ReplicaSetSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::json;
use std::collections::BTreeMap;

/// The set, without the number of its pods.
#[derive(Clone, Debug)]
pub struct ReplicantSet {
    pub manifest: Manifest,
    pub revision: String,
}

pub fn replicant_set(desired: &Desired, pool: &PoolSpec, availability_check: bool) -> ReplicantSet {
    desired.built.replicant_sets.get(availability_check, || build(desired, pool, availability_check))
}

fn build(desired: &Desired, pool: &PoolSpec, availability_check: bool) -> ReplicantSet {
    let mut pods = pod_template(desired, pool, availability_check);
    pod_template::add_label(&mut pods.template, label::POD_TEMPLATE_HASH, &pods.revision);
    let mut selector = labels::selector(&desired.names, Role::Replicant);
    selector.insert(label::POD_TEMPLATE_HASH.to_owned(), pods.revision.clone());
    let spec = ReplicaSetSpec {
        selector: LabelSelector { match_labels: Some(selector.clone()), ..LabelSelector::default() },
        min_ready_seconds: Some(pool.template.min_ready_seconds).filter(|seconds| *seconds > 0),
        template: Some(pods.template),
        replicas: None,
    };
    let name = desired.names.replicant_set(&pods.revision);
    let manifest = Manifest::new(desired, Kind::ReplicaSet, name, &selector, &BTreeMap::new(), json!({ "spec": spec }));
    ReplicantSet { manifest, revision: pods.revision }
}
