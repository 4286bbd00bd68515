//! PodDisruptionBudgets: a drain of Kubernetes nodes evicts brokers one by one.

use super::Wanted;
use super::labels;
use super::manifest::Manifest;
use crate::desired::{Desired, PoolSpec, Role};
use crate::reason::Reason;
use crate::world::{Kind, ObjectId};
use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;
use std::collections::BTreeMap;

/// The budget of one role. `pool` is `None` if the spec has no replicants.
pub fn budget(desired: &Desired, role: Role, pool: Option<&PoolSpec>) -> Wanted {
    let name = match role {
        Role::Core => desired.names.core_budget(),
        Role::Replicant => desired.names.replicant_budget(),
    };
    let key = (name.clone(), role, pool.map(|_| String::new()));
    desired.built.wanted.get(key, || build(desired, role, name, pool))
}

fn build(desired: &Desired, role: Role, name: String, pool: Option<&PoolSpec>) -> Wanted {
    let Some(budget) = pool.map(|pool| &pool.budget).filter(|budget| budget.enabled) else {
        let id = ObjectId { kind: Kind::PodDisruptionBudget, name };
        return Wanted::Absent { id, because: Reason::Converged };
    };
    let selector = labels::selector(&desired.names, role);
    let default = budget.min_available.is_none().then_some(IntOrString::Int(1));
    let spec = PodDisruptionBudgetSpec {
        min_available: budget.min_available.clone(),
        max_unavailable: budget.max_unavailable.clone().or(default),
        selector: Some(LabelSelector { match_labels: Some(selector.clone()), ..LabelSelector::default() }),
        ..PodDisruptionBudgetSpec::default()
    };
    let body = json!({ "spec": spec });
    Wanted::Present(Manifest::new(desired, Kind::PodDisruptionBudget, name, &selector, &BTreeMap::new(), body))
}
