//! Writes to Kubernetes. The answer to each goes into the index at once, so that the next reconcile sees it.

use super::LONGEST_TEXT;
use super::fields::{self, CREATOR, keep_managers};
use super::outcome::FailureKind;
use crate::clusters::Cluster;
use crate::context::Context;
use crate::index::{Index, Key};
use emqx_operator_api::label;
use emqx_operator_core::action::Stage;
use emqx_operator_core::adoption::{Adoption, adoption};
use emqx_operator_core::build::Manifest;
use emqx_operator_core::desired::Names;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::text::beginning;
use emqx_operator_core::world::ObjectVersion;
use emqx_operator_core::world::{self, Kind, ObjectId, core_of};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::response::StatusCause;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// The operator's only field manager: fields of other managers belong to others.
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

/// Creates an object that is absent from the snapshot. An object that exists all the same is never merged into; see [`adoption`].
pub(super) async fn create(
    ctx: &Context,
    cluster: &Cluster,
    manifest: &Manifest,
    stage: Stage,
) -> Result<(), FailureKind> {
    for_kind!(manifest.id.kind, ctx, create_as(cluster, manifest, stage))
}

async fn create_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    cluster: &Cluster,
    manifest: &Manifest,
    stage: Stage,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &cluster.key.namespace);
    let object =
        serde_json::from_value(Value::clone(&manifest.body)).map_err(|error| FailureKind::Failed(error.to_string()))?;
    let params = PostParams { field_manager: Some(CREATOR.to_owned()), ..PostParams::default() };
    match api.create(&params, &object).await {
        Ok(created) => {
            cluster.admission_drift.note(&cluster.key, manifest, &created);
            learn(index, created);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
            let existing = api.get(&manifest.id.name).await.map_err(failure)?;
            settle(&api, &existing, manifest, stage).await
        }
        Err(error) => Err(failure(error)),
    }
}

/// Takes over an object that users have restored, if there is one.
pub(super) async fn adopt(ctx: &Context, key: &Key, manifest: &Manifest, stage: Stage) -> Result<(), FailureKind> {
    for_kind!(manifest.id.kind, ctx, adopt_as(key, manifest, stage))
}

async fn adopt_as<K: Child>(
    ctx: &Context,
    _: &Index<K>,
    key: &Key,
    manifest: &Manifest,
    stage: Stage,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    match api.get_opt(&manifest.id.name).await.map_err(failure)? {
        Some(existing) => settle(&api, &existing, manifest, stage).await,
        None => Ok(()),
    }
}

/// What becomes of an object under a label that we do not watch. It is not applied now: it gets the labels, and the watch
/// shows what it is.
async fn settle<K: Child>(api: &Api<K>, existing: &K, manifest: &Manifest, stage: Stage) -> Result<(), FailureKind> {
    let body = serde_json::to_value(existing).map_err(|error| FailureKind::Failed(error.to_string()))?;
    match adoption(manifest, stage, &body) {
        Adoption::Taken(text) => Err(FailureKind::Refused { reason: Reason::NameTaken, text }),
        Adoption::Wait(text) => Err(FailureKind::Stale(text)),
        Adoption::Label => {
            let labels = &manifest.body["metadata"]["labels"];
            let ours = [label::INSTANCE, label::MANAGED_BY].map(|key| (key.to_owned(), labels[key].clone()));
            let patch = json!({"metadata": {
                "uid": existing.uid(),
                "resourceVersion": existing.resource_version(),
                "labels": ours.into_iter().collect::<serde_json::Map<_, _>>(),
            }});
            api.patch(&manifest.id.name, &patch_params(), &Patch::Merge(&patch)).await.map_err(failure)?;
            tracing::info!(object = %manifest.id, "an object that exists is taken over");
            Err(FailureKind::Stale(format!("{} has just been labeled", manifest.id)))
        }
    }
}

/// Server-side apply to the object that was seen. It overrides other managers of the operator's fields.
pub(super) async fn apply(
    ctx: &Context,
    cluster: &Cluster,
    manifest: &Manifest,
    on: &ObjectVersion,
) -> Result<(), FailureKind> {
    for_kind!(manifest.id.kind, ctx, apply_as(cluster, manifest, on))
}

async fn apply_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    cluster: &Cluster,
    manifest: &Manifest,
    on: &ObjectVersion,
) -> Result<(), FailureKind> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &cluster.key.namespace);
    let mut body = Value::clone(&manifest.body);
    body["metadata"]["uid"] = on.uid.clone().into();
    let known = index.named(&cluster.key, &manifest.id.name);
    let mut version = on.resource_version.clone();
    if known.is_some_and(|known| fields::is_created(known.as_ref())) {
        version = fields::take_over(&api, &manifest.id.name, on).await?;
    }
    // The number of pods is part of a set: it must still be the number that was seen.
    if matches!(manifest.id.kind, Kind::StatefulSet | Kind::ReplicaSet) {
        body["metadata"]["resourceVersion"] = version.into();
    }
    let params = PatchParams { force: true, ..PatchParams::apply(FIELD_MANAGER) };
    let applied = api.patch(&manifest.id.name, &params, &Patch::Apply(&body)).await.map_err(failure)?;
    cluster.admission_drift.note(&cluster.key, manifest, &applied);
    learn(index, applied);
    Ok(())
}

/// Patches an object, and takes the answer in.
async fn patch<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    name: &str,
    patch: &Patch<Value>,
) -> Result<(), kube::Error> {
    let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
    learn(index, api.patch(name, &patch_params(), patch).await?);
    Ok(())
}

/// A JSON patch of these operations.
pub(super) fn json_patch<T: Serialize>(operations: Value) -> Patch<T> {
    Patch::Json(serde_json::from_value(operations).expect("a JSON patch is written correctly"))
}

fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Sets the number of pods, if it still is the number that was seen.
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
    let scaled = json_patch(json!([
        {"op": "test", "path": "/spec/replicas", "value": from},
        {"op": "replace", "path": "/spec/replicas", "value": to},
    ]));
    let Err(error) = patch(ctx, index, key, &set.name, &scaled).await else { return Ok(()) };
    // A failed test is "unprocessable", and so is what a policy denies.
    if matches!(&error, kube::Error::Api(status) if status.code == 422) {
        let api = Api::<K>::namespaced(ctx.client.clone(), &key.namespace);
        let now = api.get(&set.name).await.map_err(failure)?;
        let now = serde_json::to_value(&now).map_err(|error| FailureKind::Failed(error.to_string()))?;
        if now["spec"]["replicas"].as_i64() != Some(from.into()) {
            return Err(FailureKind::Stale(format!("{set} does not have {from} replicas any more")));
        }
    }
    Err(failure(error))
}

/// Sets or removes annotations of the object that was seen. They are not part of what is applied, so that applying does
/// not remove them.
pub(super) async fn annotate(
    ctx: &Context,
    key: &Key,
    id: &ObjectId,
    on: &ObjectVersion,
    annotations: &BTreeMap<&'static str, Option<String>>,
) -> Result<(), FailureKind> {
    let annotated = Patch::Merge(json!({"metadata": {
        "uid": on.uid, "resourceVersion": on.resource_version, "annotations": annotations,
    }}));
    for_kind!(id.kind, ctx, patch(key, &id.name, &annotated)).map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => FailureKind::Stale(format!("{id} is gone")),
        error => failure(error),
    })
}

/// Replaces the pod template of a set that is still in the state that was seen.
pub(super) async fn restore(
    ctx: &Context,
    key: &Key,
    set: &ObjectId,
    on: &ObjectVersion,
    template: &Value,
) -> Result<(), FailureKind> {
    let restored = json_patch(json!([
        {"op": "test", "path": "/metadata/uid", "value": on.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": on.resource_version},
        {"op": "replace", "path": "/spec/template", "value": template},
    ]));
    for_kind!(set.kind, ctx, patch(key, &set.name, &restored)).map_err(failure)
}

/// Asks for a larger volume. A storage class that does not allow it is named by the API server.
pub(super) async fn grow(
    ctx: &Context,
    key: &Key,
    claim: &ObjectId,
    on: &ObjectVersion,
    to: &str,
) -> Result<(), FailureKind> {
    let grown = Patch::Merge(json!({
        "metadata": {"uid": on.uid, "resourceVersion": on.resource_version},
        "spec": {"resources": {"requests": {"storage": to}}},
    }));
    patch(ctx, &ctx.objects.claims, key, &claim.name, &grown).await.map_err(|error| match error {
        kube::Error::Api(status) if matches!(status.code, 403 | 422) => {
            FailureKind::Refused { reason: Reason::VolumeImmutable, text: status.message }
        }
        error => failure(error),
    })
}

/// Deletes the pod that was examined, if it is still in the state in which it was.
pub(super) async fn restart(ctx: &Context, key: &Key, pod: &str, on: &ObjectVersion) -> Result<(), FailureKind> {
    let existed = delete_seen(ctx, &ctx.objects.pods, key, pod, on, true).await?;
    if existed { Ok(()) } else { Err(FailureKind::Stale(format!("pod {pod} is gone"))) }
}

/// Whether the pod is still in the state in which it was checked, as the watch last reported it.
pub(super) fn is_unchanged(ctx: &Context, key: &Key, pod: &str, on: &ObjectVersion) -> bool {
    ctx.objects.pods.of(key).iter().any(|known| {
        known.name_any() == pod
            && known.metadata.uid.as_deref() == Some(&on.uid)
            && known.metadata.resource_version.as_deref() == Some(&on.resource_version)
    })
}

/// Whether a set has fewer pods than its number of replicas.
pub(super) fn is_unmade(ctx: &Context, key: &Key, set: &ObjectId, replicas: i32) -> bool {
    let pods = ctx.objects.pods.of(key);
    let owned = pods.iter().filter(|pod| pod.owner_references().iter().any(|owner| owner.name == set.name));
    match set.kind {
        Kind::StatefulSet => !owned.into_iter().any(|pod| pod.name_any() == format!("{}-{}", set.name, replicas - 1)),
        _ => {
            let present = owned.filter(|pod| pod.metadata.deletion_timestamp.is_none()).count();
            i32::try_from(present).is_ok_and(|present| present < replicas)
        }
    }
}

/// Whether a core of this set may have data, as the watch last reported it.
pub(super) fn may_hold_data(ctx: &Context, key: &Key, names: &Names, set: &ObjectId) -> bool {
    let claims = ctx.objects.claims.of(key);
    let of_set = |name: &str| core_of(names, name).is_some_and(|(core_set, _)| core_set == set.name);
    claims.iter().any(|claim| of_set(&claim.name_any()) && world::may_hold_data(claim))
}

/// Deletes the very object that was seen; a core set and a claim only in the very state in which they were seen.
pub(super) async fn delete(ctx: &Context, key: &Key, id: &ObjectId, on: &ObjectVersion) -> Result<(), FailureKind> {
    for_kind!(id.kind, ctx, delete_as(key, id, on))
}

async fn delete_as<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    id: &ObjectId,
    on: &ObjectVersion,
) -> Result<(), FailureKind> {
    let unchanged = matches!(id.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim);
    delete_seen(ctx, index, key, &id.name, on, unchanged).await.map(drop)
}

/// Deletes the object that was seen, `unchanged` or in any state; returns whether it still existed.
async fn delete_seen<K: Child>(
    ctx: &Context,
    index: &Index<K>,
    key: &Key,
    name: &str,
    on: &ObjectVersion,
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
        Err(error) => Err(failure(error)),
    }
}

fn learn<K: Child>(index: &Index<K>, mut object: K) {
    keep_managers(&mut object);
    index.learn(Arc::new(object));
}

pub(super) fn failure(error: kube::Error) -> FailureKind {
    let kube::Error::Api(status) = error else {
        return FailureKind::Failed(beginning(&error.to_string(), LONGEST_TEXT).into_owned());
    };
    let text = beginning(&status.message, LONGEST_TEXT).into_owned();
    let ends = |cause: &StatusCause| cause.reason == "NamespaceTerminating";
    let is_ending = status.details.as_ref().is_some_and(|details| details.causes.iter().any(ends));
    match status.code {
        403 if is_ending || status.message.contains("is being terminated") => FailureKind::Ending(text),
        409 => FailureKind::Stale(text),
        400 | 403 | 422 => FailureKind::Refused { reason: Reason::ApplyRejected, text },
        code => FailureKind::Failed(format!("{text} (HTTP status {code})")),
    }
}
