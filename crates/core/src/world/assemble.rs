//! Puts the snapshot together: objects become pools, pods are joined with the EMQX nodes of the same name.

use super::claim::{core_of, may_hold_data, pending};
use super::node::{HTTP_PORT, HTTPS_PORT, Node, PodIssue};
use super::node_state::{Membership, NodeState, PodReading};
use super::object::{Kind, Live, ObjectId, Ownership};
use super::pool::{NodeSet, Pool};
use super::{
    Broker, Claim, FreshSecrets, Identity, KubernetesView, Memory, Reading, Sensitive, VolumeSite, Why, World, budgets,
    pod_issues,
};
use crate::desired::{DashboardPorts, Desired, OPERATOR_API_KEY, Role};
use crate::reason::Reason;
use emqx_operator_api::{annotation, label};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More pods than a set is ever told to have. What an annotation lists beyond was not written by the operator.
const MOST_PODS: usize = 1000;

impl World {
    /// The snapshot for one pass. `fresh` holds random texts, used only for secrets that do not exist yet.
    pub fn assemble(
        desired: &Desired,
        view: &KubernetesView,
        broker: Reading<Broker>,
        fresh: FreshSecrets,
        now: Timestamp,
    ) -> World {
        let cores = pool(desired, view, Role::Core, now, &broker);
        let replicants = pool(desired, view, Role::Replicant, now, &broker);
        World {
            now,
            objects: objects(desired, view),
            volumes_without_set: view.stateful_sets.is_empty() && !view.claims.is_empty(),
            claims: claims(desired, view),
            identity: Identity {
                cookie: secret_text(view, &desired.names.cookie_secret(), "node_cookie").map(Sensitive),
                operator_secret: operator_secret(desired, view),
            },
            other_budgets: budgets::others(desired, view),
            edited_templates: edited_templates(view),
            cores,
            replicants,
            broker,
            config_refused: None,
            admission_drift: BTreeMap::new(),
            memory: Memory::default(),
            fresh,
        }
    }
}

/// The cores as Kubernetes tells of them, before EMQX is asked. What depends on the time is left out.
pub(super) fn unasked_cores(desired: &Desired, view: &KubernetesView) -> Pool {
    pool(desired, view, Role::Core, Timestamp::UNIX_EPOCH, &Reading::Unavailable(Why::NotAsked))
}

fn pool(desired: &Desired, view: &KubernetesView, role: Role, now: Timestamp, broker: &Reading<Broker>) -> Pool {
    let mut sets = match role {
        Role::Core => view
            .stateful_sets
            .iter()
            .map(|set| {
                let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
                let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
                let seen = set.status.as_ref().and_then(|status| status.observed_generation);
                let observed = seen >= set.metadata.generation;
                NodeSet { observed, ..node_set(view, &set.metadata, template, wanted) }
            })
            .collect::<Vec<_>>(),
        Role::Replicant => view
            .replica_sets
            .iter()
            .map(|set| {
                let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref()?.metadata.as_ref());
                let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
                node_set(view, &set.metadata, template, wanted)
            })
            .collect(),
    };
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    let min_ready = match role {
        Role::Core => desired.cores.template.min_ready_seconds,
        Role::Replicant => desired.replicants.as_ref().map_or(0, |pool| pool.template.min_ready_seconds),
    };
    let mut nodes: Vec<_> = view
        .pods
        .iter()
        .filter(|pod| label_of(&pod.metadata, label::DB_ROLE) == Some(role.as_str()))
        .map(|pod| node(desired, pod, role, min_ready, now))
        .map(|node| Node { issue: node.issue.map(|issue| name_claim(desired, view, &node.pod, issue)), ..node })
        .collect();
    nodes.sort_by(|a, b| ordinal(&a.pod).cmp(&ordinal(&b.pod)).then_with(|| a.pod.cmp(&b.pod)));
    nodes.iter_mut().for_each(|node| node.join(broker));
    Pool::new(sets, nodes)
}

/// The shell leaves in the metadata of sets who else owns fields of their pod templates.
fn edited_templates(view: &KubernetesView) -> BTreeMap<String, String> {
    let cores = view.stateful_sets.iter().map(|set| &set.metadata);
    let sets = cores.chain(view.replica_sets.iter().map(|set| &set.metadata));
    let edited = sets.filter_map(|metadata| {
        let managers = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref());
        let others: Vec<_> = managers.filter(|manager| !manager.starts_with("emqx-operator")).collect();
        (!others.is_empty()).then(|| (name(metadata).to_owned(), others.join(", ")))
    });
    edited.collect()
}

/// The scheduler does not say which claim a core waits for, nor what for.
fn name_claim(desired: &Desired, view: &KubernetesView, pod: &str, wait: PodIssue) -> PodIssue {
    if wait.reason != Reason::VolumePending {
        return wait;
    }
    let awaited = format!("{}-{pod}", desired.names.data_volume());
    let claim = view.claims.iter().find(|claim| name(&claim.metadata) == awaited);
    match claim.and_then(|claim| pending(claim)) {
        Some(text) => PodIssue { text: format!("{text}. The scheduler says: {}", wait.text), ..wait },
        None => PodIssue { text: format!("{}; see `kubectl describe pod {pod}`", wait.text), ..wait },
    }
}

fn claims(desired: &Desired, view: &KubernetesView) -> Vec<Claim> {
    let parsed = view.claims.iter().filter_map(|claim| {
        let metadata = &claim.metadata;
        let (set, ordinal) = core_of(&desired.names, name(metadata))?;
        Some(Claim {
            name: name(metadata).to_owned(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            set: set.to_owned(),
            ordinal,
            created: metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            terminating: metadata.deletion_timestamp.is_some(),
            may_hold_data: may_hold_data(claim),
            storage: claim
                .spec
                .as_ref()
                .and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"))
                .cloned(),
            capacity: claim.status.as_ref().and_then(|status| status.capacity.as_ref()?.get("storage")).cloned(),
            resize_error: resize_error(claim),
        })
    });
    parsed.collect()
}

/// The storage reports here since Kubernetes 1.31; before, there are only events.
fn resize_error(claim: &PersistentVolumeClaim) -> Option<String> {
    let failed = |kind: &str| matches!(kind, "ControllerResizeError" | "NodeResizeError");
    let mut conditions = claim.status.as_ref()?.conditions.iter().flatten();
    let found = conditions.find(|condition| failed(&condition.type_) && condition.status == "True")?;
    let text = found.message.as_deref().filter(|text| !text.is_empty()).or(found.reason.as_deref());
    Some(text.unwrap_or(&found.type_).trim_end_matches('.').to_owned())
}

fn node_set(view: &KubernetesView, metadata: &ObjectMeta, template: Option<&ObjectMeta>, wanted: i32) -> NodeSet {
    let uid = metadata.uid.clone().unwrap_or_default();
    let refusal = view.events.iter().find(|event| event.uid == uid && event.reason == "FailedCreate");
    NodeSet {
        name: name(metadata).to_owned(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        evacuating: annotation_of(metadata, annotation::EVACUATING)
            .map(|pods| pods.split(',').take(MOST_PODS).map(str::to_owned).collect())
            .unwrap_or_default(),
        watermark: annotation_of(metadata, annotation::CORE_WATERMARK).and_then(|text| text.parse().ok()),
        volume_sites: annotation_of(metadata, annotation::VOLUME_SITES)
            .map(|text| VolumeSite::read(&text))
            .unwrap_or_default(),
        revision: template.and_then(revision),
        wanted,
        observed: true,
        refusal: refusal.map(|event| PodIssue {
            reason: Reason::PodCreationRefused,
            text: format!(
                "{}; raise the quota, or correct what the rule refuses: `kubectl get resourcequotas,limitranges`",
                event.message.trim_end_matches('.')
            ),
            since: None,
        }),
        uid,
    }
}

/// Cores carry an annotation; replicants carry the hash in the label that their set selects by.
fn revision(metadata: &ObjectMeta) -> Option<String> {
    let annotations = metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(annotation::TEMPLATE_REVISION).cloned())
        .or_else(|| label_of(metadata, label::POD_TEMPLATE_HASH).map(str::to_owned))
}

fn node(desired: &Desired, pod: &Pod, role: Role, min_ready_seconds: i32, now: Timestamp) -> Node {
    let metadata = &pod.metadata;
    let status = pod.status.as_ref();
    let pod_name = name(metadata);
    let ip = status.and_then(|status| status.pod_ip.clone()).filter(|ip| !ip.is_empty());
    let readiness = status.and_then(|status| pod_issues::condition(status, "Ready"));
    let ready = readiness.is_some_and(|condition| condition.status == "True");
    let ready_since = readiness.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let emqx = containers.iter().find(|container| container.name == "emqx");
    let running = emqx.and_then(|container| container.state.as_ref()?.running.as_ref());
    let running_since = running.and_then(|running| running.started_at.as_ref()).map(|time| time.0);
    let long_enough = SignedDuration::from_secs(min_ready_seconds.into());
    Node {
        role,
        name: match role {
            Role::Core => Some(desired.names.core_node(pod_name)),
            Role::Replicant => ip.as_deref().map(|ip| desired.names.replicant_node(ip)),
        },
        uid: metadata.uid.clone().unwrap_or_default(),
        set: controller(metadata).map(|owner| owner.1.to_owned()).unwrap_or_default(),
        revision: revision(metadata),
        startup_revision: annotation_of(metadata, annotation::STARTUP_CONFIG_REVISION),
        created: metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        state: NodeState::of(&PodReading {
            terminating: metadata.deletion_timestamp.is_some(),
            ready,
            running: running.is_some(),
            running_since,
            unready_since: ready_since.filter(|_| !ready),
            started: status.and_then(|status| status.phase.as_deref()).is_some_and(|phase| phase != "Pending"),
            served: !pod_issues::never_ready(pod),
        }),
        available: ready && ready_since.is_none_or(|since| now.duration_since(since) >= long_enough),
        running_since,
        image: emqx_image(pod),
        dashboard: dashboard(pod),
        unready_since: ready_since.filter(|_| !ready),
        deletion_cost: annotation_of(metadata, annotation::DELETION_COST)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        issue: pod_issues::issue(pod, now),
        unsteady: pod_issues::is_unsteady(pod, now),
        evacuating_by_us: role == Role::Replicant && annotation_of(metadata, annotation::EVACUATING).is_some(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        membership: Membership::Unknown,
        broker: None,
        evacuation: None,
        pod: pod_name.to_owned(),
        ip,
    }
}

fn emqx_container(pod: &Pod) -> Option<&Container> {
    pod.spec.as_ref()?.containers.iter().find(|container| container.name == "emqx")
}

fn emqx_image(pod: &Pod) -> String {
    emqx_container(pod).and_then(|container| container.image.clone()).unwrap_or_default()
}

fn dashboard(pod: &Pod) -> Option<DashboardPorts> {
    let renamed = annotation_of(&pod.metadata, annotation::DASHBOARD_PORTS).unwrap_or_default();
    let port = |ours: &str| {
        let theirs = renamed.split(',').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == ours);
        let name = theirs.map_or(ours, |(_, name)| name);
        let ports = emqx_container(pod)?.ports.as_deref().unwrap_or_default();
        let named = ports.iter().rfind(|port| port.name.as_deref() == Some(name))?;
        u16::try_from(named.container_port).ok()
    };
    let ports = DashboardPorts { http: port(HTTP_PORT), https: port(HTTPS_PORT) };
    (ports.http.is_some() || ports.https.is_some()).then_some(ports)
}

fn objects(desired: &Desired, view: &KubernetesView) -> BTreeMap<ObjectId, Live> {
    let mut found = BTreeMap::new();
    collect(desired, &mut found, Kind::StatefulSet, &view.stateful_sets, |object| &object.metadata);
    collect(desired, &mut found, Kind::ReplicaSet, &view.replica_sets, |object| &object.metadata);
    collect(desired, &mut found, Kind::Service, &view.services, |object| &object.metadata);
    collect(desired, &mut found, Kind::ConfigMap, &view.config_maps, |object| &object.metadata);
    collect(desired, &mut found, Kind::Secret, &view.secrets, |object| &object.metadata);
    collect(desired, &mut found, Kind::PodDisruptionBudget, &view.budgets, |object| &object.metadata);
    found
}

fn collect<T: Serialize>(
    desired: &Desired,
    found: &mut BTreeMap<ObjectId, Live>,
    kind: Kind,
    objects: &[Arc<T>],
    metadata: impl Fn(&T) -> &ObjectMeta,
) {
    for object in objects {
        let metadata = metadata(object);
        let mut body = serde_json::to_value(object.as_ref()).expect("Kubernetes types are plain data");
        if let Value::Object(fields) = &mut body {
            fields.remove("status");
        }
        let live = Live {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            ownership: match controller(metadata) {
                None => Ownership::Nobodys,
                Some((uid, _, _)) if uid == desired.owner.uid => Ownership::Ours,
                Some((_, name, kind)) => Ownership::Foreign(format!("{kind}/{name}")),
            },
            body: Arc::new(body),
            terminating: metadata.deletion_timestamp.is_some(),
        };
        found.insert(ObjectId { kind, name: name(metadata).to_owned() }, live);
    }
}

/// Uid, name and kind of the controller.
fn controller(metadata: &ObjectMeta) -> Option<(&str, &str, &str)> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some((&owner.uid, &owner.name, &owner.kind))
}

/// The secret half of the operator's own API key, once it exists.
pub fn operator_secret(desired: &Desired, view: &KubernetesView) -> Option<Sensitive> {
    let text = secret_text(view, &desired.names.api_key_secret(), "bootstrap_api_key")?;
    let line = text.lines().find_map(|line| line.strip_prefix(OPERATOR_API_KEY)?.strip_prefix(':'))?;
    let secret = line.split(':').next().unwrap_or(line).trim();
    (!secret.is_empty()).then(|| Sensitive(secret.to_owned()))
}

fn secret_text(view: &KubernetesView, secret: &str, key: &str) -> Option<String> {
    let secret: &Secret = view.secrets.iter().find(|found| name(&found.metadata) == secret)?;
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok().filter(|text| !text.trim().is_empty())
}

fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

fn label_of<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn annotation_of(metadata: &ObjectMeta, key: &str) -> Option<String> {
    metadata.annotations.as_ref()?.get(key).cloned()
}

/// `core-10` comes after `core-9`.
fn ordinal(pod: &str) -> Option<u32> {
    pod.rsplit_once('-')?.1.parse().ok()
}
