//! Clusters for table tests of rules and checks, made by steps that read like a sentence:
//! `world().cores(3).old("iot-core-2").sessions("iot-core-2", 40)`.

#[path = "../../tests/support/nodes.rs"]
mod nodes;

use crate::desired::{Desired, NodeName, References, Role};
use crate::lifecycle::Part;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::removal::how::How;
use crate::lifecycle::removal::request::{Removal, RemovalRequest, Verdict};
use crate::world::{
    Broker, BrokerNode, Disagreement, Evacuation, EvacuationParameters, EvacuationPhase, FreshSecrets, Identity, Kind,
    KubernetesView, Node, NodeSet, NodeState, ObjectId, Pool, Reading, ReplicaState, Sensitive, Shard, Site, Storage,
    Why, World,
};
use jiff::SignedDuration;
use nodes::{joined, start};
use serde_json::json;
use std::collections::BTreeMap;

const NEW: &str = "emqx/emqx:6.0.0";
const OLD: &str = "emqx/emqx:5.10.0";

/// A cluster in the making. Cores are `iot-core-0` and so on; replicants `new-0` and `old-0`.
#[derive(Clone)]
pub struct Scene {
    cores: i32,
    replicants: i32,
    /// What `spec.updateStrategy.replicants` says.
    budget: serde_json::Value,
    /// Pods that the core set is told to have, where that is not what the spec wants.
    told_cores: Option<i32>,
    nodes: Vec<Node>,
    numbers: BTreeMap<String, BrokerNode>,
    evacuations: BTreeMap<String, Evacuation>,
    /// Why EMQX does not answer at all.
    silence: Option<Why>,
    /// Why EMQX does not tell of evacuations.
    evacuations_unknown: Option<Why>,
    storage: Reading<Storage>,
    cookie_is_lost: bool,
    watermark: Option<i32>,
}

/// A cluster without nodes, of EMQX that answers.
pub fn world() -> Scene {
    Scene {
        cores: 0,
        replicants: 0,
        budget: json!({}),
        told_cores: None,
        nodes: Vec::new(),
        numbers: BTreeMap::new(),
        evacuations: BTreeMap::new(),
        silence: None,
        evacuations_unknown: None,
        storage: Reading::Off,
        cookie_is_lost: false,
        watermark: None,
    }
}

/// A node that serves, of the wanted template.
fn node(role: Role, set: &str, pod: &str) -> Node {
    Node { name: Some(NodeName(format!("emqx@{pod}"))), revision: None, ..nodes::node(role, set, pod, NEW, "") }
}

impl Scene {
    /// So many cores, which the spec wants.
    pub fn cores(mut self, count: i32) -> Self {
        self.cores = count;
        self.nodes.extend((0..count).map(|number| node(Role::Core, "iot-core", &format!("iot-core-{number}"))));
        self
    }

    /// So many replicants of the wanted template, which the spec wants.
    pub fn replicants(mut self, count: i32) -> Self {
        self.replicants += count;
        self.nodes.extend((0..count).map(|number| node(Role::Replicant, "new", &format!("new-{number}"))));
        self
    }

    /// So many replicants of an old template; the spec wants as many.
    pub fn old_replicants(mut self, count: i32) -> Self {
        self.replicants = self.replicants.max(count);
        let old = |number| Node {
            image: OLD.to_owned(),
            revision: Some("old".to_owned()),
            ..node(Role::Replicant, "old", &format!("old-{number}"))
        };
        self.nodes.extend((0..count).map(old));
        self
    }

    /// The spec wants so many cores, whatever there are.
    pub fn wants_cores(mut self, count: i32) -> Self {
        self.told_cores = Some(self.cores);
        self.cores = count;
        self
    }

    /// The spec wants so many replicants, whatever there are.
    pub fn wants_replicants(mut self, count: i32) -> Self {
        self.replicants = count;
        self
    }

    /// The core set is told to have so many pods.
    pub fn told_cores(mut self, count: i32) -> Self {
        self.told_cores = Some(count);
        self
    }

    pub fn max_unavailable(mut self, count: i32) -> Self {
        self.budget = json!({"maxUnavailable": count, "maxSurge": 0});
        self
    }

    /// Ordinals below this one have been in use, as it is written down on the set.
    pub fn watermark(mut self, mark: i32) -> Self {
        self.watermark = Some(mark);
        self
    }

    fn change(mut self, pod: &str, change: impl FnOnce(&mut Node)) -> Self {
        change(self.nodes.iter_mut().find(|node| node.pod == pod).expect("there is such a pod"));
        self
    }

    /// It was made from an old template.
    pub fn old(self, pod: &str) -> Self {
        self.change(pod, |node| {
            node.revision = Some("old".to_owned());
            node.image = OLD.to_owned();
        })
    }

    pub fn state(self, pod: &str, state: NodeState) -> Self {
        self.change(pod, |node| {
            node.state = state;
            node.available = state.is_ready();
        })
    }

    /// The operator has begun to evacuate it.
    pub fn ours(self, pod: &str) -> Self {
        self.change(pod, |node| node.evacuating_by_us = true)
    }

    pub fn cost(self, pod: &str, cost: i32) -> Self {
        self.change(pod, |node| node.deletion_cost = cost)
    }

    /// EMQX evacuates it to all others, and is in this phase.
    pub fn evacuated(self, pod: &str, phase: EvacuationPhase) -> Self {
        let others: Vec<_> = self.nodes.iter().map(|node| node.pod.clone()).filter(|other| other != pod).collect();
        self.evacuated_to(pod, phase, &others)
    }

    /// EMQX evacuates it to these nodes, and is in this phase.
    pub fn evacuated_to(mut self, pod: &str, phase: EvacuationPhase, others: &[String]) -> Self {
        let recipients = others.iter().map(|other| format!("emqx@{other}")).collect();
        let parameters = EvacuationParameters { recipients, ..EvacuationParameters::default() };
        self.evacuations.insert(pod.to_owned(), Evacuation { phase, connected: Some(0), parameters });
        self
    }

    /// So many sessions are on it.
    pub fn sessions(mut self, pod: &str, count: i64) -> Self {
        self.numbers.insert(pod.to_owned(), BrokerNode { sessions: Some(count), ..member() });
        self
    }

    /// EMQX lists it as stopped.
    pub fn stopped(mut self, pod: &str) -> Self {
        self.numbers.insert(pod.to_owned(), BrokerNode { running: false, ..BrokerNode::default() });
        self
    }

    pub fn without_emqx(mut self, why: Why) -> Self {
        self.silence = Some(why);
        self
    }

    pub fn without_evacuations(mut self, why: Why) -> Self {
        self.evacuations_unknown = Some(why);
        self
    }

    pub fn without_cookie(mut self) -> Self {
        self.cookie_is_lost = true;
        self
    }

    /// One shard of durable storage, with copies on the cores of these numbers, all of which are up.
    pub fn shard(mut self, cores: impl IntoIterator<Item = i32>) -> Self {
        let sites = self.nodes.iter().filter(|node| node.role == Role::Core).map(|node| {
            let site = Site { node: node.name.clone().expect("it has a name"), up: true };
            (node.pod.clone(), site)
        });
        let shard = Shard {
            id: "0".to_owned(),
            replicas: cores.into_iter().map(|core| (format!("iot-core-{core}"), ReplicaState::Up)).collect(),
            ..Shard::default()
        };
        let databases = BTreeMap::from([("messages".to_owned(), vec![shard])]);
        self.storage = Reading::Fresh(Storage { sites: sites.collect(), databases });
        self
    }

    /// The copy on this core is not up.
    pub fn copy_is_down(self, core: i32) -> Self {
        self.change_shard(|shard| {
            shard.replicas.insert(format!("iot-core-{core}"), ReplicaState::NotUp);
        })
    }

    /// This core is to get a copy.
    pub fn copy_is_joining(self, core: i32) -> Self {
        self.change_shard(|shard| {
            shard.joining.insert(format!("iot-core-{core}"));
        })
    }

    fn change_shard(mut self, change: impl Fn(&mut Shard)) -> Self {
        let Reading::Fresh(storage) = &mut self.storage else { panic!("there is no shard yet") };
        storage.databases.values_mut().flatten().for_each(change);
        self
    }

    pub fn storage(mut self, storage: Reading<Storage>) -> Self {
        self.storage = storage;
        self
    }

    fn desired(&self) -> Desired {
        let resource = json!({
            "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX",
            "metadata": {"name": "iot", "namespace": "default", "uid": "resource", "generation": 1},
            "spec": {
                "image": NEW,
                "config": {"roots": {"license": {"key": "evaluation"}}},
                "coreTemplate": {"spec": {"replicas": self.cores}},
                "replicantTemplate": {"spec": {"replicas": self.replicants}},
                "updateStrategy": {"replicants": self.budget},
            },
        });
        let resource = serde_json::from_value(resource).expect("the resource is one");
        Desired::resolve(&resource, &References::default()).expect("the spec is right")
    }

    /// The snapshot, joined as the operator joins it.
    fn world(&self, desired: &Desired) -> World {
        let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
        let now = start() + SignedDuration::from_mins(10);
        let mut world = World::assemble(desired, &KubernetesView::default(), Reading::Off, fresh, now);
        let secret = || Some(Sensitive("s".to_owned()));
        let cookie = secret().filter(|_| !self.cookie_is_lost);
        world.identity = Identity { cookie, operator_secret: secret() };
        let (cores, replicants) = {
            let topology = Topology::new(desired, &world);
            let set = topology.replicant_set.as_ref();
            let replicants = set.map(|set| (set.revision.clone(), set.manifest.id.name.clone())).unwrap_or_default();
            (topology.core_set.revision.clone(), replicants)
        };
        world.broker = self.broker();
        let mut nodes = self.nodes.clone();
        for node in &mut nodes {
            let wanted = if node.role == Role::Core { &cores } else { &replicants.0 };
            node.revision.get_or_insert_with(|| wanted.clone());
            if node.set == "new" {
                node.set.clone_from(&replicants.1);
            }
        }
        let (core_nodes, replicant_nodes): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|node| node.role == Role::Core);
        let ours = core_nodes.iter().filter(|node| node.evacuating_by_us).map(|node| node.pod.clone()).collect();
        let core_set = NodeSet {
            evacuating: ours,
            watermark: self.watermark,
            ..set("iot-core", &cores, self.told_cores.unwrap_or(self.cores))
        };
        let count =
            |name: &str| i32::try_from(replicant_nodes.iter().filter(|node| node.set == name).count()).expect("a few");
        let replicant_sets =
            vec![set(&replicants.1, &replicants.0, count(&replicants.1)), set("old", "old", count("old"))];
        world.cores = Pool { sets: vec![core_set], nodes: core_nodes };
        world.replicants = Pool { sets: replicant_sets, nodes: replicant_nodes };
        joined(&mut world);
        world
    }

    fn broker(&self) -> Reading<Broker> {
        if let Some(why) = &self.silence {
            return Reading::Unavailable(why.clone());
        }
        let name = |pod: &str| NodeName(format!("emqx@{pod}"));
        let listed = self.nodes.iter().filter(|node| node.state.is_running() || node.is_terminating());
        let listed = listed.map(|node| (name(&node.pod), self.numbers.get(&node.pod).cloned().unwrap_or_else(member)));
        let evacuations = match &self.evacuations_unknown {
            Some(why) => Reading::Unavailable(why.clone()),
            None => Reading::Fresh(self.evacuations.iter().map(|(pod, one)| (name(pod), one.clone())).collect()),
        };
        Reading::Fresh(Broker {
            nodes: listed.collect(),
            disagreement: Disagreement::default(),
            evacuations,
            storage: self.storage.clone(),
            unknown_keys: Reading::Off,
        })
    }

    /// What a check says to the removal of this pod, which is made again.
    pub(in crate::lifecycle) fn recreate(
        &self,
        pod: &str,
        check: impl Fn(&RemovalRequest<'_, '_>) -> Verdict,
    ) -> String {
        self.ask(pod, How::Recreate, check)
    }

    /// What a check says to the removal of this pod for good.
    pub(in crate::lifecycle) fn scale_in(
        &self,
        pod: &str,
        check: impl Fn(&RemovalRequest<'_, '_>) -> Verdict,
    ) -> String {
        let desired = self.desired();
        let world = self.world(&desired);
        let node = world.nodes().find(|node| node.pod == pod).expect("there is such a pod");
        let kind = if node.role == Role::Core { Kind::StatefulSet } else { Kind::ReplicaSet };
        let sets = &world.pool(node.role).sets;
        let from = sets.iter().find(|set| set.name == node.set).expect("it has a set").wanted;
        let how = How::ScaleIn { set: ObjectId { kind, name: node.set.clone() }, from, to: from - 1 };
        self.ask(pod, how, check)
    }

    /// What a rule does and awaits.
    pub(in crate::lifecycle) fn rule(&self, plan: impl Fn(&Topology<'_>) -> Part) -> String {
        let desired = self.desired();
        let world = self.world(&desired);
        let part = plan(&Topology::new(&desired, &world));
        let actions = part.actions.iter().map(ToString::to_string);
        let holds = part.holds.iter().map(|hold| format!("{} {}: {}", hold.reason.as_str(), hold.subject, hold.detail));
        let all: Vec<_> = actions.chain(holds).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
    }

    fn ask(&self, pod: &str, how: How, check: impl Fn(&RemovalRequest<'_, '_>) -> Verdict) -> String {
        let desired = self.desired();
        let world = self.world(&desired);
        let topology = Topology::new(&desired, &world);
        let node = world.nodes().find(|node| node.pod == pod).expect("there is such a pod");
        let removal = Removal { role: node.role, node: Some(node), how };
        match check(&RemovalRequest { topology: &topology, removal: &removal, going: &[pod] }) {
            Verdict::Pass => "passes".to_owned(),
            Verdict::Hold(hold) => format!("{}: {}", hold.reason.as_str(), hold.detail),
            Verdict::Prepare(actions, _) => actions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        }
    }
}

fn member() -> BrokerNode {
    BrokerNode { running: true, sessions: Some(0), connections: Some(0), ..BrokerNode::default() }
}

fn set(name: &str, revision: &str, wanted: i32) -> NodeSet {
    NodeSet { revision: Some(revision.to_owned()), ..nodes::set(name, wanted) }
}
