//! What lasts is told: what is awaited, where, and what to do about it.

#[path = "support/living.rs"]
mod living;

#[path = "support/planning.rs"]
mod planning;

#[path = "support/resource.rs"]
mod support;

use emqx_operator_api::annotation::VOLUME_SITES;
use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::status::event;
use emqx_operator_core::world::{
    Broker, BrokerNode, Disagreement, Kind, KubernetesView, Reading, ReplicaState, Shard, Site, Storage,
};
use emqx_operator_core::{Plan, plan};
use living::Living;
use planning::{nobody, plan_for, world_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn desired(image: &str, cores: i32, annotations: &Value) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": image,
            "config": {"roots": {"license": {"key": "evaluation"}, "durable_sessions": {"enable": true}}},
            "coreTemplate": {"metadata": {"annotations": annotations}, "spec": {"replicas": cores}},
        },
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

fn living(desired: &Desired) -> Living {
    Living::made_by(&plan_for(desired, &KubernetesView::default(), nobody()))
}

/// All cores answer and are members.
fn broker(desired: &Desired, cores: usize, edition: Option<&str>, storage: Reading<Storage>) -> Reading<Broker> {
    let node = BrokerNode {
        running: true,
        edition: edition.map(str::to_owned),
        sessions: Some(0),
        connections: Some(0),
        ..BrokerNode::default()
    };
    let name = |number: usize| desired.names.core_node(&format!("iot-core-{number}"));
    Reading::Fresh(Broker {
        nodes: (0..cores).map(|number| (name(number), node.clone())).collect(),
        disagreement: Disagreement::default(),
        evacuations: Reading::Fresh(BTreeMap::new()),
        storage,
        unknown_keys: Reading::Off,
    })
}

fn removes(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action, Action::Remove(_)))
}

/// A new core that has crashed is ready again: the others wait ten minutes, and not silently.
#[test]
fn a_crash_that_is_cured_is_waited_out_aloud() {
    let old = desired("emqx/emqx:5.10.4", 2, &json!({}));
    let new = desired("emqx/emqx:5.10.4", 2, &json!({"asked": "anew"}));
    let mut cluster = living(&old);
    let renewed = living(&new);
    (cluster.sets, cluster.pods[1]) = (renewed.sets.clone(), renewed.pods[1].clone());
    let ended = |at: &str| {
        let mut cluster = cluster.clone();
        let container = &mut cluster.pods[1]["status"]["containerStatuses"][0];
        container["restartCount"] = 3.into();
        container["lastState"] = json!({"terminated": {"exitCode": 1, "finishedAt": at}});
        plan_for(&new, &cluster.view(), broker(&new, 2, None, Reading::Off))
    };
    let told =
        |plan: &Plan| plan.holds.iter().any(|hold| hold.subject == "iot-core-1" && hold.detail.contains("crashed"));
    let lately = ended("2026-01-01T23:55:00Z");
    assert!(told(&lately) && !removes(&lately), "{lately}");
    let long_ago = ended("2026-01-01T23:45:00Z");
    assert!(!told(&long_ago), "{long_ago}");
}

/// What EMQX 6 may lose with a core is said when that core goes.
#[test]
fn what_no_operator_can_save_is_told() {
    for (image, version, loses) in [("emqx/emqx:6.2.2", "6.2.2", true), ("emqx/emqx:5.10.4", "5.10.4", false)] {
        let old = desired(image, 3, &json!({}));
        let new = desired(image, 3, &json!({"asked": "anew"}));
        let mut cluster = living(&old);
        cluster.sets = living(&new).sets;
        let home = |number| format!("iot-core-{number}=uid of the claim of iot-core-{number}/S{number}");
        cluster.sets[0]["metadata"]["annotations"][VOLUME_SITES] =
            (0..3).map(home).collect::<Vec<_>>().join(",").into();
        let site = |number: usize| {
            (format!("S{number}"), Site { node: new.names.core_node(&format!("iot-core-{number}")), up: true })
        };
        let replicas = (0..3).map(|number| (format!("S{number}"), ReplicaState::Up)).collect();
        let databases = BTreeMap::from([("messages".to_owned(), vec![Shard { replicas, ..Shard::default() }])]);
        let storage = Reading::Fresh(Storage { sites: (0..3).map(site).collect(), databases });
        let mut broker = broker(&new, 3, None, storage);
        if let Reading::Fresh(broker) = &mut broker {
            // Nobody is emptied first.
            broker.evacuations = Reading::Off;
            broker.nodes.values_mut().for_each(|node| node.version = Some(version.to_owned()));
        }
        let world = world_for(&new, &cluster.view(), broker);
        let plan = plan(&new, &world);
        let removal = plan.actions.iter().find(|action| matches!(action, Action::Remove(_)));
        let told =
            removal.and_then(|removal| event(removal, &world)).unwrap_or_else(|| panic!("no core restarts: {plan}"));
        assert_eq!(told.text.contains("can lose messages"), loses, "{}", told.text);
    }
}

/// A shard that does not get to its place is told with the place, the core there, and what to do.
#[test]
fn a_shard_that_moves_is_told_with_its_site() {
    let desired = desired("emqx/emqx:5.10.4", 2, &json!({}));
    let site = |number: usize| {
        (format!("S{number}"), Site { node: desired.names.core_node(&format!("iot-core-{number}")), up: true })
    };
    let shard = Shard {
        id: "7".to_owned(),
        replicas: BTreeMap::from([("S0".to_owned(), ReplicaState::Up)]),
        joining: ["S1".to_owned()].into(),
        ..Shard::default()
    };
    let databases = BTreeMap::from([("messages".to_owned(), vec![shard])]);
    let storage = Reading::Fresh(Storage { sites: (0..2).map(site).collect(), databases });
    let plan = plan_for(&desired, &living(&desired).view(), broker(&desired, 2, None, storage));
    let hold = plan.holds.iter().find(|hold| hold.reason == Reason::DSReplicationProgressing).expect("it is told");
    for part in ["messages/7 to site S1 of iot-core-1", "emqx ctl ds info", "restarting the core"] {
        assert!(hold.detail.contains(part), "{part}: {}", hold.detail);
    }
    assert!(!plan.report.is_ready());
}

fn probed(sets: &[Value]) -> String {
    let container = &sets[0]["spec"]["template"]["spec"]["containers"][0];
    container["readinessProbe"]["httpGet"]["path"].as_str().unwrap_or_default().to_owned()
}

/// Open source brokers do not have the endpoint that tells whether a node takes clients. Where nobody knows what it is, nothing
/// is asked that it may not have, and nobody is restarted when it has said so.
#[test]
fn an_image_that_tells_no_edition_gets_ready_as_it_is() {
    let digest = format!("registry.example/mqtt@sha256:{}", "0".repeat(64));
    for image in ["emqx/emqx:5", "registry.example/mqtt:latest", digest.as_str()] {
        let desired = desired(image, 1, &json!({}));
        let cluster = living(&desired);
        assert_eq!(probed(&cluster.sets), "/status", "{image}");
        for edition in ["Opensource", "Enterprise"] {
            let plan = plan_for(&desired, &cluster.view(), broker(&desired, 1, Some(edition), Reading::Off));
            let applied = plan.actions.iter().filter_map(Action::manifest).any(|one| one.id.kind == Kind::StatefulSet);
            assert!(!applied && !removes(&plan), "{image} of {edition}: {plan}");
        }
    }
    for (image, path) in
        [("emqx/emqx:5.10.4", "/api/v5/load_rebalance/availability_check"), ("emqx/emqx:5.8.9", "/status")]
    {
        assert_eq!(probed(&living(&desired(image, 1, &json!({}))).sets), path, "{image}");
    }
}
