//! Steps from one release of EMQX to another: what is held before the first pod, and what is not.

#[path = "support/resource.rs"]
mod support;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::plan;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{
    Broker, BrokerNode, Disagreement, FreshSecrets, KubernetesView, Node, Reading, ReplicaState, Shard, Site, Storage,
    Why, World,
};
use jiff::SignedDuration;
use nodes::{joined, node, set, start};
use serde_json::json;
use std::collections::BTreeMap;

fn wanted(version: &str, consent: Option<&str>) -> Desired {
    let mut resource = json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": format!("emqx/emqx:{version}"),
            "config": {"roots": {"license": {"key": "evaluation"}}},
            "coreTemplate": {"spec": {"replicas": 2}},
        },
    });
    if let Some(consent) = consent {
        resource["metadata"]["annotations"] = json!({"apps.emqx.io/upgrade-consent": consent});
    }
    Desired::resolve(&support::resource(resource), &References::default()).expect("the spec is right")
}

/// Two cores of these versions serve; some of them never did.
fn world(desired: &Desired, versions: [&str; 2], storage: Reading<Storage>) -> World {
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    let now = start() + SignedDuration::from_mins(10);
    let mut world = World::assemble(desired, &KubernetesView::default(), Reading::Off, fresh, now);
    let core = |number: usize| {
        let (pod, version) = (format!("iot-core-{number}"), versions[number]);
        let mut core: Node = node(Role::Core, "iot-core", &pod, &format!("emqx/emqx:{version}"), "revision");
        core.name = Some(desired.names.core_node(&pod));
        let version = Some(version.to_owned());
        core.broker = Some(BrokerNode { running: true, version, sessions: Some(9), ..BrokerNode::default() });
        core
    };
    world.cores.sets = vec![set("iot-core", 2)];
    world.cores.nodes = vec![core(0), core(1)];
    let nodes = world.cores.nodes.iter().filter_map(|node| Some((node.name.clone()?, node.broker.clone()?)));
    let nodes = nodes.collect();
    let disagreement = Disagreement::default();
    world.broker =
        Reading::Fresh(Broker { nodes, disagreement, evacuations: Reading::Off, storage, unknown_keys: Reading::Off });
    joined(&mut world);
    world
}

fn databases(names: &[&str]) -> Reading<Storage> {
    let shard = Shard { replicas: BTreeMap::from([("S0".to_owned(), ReplicaState::Up)]), ..Shard::default() };
    let databases = names.iter().map(|name| ((*name).to_owned(), vec![shard.clone()])).collect();
    let site = |node| Site { node, up: true };
    let node = wanted("6.0.0", None).names.core_node("iot-core-0");
    Reading::Fresh(Storage { sites: BTreeMap::from([("S0".to_owned(), site(node))]), databases })
}

/// Why the step is held, if it is; then nothing of the nodes is touched.
fn held(from: [&str; 2], to: &str, storage: Reading<Storage>, consent: Option<&str>) -> Option<String> {
    let desired = wanted(to, consent);
    let plan = plan(&desired, &world(&desired, from, storage));
    let about = |reason: &Reason| matches!(reason, Reason::UpgradeNotSupported | Reason::NoRequester);
    let hold = plan.holds.iter().find(|hold| about(&hold.reason))?;
    let touches = |action: &&Action| {
        matches!(action, Action::Remove(_) | Action::Scale { .. } | Action::Call(_))
            || action.manifest().is_some_and(|manifest| manifest.id.name == "iot-core")
    };
    assert_eq!(plan.actions.iter().find(touches), None, "{from:?} to {to}");
    Some(hold.detail.clone())
}

#[test]
fn what_would_be_lost_is_told_before_the_first_pod() {
    let text = held(["5.10.4"; 2], "6.2.2", databases(&["messages"]), None).expect("it is held");
    for part in [
        "5.10.4->6.2.2",
        "In use: messages",
        "18 sessions",
        "kubectl annotate emqx iot apps.emqx.io/upgrade-consent='5.10.4->6.2.2'",
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    let rows: &[(&str, &str, Reading<Storage>, bool)] = &[
        ("5.10.4", "6.2.2", databases(&[]), false),
        ("5.10.4", "6.2.2", Reading::Off, false),
        ("5.10.4", "6.2.2", Reading::Unavailable(Why::NotAsked), true),
        ("5.10.4", "5.10.5", databases(&["messages"]), false),
        ("5.9.1", "5.10.4", databases(&["messages"]), false),
        ("6.0.0", "6.2.2", databases(&["messages"]), false),
        ("6.0.1", "6.0.0", databases(&["messages"]), false),
        ("6.0.0", "5.10.4", databases(&[]), true),
        ("5.7.2", "6.0.0", databases(&[]), true),
        ("5.3.0", "5.10.4", databases(&[]), true),
        ("6.2.2", "7.0.0", databases(&[]), false),
    ];
    for (from, to, storage, expected) in rows {
        assert_eq!(held([from; 2], to, storage.clone(), None).is_some(), *expected, "{from} to {to}");
    }
}

#[test]
fn consent_is_to_one_step() {
    let told = |consent| held(["5.10.4"; 2], "6.2.2", databases(&["messages"]), Some(consent));
    assert_eq!(told("5.10.4->6.2.2"), None);
    for other in ["5.10.4->6.2.1", "5.10.3->6.2.2", "true", ""] {
        assert!(told(other).is_some(), "{other}");
    }
}

/// Half of the nodes are new: either way is open.
#[test]
fn what_has_begun_is_not_held() {
    assert_eq!(held(["5.10.4", "6.2.2"], "6.2.2", databases(&["messages"]), None), None);
    assert_eq!(held(["5.10.4", "6.2.2"], "5.10.4", databases(&["messages"]), None), None);
}

#[test]
fn what_the_operator_takes_back_itself_is_not_held() {
    let mut desired = wanted("5.10.4", None);
    let rolled_back =
        emqx_operator_core::desired::RolledBack { revision: "r".to_owned(), at: start(), why: "it crashed".to_owned() };
    desired.rolled_back = Some(rolled_back);
    let plan = plan(&desired, &world(&desired, ["6.2.2"; 2], databases(&[])));
    assert!(plan.holds.iter().all(|hold| hold.reason != Reason::UpgradeNotSupported));
}

#[test]
fn a_step_that_nobody_knows_is_told() {
    let desired = wanted("7.0.0", None);
    let plan = plan(&desired, &world(&desired, ["6.2.2"; 2], databases(&[])));
    assert!(plan.holds.iter().any(|hold| hold.reason == Reason::UpgradeUnknown));
}

/// A mirror counts its own builds: `registry.example/broker:1.4.0` may be EMQX 5.10.4.
#[test]
fn tags_that_are_no_versions_of_emqx_are_not_judged() {
    let mut desired = wanted("6.2.2", None);
    let told = |desired: &Desired, image: &str| {
        let mut world = world(desired, ["5.10.4"; 2], databases(&["messages"]));
        for node in &mut world.cores.nodes {
            node.image = image.to_owned();
        }
        plan(desired, &world).holds.iter().any(|hold| hold.reason == Reason::UpgradeNotSupported)
    };
    assert!(told(&desired, "emqx/emqx:5.10.4"));
    assert!(!told(&desired, "registry.example/broker:1.4.0"), "its next one may be anything");
    assert!(!told(&desired, &desired.image.reference.clone()), "all nodes have the image");
    desired.image.version = None;
    assert!(!told(&desired, "emqx/emqx:5.10.4"), "nobody knows what it is");
}
