//! Kubernetes: objects, and the controllers that make and end pods.

use crate::sim::Sim;
use crate::spec::MISSING;
use emqx_operator_core::desired::Role;
use emqx_operator_core::world::{Kind, Live, ObjectId};
use rand::Rng as _;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Kubernetes {
    pub(crate) objects: BTreeMap<ObjectId, Live>,
    pub(crate) pods: BTreeMap<String, Pod>,
    pub(crate) claims: BTreeMap<String, Claim>,
    /// Changes of Services are refused.
    pub(crate) refuses_services: bool,
    last: u64,
}

pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) role: Role,
    pub(crate) set: ObjectId,
    pub(crate) revision: String,
    /// The image's tag.
    pub(crate) tag: String,
    pub(crate) address: u32,
    pub(crate) state: State,
    /// When the container started.
    pub(crate) running_since: i64,
    pub(crate) started: bool,
    pub(crate) ready: bool,
    pub(crate) unready_since: i64,
    pub(crate) was_ready: bool,
    /// How often its container has ended lately.
    pub(crate) crashes: u32,
    pub(crate) marked: bool,
    pub(crate) cost: i32,
    pub(crate) terminating: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Scheduled; the container does not run.
    Down,
    Booting,
    Running,
}

pub(crate) struct Claim {
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) set: String,
    pub(crate) ordinal: i32,
    pub(crate) site: String,
    /// There is storage of the class that it asks for.
    pub(crate) can_be_had: bool,
    /// It has a volume.
    pub(crate) bound: bool,
    pub(crate) created: i64,
    /// An evacuation that survives the restart of its node, and whether a user started it.
    pub(crate) evacuation: Option<bool>,
    pub(crate) terminating: bool,
}

impl Claim {
    /// With an empty volume, once its pod is scheduled.
    pub(crate) fn new(sim: &mut Sim, set: &str, ordinal: i32) -> Claim {
        let version = sim.kubernetes.next();
        Claim {
            uid: format!("claim-{version}"),
            version,
            set: set.to_owned(),
            ordinal,
            site: format!("SITE{version}"),
            can_be_had: true,
            bound: false,
            created: sim.now,
            evacuation: None,
            terminating: false,
        }
    }
}

pub(crate) fn ordinal(pod: &str) -> i32 {
    pod.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(-1)
}

pub(crate) fn replicas(live: &Live) -> i32 {
    live.body["spec"]["replicas"].as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(1)
}

impl Kubernetes {
    pub(crate) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Pods that a set has and that are not on their way out.
    pub(crate) fn present(&self, set: &ObjectId) -> Vec<String> {
        let present = self.pods.iter().filter(|(_, pod)| pod.set == *set && !pod.terminating);
        present.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn touch(&mut self, pod: &str) {
        let version = self.next();
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.version = version;
        }
    }
}

/// The revision of the template of a set, and the tag of its image.
pub(crate) fn template(live: &Live) -> (String, String) {
    let template = &live.body["spec"]["template"];
    let revision = template["metadata"]["annotations"]["apps.emqx.io/template-revision"]
        .as_str()
        .or_else(|| template["metadata"]["labels"]["apps.emqx.io/pod-template-hash"].as_str())
        .unwrap_or_default();
    let image = template["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    (revision.to_owned(), image.rsplit(':').next().unwrap_or_default().to_owned())
}

fn storage_class(set: &Live) -> &str {
    set.body["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"].as_str().unwrap_or_default()
}

/// What the controllers of sets do with one set.
pub(crate) fn control(sim: &mut Sim, id: &ObjectId) {
    let Some(live) = sim.kubernetes.objects.get(id) else { return };
    let (wanted, made) = (replicas(live), template(live));
    match id.kind {
        Kind::StatefulSet => stateful_set(sim, id, wanted, &made),
        _ => replica_set(sim, id, wanted, &made),
    }
}

fn stateful_set(sim: &mut Sim, id: &ObjectId, wanted: i32, made: &(String, String)) {
    for number in 0..wanted {
        let name = format!("{}-{number}", id.name);
        if !sim.kubernetes.pods.contains_key(&name) {
            claim(sim, id, number);
            create(sim, id, name, Role::Core, made);
        }
    }
    for name in sim.kubernetes.present(id) {
        if ordinal(&name) >= wanted {
            sim.end(&name, "scaled in");
        }
    }
}

fn claim(sim: &mut Sim, set: &ObjectId, number: i32) {
    let name = format!("iot-core-data-{}-{number}", set.name);
    if !sim.kubernetes.claims.contains_key(&name) {
        let can_be_had = sim.kubernetes.objects.get(set).is_some_and(|live| storage_class(live) != MISSING);
        let claim = Claim { can_be_had, ..Claim::new(sim, &set.name, number) };
        sim.check_fresh_number(&name, &format!("{}-{number}", set.name));
        sim.kubernetes.claims.insert(name, claim);
    }
}

fn replica_set(sim: &mut Sim, id: &ObjectId, wanted: i32, made: &(String, String)) {
    let mut present = sim.kubernetes.present(id);
    let count = i32::try_from(present.len()).unwrap_or(i32::MAX);
    for _ in count..wanted {
        let number = sim.kubernetes.next();
        create(sim, id, format!("{}-{number}", id.name), Role::Replicant, made);
    }
    let rank = |pod: &Pod, luck: u32| (pod.started, pod.ready, pod.cost, luck);
    let mut ranked: Vec<_> =
        present.drain(..).map(|name| (rank(&sim.kubernetes.pods[&name], sim.rng.random()), name)).collect();
    ranked.sort();
    let surplus = usize::try_from(count - wanted).unwrap_or(0);
    for (_, name) in ranked.into_iter().take(surplus) {
        sim.end(&name, "scaled in");
    }
}

fn create(sim: &mut Sim, set: &ObjectId, name: String, role: Role, made: &(String, String)) {
    let version = sim.kubernetes.next();
    let pod = Pod {
        uid: format!("pod-{version}"),
        version,
        role,
        set: set.clone(),
        revision: made.0.clone(),
        tag: made.1.clone(),
        address: u32::try_from(version).unwrap_or(0),
        state: State::Down,
        running_since: 0,
        started: false,
        ready: false,
        unready_since: sim.now,
        was_ready: false,
        crashes: 0,
        marked: false,
        cost: 0,
        terminating: false,
    };
    sim.kubernetes.pods.insert(name, pod);
}

/// Fields of the operator's patches that an apply leaves alone, because another manager owns them.
pub(crate) fn keep_annotations(old: &Value, new: &mut Value) {
    for key in
        ["apps.emqx.io/evacuating", "apps.emqx.io/core-retirement-pod-ordinal-watermark", "apps.emqx.io/volume-sites"]
    {
        if let Some(value) = old["metadata"]["annotations"].get(key) {
            new["metadata"]["annotations"][key] = value.clone();
        }
    }
}
