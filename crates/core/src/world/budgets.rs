//! PodDisruptionBudgets that are not the operator's and select pods of this cluster. Kubernetes evicts no pod that two
//! budgets select: it answers every eviction with an error, and drains of machines never end.

use crate::build::pod_labels;
use crate::desired::{Desired, PoolSpec, Role};
use crate::world::KubernetesView;
use emqx_operator_api::label;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube_core::{Selector, SelectorExt as _};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A budget of the user, or of another controller, that selects pods of this cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherBudget {
    pub name: String,
    pub role: Role,
}

/// The budgets of the namespace that are not this cluster's and select its cores or replicants.
pub(super) fn others(desired: &Desired, view: &KubernetesView) -> Vec<OtherBudget> {
    if view.namespace_budgets.is_empty() {
        return Vec::new();
    }
    let ours: BTreeSet<_> = view.budgets.iter().filter_map(|budget| budget.metadata.uid.as_deref()).collect();
    let is_other = |budget: &&PodDisruptionBudget| {
        !budget.metadata.uid.as_deref().is_some_and(|uid| ours.contains(uid))
            && budget.metadata.deletion_timestamp.is_none()
    };
    let budgets = || view.namespace_budgets.iter().map(AsRef::as_ref).filter(is_other);
    let pools = [Some(&desired.cores), desired.replicants.as_ref()];
    let of_pool = |pool: &PoolSpec| {
        let labels = labels_of_pods(desired, pool, view);
        let role = pool.role;
        let selecting = budgets().filter(move |budget| labels.iter().any(|labels| selects(budget, labels)));
        selecting
            .filter_map(move |budget| Some(OtherBudget { name: budget.metadata.name.clone()?, role }))
            .collect::<Vec<_>>()
    };
    pools.into_iter().flatten().flat_map(of_pool).collect()
}

/// Labels of the pods that there are, and of those that are to be.
fn labels_of_pods<'a>(desired: &Desired, pool: &PoolSpec, view: &'a KubernetesView) -> Vec<BTreeMap<String, String>> {
    let of_role = |labels: &&'a BTreeMap<String, String>| {
        labels.get(label::DB_ROLE).is_some_and(|role| role == pool.role.as_str())
    };
    let there = view.pods.iter().filter_map(|pod| pod.metadata.labels.as_ref()).filter(of_role);
    let mut all: Vec<_> = there.cloned().collect();
    all.push(pod_labels(&desired.names, pool));
    all
}

/// A budget without selector selects no pod, one with an empty selector every pod of the namespace. An expression that the
/// API server would refuse selects none.
fn selects(budget: &PodDisruptionBudget, labels: &BTreeMap<String, String>) -> bool {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
    let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
    selector.is_some_and(|selector| selector.matches(labels))
}
