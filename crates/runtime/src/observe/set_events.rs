//! Why a set does not make its pods. A StatefulSet says so in events only, so those are read while pods are missing.

use crate::clusters::Cluster;
use crate::context::Context;
use emqx_operator_core::world::{KubernetesView, ObjectEvent};
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A set that has just been made has no pods yet, and nothing is wrong with that.
const GRACE: Duration = Duration::from_secs(5);
/// Events are not read more often than this per cluster.
const FRESH: Duration = Duration::from_secs(10);

/// What was read last of one cluster, while pods of it are missing.
#[derive(Default)]
pub struct SetEvents(Mutex<Option<Missing>>);

struct Missing {
    since: Instant,
    read: Option<(Instant, Vec<ObjectEvent>)>,
}

/// Warnings about the sets of a cluster whose pods are missing.
pub async fn set_events(
    ctx: &Context,
    cluster: &Cluster,
    view: &KubernetesView,
) -> Result<Vec<ObjectEvent>, kube::Error> {
    let incomplete = incomplete_sets(view);
    if incomplete.is_empty() {
        *cluster.set_events.0.lock() = None;
        return Ok(Vec::new());
    }
    if let Some(known) = known(cluster) {
        return Ok(known);
    }
    let api = Api::<Event>::namespaced(ctx.client.clone(), &cluster.key.namespace);
    let mut found = Vec::new();
    for uid in incomplete {
        let selector = format!("involvedObject.uid={uid},reason=FailedCreate");
        let events = api.list(&ListParams::default().fields(&selector)).await?;
        let newest = events.items.into_iter().max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
        found.extend(newest.map(|event| ObjectEvent {
            uid,
            reason: event.reason.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
        }));
    }
    if let Some(missing) = cluster.set_events.0.lock().as_mut() {
        missing.read = Some((Instant::now(), found.clone()));
    }
    Ok(found)
}

/// What is still fresh enough, or nothing while the grace lasts.
fn known(cluster: &Cluster) -> Option<Vec<ObjectEvent>> {
    let mut missing = cluster.set_events.0.lock();
    let missing = missing.get_or_insert_with(|| Missing { since: Instant::now(), read: None });
    if missing.since.elapsed() < GRACE {
        return Some(Vec::new());
    }
    missing.read.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, events)| events.clone())
}

fn incomplete_sets(view: &KubernetesView) -> Vec<String> {
    let cores = view.stateful_sets.iter().filter(|set| {
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        set.status.as_ref().map_or(0, |status| status.replicas) < wanted
    });
    let replicants = view.replica_sets.iter().filter(|set| {
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        set.status.as_ref().map_or(0, |status| status.replicas) < wanted
    });
    cores.filter_map(|set| set.uid()).chain(replicants.filter_map(|set| set.uid())).collect()
}
