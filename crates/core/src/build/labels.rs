//! Labels of objects and pods. Selectors consist of them and cannot be changed later.

use crate::desired::{Desired, Names, PoolSpec, Role};
use emqx_operator_api::label;
use std::collections::BTreeMap;

/// On every object of a cluster.
pub(super) fn common(names: &Names) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label::INSTANCE.to_owned(), names.instance.clone()),
        (label::MANAGED_BY.to_owned(), label::MANAGED_BY_VALUE.to_owned()),
    ])
}

/// What selects the pods of a role; the same for the life of a cluster.
pub fn selector(names: &Names, role: Role) -> BTreeMap<String, String> {
    let mut labels = common(names);
    labels.insert(label::DB_ROLE.to_owned(), role.as_str().to_owned());
    labels
}

/// On the pods of a pool, beside the hash of their template.
pub fn pod_labels(names: &Names, pool: &PoolSpec) -> BTreeMap<String, String> {
    let mut labels = selector(names, pool.role);
    labels.extend(pool.labels.clone());
    labels
}

/// On Secrets and ConfigMaps: the resource's own labels, too, as in the Go operator.
pub(super) fn with_resource_labels(desired: &Desired) -> BTreeMap<String, String> {
    let mut labels = desired.labels.clone();
    labels.extend(common(&desired.names));
    labels
}
