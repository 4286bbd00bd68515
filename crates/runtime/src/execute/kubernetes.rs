//! Writes to Kubernetes. The answer to each goes into the index at once, so that the next pass sees it.

use super::outcome::FailureKind;
use crate::context::Context;
use crate::index::{Index, Key};
use emqx_operator_core::action::Version;
use emqx_operator_core::build::Manifest;
use emqx_operator_core::desired::Names;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{self, Kind, ObjectId, core_of};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// The one field manager: what it owns is ours, everything else is not.
pub const FIELD_MANAGER: &str = "emqx-operator";

/// Calls a generic function for the type of a kind, with the index that holds its objects.
macro_rules! for_kind {
    ($kind:expr, $ctx:expr, $function:ident($($argument:expr),*)) => {{
        let objects = &$ctx.objects;
        match $kind {
            Kind::Secret => $function($ctx, &objects.secrets, $($argument),*).await,
            Kind::ConfigMap => $function($ctx, &objects.config_maps, $($argument),*).await,
            Kind::Service => $function($ctx, &objects.services, $($argument),*).await,
            Kind::StatefulSet => $function($ctx, &objects.stateful_sets, $($argument),*).await,
            Kind::ReplicaSet => $function($ctx, &objects.replica_sets, $($argument),*).await,
            Kind::PodDisruptionBudget => $function($ctx, &objects.budgets, $($argument),*).await,
            Kind::Pod => $function($ctx, &objects.pods, $($argument),*).await,
            Kind::PersistentVolumeClaim => $function($ctx, &objects.claims, $($argument),*).await,
        }
    }};
}

trait Child:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + DeserializeOwned
    + Serialize
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Child for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Creates an object that must not exist yet.
pub(super) async fn create(ctx: &Context, key: &Key, manifest: &Manifest) -> Result<(), FailureKind> {
    for_kind!(manifest.id.kind, ctx, create_as(key, manifest))
}

async fn create_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    manifest: &Manifest,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    let object =
        serde_json::from_value(Value::clone(&manifest.body)).map_err(|error| FailureKind::Failed(error.to_string()))?;
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&params, &object).await {
        Ok(created) => {
            learn(index, created);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => adopt(index, &api, key, manifest).await,
        Err(error) => Err(failure(error, false)),
    }
}

/// An identity that is there already, under a label we do not watch: prepared by the user, or ours before a restore.
async fn adopt<K: Child>(index: &Index<K>, api: &Api<K>, key: &Key, manifest: &Manifest) -> Result<(), FailureKind> {
    let mut existing = api.get(&manifest.id.name).await.map_err(|error| failure(error, false))?;
    if let Some(owner) = existing.owner_references().iter().find(|owner| owner.controller == Some(true))
        && (owner.kind != "EMQX" || owner.name != key.name)
    {
        let text = format!("{} belongs to {}/{}; the operator needs this name", manifest.id, owner.kind, owner.name);
        return Err(FailureKind::Refused { reason: Reason::NameTaken, text });
    }
    existing.labels_mut().insert(emqx_operator_api::label::INSTANCE.to_owned(), key.name.clone());
    learn(index, existing);
    Err(FailureKind::Stale(format!("{} exists already", manifest.id)))
}

/// Server-side apply. A new object is applied without force: whoever set a field that we want is named, not overruled.
pub(super) async fn apply(
    ctx: &Context,
    key: &Key,
    manifest: &Manifest,
    on: Option<&Version>,
) -> Result<(), FailureKind> {
    for_kind!(manifest.id.kind, ctx, apply_as(key, manifest, on))
}

async fn apply_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    manifest: &Manifest,
    on: Option<&Version>,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    let mut body = Value::clone(&manifest.body);
    if let Some(version) = on {
        body["metadata"]["uid"] = version.uid.clone().into();
        // The number of pods is part of a set: it must be the one that was seen.
        if matches!(manifest.id.kind, Kind::StatefulSet | Kind::ReplicaSet) {
            body["metadata"]["resourceVersion"] = version.resource_version.clone().into();
        }
    }
    let params = PatchParams { force: on.is_some(), ..PatchParams::apply(FIELD_MANAGER) };
    match api.patch(&manifest.id.name, &params, &Patch::Apply(&body)).await {
        Ok(applied) => {
            ctx.rewritten.note(key, manifest, &applied);
            learn(index, applied);
            Ok(())
        }
        Err(error) => Err(failure(error, on.is_none())),
    }
}

/// Sets the number of pods, if it still is the one that was seen.
pub(super) async fn scale(ctx: &Context, key: &Key, set: &ObjectId, from: i32, to: i32) -> Result<(), FailureKind> {
    for_kind!(set.kind, ctx, scale_as(key, set, from, to))
}

async fn scale_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    set: &ObjectId,
    from: i32,
    to: i32,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    let patch = serde_json::from_value(json!([
        {"op": "test", "path": "/spec/replicas", "value": from},
        {"op": "replace", "path": "/spec/replicas", "value": to},
    ]))
    .expect("a JSON patch is written correctly");
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let scaled = api.patch(&set.name, &params, &Patch::Json::<()>(patch)).await.map_err(|error| match error {
        // A failed test is "unprocessable".
        kube::Error::Api(status) if status.code == 422 => {
            FailureKind::Stale(format!("{set} does not have {from} replicas any more"))
        }
        error => failure(error, false),
    })?;
    learn(index, scaled);
    Ok(())
}

/// Sets or removes annotations of the object that was seen. They are not part of what is applied, so that applying does
/// not remove them.
pub(super) async fn annotate(
    ctx: &Context,
    key: &Key,
    id: &ObjectId,
    on: &Version,
    annotations: &BTreeMap<&'static str, Option<String>>,
) -> Result<(), FailureKind> {
    for_kind!(id.kind, ctx, annotate_as(key, id, on, annotations))
}

async fn annotate_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    id: &ObjectId,
    on: &Version,
    annotations: &BTreeMap<&'static str, Option<String>>,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    let patch = json!({"metadata": {
        "uid": on.uid, "resourceVersion": on.resource_version, "annotations": annotations,
    }});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&id.name, &params, &Patch::Merge(&patch)).await {
        Ok(annotated) => {
            learn(index, annotated);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Err(FailureKind::Stale(format!("{id} is gone"))),
        Err(error) => Err(failure(error, false)),
    }
}

/// Asks for a larger volume. A storage class that does not allow it is named by the API server.
pub(super) async fn grow(
    ctx: &Context,
    key: &Key,
    claim: &ObjectId,
    on: &Version,
    to: &str,
) -> Result<(), FailureKind> {
    let api = Api::<PersistentVolumeClaim>::namespaced(ctx.client.clone(), &key.namespace);
    let patch = json!({
        "metadata": {"uid": on.uid, "resourceVersion": on.resource_version},
        "spec": {"resources": {"requests": {"storage": to}}},
    });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&claim.name, &params, &Patch::Merge(&patch)).await {
        Ok(grown) => {
            learn(&ctx.objects.claims, grown);
            Ok(())
        }
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
            Err(FailureKind::Refused { reason: Reason::VolumeImmutable, text: status.message })
        }
        Err(error) => Err(failure(error, false)),
    }
}

/// Deletes the pod that was examined, if it is still in the state in which it was.
pub(super) async fn restart(ctx: &Context, key: &Key, pod: &str, on: &Version) -> Result<(), FailureKind> {
    let existed = delete_seen(ctx, &ctx.objects.pods, key, pod, on, true).await?;
    if existed { Ok(()) } else { Err(FailureKind::Stale(format!("pod {pod} is gone"))) }
}

/// Whether the pod is still in the state in which it was examined, as far as we have been told.
pub(super) fn is_unchanged(ctx: &Context, key: &Key, pod: &str, on: &Version) -> bool {
    ctx.objects.pods.of(key).iter().any(|known| {
        known.name_any() == pod
            && known.metadata.uid.as_deref() == Some(&on.uid)
            && known.metadata.resource_version.as_deref() == Some(&on.resource_version)
    })
}

/// Whether a set that was told to have so many pods has not made all of them.
pub(super) fn is_unmade(ctx: &Context, key: &Key, set: &ObjectId, told: i32) -> bool {
    let pods = ctx.objects.pods.of(key);
    let owned = pods.iter().filter(|pod| pod.owner_references().iter().any(|owner| owner.name == set.name));
    match set.kind {
        Kind::StatefulSet => !owned.into_iter().any(|pod| pod.name_any() == format!("{}-{}", set.name, told - 1)),
        _ => {
            let present = owned.filter(|pod| pod.metadata.deletion_timestamp.is_none()).count();
            i32::try_from(present).is_ok_and(|present| present < told)
        }
    }
}

/// Whether a core of this set may have data, as far as we have been told.
pub(super) fn may_hold_data(ctx: &Context, key: &Key, names: &Names, set: &ObjectId) -> bool {
    let claims = ctx.objects.claims.of(key);
    let of_set = |name: &str| core_of(names, name).is_some_and(|(core_set, _)| core_set == set.name);
    claims.iter().any(|claim| of_set(&claim.name_any()) && world::may_hold_data(claim))
}

/// Deletes the very object that was seen; a core set and a claim only in the very state in which they were seen.
pub(super) async fn delete(ctx: &Context, key: &Key, id: &ObjectId, on: &Version) -> Result<(), FailureKind> {
    for_kind!(id.kind, ctx, delete_as(key, id, on))
}

async fn delete_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    id: &ObjectId,
    on: &Version,
) -> Result<(), FailureKind> {
    let unchanged = matches!(id.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim);
    delete_seen(ctx, index, key, &id.name, on, unchanged).await.map(drop)
}

/// Deletes the very object that was seen, `unchanged` or in whatever state; tells whether it still existed.
async fn delete_seen<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    name: &str,
    on: &Version,
    unchanged: bool,
) -> Result<bool, FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    let resource_version = unchanged.then(|| on.resource_version.clone());
    let preconditions = Preconditions { uid: Some(on.uid.clone()), resource_version };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api.delete(name, &params).await {
        Ok(answer) => {
            answer.left().into_iter().for_each(|ending| learn(index, ending));
            Ok(true)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(failure(error, false)),
    }
}

fn learn<K: Child>(index: &Index<K>, mut object: K) {
    object.managed_fields_mut().clear();
    index.learn(Arc::new(object));
}

/// `creating` says that nothing was there, so that a conflict is one about fields.
fn failure(error: kube::Error, creating: bool) -> FailureKind {
    match error {
        kube::Error::Api(status) if status.code == 409 && creating => FailureKind::Refused {
            reason: Reason::NameTaken,
            text: format!("an object of this name exists already: {}", status.message),
        },
        kube::Error::Api(status) if status.code == 409 => FailureKind::Stale(status.message),
        // The namespace goes, and the resource with it.
        kube::Error::Api(status) if status.message.contains("is being terminated") => {
            FailureKind::Failed(status.message)
        }
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
            FailureKind::Refused { reason: Reason::ApplyRejected, text: status.message }
        }
        error => FailureKind::Failed(error.to_string()),
    }
}
