//! Cores that are ready and clusters of their own.

#[path = "support/resource.rs"]
mod support;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{
    Broker, BrokerNode, Disagreement, FreshSecrets, Identity, KubernetesView, Live, Ownership, Reading, Sensitive,
    World,
};
use emqx_operator_core::{Plan, plan};
use jiff::SignedDuration;
use nodes::{node, set, start};
use serde_json::json;
use std::collections::BTreeMap;

/// Three cores of an old template that do not find each other; each of the others has so many sessions.
fn split(sessions: i64, age: SignedDuration) -> Plan {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": "emqx/emqx:6.0.0",
            "coreTemplate": {"spec": {"replicas": 3}},
        },
    }));
    let desired = Desired::resolve(&resource, &References::default()).expect("the spec is right");
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    let now = start() + age;
    let mut world = World::assemble(&desired, &KubernetesView::default(), Reading::Off, fresh, now);
    let secret = |text: &str| Some(Sensitive(text.to_owned()));
    world.identity = Identity { cookie: secret("c"), operator_secret: secret("s") };
    let member = |sessions| BrokerNode {
        running: true,
        sessions: Some(sessions),
        connections: Some(0),
        ..BrokerNode::default()
    };
    world.cores.sets = vec![set("iot-core", 3)];
    let mut views = Vec::new();
    for number in 0..3 {
        let pod = format!("iot-core-{number}");
        let mut core = node(Role::Core, "iot-core", &pod, "emqx/emqx:6.0.0", "old");
        let name = desired.names.core_node(&pod);
        core.name = Some(name.clone());
        core.broker = (number == 0).then(|| member(0));
        views.push((name.clone(), BTreeMap::from([(name, member(sessions))])));
        world.cores.nodes.push(core);
    }
    let (_, nodes) = views.remove(0);
    world.broker = Reading::Fresh(Broker {
        nodes,
        disagreement: Disagreement { apart: views.into_iter().collect(), unseen: BTreeMap::new() },
        evacuations: Reading::Fresh(BTreeMap::new()),
        storage: Reading::Off,
        unknown_keys: Reading::Off,
    });
    // All objects are as they should be, or the plan would prepare and remove nobody.
    for manifest in plan(&desired, &world).actions.iter().filter_map(Action::manifest) {
        let live = Live {
            uid: manifest.id.name.clone(),
            resource_version: "1".to_owned(),
            ownership: Ownership::Ours,
            body: manifest.body.clone(),
            terminating: false,
        };
        world.objects.insert(manifest.id.clone(), live);
    }
    plan(&desired, &world)
}

fn removed(plan: &Plan) -> Vec<&str> {
    let permits = plan.actions.iter().filter_map(|action| match action {
        Action::Remove(permit) => permit.pod().map(|(pod, _)| pod),
        _ => None,
    });
    permits.collect()
}

fn told<'p>(plan: &'p Plan, pod: &str) -> Vec<&'p str> {
    let holds = plan.holds.iter().filter(|hold| hold.reason == Reason::SplitCluster && hold.subject == pod);
    holds.map(|hold| hold.detail.as_str()).collect()
}

/// It takes nothing from the cluster by going.
#[test]
fn a_spec_that_cures_it_is_rolled_out() {
    let plan = split(0, SignedDuration::from_mins(5));
    assert_eq!(removed(&plan), ["iot-core-2"], "{plan}");
    assert!(told(&plan, "iot-core-1")[0].contains("lists itself alone"), "{plan}");
    assert_eq!(told(&plan, "iot-core-0"), Vec::<&str>::new());
}

#[test]
fn sessions_that_nobody_can_take_are_for_a_person_to_give_up() {
    let plan = split(7, SignedDuration::from_mins(5));
    assert_eq!(removed(&plan), Vec::<&str>::new());
    let told = told(&plan, "iot-core-2");
    assert!(
        told.iter().any(|text| text.contains("7 sessions") && text.contains("kubectl delete pod iot-core-2")),
        "{told:?}"
    );
}

#[test]
fn a_core_that_has_just_started_has_yet_to_join() {
    let plan = split(0, SignedDuration::from_secs(5));
    assert_eq!(told(&plan, "iot-core-1"), Vec::<&str>::new());
}
