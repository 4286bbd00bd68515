//! Who owns the fields of an object that was created. Creation is no apply: Kubernetes keeps its fields under a manager of
//! their own, and an apply would not remove fields that the spec has dropped. So the fields are handed over before the first apply.

use super::kubernetes::{FIELD_MANAGER, failure, json_patch};
use super::outcome::FailureKind;
use emqx_operator_core::world::ObjectVersion;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::PatchParams;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

/// The manager of what was created and not applied yet.
pub const CREATOR: &str = "emqx-operator-create";

/// Of the managers of fields only two kinds are kept in memory: who created the object, and who else has a part in the pod
/// template of a set. What exactly they own is dropped.
pub fn keep_managers<K: Resource>(object: &mut K) {
    let managers = object.meta_mut().managed_fields.take().unwrap_or_default();
    let kept: Vec<_> = managers.into_iter().filter(|entry| is_creator(entry) || edits_template(entry)).collect();
    object.meta_mut().managed_fields = (!kept.is_empty())
        .then(|| kept.into_iter().map(|entry| ManagedFieldsEntry { fields_v1: None, time: None, ..entry }).collect());
}

fn is_creator(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(CREATOR)
}

/// Admission webhooks change a template on behalf of who sends the request, so they are not among these.
fn edits_template(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    let template = fields.is_some_and(|fields| !fields["f:spec"]["f:template"].is_null());
    template
        && entry.subresource.is_none()
        && entry.manager.as_deref().is_some_and(|name| !name.starts_with(FIELD_MANAGER))
}

/// Whether the object was created by an operator, and not applied since.
pub(super) fn is_created<K: Resource>(object: &K) -> bool {
    object.meta().managed_fields.iter().flatten().any(is_creator)
}

/// Hands the fields over, and says which version the object has then. It must be in the state that was seen: what is applied
/// next was made for that.
pub(super) async fn take_over<K>(api: &Api<K>, name: &str, on: &ObjectVersion) -> Result<String, FailureKind>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let object = api.get_metadata(name).await.map_err(failure)?;
    let managers = object.managed_fields();
    let Some(place) = managers.iter().position(is_creator) else {
        return Ok(on.resource_version.clone());
    };
    let entry = format!("/metadata/managedFields/{place}");
    let patch = json_patch::<()>(json!([
        {"op": "test", "path": "/metadata/uid", "value": on.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": on.resource_version},
        {"op": "test", "path": format!("{entry}/manager"), "value": CREATOR},
        {"op": "replace", "path": format!("{entry}/manager"), "value": FIELD_MANAGER},
        {"op": "replace", "path": format!("{entry}/operation"), "value": "Apply"},
    ]));
    match api.patch_metadata(name, &PatchParams::default(), &patch).await {
        Ok(patched) => Ok(patched.resource_version().unwrap_or_default()),
        // A test failed.
        Err(kube::Error::Api(status)) if status.code == 422 => Err(FailureKind::Stale(format!("{name} has changed"))),
        Err(error) => Err(failure(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_created, keep_managers};
    use k8s_openapi::api::apps::v1::StatefulSet;
    use serde_json::{Value, json};

    fn kept(managers: Value) -> StatefulSet {
        let mut set: StatefulSet =
            serde_json::from_value(json!({"metadata": {"managedFields": managers}})).expect("a set");
        keep_managers(&mut set);
        set
    }

    fn entry(manager: &str, subresource: Option<&str>, fields: Value) -> Value {
        json!({"manager": manager, "operation": "Update", "subresource": subresource, "fieldsV1": fields})
    }

    #[test]
    fn who_created_a_set_and_who_edits_its_template_is_kept() {
        let template = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {}}}}});
        let set = kept(json!([
            entry("emqx-operator", None, template.clone()),
            entry("emqx-operator-create", None, template.clone()),
            entry("kube-controller-manager", Some("status"), json!({"f:status": {}})),
            entry("kubectl-rollout", None, template),
            entry("kubectl-label", None, json!({"f:metadata": {"f:labels": {}}})),
        ]));
        assert!(is_created(&set));
        let managers: Vec<_> = set.metadata.managed_fields.iter().flatten().collect();
        let names: Vec<_> = managers.iter().filter_map(|entry| entry.manager.as_deref()).collect();
        assert_eq!(names, ["emqx-operator-create", "kubectl-rollout"]);
        assert!(managers.iter().all(|entry| entry.fields_v1.is_none()));
        assert!(!is_created(&kept(json!([]))));
    }
}
