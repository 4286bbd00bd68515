//! The snapshot that the operator sees.

use crate::emqx::{Member, Phase};
use crate::kubernetes::{Pod, State, replicas};
use crate::sim::Sim;
use emqx_operator_core::desired::{NodeName, Role};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{
    Broker, BrokerNode, Claim, ConfigRefused, Disagreement, Evacuation, EvacuationParameters, EvacuationPhase,
    FreshSecrets, Identity, Kind, Live, Membership, Node, NodeSet, NodeState, PodIssue, PodReading, Pool, Reading,
    ReplicaState, Sensitive, Shard, Site, Storage, VolumeSite, Why, World,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn world(sim: &Sim) -> World {
    let broker = broker(sim);
    World {
        now: Timestamp::from_second(sim.now).expect("histories are short"),
        objects: sim.kubernetes.objects.clone(),
        cores: pool(sim, Role::Core, &broker),
        replicants: pool(sim, Role::Replicant, &broker),
        volumes_without_set: false,
        claims: claims(sim),
        identity: Identity {
            cookie: Some(Sensitive("cookie".to_owned())),
            operator_secret: Some(Sensitive("secret".to_owned())),
        },
        other_budgets: Vec::new(),
        edited_templates: BTreeMap::new(),
        broker,
        config_refused: sim
            .refuses_config()
            .then(|| ConfigRefused { text: "it is too large".to_owned(), lacks_a_file: false }),
        admission_drift: std::collections::BTreeMap::new(),
        memory: sim.memory.clone(),
        fresh: FreshSecrets::default(),
    }
}

pub(crate) fn node_name(sim: &Sim, pod: &str) -> NodeName {
    let found = &sim.kubernetes.pods[pod];
    match found.role {
        Role::Core => sim.desired.names.core_node(pod),
        Role::Replicant => sim.desired.names.replicant_node(&format!("10.0.0.{}", found.address)),
    }
}

fn pool(sim: &Sim, role: Role, broker: &Reading<Broker>) -> Pool {
    let kind = if role == Role::Core { Kind::StatefulSet } else { Kind::ReplicaSet };
    let sets = sim.kubernetes.objects.iter().filter(|(id, _)| id.kind == kind).map(|(id, live)| {
        let annotations = &live.body["metadata"]["annotations"];
        let template = &live.body["spec"]["template"]["metadata"];
        let revision = template["annotations"]["apps.emqx.io/template-revision"]
            .as_str()
            .or_else(|| template["labels"]["apps.emqx.io/pod-template-hash"].as_str());
        NodeSet {
            name: id.name.clone(),
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
            created: created(live),
            evacuating: marked(live),
            watermark: annotations["apps.emqx.io/core-retirement-pod-ordinal-watermark"]
                .as_str()
                .and_then(|text| text.parse().ok()),
            observed: true,
            volume_sites: annotations["apps.emqx.io/volume-sites"].as_str().map(VolumeSite::read).unwrap_or_default(),
            revision: revision.map(str::to_owned),
            wanted: replicas(live),
            refusal: None,
        }
    });
    let sets: Vec<_> = sets.collect();
    let mut nodes: Vec<_> = sim
        .kubernetes
        .pods
        .keys()
        .filter(|pod| sim.kubernetes.pods[*pod].role == role)
        .map(|pod| node(sim, pod))
        .collect();
    nodes.iter_mut().for_each(|node| node.join(broker));
    Pool::new(sets, nodes)
}

/// In the order in which objects were made.
pub(crate) fn created(live: &Live) -> Timestamp {
    let number = live.uid.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_default();
    Timestamp::from_second(number).expect("histories are short")
}

/// The cores that a set remembers to be emptied by the operator.
pub(crate) fn marked(live: &Live) -> Vec<String> {
    let pods = live.body["metadata"]["annotations"]["apps.emqx.io/evacuating"].as_str();
    pods.map(|pods| pods.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

fn node(sim: &Sim, name: &str) -> Node {
    let pod = &sim.kubernetes.pods[name];
    let node = node_name(sim, name);
    let time = |second: i64| Timestamp::from_second(second).expect("histories are short");
    let unready_since = (!pod.ready).then(|| time(pod.unready_since));
    let running_since = (pod.state != State::Down).then(|| time(pod.running_since));
    Node {
        role: pod.role,
        pod: name.to_owned(),
        uid: pod.uid.clone(),
        resource_version: pod.version.to_string(),
        ip: Some(format!("10.0.0.{}", pod.address)),
        set: pod.set.name.clone(),
        revision: Some(pod.revision.clone()),
        startup_revision: sim.desired.config.startup_revision.clone(),
        created: Timestamp::UNIX_EPOCH,
        image: format!("emqx/emqx:{}", pod.tag),
        dashboard: None,
        unready_since,
        state: NodeState::of(&PodReading {
            terminating: pod.terminating,
            ready: pod.ready,
            running: pod.state != State::Down,
            running_since,
            unready_since,
            started: pod.started,
            served: pod.was_ready,
        }),
        available: pod.ready,
        running_since,
        deletion_cost: pod.cost,
        issue: issue(pod),
        unsteady: pod.crashes >= 2,
        evacuating_by_us: pod.marked,
        membership: Membership::Unknown,
        broker: None,
        evacuation: None,
        name: Some(node),
    }
}

fn issue(pod: &Pod) -> Option<PodIssue> {
    let issue = |reason, text: &str| Some(PodIssue { reason, text: text.to_owned(), since: None });
    match pod.state {
        State::Down if pod.tag.ends_with("-broken") => issue(Reason::ImagePullFailed, "no such image"),
        State::Down if pod.crashes >= 2 => issue(Reason::CrashLooping, "has ended again and again"),
        State::Down | State::Booting | State::Running => None,
    }
}

fn broker(sim: &Sim) -> Reading<Broker> {
    let asked = sim.kubernetes.pods.iter().any(|(name, pod)| {
        let marked = sim.kubernetes.objects.values().any(|live| marked(live).contains(name));
        pod.role == Role::Core && pod.state == State::Running && !pod.terminating && (pod.ready || marked)
    });
    if !asked {
        return Reading::Unavailable(Why::NobodyToAsk);
    }
    if sim.emqx.deaf {
        return Reading::Unavailable(Why::NoAnswer("deaf".to_owned()));
    }
    let nodes = listed(sim).map(|(name, member)| {
        let running = member.running && !is_cut_off(sim, name);
        let seen = BrokerNode {
            status: None,
            running,
            role: Some(member.role.as_str().to_owned()),
            version: Some(member.version.clone()),
            edition: Some("Enterprise".to_owned()),
            otp_release: None,
            sessions: running.then(|| member.sessions.into()),
            connections: running.then(|| member.connected.into()),
        };
        (name.clone(), seen)
    });
    Reading::Fresh(Broker {
        nodes: nodes.collect(),
        disagreement: Disagreement::default(),
        evacuations: evacuations(sim),
        storage: storage(sim),
        unknown_keys: Reading::Unavailable(Why::NotAsked),
    })
}

/// A node that stopped is known to be stopped. A node that is cut off is missing at first, and then listed as stopped.
fn listed(sim: &Sim) -> impl Iterator<Item = (&NodeName, &Member)> {
    let missing = |name: &NodeName| is_cut_off(sim, name) && !sim.emqx.said_to_be_stopped;
    sim.emqx.members.iter().filter(move |(name, member)| !member.running || !missing(name))
}

fn is_cut_off(sim: &Sim, name: &NodeName) -> bool {
    sim.emqx.unlisted.as_ref() == Some(name)
}

fn evacuations(sim: &Sim) -> Reading<BTreeMap<NodeName, Evacuation>> {
    if sim.emqx.half_deaf {
        return Reading::Unavailable(Why::NoAnswer("half deaf".to_owned()));
    }
    let reached = listed(sim).filter(|(name, member)| member.running && !is_cut_off(sim, name));
    let all = reached.filter_map(|(name, member)| {
        let phase = match member.evacuation.as_ref()?.phase {
            Phase::Waiting => EvacuationPhase::WaitingForLoadBalancers,
            Phase::Connections => EvacuationPhase::EvictingConnections,
            Phase::Takeover => EvacuationPhase::WaitingForTakeover,
            Phase::Sessions => EvacuationPhase::EvictingSessions,
            Phase::Empty => EvacuationPhase::Empty,
        };
        let evacuation = member.evacuation.as_ref()?;
        // The available nodes, not the requested nodes.
        let available = |node: &&NodeName| {
            sim.emqx.members.get(*node).is_some_and(|member| member.running && member.evacuation.is_none())
        };
        let recipients = evacuation.targets.iter().filter(available).map(ToString::to_string).collect();
        let parameters = EvacuationParameters {
            recipients,
            session_rate: Some(evacuation.pace.into()),
            connection_rate: Some(1000),
            ..EvacuationParameters::default()
        };
        Some((name.clone(), Evacuation { phase, connected: Some(member.connected.into()), parameters }))
    });
    Reading::Fresh(all.collect())
}

fn storage(sim: &Sim) -> Reading<Storage> {
    if !sim.spec.durable {
        return Reading::Fresh(Storage::default());
    }
    if sim.emqx.half_deaf {
        return Reading::Unavailable(Why::NoAnswer("half deaf".to_owned()));
    }
    let up = sim.sites_up();
    let sites = sim.emqx.sites.iter().map(|(id, node)| (id.clone(), Site { node: node.clone(), up: up.contains(id) }));
    let shards = sim.emqx.shards.iter().enumerate().map(|(number, shard)| Shard {
        id: number.to_string(),
        replicas: shard
            .replicas
            .iter()
            .map(|site| (site.clone(), if up.contains(site) { ReplicaState::Up } else { ReplicaState::NotUp }))
            .collect(),
        joining: shard.target.difference(&shard.replicas).cloned().collect(),
        leaving: shard.replicas.difference(&shard.target).cloned().collect(),
    });
    let databases = BTreeMap::from([("messages".to_owned(), shards.collect())]);
    Reading::Fresh(Storage { sites: sites.collect(), databases })
}

fn claims(sim: &Sim) -> Vec<Claim> {
    let all = sim.kubernetes.claims.iter().map(|(name, claim)| Claim {
        name: name.clone(),
        uid: claim.uid.clone(),
        resource_version: claim.version.to_string(),
        set: claim.set.clone(),
        ordinal: claim.ordinal,
        created: Timestamp::from_second(claim.created).expect("histories are short"),
        terminating: claim.terminating,
        may_hold_data: claim.bound,
        storage: None,
        capacity: None,
        resize_error: None,
    });
    all.collect()
}

/// Sites whose node runs.
impl Sim {
    pub(crate) fn sites_up(&self) -> BTreeSet<String> {
        let running = |node: &NodeName| self.emqx.members.get(node).is_some_and(|member| member.running);
        self.emqx.sites.iter().filter(|(_, node)| running(node)).map(|(id, _)| id.clone()).collect()
    }
}
