//! The whole world of one history.

use crate::emqx::{Emqx, Evacuation, Member, Phase, Shard};
use crate::kubernetes::{Claim, Kubernetes, State, control};
use crate::operator::Execution;
use crate::spec::{Spec, resolve};
use crate::view::node_name;
use emqx_operator_core::desired::{Desired, LastGood, NodeName, Role};
use emqx_operator_core::world::{Kind, Memory, ObjectId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) struct Sim {
    pub(crate) rng: StdRng,
    /// For what was added later: histories of the same seed stay as they were.
    pub(crate) losses: StdRng,
    /// Draws strategies, so that histories of one strategy are what they were before there was another.
    pub(crate) strategies: StdRng,
    /// For what Kubernetes and EMQX refuse.
    pub(crate) refusals: StdRng,
    /// For volumes that cannot be provisioned.
    pub(crate) volumes: StdRng,
    /// For changes of the pace of evacuations.
    pub(crate) paces: StdRng,
    /// For how a node that is cut off is spoken of.
    pub(crate) cuts: StdRng,
    pub(crate) now: i64,
    pub(crate) spec: Spec,
    pub(crate) generation: i64,
    pub(crate) desired: Arc<Desired>,
    /// What the operator carries out: the spec, or what last worked.
    pub(crate) in_force: Arc<Desired>,
    /// From which spec and which record of what last worked that was decided.
    decided: (i64, Option<String>),
    /// As the operator remembers it.
    pub(crate) memory: Memory,
    /// The revision of the configuration that EMQX has refused, and its image, as the operator remembers them.
    pub(crate) config_refused: Option<(String, String)>,
    pub(crate) kubernetes: Kubernetes,
    pub(crate) emqx: Emqx,
    pub(crate) execution: Option<Execution>,
    /// Evacuation is on throughout this history, so no session may be lost by our hand.
    pub(crate) evacuates: bool,
    /// Nodes that broke after the snapshot that the current plan rests on.
    pub(crate) broken_since_observation: usize,
    /// By role: how many nodes were closed when the spec last changed.
    pub(crate) closed_at_edit: BTreeMap<&'static str, usize>,
    /// The pod that is being taken away although a user has just opened its node.
    pub(crate) excused: Option<String>,
    /// While nothing else changes: the sets that replicants have been taken away from.
    pub(crate) shrunk: Option<BTreeSet<ObjectId>>,
    pub(crate) violation: Option<String>,
    pub(crate) writes: u64,
    log: Option<Vec<String>>,
}

impl Sim {
    pub(crate) fn new(seed: u64, spec: Spec, verbose: bool) -> Self {
        let desired = Arc::new(spec.desired(1));
        Self {
            rng: StdRng::seed_from_u64(seed),
            losses: StdRng::seed_from_u64(seed ^ 0x6c6f_7374),
            strategies: StdRng::seed_from_u64(!seed),
            refusals: StdRng::seed_from_u64(seed ^ 0x7265_6675),
            cuts: StdRng::seed_from_u64(seed ^ 0x6375_7473),
            volumes: StdRng::seed_from_u64(seed ^ 0x766f_6c75),
            paces: StdRng::seed_from_u64(seed ^ 0x7061_6365),
            now: 1_800_000_000,
            desired: desired.clone(),
            in_force: desired,
            decided: (0, None),
            memory: Memory::default(),
            config_refused: None,
            generation: 1,
            evacuates: spec.evacuation,
            spec,
            kubernetes: Kubernetes::default(),
            emqx: Emqx::default(),
            execution: None,
            broken_since_observation: 0,
            closed_at_edit: BTreeMap::new(),
            excused: None,
            shrunk: None,
            violation: None,
            writes: 0,
            log: verbose.then(Vec::new),
        }
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(text());
        }
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        self.log.take().unwrap_or_default()
    }

    pub(crate) fn edit(&mut self, spec: Spec) {
        if spec != self.spec {
            self.generation += 1;
            self.desired = Arc::new(spec.desired(self.generation));
            self.spec = spec;
            self.decide_in_force();
            let text = format!("the spec becomes {:?}", self.spec);
            self.note(|| text);
            self.edited();
        }
    }

    /// Whether the operator remembers that EMQX refuses what is in force.
    pub(crate) fn refuses_config(&self) -> bool {
        let Desired { config, image, .. } = &*self.in_force;
        self.config_refused.as_ref().is_some_and(|(revision, refused_by)| {
            (revision, refused_by) == (&config.runtime_revision, &image.reference)
        })
    }

    /// What last worked takes the place of templates that were given up.
    pub(crate) fn decide_in_force(&mut self) {
        let id = ObjectId { kind: Kind::Secret, name: self.desired.names.last_good() };
        let record = self.kubernetes.objects.get(&id);
        let decided = (self.generation, record.map(|live| live.resource_version.clone()));
        if decided == self.decided {
            return;
        }
        let record = record.and_then(|live| LastGood::read_body(&live.body));
        let given_up = record.filter(|record| record.rolled_back.is_some());
        let instead = given_up.and_then(|record| record.instead_of(&self.spec.resource(self.generation)));
        let before = self.in_force.templates.revision();
        self.decided = decided;
        self.in_force = match instead {
            Some((cr, rolled_back)) => {
                let mut desired = resolve(&cr);
                desired.rolled_back = Some(rolled_back);
                Arc::new(desired)
            }
            None => self.desired.clone(),
        };
        if self.in_force.templates.revision() != before {
            self.edited();
        }
    }

    pub(crate) fn sets(&self) -> Vec<ObjectId> {
        let sets = self.kubernetes.objects.keys().filter(|id| matches!(id.kind, Kind::StatefulSet | Kind::ReplicaSet));
        sets.cloned().collect()
    }

    pub(crate) fn run_controllers(&mut self) {
        for id in self.sets() {
            control(self, &id);
        }
        self.kubernetes.claims.retain(|_, claim| !claim.terminating);
    }

    /// The kubelet and the node in it take one step.
    pub(crate) fn advance(&mut self, name: &str) {
        let Some(pod) = self.kubernetes.pods.get(name) else { return };
        if pod.terminating {
            self.gone(name);
            return;
        }
        // The controllers are quicker than a broker boots and is led clients: who is not to be there any more does not come up
        // first.
        if pod.state != State::Running || !pod.ready {
            let set = pod.set.clone();
            control(self, &set);
        }
        if !self.bind(name) {
            return;
        }
        let Some(pod) = self.kubernetes.pods.get(name).filter(|pod| !pod.terminating) else { return };
        let next = match pod.state {
            State::Down if pod.tag.ends_with("-broken") => return,
            State::Down => State::Booting,
            State::Booting if self.may_run(name) => State::Running,
            State::Booting => return,
            State::Running => {
                self.probe(name);
                return;
            }
        };
        if next == State::Running {
            self.join(name);
        }
        let now = self.now;
        if let Some(pod) = self.kubernetes.pods.get_mut(name) {
            pod.running_since = if next == State::Booting { now } else { pod.running_since };
            pod.state = next;
            pod.started = true;
        }
        self.kubernetes.touch(name);
    }

    /// The claim of a core gets its volume when the pod is scheduled, if one can be provisioned.
    fn bind(&mut self, name: &str) -> bool {
        if self.kubernetes.pods.get(name).is_none_or(|pod| pod.terminating) {
            return false;
        }
        let claim = format!("iot-core-data-{name}");
        self.bind_claim(&claim);
        self.kubernetes.claims.get(&claim).is_none_or(|claim| claim.bound)
    }

    /// Storage that does not wait for a pod binds at any moment.
    pub(crate) fn bind_claim(&mut self, name: &str) {
        let version = self.kubernetes.next();
        let found = self.kubernetes.claims.get_mut(name);
        if let Some(claim) = found.filter(|claim| claim.can_be_had && !claim.bound && !claim.terminating) {
            (claim.bound, claim.version) = (true, version);
        }
    }

    /// A replicant waits for a core of its version. A core with a new volume does not start while EMQX knows an old one.
    fn may_run(&self, name: &str) -> bool {
        let pod = &self.kubernetes.pods[name];
        match pod.role {
            Role::Replicant => {
                self.emqx.members.values().any(|m| m.role == Role::Core && m.running && m.version == pod.tag)
            }
            Role::Core => {
                let node = node_name(self, name);
                let Some(claim) = self.kubernetes.claims.get(&format!("iot-core-data-{name}")) else { return false };
                let site = &claim.site;
                !self.spec.durable || !self.emqx.sites.iter().any(|(id, other)| *other == node && id != site)
            }
        }
    }

    fn join(&mut self, name: &str) {
        let node = node_name(self, name);
        let pod = &self.kubernetes.pods[name];
        let (role, version) = (pod.role, pod.tag.clone());
        let kept = self.kubernetes.claims.get(&format!("iot-core-data-{name}"));
        let evacuation = kept.and_then(|claim| claim.evacuation).map(|foreign| Evacuation {
            phase: Phase::Connections,
            foreign,
            targets: Vec::new(),
            pace: self.spec.pace,
        });
        if let Some(claim) = kept.filter(|_| self.spec.durable) {
            self.emqx.sites.insert(claim.site.clone(), node.clone());
            if self.emqx.shards.is_empty() {
                let first = || BTreeSet::from([claim.site.clone()]);
                self.emqx.shards = (0..4).map(|_| Shard { replicas: first(), target: first() }).collect();
            }
        }
        let member = Member { role, version, running: true, sessions: 0, connected: 0, evacuation, was_given: false };
        self.emqx.members.insert(node, member);
    }

    /// Readiness follows the broker: a closed node is not ready.
    fn probe(&mut self, name: &str) {
        let node = node_name(self, name);
        let ready = self.emqx.members.get(&node).is_some_and(|m| m.running && m.evacuation.is_none());
        let now = self.now;
        let Some(pod) = self.kubernetes.pods.get_mut(name) else { return };
        if pod.ready != ready {
            pod.unready_since = now;
            pod.ready = ready;
            pod.was_ready |= ready;
            self.kubernetes.touch(name);
        }
    }

    /// The pod is deleted from outside.
    pub(crate) fn end(&mut self, name: &str, why: &str) {
        let Some(pod) = self.kubernetes.pods.get_mut(name).filter(|pod| !pod.terminating) else { return };
        pod.terminating = true;
        pod.ready = false;
        self.note(|| format!("  {name} is {why}"));
        self.check_leaving(name, why);
        self.stop_node(name);
        self.kubernetes.touch(name);
    }

    fn stop_node(&mut self, name: &str) {
        let node = node_name(self, name);
        if let Some(member) = self.emqx.members.get_mut(&node) {
            // What a node carried is gone with it; whether that was allowed has been checked.
            (member.running, member.sessions, member.connected, member.evacuation) = (false, 0, 0, None);
            if member.role == Role::Replicant {
                self.emqx.members.remove(&node);
            }
        }
    }

    fn gone(&mut self, name: &str) {
        self.kubernetes.pods.remove(name);
    }

    /// The container crashes, not caused by the operator.
    pub(crate) fn crash(&mut self, name: &str) {
        let Some(pod) = self.kubernetes.pods.get_mut(name).filter(|pod| !pod.terminating) else { return };
        if pod.state == State::Running {
            self.broken_since_observation += 1;
        }
        (pod.state, pod.ready, pod.unready_since) = (State::Down, false, self.now);
        pod.crashes += 1;
        self.note(|| format!("{name} crashes"));
        self.stop_node(name);
        self.kubernetes.touch(name);
    }

    /// One of the volumes is replaced by an empty one, if every shard on it has a copy on a site that is up, no other
    /// was lost, and the operator has seen it at work: without proof it does nothing.
    pub(crate) fn lose_volume(&mut self, number: usize) {
        let Some((key, claim)) = self.kubernetes.claims.iter().nth(number).filter(|_| self.spec.durable) else {
            return;
        };
        let (key, site, set, ordinal) = (key.clone(), claim.site.clone(), claim.set.clone(), claim.ordinal);
        let name = format!("{set}-{ordinal}");
        let up = self.sites_up();
        let whole = self.emqx.sites.keys().all(|other| up.contains(other));
        let copied = |shard: &Shard| !shard.replicas.contains(&site) || shard.replicas.len() > 1;
        let home = format!("{name}={}/{site}", claim.uid);
        let seen = self.kubernetes.objects.values().any(|set| {
            let text = set.body["metadata"]["annotations"]["apps.emqx.io/volume-sites"].as_str().unwrap_or_default();
            text.split(',').any(|one| one == home)
        });
        if !(seen && whole && up.contains(&site) && self.emqx.shards.iter().all(copied)) {
            return;
        }
        self.note(|| format!("{name} loses its volume"));
        let empty = Claim { bound: true, ..Claim::new(self, &set, ordinal) };
        self.kubernetes.claims.insert(key, empty);
        self.crash(&name);
    }

    pub(crate) fn persist_evacuation(&mut self, node: &NodeName, foreign: Option<bool>) {
        for (name, claim) in &mut self.kubernetes.claims {
            let pod = name.trim_start_matches("iot-core-data-");
            if self.desired.names.core_node(pod) == *node {
                claim.evacuation = foreign;
            }
        }
    }

    /// What the volume of a node says of an evacuation: whether a user started it.
    pub(crate) fn persisted_evacuation(&self, node: &NodeName) -> Option<bool> {
        let mut claims = self.kubernetes.claims.iter();
        let (_, claim) = claims.find(|(name, _)| {
            let pod = name.trim_start_matches("iot-core-data-");
            self.desired.names.core_node(pod) == *node
        })?;
        claim.evacuation
    }

    pub(crate) fn random_pod(&mut self) -> Option<String> {
        let count = self.kubernetes.pods.len();
        (count > 0).then(|| self.rng.random_range(0..count)).and_then(|n| self.kubernetes.pods.keys().nth(n).cloned())
    }

    /// An evacuation takes one step.
    pub(crate) fn evacuate(&mut self, node: &NodeName) {
        let ready = self.kubernetes.pods.iter().filter(|(_, pod)| pod.ready && !pod.terminating);
        let ready: Vec<_> = ready.map(|(name, _)| node_name(self, name)).collect();
        self.emqx.evacuate(node, &ready);
    }

    pub(crate) fn random_member(&mut self) -> Option<NodeName> {
        let count = self.emqx.members.len();
        (count > 0).then(|| self.rng.random_range(0..count)).and_then(|n| self.emqx.members.keys().nth(n).cloned())
    }
}
