//! The watches that trigger reconciles, and of which clusters.
//!
//! Every watch selects our own label, so that memory does not grow with what others keep in the cluster. Referenced
//! Secrets and ConfigMaps have no such label: of those only names are watched, and nothing is stored.

use crate::context::Context;
use crate::execute::keep_managers;
use crate::index::{Index, Key, Listing};
use crate::observe::ReferenceKey;
use crate::resource::StoredEmqx;
use crate::trigger::ReconcileTrigger;
use emqx_operator_api::label;
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, PodSpec, Secret, Service,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// The API server ends a watch after this long, and the operator starts it again. A watch that the API server does not end is
/// dead: the library waits five seconds more. Longer watches would notice a dead connection only after five minutes.
const WATCH_SECONDS: u32 = 30;

/// How many watches have not listed everything yet.
pub struct Pending(watch::Sender<usize>);

impl Default for Pending {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Pending {
    pub fn is_synced(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Returns when every watch that was begun has listed everything.
    pub async fn synced(&self) {
        // `self` holds the sender, so it is not closed.
        let _ = self.0.subscribe().wait_for(|pending| *pending == 0).await;
    }

    fn begin(&self) {
        self.0.send_modify(|pending| *pending += 1);
    }

    fn done(&self) {
        self.0.send_modify(|pending| *pending -= 1);
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

/// Starts every watch. Keys of clusters to reconcile go to `trigger`.
pub fn start(ctx: &Arc<Context>, tasks: &TaskTracker, writer: Writer<StoredEmqx>, trigger: &ReconcileTrigger) {
    let scopes: Vec<Option<String>> = match ctx.settings.watch_namespaces.as_slice() {
        [] => vec![None],
        namespaces => namespaces.iter().cloned().map(Some).collect(),
    };
    let scope_count = scopes.len();
    resources(ctx, tasks, writer, trigger, &scopes);
    for scope in scopes {
        let children = Children { ctx, tasks, trigger, scope: &scope };
        children.watch_ours::<StatefulSet>(|ctx| &ctx.objects.stateful_sets, keep_all);
        children.watch_ours::<ReplicaSet>(|ctx| &ctx.objects.replica_sets, keep_all);
        children.watch_ours::<Service>(|ctx| &ctx.objects.services, keep_all);
        children.watch_ours::<ConfigMap>(|ctx| &ctx.objects.config_maps, keep_all);
        children.watch_ours::<Secret>(|ctx| &ctx.objects.secrets, keep_all);
        children.watch_ours::<PersistentVolumeClaim>(|ctx| &ctx.objects.claims, slim_claim);
        children.watch_ours::<Pod>(|ctx| &ctx.objects.pods, slim_pod);
        // Also budgets of users: Kubernetes evicts no pod that two budgets select.
        children.watch::<PodDisruptionBudget>(config(), |ctx| &ctx.objects.budgets, slim_budget);
        children.watch_names::<Secret>("Secret");
        children.watch_names::<ConfigMap>("ConfigMap");
    }
    tracing::debug!(scopes = scope_count, "watches started");
}

/// Decisions need a pod's status, and of its spec the images, the ports and the Kubernetes node; the spec is the larger part.
pub(crate) fn slim_pod(pod: &mut Pod) {
    let spec = pod.spec.take().unwrap_or_default();
    let (containers, node_name) = (spec.containers, spec.node_name);
    let named = containers.into_iter().map(|container| Container {
        name: container.name,
        image: container.image,
        ports: container.ports,
        ..Container::default()
    });
    pod.spec = Some(PodSpec { containers: named.collect(), node_name, ..PodSpec::default() });
}

/// Decisions need a claim's size, class, volume and data source.
fn slim_claim(claim: &mut PersistentVolumeClaim) {
    let all = claim.spec.take().unwrap_or_default();
    claim.spec = Some(PersistentVolumeClaimSpec {
        resources: all.resources,
        volume_name: all.volume_name,
        storage_class_name: all.storage_class_name,
        data_source: all.data_source,
        data_source_ref: all.data_source_ref,
        ..PersistentVolumeClaimSpec::default()
    });
}

/// Decisions need only the selector of a user's budget.
fn slim_budget(budget: &mut PodDisruptionBudget) {
    if budget.labels().get(label::MANAGED_BY).is_some_and(|by| by == label::MANAGED_BY_VALUE) {
        return;
    }
    let all = budget.spec.take().unwrap_or_default();
    budget.spec = Some(PodDisruptionBudgetSpec { selector: all.selector, ..PodDisruptionBudgetSpec::default() });
    budget.status = None;
    budget.annotations_mut().clear();
}

fn keep_all<K>(_: &mut K) {}

/// The EMQX resources. A change of only the status triggers no reconcile: the operator wrote it.
fn resources(
    ctx: &Arc<Context>,
    tasks: &TaskTracker,
    mut writer: Writer<StoredEmqx>,
    trigger: &ReconcileTrigger,
    scopes: &[Option<String>],
) {
    let streams: Vec<_> = scopes
        .iter()
        .enumerate()
        .map(|(source, scope)| {
            let events = watch_objects(api::<StoredEmqx>(&ctx.client, scope), config());
            Box::pin(events.default_backoff().map(move |event| (source, event)))
        })
        .collect();
    let mut merged = Merged::new(scopes);
    ctx.pending.begin();
    let (ctx, trigger) = (ctx.clone(), trigger.clone());
    tasks.spawn(async move {
        let reader = writer.as_reader();
        let mut events = futures::stream::select_all(streams);
        while let Some((source, event)) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::warn!(%error, "failed to watch EMQX resources; trying again");
                    continue;
                }
            };
            for event in merged.take(source, event, &reader) {
                let touched = touched(&reader, &event);
                if let Event::Apply(resource) | Event::InitApply(resource) = &event {
                    ctx.clusters.register(&key(resource), resource.metadata.uid.as_deref().unwrap_or_default());
                }
                writer.apply_watcher_event(&event);
                match event {
                    Event::Delete(gone) => ctx.forget(&key(&gone)),
                    Event::InitDone => ctx.pending.done(),
                    Event::Apply(_) | Event::Init | Event::InitApply(_) => {}
                }
                if let Some(key) = touched {
                    trigger.send(key);
                }
            }
        }
    });
}

/// The resource of an event, if its spec or metadata has changed.
fn touched(reader: &Store<StoredEmqx>, event: &Event<StoredEmqx>) -> Option<Key> {
    let (Event::Apply(resource) | Event::InitApply(resource)) = event else { return None };
    let reference = ObjectRef::from_obj(resource);
    let known = reader.get(&reference);
    let relevant = |meta: &ObjectMeta| {
        let deleted = meta.deletion_timestamp.is_some();
        (meta.uid.clone(), meta.generation, meta.labels.clone(), meta.annotations.clone(), deleted)
    };
    let changed = known.is_none_or(|known| relevant(&known.metadata) != relevant(&resource.metadata));
    changed.then(|| key(resource))
}

/// Several namespaces fill one store, which takes one listing, at the start. Objects of later listings are applied one by one,
/// and objects that they lack are deleted.
struct Merged {
    /// By source: its namespace, and the names of the listing that is under way.
    sources: Vec<(Option<String>, BTreeSet<Key>)>,
    waiting: usize,
    begun: bool,
}

impl Merged {
    fn new(scopes: &[Option<String>]) -> Self {
        let sources: Vec<_> = scopes.iter().map(|scope| (scope.clone(), BTreeSet::new())).collect();
        Self { waiting: sources.len(), sources, begun: false }
    }

    fn take(&mut self, source: usize, event: Event<StoredEmqx>, known: &Store<StoredEmqx>) -> Vec<Event<StoredEmqx>> {
        let (scope, listed) = &mut self.sources[source];
        match event {
            Event::Init => {
                listed.clear();
                if std::mem::replace(&mut self.begun, true) { Vec::new() } else { vec![Event::Init] }
            }
            Event::InitApply(resource) => {
                listed.insert(key(&resource));
                vec![if self.waiting > 0 { Event::InitApply(resource) } else { Event::Apply(resource) }]
            }
            Event::InitDone if self.waiting > 0 => {
                self.waiting -= 1;
                if self.waiting == 0 { vec![Event::InitDone] } else { Vec::new() }
            }
            Event::InitDone => {
                let in_scope = |key: &Key| scope.as_ref().is_none_or(|namespace| *namespace == key.namespace);
                let gone = |resource: &Arc<StoredEmqx>| {
                    let key = key(resource);
                    in_scope(&key) && !listed.contains(&key)
                };
                known
                    .state()
                    .into_iter()
                    .filter(gone)
                    .map(|resource| Event::Delete(resource.as_ref().clone()))
                    .collect()
            }
            other @ (Event::Apply(_) | Event::Delete(_)) => vec![other],
        }
    }
}

/// A kind of object that is watched.
trait Watched:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
}

impl<K> Watched for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static
{
}

struct Children<'a> {
    ctx: &'a Arc<Context>,
    tasks: &'a TaskTracker,
    trigger: &'a ReconcileTrigger,
    scope: &'a Option<String>,
}

impl Children<'_> {
    /// The objects with the operator's own label.
    fn watch_ours<K: Watched>(&self, index: fn(&Context) -> &Index<K>, slim: fn(&mut K)) {
        let selector = format!("{}={}", label::MANAGED_BY, label::MANAGED_BY_VALUE);
        self.watch(config().labels(&selector), index, slim);
    }

    fn watch<K: Watched>(&self, config: watcher::Config, index: fn(&Context) -> &Index<K>, slim: fn(&mut K)) {
        let stream =
            watch_objects(api::<K>(&self.ctx.client, self.scope), config).default_backoff().modify(move |object| {
                keep_managers(object);
                slim(object);
            });
        let (ctx, trigger, scope) = (self.ctx.clone(), self.trigger.clone(), self.scope.clone());
        self.ctx.pending.begin();
        self.tasks.spawn(async move {
            let mut listing = Listing::new(scope);
            let mut synced = false;
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = next(&mut stream, K::kind(&()).as_ref()).await {
                let done = matches!(event, Event::InitDone);
                for key in index(&ctx).apply(event, &mut listing) {
                    trigger_touched(&ctx, &trigger, key);
                }
                if done && !std::mem::replace(&mut synced, true) {
                    ctx.pending.done();
                }
            }
        });
    }

    /// Triggers the clusters whose spec names a changed object.
    fn watch_names<K: Watched>(&self, kind: &'static str) {
        let stream =
            watch_objects(api::<PartialObjectMeta<K>>(&self.ctx.client, self.scope), config()).default_backoff();
        let (ctx, trigger) = (self.ctx.clone(), self.trigger.clone());
        self.tasks.spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = next(&mut stream, kind).await {
                let (Event::Apply(object) | Event::Delete(object) | Event::InitApply(object)) = event else { continue };
                let namespace = object.namespace().unwrap_or_default();
                let changed = ReferenceKey { kind, namespace, name: object.name_any() };
                let version = object.resource_version().unwrap_or_default();
                for key in ctx.references.invalidate(&changed, &version) {
                    trigger.send(key);
                }
            }
        });
    }
}

/// An object of no cluster may concern every cluster of its namespace.
fn trigger_touched(ctx: &Context, trigger: &ReconcileTrigger, key: Key) {
    if key.is_unowned() {
        ctx.clusters.in_namespace(&key.namespace).into_iter().for_each(|key| trigger.send(key));
    } else {
        trigger.send(key);
    }
}

async fn next<K>(stream: &mut (impl Stream<Item = watcher::Result<Event<K>>> + Unpin), kind: &str) -> Option<Event<K>> {
    loop {
        match stream.next().await? {
            Ok(event) => return Some(event),
            Err(error) => tracing::warn!(%error, kind, "failed to watch; trying again"),
        }
    }
}

fn api<K>(client: &Client, scope: &Option<String>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Namespace and name of a resource.
pub fn key(resource: &StoredEmqx) -> Key {
    Key { namespace: resource.namespace().unwrap_or_default(), name: resource.name_any() }
}

#[cfg(test)]
mod tests {
    use super::{slim_budget, slim_claim, slim_pod};
    use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
    use k8s_openapi::api::policy::v1::PodDisruptionBudget;
    use serde_json::json;

    #[test]
    fn of_a_budget_of_a_user_only_the_selector_is_kept() {
        let mut budget: PodDisruptionBudget = serde_json::from_value(json!({
            "metadata": {"name": "mine", "namespace": "ns", "annotations": {"large": "text"}},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 1},
        }))
        .expect("a budget");
        slim_budget(&mut budget);
        assert_eq!(
            budget.spec,
            Some(serde_json::from_value(json!({"selector": {"matchLabels": {"app": "web"}}})).expect("a spec"))
        );
        assert!(budget.status.is_none() && budget.metadata.annotations.unwrap_or_default().is_empty());
    }

    /// The decisions are made from what is left of a pod.
    #[test]
    fn what_decisions_need_of_a_pod_is_kept() {
        let needed = json!({
            "nodeName": "worker-7",
            "containers": [{
                "name": "emqx", "image": "emqx/emqx:5.10.4", "ports": [{"name": "dashboard", "containerPort": 18084}],
            }],
        });
        let mut whole = needed.clone();
        whole["volumes"] = json!([{"name": "large"}]);
        whole["containers"][0]["env"] = json!([{"name": "LARGE", "value": "text"}]);
        let mut pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": whole})).expect("a pod");
        slim_pod(&mut pod);
        assert_eq!(serde_json::to_value(&pod).expect("JSON")["spec"], needed);
    }

    /// A claim that waits says for which storage class.
    #[test]
    fn what_decisions_need_of_a_claim_is_kept() {
        let needed = json!({
            "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast", "volumeName": "pv-7",
            "dataSource": {"kind": "VolumeSnapshot", "name": "before"},
        });
        let mut whole = needed.clone();
        whole["selector"] = json!({"matchLabels": {"large": "text"}});
        let mut claim: PersistentVolumeClaim =
            serde_json::from_value(json!({"metadata": {}, "spec": whole})).expect("a claim");
        slim_claim(&mut claim);
        assert_eq!(serde_json::to_value(&claim).expect("JSON")["spec"], needed);
    }
}
