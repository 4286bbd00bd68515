//! The default values of the schema. They are part of the API: a change here changes users' clusters.

use super::template::{CoreTemplate, CoreTemplateSpec, NodeTemplateSpec, ReplicantTemplate, ReplicantTemplateSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, PodSecurityContext, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize as _, Deserializer};

/// The DNS domain of a cluster when the spec names none.
pub const DEFAULT_CLUSTER_DOMAIN: &str = "cluster.local";
/// How many old replicant sets are kept by default.
pub const DEFAULT_REVISION_HISTORY_LIMIT: i32 = 3;

pub(super) fn cluster_domain() -> String {
    DEFAULT_CLUSTER_DOMAIN.to_owned()
}

pub(super) fn revision_history_limit() -> i32 {
    DEFAULT_REVISION_HISTORY_LIMIT
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn eviction_rate() -> i32 {
    1000
}

pub(super) fn wait_takeover() -> i32 {
    10
}

pub(super) fn wait_health_check() -> i32 {
    60
}

pub(super) fn progress_deadline_seconds() -> i32 {
    600
}

pub(super) fn replicas() -> i32 {
    1
}

pub(super) fn min_ready_seconds() -> i32 {
    0
}

/// The identity that the EMQX images run as.
pub(super) fn pod_security_context() -> PodSecurityContext {
    PodSecurityContext {
        run_as_user: Some(1000),
        run_as_group: Some(1000),
        run_as_non_root: Some(true),
        fs_group: Some(1000),
        fs_group_change_policy: Some("Always".to_owned()),
        ..PodSecurityContext::default()
    }
}

/// The default that the API server stores for a resource without `replicantTemplate` counts as no template.
pub(super) fn replicants_that_are_wanted<'de, D>(deserializer: D) -> Result<Option<ReplicantTemplate>, D::Error>
where
    D: Deserializer<'de>,
{
    let given = Option::<ReplicantTemplate>::deserialize(deserializer)?;
    Ok(given.filter(|template| *template != no_replicants()))
}

pub(crate) fn no_replicants() -> ReplicantTemplate {
    let node = NodeTemplateSpec { replicas: 0, ..node_template_spec() };
    ReplicantTemplate { metadata: None, spec: ReplicantTemplateSpec { node } }
}

/// The default volume of each core.
pub fn persistent_volume_claim_spec() -> PersistentVolumeClaimSpec {
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), Quantity("500Mi".to_owned()))].into()),
            limits: None,
        }),
        ..PersistentVolumeClaimSpec::default()
    }
}

pub(super) fn core_template() -> CoreTemplate {
    CoreTemplate { metadata: None, spec: core_template_spec() }
}

pub(super) fn core_template_spec() -> CoreTemplateSpec {
    CoreTemplateSpec {
        node: node_template_spec(),
        persistent_volume_claim_spec: persistent_volume_claim_spec(),
        persistent_volume_claim_retention_policy: None,
        volume_claim_templates: None,
    }
}

pub(super) fn node_template_spec() -> NodeTemplateSpec {
    NodeTemplateSpec {
        replicas: replicas(),
        min_ready_seconds: min_ready_seconds(),
        pod_security_context: pod_security_context(),
        ..NodeTemplateSpec::default()
    }
}

pub(super) fn ca_key() -> String {
    "ca.crt".to_owned()
}
