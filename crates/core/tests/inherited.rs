//! What a volume brings along from a resource that was deleted.

#[path = "support/resource.rs"]
mod support;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::{Action, Call};
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::plan;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{
    Broker, BrokerNode, Claim, Disagreement, Evacuation, EvacuationParameters, EvacuationPhase, FreshSecrets, Kind,
    KubernetesView, NodeState, Reading, World,
};
use jiff::SignedDuration;
use nodes::{joined, node, set, start};
use serde_json::json;
use std::collections::BTreeMap;

/// A core that is closed, and not by this operator. Its volume is older than its set or not, and it has served or not.
fn reopened(older: bool, served: bool) -> bool {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": "emqx/emqx:6.0.0"},
    }));
    let desired = Desired::resolve(&resource, &References::default()).expect("the spec is right");
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    let now = start() + SignedDuration::from_mins(10);
    let mut world = World::assemble(&desired, &KubernetesView::default(), Reading::Off, fresh, now);
    let mut home = set("iot-core", 1);
    home.created = start() + SignedDuration::from_mins(5);
    // Of the wanted template: nobody wants it to go.
    let made = plan(&desired, &world);
    let set = made
        .actions
        .iter()
        .filter_map(Action::manifest)
        .find(|one| one.id.name == "iot-core" && one.id.kind == Kind::StatefulSet);
    let annotations = &set.expect("a set").body["spec"]["template"]["metadata"]["annotations"];
    let revision = annotations["apps.emqx.io/template-revision"].as_str().expect("a revision");
    let mut core = node(Role::Core, "iot-core", "iot-core-0", "emqx/emqx:6.0.0", revision);
    core.name = Some(desired.names.core_node("iot-core-0"));
    (core.state, core.available) =
        (if served { NodeState::Unready } else { NodeState::Booting { since: Some(start()), served } }, false);
    let member = BrokerNode { running: true, sessions: Some(0), connections: Some(0), ..BrokerNode::default() };
    core.broker = Some(member.clone());
    let closed =
        Evacuation { phase: EvacuationPhase::Empty, connected: Some(0), parameters: EvacuationParameters::default() };
    core.evacuation = Some(closed.clone());
    let name = core.name.clone().expect("a name");
    world.cores.sets = vec![home];
    world.cores.nodes = vec![core];
    world.claims = vec![Claim {
        name: "iot-core-data-iot-core-0".to_owned(),
        uid: "claim".to_owned(),
        resource_version: "1".to_owned(),
        set: "iot-core".to_owned(),
        ordinal: 0,
        created: start() + SignedDuration::from_mins(if older { 1 } else { 6 }),
        terminating: false,
        may_hold_data: true,
        storage: None,
        capacity: None,
        resize_error: None,
    }];
    world.broker = Reading::Fresh(Broker {
        nodes: BTreeMap::from([(name.clone(), member)]),
        disagreement: Disagreement::default(),
        evacuations: Reading::Fresh(BTreeMap::from([(name, closed)])),
        storage: Reading::Off,
        unknown_keys: Reading::Off,
    });
    joined(&mut world);
    let plan = plan(&desired, &world);
    let opens = plan.actions.iter().any(|action| matches!(action, Action::Call(Call::StopEvacuation { .. })));
    let foreign = plan.holds.iter().any(|hold| hold.reason == Reason::ForeignEvacuation);
    assert_ne!(opens, foreign, "it is opened or named");
    opens
}

/// EMQX resumes an evacuation that is on its volume. The record of it went with the resource.
#[test]
fn a_core_that_was_emptied_for_a_deleted_resource_is_opened() {
    assert!(reopened(true, false));
    assert!(!reopened(false, false), "somebody empties a new core");
    assert!(!reopened(true, true), "somebody empties a core that has served");
}
