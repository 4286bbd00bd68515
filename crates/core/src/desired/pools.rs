//! The two pools of nodes, and the volumes of the cores.

use super::errors::{Mistake, Mistakes};
use super::names::Names;
use super::own_labels;
use super::role::Role;
use crate::quantity::Amount;
use crate::text::{field, quoted};
use emqx_operator_api::hub::{
    CoreTemplateSpec, EMQX, EMQXSpec, NodeTemplateSpec, PodDisruptionBudgetSpec, PodMetadata, VolumeRetention,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The template and the number of nodes of one role.
#[derive(Clone, Debug, Serialize)]
pub struct PoolSpec {
    pub role: Role,
    pub replicas: i32,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub template: NodeTemplateSpec,
    pub budget: PodDisruptionBudgetSpec,
    pub image_pull_policy: Option<String>,
    pub image_pull_secrets: Vec<String>,
    pub service_account: Option<String>,
}

/// The volume of each core.
#[derive(Clone, Debug, Serialize)]
pub struct VolumeSpec {
    pub claim: PersistentVolumeClaimSpec,
    pub when_deleted: VolumeRetention,
}

/// Volume names of the operator.
pub(crate) const API_KEYS_VOLUME: &str = "bootstrap-api-keys";
pub(crate) const CONFIG_VOLUME: &str = "bootstrap-config";

/// Paths where the operator mounts something.
const MOUNTED: [&str; 5] = [
    "/opt/emqx/data",
    "/opt/emqx/log",
    "/opt/emqx/etc/base.hocon",
    "/opt/emqx/etc/emqx.conf",
    "/opt/emqx/etc/bootstrap_api_keys",
];

/// The schema says so too. Each node is a pod, which the API server has to keep and the scheduler to place.
const MOST_NODES: i32 = 1000;

/// The pools of a spec that has been checked and says everything once.
pub(super) fn resolve(spec: &EMQXSpec) -> (PoolSpec, Option<PoolSpec>) {
    let core = &spec.core_template;
    let replicants = spec
        .replicant_template
        .as_ref()
        .map(|template| pool(spec, Role::Replicant, template.metadata.as_ref(), &template.spec.node));
    (pool(spec, Role::Core, core.metadata.as_ref(), &core.spec.node), replicants)
}

/// Looks at both templates; `names` are known unless they are a mistake themselves.
pub(super) fn check(cr: &EMQX, names: Option<&Names>) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    let core = &cr.spec.core_template;
    mistakes.collect(check_pool(names, Role::Core, core.metadata.as_ref(), &core.spec.node));
    if let Some(template) = &cr.spec.replicant_template {
        mistakes.collect(check_pool(names, Role::Replicant, template.metadata.as_ref(), &template.spec.node));
    }
    // The CRD says so too; a resource that was stored before the rule existed has not been through it.
    let wants_replicants = cr.spec.replicant_template.as_ref().is_some_and(|template| template.spec.node.replicas > 0);
    if wants_replicants && core.spec.node.replicas < 2 {
        let problem = "core-replicant clusters need at least 2 cores";
        mistakes.push(Mistake::invalid("spec.coreTemplate.spec.replicas", problem));
    }
    mistakes.finish()
}

pub(super) fn resolve_volume(spec: &CoreTemplateSpec) -> Result<VolumeSpec, Mistakes> {
    let path = "spec.coreTemplate.spec.persistentVolumeClaimSpec";
    let mut claim = spec.persistent_volume_claim_spec.clone();
    // Missing fields have the values of the default, which the schema fills in only if the whole field is missing.
    let default = emqx_operator_api::hub::persistent_volume_claim_spec();
    if claim.access_modes.as_ref().is_none_or(Vec::is_empty) {
        claim.access_modes = default.access_modes;
    }
    let requests = claim.resources.get_or_insert_default().requests.get_or_insert_default();
    for (resource, amount) in default.resources.into_iter().flat_map(|resources| resources.requests).flatten() {
        requests.entry(resource).or_insert(amount);
    }
    let storage = requests.get("storage").filter(|size| Amount::parse(&size.0).is_none());
    let mistakes = storage.map(|size| {
        let problem = format!("'{}' is not a quantity such as 500Mi", quoted(&size.0));
        Mistake::invalid(format!("{path}.resources.requests.storage"), problem)
    });
    Mistakes::from(mistakes.into_iter().collect::<Vec<_>>()).finish()?;
    let when_deleted = spec.persistent_volume_claim_retention_policy.clone().unwrap_or_default().when_deleted;
    Ok(VolumeSpec { claim, when_deleted })
}

fn pool(spec: &EMQXSpec, role: Role, metadata: Option<&PodMetadata>, template: &NodeTemplateSpec) -> PoolSpec {
    let metadata = metadata.cloned().unwrap_or_default();
    PoolSpec {
        role,
        replicas: template.replicas,
        labels: metadata.labels,
        annotations: metadata.annotations,
        template: template.clone(),
        budget: template.pod_disruption_budget.clone().unwrap_or_default(),
        image_pull_policy: spec.image_pull_policy.clone(),
        image_pull_secrets: spec.image_pull_secrets.iter().map(|secret| secret.name.clone()).collect(),
        service_account: spec.service_account_name.clone(),
    }
}

fn check_pool(
    names: Option<&Names>,
    role: Role,
    metadata: Option<&PodMetadata>,
    template: &NodeTemplateSpec,
) -> Result<(), Mistakes> {
    let path = format!("spec.{}Template", role.as_str());
    let mut mistakes = Vec::new();
    if let Some(metadata) = metadata {
        check_labels(&path, names, role, metadata, &mut mistakes);
    }
    let path = format!("{path}.spec");
    check_template(&path, template, &mut mistakes);
    check_volumes(&path, &own_volumes(names, role), template, &mut mistakes);
    Mistakes::from(mistakes).finish()
}

fn check_labels(path: &str, names: Option<&Names>, role: Role, metadata: &PodMetadata, mistakes: &mut Vec<Mistake>) {
    let instance = names.map(|names| names.instance.as_str());
    for (key, value) in &metadata.labels {
        if own_labels::is_ours(key) && !own_labels::says_the_same(key, value, instance, &[role]) {
            let path = format!("{path}.metadata.labels");
            mistakes.push(Mistake::invalid(path, format!("{key} is reserved for the operator")));
        }
    }
}

fn check_template(path: &str, template: &NodeTemplateSpec, mistakes: &mut Vec<Mistake>) {
    if template.replicas < 0 {
        mistakes.push(Mistake::invalid(format!("{path}.replicas"), "is negative"));
    }
    if template.replicas > MOST_NODES {
        mistakes.push(Mistake::invalid(format!("{path}.replicas"), format!("is more than {MOST_NODES}")));
    }
    check_containers(path, template, mistakes);
    check_ports(path, template, mistakes);
    check_quantities(path, template, mistakes);
    check_budget(path, template, mistakes);
}

/// Of two in one list `duplicates.rs` speaks.
fn check_containers(path: &str, template: &NodeTemplateSpec, mistakes: &mut Vec<Mistake>) {
    let init: BTreeSet<_> = template.init_containers.iter().map(|container| container.name.as_str()).collect();
    let lists = [("initContainers", &template.init_containers), ("extraContainers", &template.extra_containers)];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let name = container.name.as_str();
            if name == "emqx" || (list == "extraContainers" && init.contains(name)) {
                let problem = format!("the name '{}' is taken by another container", quoted(name));
                mistakes.push(Mistake::invalid(format!("{path}.{list}[{index}].name"), problem));
            }
        }
    }
}

/// The volumes that the operator gives to pods of a role.
fn own_volumes(names: Option<&Names>, role: Role) -> Vec<String> {
    let of_names = names.into_iter().flat_map(|names| match role {
        Role::Core => [names.data_volume(), names.log_volume(role.as_str())],
        Role::Replicant => [names.replicant_data_volume(), names.log_volume(role.as_str())],
    });
    of_names.chain([API_KEYS_VOLUME, CONFIG_VOLUME].map(str::to_owned)).collect()
}

fn check_volumes(path: &str, own: &[String], template: &NodeTemplateSpec, mistakes: &mut Vec<Mistake>) {
    for (index, volume) in template.extra_volumes.iter().enumerate() {
        if own.contains(&volume.name) {
            let problem = format!("the name '{}' is taken by a volume of the operator", volume.name);
            mistakes.push(Mistake::invalid(format!("{path}.extraVolumes[{index}].name"), problem));
        }
    }
    for (index, mount) in template.extra_volume_mounts.iter().enumerate() {
        if MOUNTED.contains(&mount.mount_path.trim_end_matches('/')) {
            let problem = format!("'{}' is taken by a mount of the operator", quoted(&mount.mount_path));
            mistakes.push(Mistake::invalid(format!("{path}.extraVolumeMounts[{index}].mountPath"), problem));
        }
    }
}

fn check_ports(path: &str, template: &NodeTemplateSpec, mistakes: &mut Vec<Mistake>) {
    for (index, port) in template.ports.iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if let Some(name @ ("dashboard" | "dashboard-https")) = port.name.as_deref() {
            mistakes.push(Mistake::invalid(format!("{path}.name"), format!("'{name}' is the operator's")));
        }
        if !(1..=65535).contains(&port.container_port) {
            let problem = format!("{} is not a port", port.container_port);
            mistakes.push(Mistake::invalid(format!("{path}.containerPort"), problem));
        }
    }
}

fn check_quantities(path: &str, template: &NodeTemplateSpec, mistakes: &mut Vec<Mistake>) {
    let Some(resources) = &template.resources else { return };
    for (list, quantities) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (name, quantity) in quantities.iter().flatten() {
            if Amount::parse(&quantity.0).is_none() {
                let problem = format!("'{}' is not a quantity such as 500m or 1Gi", quoted(&quantity.0));
                mistakes.push(Mistake::invalid(field(&format!("{path}.resources.{list}"), name), problem));
            }
        }
    }
}

fn check_budget(path: &str, template: &NodeTemplateSpec, mistakes: &mut Vec<Mistake>) {
    let Some(budget) = &template.pod_disruption_budget else { return };
    let path = format!("{path}.podDisruptionBudget");
    if budget.min_available.is_some() && budget.max_unavailable.is_some() {
        mistakes.push(Mistake::invalid(&path, "minAvailable and maxUnavailable exclude each other"));
    }
    for (name, value) in [("minAvailable", &budget.min_available), ("maxUnavailable", &budget.max_unavailable)] {
        let wrong = match value {
            None => false,
            Some(IntOrString::Int(number)) => *number < 0,
            Some(IntOrString::String(text)) => {
                text.strip_suffix('%').and_then(|digits| digits.parse::<u8>().ok()).is_none_or(|percent| percent > 100)
            }
        };
        if wrong {
            mistakes
                .push(Mistake::invalid(format!("{path}.{name}"), "is a number from 0 on, or a percentage such as 50%"));
        }
    }
}
