//! Whatever is stored and whatever lives, planning comes to an end: no panic, no number that is too large, no message
//! without end, nothing that the API server refuses as a whole. Resources may be older than the schema, and users may
//! have changed any object.
//!
//! `HOSTILE_CASES=100000 cargo test -p emqx-operator-core --test hostile` tries more.

mod support;

#[path = "support/chance.rs"]
mod chance;

#[path = "support/living.rs"]
mod living;

use chance::{Choices, mutate, text};
use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_core::desired::{Desired, LastGood, NodeName, References, references};
use emqx_operator_core::status::{event, merge, refused};
use emqx_operator_core::world::{
    Broker, BrokerNode, ConfigRefused, Disagreement, Evacuation, EvacuationParameters, EvacuationPhase, FreshSecrets,
    KubernetesView, Memory, ObjectEvent, Reading, ReplicaState, Shard, Site, Storage, View, Why, World, api_candidates,
    needs,
};
use emqx_operator_core::{Plan, plan};
use jiff::{SignedDuration, Timestamp};
use living::{Living, name};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// An example, and the cluster that it is made into.
struct Ground {
    cr: EMQX,
    stored: Value,
    references: References,
    desired: Desired,
    living: Living,
}

static GROUNDS: LazyLock<Vec<Ground>> = LazyLock::new(|| {
    let grounds = support::examples().into_iter().map(|example| {
        let desired = Desired::resolve(&example.cr, &example.references)
            .unwrap_or_else(|mistakes| panic!("{}: {mistakes}", example.name));
        let nobody = Reading::Unavailable(Why::NobodyToAsk);
        let living = Living::made_by(&plan(&desired, &world(&desired, &KubernetesView::default(), nobody, NOW)));
        let stored = serde_json::to_value(&example.cr).expect("a resource is plain data");
        Ground { cr: example.cr, stored, references: example.references, desired, living }
    });
    grounds.collect()
});

/// Some minutes after the cluster was made.
const NOW: Timestamp = Timestamp::constant(1_767_226_200, 0);

fn world(desired: &Desired, view: &KubernetesView, broker: Reading<Broker>, now: Timestamp) -> World {
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    World::assemble(desired, view, broker, fresh, now)
}

fn cases() -> u32 {
    std::env::var("HOSTILE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

#[test]
fn whatever_is_stored_and_lives_a_plan_comes_of_it() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let drawn = prop::collection::vec(any::<u32>(), 0..400);
    let result = TestRunner::new(config).run(&drawn, |drawn| {
        one_case(&mut Choices::new(drawn));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn one_case(choices: &mut Choices) {
    let ground = &GROUNDS[choices.below(GROUNDS.len())];
    let cr = stored(ground, choices);
    let living = hostile(&ground.living, choices);
    let mut view = living.view();
    view.events = events(&living, choices);
    let record = choices.yes().then(|| last_good(&view)).flatten();
    let cr = record.and_then(|record| record.instead_of(&cr)).map_or(cr, |(cr, _)| cr);
    for reference in references(&cr) {
        bounded("path of a reference", &reference.path, 2000);
    }
    match Desired::resolve(&cr, &ground.references) {
        Ok(desired) => passes(&desired, &view, &living, choices),
        Err(mistakes) => {
            for mistake in mistakes.iter() {
                bounded("mistake", &mistake.to_string(), 1300);
            }
            bounded("mistakes", &mistakes.to_string(), 2100);
            let prior: EMQXStatus = serde_json::from_value(json!({})).expect("all of it is optional");
            refused(&mistakes, Some(&prior), cr.metadata.generation, NOW);
            // What lives is looked at as well, for the resource as it was.
            passes(&ground.desired, &view, &living, choices);
        }
    }
}

/// A resource that is stored, also one that the schema would refuse today.
fn stored(ground: &Ground, choices: &mut Choices) -> EMQX {
    let read = |document: &Value| {
        let mut document = document.clone();
        emqx_operator_api::normalize::quantities(document.get_mut("spec")?);
        serde_json::from_value::<EMQX>(document).ok()
    };
    let document = mutate(&ground.stored, choices, 6, |document| read(document).is_some());
    read(&document).unwrap_or_else(|| ground.cr.clone())
}

fn hostile(living: &Living, choices: &mut Choices) -> Living {
    let mut living = living.clone();
    beside(&mut living.sets, "iot-core-0123456789", choices);
    beside(&mut living.replica_sets, "iot-replicant-0123456789", choices);
    beside(&mut living.pods, "iot-core-7", choices);
    beside(&mut living.claims, "iot-core-data-iot-core-7", choices);
    let Living { sets, replica_sets, pods, services, config_maps, secrets, budgets, claims } = &mut living;
    each::<k8s_openapi::api::apps::v1::StatefulSet>(sets, choices);
    each::<k8s_openapi::api::apps::v1::ReplicaSet>(replica_sets, choices);
    each::<k8s_openapi::api::core::v1::Pod>(pods, choices);
    each::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(claims, choices);
    each::<k8s_openapi::api::core::v1::Service>(services, choices);
    each::<k8s_openapi::api::core::v1::ConfigMap>(config_maps, choices);
    each::<k8s_openapi::api::core::v1::Secret>(secrets, choices);
    each::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(budgets, choices);
    living
}

/// Another object like the first one, or one less.
fn beside(objects: &mut Vec<Value>, other: &str, choices: &mut Choices) {
    match (choices.below(4), objects.first().cloned()) {
        (1, Some(mut object)) => {
            object["metadata"]["name"] = other.into();
            object["metadata"]["uid"] = format!("uid of {other}").into();
            object["spec"]["replicas"] = choices.one(&[json!(0), json!(2), json!(i32::MAX)]);
            objects.push(object);
        }
        (2, Some(_)) => drop(objects.remove(0)),
        _ => {}
    }
}

fn each<T: DeserializeOwned>(objects: &mut [Value], choices: &mut Choices) {
    for object in objects {
        if choices.yes() {
            *object = mutate(object, choices, 4, |object| serde_json::from_value::<T>(object.clone()).is_ok());
        }
    }
}

fn events(living: &Living, choices: &mut Choices) -> Vec<ObjectEvent> {
    let uids = living.sets.iter().chain(&living.replica_sets).filter_map(|set| set["metadata"]["uid"].as_str());
    let refused = uids.filter(|_| choices.below(5) == 1).map(str::to_owned).collect::<Vec<_>>();
    let event = |uid| ObjectEvent { uid, reason: "FailedCreate".to_owned(), message: text(choices) };
    refused.into_iter().map(event).collect()
}

fn last_good(view: &KubernetesView) -> Option<LastGood> {
    let data = view
        .secrets
        .iter()
        .find_map(|secret| secret.data.as_ref().filter(|data| data.contains_key("templates.json")))?;
    LastGood::read(|key| data.get(key).map(|value| value.0.as_slice()))
}

/// One pass after the other, each with what the one before has left.
fn passes(desired: &Desired, view: &KubernetesView, living: &Living, choices: &mut Choices) {
    api_candidates(desired, view);
    needs(desired, view, &Memory::default());
    let mut memory = Memory::default();
    let mut prior: Option<EMQXStatus> = None;
    for pass in 0..3 {
        let now = NOW + SignedDuration::from_secs(pass * 80);
        let mut world = world(desired, view, broker(desired, living, choices), now);
        world.memory = memory;
        world.config_refused =
            (choices.below(5) == 1).then(|| ConfigRefused { text: text(choices), lacks_a_file: choices.below(2) == 1 });
        let plan = plan(desired, &world);
        look_at(&plan, &world);
        memory = plan.memory.clone();
        prior = Some(merge(&plan.report, prior.as_ref(), now).0);
    }
}

fn broker(desired: &Desired, living: &Living, choices: &mut Choices) -> Reading<Broker> {
    match choices.below(6) {
        0 => return Reading::Unavailable(Why::NobodyToAsk),
        1 => return Reading::Unavailable(Why::NoAnswer(text(choices))),
        _ => {}
    }
    let numbers = [None, Some(0), Some(1), Some(40), Some(-1), Some(i64::MAX), Some(i64::MIN)];
    let mut names: Vec<_> = living.pods.iter().map(|pod| node_of(desired, pod)).collect();
    for _ in 0..choices.below(4) {
        let odd = text(choices);
        names.push(choices.one(&[
            NodeName(odd.clone()),
            desired.names.core_node(&odd),
            desired.names.replicant_node(&odd),
        ]));
    }
    let mut nodes = BTreeMap::new();
    let mut evacuations = BTreeMap::new();
    for name in names {
        if choices.below(5) == 1 {
            let told = EvacuationParameters {
                state: text(choices),
                recipients: vec![text(choices)],
                session_rate: choices.one(&numbers),
                connection_rate: choices.one(&numbers),
                initial_sessions: choices.one(&numbers),
                initial_connections: choices.one(&numbers),
            };
            let phase = choices.one(&[
                EvacuationPhase::EvictingSessions,
                EvacuationPhase::Empty,
                EvacuationPhase::EvictingConnections,
                EvacuationPhase::WaitingForTakeover,
                EvacuationPhase::WaitingForLoadBalancers,
                EvacuationPhase::Rebalancing { coordinator: NodeName(told.state.clone()) },
                EvacuationPhase::Other(told.state.clone()),
            ]);
            evacuations.insert(name.clone(), Evacuation { phase, connected: choices.one(&numbers), parameters: told });
        }
        let node = BrokerNode {
            running: choices.below(4) != 1,
            status: (choices.below(4) == 1).then(|| text(choices)),
            role: choices.one(&[Some("core".to_owned()), None, Some("replicant".to_owned())]),
            version: Some(text(choices)),
            edition: choices.one(&[Some("Enterprise".to_owned()), Some("Opensource".to_owned()), None]),
            otp_release: Some(text(choices)),
            sessions: choices.one(&numbers),
            connections: choices.one(&numbers),
        };
        nodes.insert(name, node);
    }
    let evacuations = match choices.below(6) {
        1 => Reading::Off,
        2 => Reading::Unavailable(Why::NoAnswer(text(choices))),
        _ => Reading::Fresh(evacuations),
    };
    let storage = match choices.below(6) {
        1 => Reading::Off,
        2 => Reading::Unavailable(Why::NotAsked),
        _ => Reading::Fresh(storage(&nodes, choices)),
    };
    let some = |choices: &mut Choices| {
        let names = nodes.keys().filter(|_| choices.below(3) == 1).cloned().collect::<Vec<_>>();
        let part =
            |choices: &mut Choices| nodes.clone().into_iter().filter(|_| choices.below(2) == 1).collect::<View>();
        names.into_iter().map(|name| (name, part(choices))).collect::<BTreeMap<_, _>>()
    };
    let apart = some(choices);
    let unseen = some(choices).into_iter().map(|(name, view)| (name, view.into_keys().collect())).collect();
    let disagreement = Disagreement { apart, unseen };
    Reading::Fresh(Broker {
        nodes,
        disagreement,
        evacuations,
        storage,
        unknown_keys: Reading::Fresh(vec!["k".to_owned()]),
    })
}

fn node_of(desired: &Desired, pod: &Value) -> NodeName {
    match pod["metadata"]["labels"]["apps.emqx.io/db-role"].as_str() {
        Some("replicant") => desired.names.replicant_node(pod["status"]["podIP"].as_str().unwrap_or_default()),
        _ => desired.names.core_node(name(pod)),
    }
}

fn storage(nodes: &BTreeMap<NodeName, BrokerNode>, choices: &mut Choices) -> Storage {
    let mut sites = BTreeMap::new();
    for node in nodes.keys() {
        if choices.below(3) != 1 {
            sites.insert(text(choices), Site { node: node.clone(), up: choices.yes() });
        }
    }
    // Shards may be said to be on sites that EMQX does not list.
    let mut ids: Vec<_> = sites.keys().cloned().collect();
    ids.push(text(choices));
    let mut databases = BTreeMap::new();
    for _ in 0..choices.below(3) {
        let shards = (0..choices.below(4)).map(|_| {
            let state = choices.one(&[ReplicaState::Up, ReplicaState::Lost, ReplicaState::NotUp]);
            let replicas = (0..choices.below(4)).map(|_| (choices.one(&ids), state)).collect();
            let joining = (0..choices.below(2)).map(|_| choices.one(&ids)).collect();
            let leaving = (0..choices.below(2)).map(|_| choices.one(&ids)).collect();
            Shard { id: text(choices), replicas, joining, leaving }
        });
        let shards = shards.collect();
        databases.insert(text(choices), shards);
    }
    Storage { sites, databases }
}

fn look_at(plan: &Plan, world: &World) {
    for hold in &plan.holds {
        bounded("subject of a hold", &hold.subject, 403);
        bounded("hold", &hold.to_string(), 1100);
    }
    for condition in &plan.report.conditions {
        bounded("message of a condition", &condition.message, 2500);
    }
    for action in &plan.actions {
        bounded("line of an action", &action.to_string(), 1001);
        if let Some(told) = event(action, world) {
            bounded("event", &told.text, 1001);
        }
        if let Some(manifest) = action.manifest() {
            assert!(manifest.body["spec"]["externalIPs"].is_null(), "{}", manifest.id);
            says_everything_once(&manifest.id.to_string(), "", &manifest.body);
        }
    }
}

#[track_caller]
fn bounded(what: &str, text: &str, most: usize) {
    let long = text.chars().count();
    assert!(long <= most, "{what} of {long} characters: {}…", text.chars().take(100).collect::<String>());
}

/// Server-side apply answers 500 for an object with two items of one key. (The lists are Kubernetes'; they are not taken
/// from what they check.)
fn says_everything_once(object: &str, list: &str, value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| says_everything_once(object, key, value)),
        Value::Array(items) => {
            let keys: &[&str] = match list {
                "containers" | "initContainers" | "env" | "imagePullSecrets" | "volumes" | "claims" => &["name"],
                "volumeMounts" => &["mountPath"],
                "volumeDevices" => &["devicePath"],
                "ports" => &["containerPort", "port", "protocol"],
                "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
                _ => &[],
            };
            let mut known = BTreeSet::new();
            // A port of the user with the number of the dashboard's is the template's to join.
            let joined = |item: &&Value| !matches!(item["name"].as_str(), Some("dashboard" | "dashboard-https"));
            for item in items.iter().filter(|item| item["containerPort"].is_null() || joined(item)) {
                let key: Vec<_> = keys.iter().map(|key| item.get(key).map(Value::to_string)).collect();
                let key = key.into_iter().map(|part| part.unwrap_or("\"TCP\"".to_owned())).collect::<Vec<_>>();
                assert!(keys.is_empty() || known.insert(key.clone()), "{object}: {list} has {key:?} twice");
                says_everything_once(object, list, item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What the property has found, and what is known to have happened: on the example with cores and replicants.
fn living_with(change: impl Fn(&mut Living)) -> Plan {
    let ground = GROUNDS.iter().find(|ground| ground.desired.replicants.is_some()).expect("there is such an example");
    let mut living = ground.living.clone();
    change(&mut living);
    let core = |pod: &Value| (node_of(&ground.desired, pod), BrokerNode { running: true, ..BrokerNode::default() });
    let nodes = living.pods.iter().map(core).collect();
    let broker = Broker {
        nodes,
        disagreement: Disagreement::default(),
        evacuations: Reading::Off,
        storage: Reading::Off,
        unknown_keys: Reading::Off,
    };
    plan(&ground.desired, &world(&ground.desired, &living.view(), Reading::Fresh(broker), NOW))
}

/// Of a set that is told to have any number of pods, those that it has not made are one candidate.
#[test]
fn any_number_of_pods_that_a_set_is_told_to_have_is_a_number() {
    for replicas in [i32::MAX, i32::MAX - 1, 1_000_000, -1, i32::MIN] {
        for index in 0..3 {
            let plan = living_with(|living| {
                for sets in [&mut living.sets, &mut living.replica_sets] {
                    let mut other = sets[0].clone();
                    let beside = format!("{}-0123456789", name(&other));
                    other["metadata"]["name"] = beside.as_str().into();
                    other["metadata"]["uid"] = beside.into();
                    sets.push(other);
                    for set in sets.iter_mut().skip(index % 2).take(if index == 2 { 2 } else { 1 }) {
                        set["spec"]["replicas"] = replicas.into();
                        set["metadata"]["annotations"]["apps.emqx.io/core-retirement-pod-ordinal-watermark"] =
                            replicas.to_string().into();
                    }
                }
            });
            assert!(plan.actions.len() < 50, "{replicas}: {} actions", plan.actions.len());
        }
    }
}
