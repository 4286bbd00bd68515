//! Objects that a spec names: content of Secrets that the operator needs, existence of what pods use.
//!
//! Each object is read once and kept until the watch of names reports a change, so that nothing is read at rest.

use crate::clusters::{Cluster, Clusters};
use crate::context::Context;
use crate::index::Key;
use emqx_operator_api::hub::EMQX;
use emqx_operator_core::desired::{ReferenceKind, References, SecretData, references as named};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, ServiceAccount};
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// An object that some spec names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReferenceKey {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

/// What is known of objects that specs name. Which those are, each cluster knows of itself.
#[derive(Default)]
pub struct ReferenceCache {
    clusters: Clusters,
    entries: Mutex<HashMap<ReferenceKey, Entry>>,
}

#[derive(Default)]
struct Entry {
    /// Counts changes, so that an answer that was under way during one is not kept.
    epoch: u64,
    known: Option<Found>,
}

#[derive(Clone)]
enum Found {
    Nothing,
    Something(Arc<SecretData>),
}

impl ReferenceCache {
    pub fn new(clusters: Clusters) -> Self {
        Self { clusters, entries: Mutex::default() }
    }

    /// The object has changed: whose specs name it.
    pub fn invalidate(&self, changed: &ReferenceKey, version: &str) -> Vec<Key> {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(changed) else { return Vec::new() };
        if matches!(&entry.known, Some(Found::Something(data)) if data.resource_version == version) {
            return Vec::new();
        }
        entry.epoch += 1;
        entry.known = None;
        drop(entries);
        let naming = self.clusters.all().into_iter().filter(|cluster| cluster.named.lock().contains(changed));
        naming.map(|cluster| cluster.key.clone()).collect()
    }

    /// Drops what no spec names any more.
    pub fn tidy(&self) {
        let named: HashSet<_> = self.clusters.all().iter().flat_map(|cluster| cluster.named.lock().clone()).collect();
        self.entries.lock().retain(|entry, _| named.contains(entry));
    }

    fn name(&self, cluster: &Cluster, references: HashSet<ReferenceKey>) {
        let mut entries = self.entries.lock();
        for reference in &references {
            entries.entry(reference.clone()).or_default();
        }
        drop(entries);
        let before = std::mem::replace(&mut *cluster.named.lock(), references.clone());
        if before.iter().any(|dropped| !references.contains(dropped)) {
            self.tidy();
        }
    }

    fn known(&self, reference: &ReferenceKey) -> (u64, Option<Found>) {
        let entries = self.entries.lock();
        entries.get(reference).map_or((0, None), |entry| (entry.epoch, entry.known.clone()))
    }

    fn learn(&self, reference: &ReferenceKey, epoch: u64, found: Found) {
        if let Some(entry) = self.entries.lock().get_mut(reference).filter(|entry| entry.epoch == epoch) {
            entry.known = Some(found);
        }
    }
}

/// What the spec names, as far as it exists.
pub async fn references(ctx: &Context, cluster: &Cluster, cr: &EMQX) -> Result<References, kube::Error> {
    let wanted = named(cr);
    let keyed = |kind: ReferenceKind, name: &str| ReferenceKey {
        kind: kind.noun(),
        namespace: cluster.key.namespace.clone(),
        name: name.to_owned(),
    };
    ctx.references.name(cluster, wanted.iter().map(|reference| keyed(reference.kind, &reference.name)).collect());
    let mut found = References::default();
    for reference in wanted {
        let keyed = keyed(reference.kind, &reference.name);
        match (look_up(ctx, &keyed).await?, reference.kind) {
            (Found::Something(data), ReferenceKind::SecretValue) => {
                found.secrets.insert(reference.name, SecretData::clone(&data));
            }
            (Found::Something(data), kind @ (ReferenceKind::Secret | ReferenceKind::ConfigMap)) => {
                found.used.insert((kind.noun(), reference.name), data);
            }
            (Found::Something(_), ReferenceKind::ServiceAccount | ReferenceKind::PersistentVolumeClaim) => {}
            (Found::Nothing, kind) => {
                found.missing.insert((kind, reference.name));
            }
        }
    }
    Ok(found)
}

async fn look_up(ctx: &Context, reference: &ReferenceKey) -> Result<Found, kube::Error> {
    let (epoch, known) = ctx.references.known(reference);
    if let Some(found) = known {
        return Ok(found);
    }
    let (client, namespace, name) = (ctx.client.clone(), &reference.namespace, &reference.name);
    let found = match reference.kind {
        "Secret" => Api::<Secret>::namespaced(client, namespace).get_opt(name).await?.map(|secret| SecretData {
            resource_version: secret.resource_version().unwrap_or_default(),
            entries: secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect(),
        }),
        "ConfigMap" => Api::<ConfigMap>::namespaced(client, namespace).get_opt(name).await?.map(|map| SecretData {
            resource_version: map.resource_version().unwrap_or_default(),
            // Only the names count.
            entries: map.data.unwrap_or_default().into_keys().map(|key| (key, Vec::new())).collect(),
        }),
        "ServiceAccount" => return fleeting(exists(Api::<ServiceAccount>::namespaced(client, namespace), name).await?),
        _ => return fleeting(exists(Api::<PersistentVolumeClaim>::namespaced(client, namespace), name).await?),
    };
    let found = found.map_or(Found::Nothing, |data| Found::Something(Arc::new(data)));
    ctx.references.learn(reference, epoch, found.clone());
    Ok(found)
}

/// Kinds that are not watched by name are not kept.
fn fleeting(found: Option<SecretData>) -> Result<Found, kube::Error> {
    Ok(found.map_or(Found::Nothing, |data| Found::Something(Arc::new(data))))
}

async fn exists<K>(api: Api<K>, name: &str) -> Result<Option<SecretData>, kube::Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let metadata = api.get_metadata_opt(name).await?;
    Ok(metadata.map(|found| SecretData {
        resource_version: found.resource_version().unwrap_or_default(),
        entries: Default::default(),
    }))
}
