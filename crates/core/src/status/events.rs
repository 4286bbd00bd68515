//! The event about an action that was carried out.

use crate::action::{Action, Call};
use crate::desired::{NodeName, Role};
use crate::lifecycle::{How, told_version};
use crate::reason::Reason;
use crate::text::beginning;
use crate::world::{Kind, ObjectId, World};
use emqx_operator_api::annotation::RESTART_REQUESTED_AT;

/// The text of an event, and the object it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText {
    pub reason: Reason,
    pub text: String,
    /// The object that was changed.
    pub about: Option<ObjectId>,
    /// What was done to it. Kubernetes counts events with the same object and action as repetitions of one event, whatever
    /// their texts.
    pub action: String,
}

/// Kubernetes refuses longer notes of events.
const LONGEST: usize = 1000;
const RECONCILE: &str = "Reconcile";

/// The event about an action; `None` for objects that are only kept as the spec says.
pub fn event(action: &Action, world: &World) -> Option<EventText> {
    let whole = whole(action, world)?;
    Some(EventText { text: beginning(&whole.text, LONGEST).into_owned(), ..whole })
}

fn whole(action: &Action, world: &World) -> Option<EventText> {
    let reconciled = |reason, text, about: &ObjectId| {
        Some(EventText { reason, text, about: Some(about.clone()), action: RECONCILE.to_owned() })
    };
    match action {
        Action::Scale { set, from, to } => {
            let reason = if to > from { Reason::ScalingUp } else { Reason::ScalingDown };
            let text = format!("scaling {set} from {from} to {to}");
            Some(EventText { reason, text, about: Some(set.clone()), action: format!("ScaleTo{to}") })
        }
        Action::Remove(permit) => {
            let cut = match permit.disconnects() {
                0 => String::new(),
                clients => format!(", which disconnects {clients} clients"),
            };
            let reason = match permit.how() {
                How::Recreate => Reason::RollingUpdate,
                How::ScaleIn { .. } => Reason::ScalingDown,
            };
            let pod = permit.pod().map(|(pod, _)| pod);
            let risk = pod.and_then(|pod| at_risk(pod, world)).unwrap_or_default();
            let text = format!("{permit}{cut}{risk}");
            Some(EventText { reason, text, about: pod.map(pod_id), action: RECONCILE.to_owned() })
        }
        Action::Delete { id, because, .. } => {
            let which = match (id.kind, because) {
                (Kind::PersistentVolumeClaim, Reason::RemakingCoreSet) => "which never had a volume",
                (Kind::PersistentVolumeClaim, _) => "the volume of a removed core",
                (Kind::StatefulSet, Reason::RemakingCoreSet) => "whose cores never had a volume",
                (Kind::StatefulSet, _) => "whose cores have been replaced",
                (Kind::PodDisruptionBudget, Reason::BudgetOfUser) => {
                    return reconciled(*because, budget_of_user(id, world), id);
                }
                _ => return None,
            };
            reconciled(*because, format!("deleting {id}, {which}"), id)
        }
        Action::Create { manifest, .. } if matches!(manifest.id.kind, Kind::StatefulSet | Kind::ReplicaSet) => {
            reconciled(Reason::Create, format!("creating {}", manifest.id), &manifest.id)
        }
        Action::RestoreTemplate { set, edited_by, .. } => {
            let text = format!(
                "{edited_by} changed the pod template of {set}; the operator reverted it, because pods are created from the EMQX \
                 resource. To restart all nodes, one after the other: kubectl annotate emqx NAME {RESTART_REQUESTED_AT}=\"$(date)\" \
                 --overwrite"
            );
            reconciled(Reason::TemplateEdited, text, set)
        }
        Action::GrowVolume { claim, to, .. } => {
            reconciled(Reason::GrowingVolume, format!("growing {claim} to {to}"), claim)
        }
        Action::Call(call) => called(call, world),
        Action::Create { .. } | Action::Adopt { .. } | Action::Apply { .. } | Action::Annotate { .. } => None,
    }
}

/// Data that no operator can save: EMQX 6 acknowledges messages before it stores them, and does not store them again when another core
/// takes over the shard (seen with 6.2.2).
fn at_risk(pod: &str, world: &World) -> Option<&'static str> {
    let core = world.nodes().find(|node| node.pod == pod && node.role == Role::Core)?;
    let broker = world.broker.fresh()?;
    let storage = broker.storage.fresh()?;
    let site = storage.site_of(core.name.as_ref()?)?;
    (told_version(core)?.0 >= 6 && storage.shards_on(site) > 0).then_some(
        "; EMQX 6 can lose messages for durable sessions that are published in the half second in which another core takes over \
         its shards",
    )
}

fn budget_of_user(id: &ObjectId, world: &World) -> String {
    let others: Vec<_> = world.other_budgets.iter().map(|other| other.name.as_str()).collect();
    format!(
        "deleting {id}: {} selects the same pods, and Kubernetes evicts no pod that two budgets select",
        others.join(", ")
    )
}

fn called(call: &Call, world: &World) -> Option<EventText> {
    let pod_of = |node: &NodeName| {
        let pod = world.nodes().find(|known| known.name.as_ref() == Some(node));
        pod.map(|pod| pod_id(&pod.pod))
    };
    let of_core = |node: Option<&NodeName>| match node.and_then(pod_of) {
        // The core has a pod and stays: its volume was lost.
        Some(_) => Reason::VolumeLost,
        None => Reason::RetiringCore,
    };
    let broker = world.broker.fresh();
    let (reason, about, action) = match call {
        Call::PutConfig { .. } | Call::LoadApiKeys { .. } => return None,
        // Repeated to be sure, for a core that has left already.
        Call::ForceLeave { node } if broker.is_some_and(|broker| !broker.nodes.contains_key(node)) => return None,
        Call::StartEvacuation { node, .. } => (Reason::EvacuatingSessions, pod_of(node), "StartEvacuation"),
        Call::StopEvacuation { node, .. } => (Reason::EvacuatingSessions, pod_of(node), "StopEvacuation"),
        Call::PlaceShards { .. } => (Reason::DSReplicationProgressing, None, "PlaceShards"),
        Call::ForgetSite { site, .. } => {
            let storage = broker.and_then(|broker| broker.storage.fresh());
            let node = storage.and_then(|storage| storage.sites.get(site)).map(|site| &site.node);
            (of_core(node), node.and_then(pod_of), "ForgetSite")
        }
        Call::ForceLeave { node } => (of_core(Some(node)), pod_of(node), "ForceLeave"),
    };
    Some(EventText { reason, text: call.to_string(), about, action: action.to_owned() })
}

fn pod_id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Pod, name: name.to_owned() }
}
