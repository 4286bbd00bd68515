//! What nodes that start read: the configuration that EMQX has run with, until it has accepted another.

#[path = "support/resource.rs"]
mod support;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::{Action, Call};
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::plan;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{
    Broker, BrokerNode, ConfigRefused, Disagreement, FreshSecrets, Kind, KubernetesView, Live, NodeState, ObjectId,
    Ownership, PodIssue, Reading, Why, World,
};
use jiff::SignedDuration;
use nodes::{joined, node, set, start};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn desired(roots: Value) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": "emqx/emqx:6.0.0", "config": {"roots": roots}},
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// How the only core is.
#[derive(Clone, Copy, PartialEq)]
enum Core {
    Serves,
    Refuses,
    Boots,
    Crashes,
    Gone,
}

const OLD: &str = "\"mqtt\" = {\"max_inflight\":40}\n";

/// The cluster has `mqtt.max_inflight: 40`, a license and `listeners`.
fn world(desired: &Desired, core: Core) -> World {
    let before = self::desired(json!({"mqtt": {"max_inflight": 40}})).config.runtime_revision;
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    let now = start() + SignedDuration::from_mins(10);
    let nobody = Reading::Unavailable(Why::NobodyToAsk);
    let mut world = World::assemble(desired, &KubernetesView::default(), nobody, fresh, now);
    let annotations = json!({
        "apps.emqx.io/runtime-config-revision": before, "apps.emqx.io/runtime-config-roots": "license,listeners,mqtt",
    });
    let body = json!({"metadata": {"annotations": annotations}, "data": {"base.hocon": OLD}});
    let live = Live {
        uid: "map".to_owned(),
        resource_version: "1".to_owned(),
        ownership: Ownership::Ours,
        body: Arc::new(body),
        terminating: false,
    };
    world.objects.insert(ObjectId { kind: Kind::ConfigMap, name: "iot-configs".to_owned() }, live);
    world.cores.sets = vec![set("iot-core", 1)];
    if core == Core::Gone {
        return world;
    }
    let mut one = node(Role::Core, "iot-core", "iot-core-0", "emqx/emqx:6.0.0", "revision");
    one.name = Some(desired.names.core_node("iot-core-0"));
    let serves = matches!(core, Core::Serves | Core::Refuses);
    (one.state, one.available) = (if serves { NodeState::Ready } else { NodeState::Crashed { served: false } }, serves);
    if core == Core::Crashes {
        one.issue = Some(PodIssue { reason: Reason::CrashLooping, text: "it crashed".to_owned(), since: None });
    }
    if serves {
        let member = BrokerNode { running: true, sessions: Some(0), connections: Some(0), ..BrokerNode::default() };
        one.broker = Some(member.clone());
        let nodes = BTreeMap::from([(one.name.clone().expect("a name"), member)]);
        let disagreement = Disagreement::default();
        world.broker = Reading::Fresh(Broker {
            nodes,
            disagreement,
            evacuations: Reading::Off,
            storage: Reading::Off,
            unknown_keys: Reading::Off,
        });
    }
    world.config_refused =
        (core == Core::Refuses).then(|| ConfigRefused { text: "unknown_fields".to_owned(), lacks_a_file: false });
    world.cores.nodes = vec![one];
    joined(&mut world);
    world
}

/// What is sent, and what the file says when all is carried out; `None` where it stays as it is.
fn told(roots: Value, core: Core) -> (Option<String>, Option<String>) {
    let desired = desired(roots);
    let plan = plan(&desired, &world(&desired, core));
    let sent = plan.actions.iter().find_map(|action| match action {
        Action::Call(Call::PutConfig { text, .. }) => Some(text.clone()),
        _ => None,
    });
    let manifests = plan.actions.iter().filter_map(Action::manifest);
    let mut maps = manifests.filter(|manifest| manifest.id.kind == Kind::ConfigMap);
    let file = maps.next().map(|manifest| manifest.body["data"]["base.hocon"].as_str().expect("a text").to_owned());
    (sent, file)
}

#[test]
fn the_file_keeps_what_emqx_has_until_it_takes_what_is_new() {
    let new = json!({"mqtt": {"max_inflight": 50}});
    let text = "\"mqtt\" = {\"max_inflight\":50}\n".to_owned();
    let file = |core| told(new.clone(), core).1.unwrap_or_else(|| OLD.to_owned());
    assert_eq!(file(Core::Serves), text, "it is sent, and written when it is accepted");
    assert_eq!(file(Core::Refuses), OLD);
    assert_eq!(file(Core::Gone), OLD, "the core that is lost comes up with it");
    assert_eq!(file(Core::Boots), OLD);
    assert_eq!(file(Core::Crashes), text, "it may be the cure");
}

#[test]
fn what_the_spec_drops_is_sent_as_empty() {
    let sent = told(json!({"mqtt": {"max_inflight": 50}}), Core::Serves).0.expect("it is sent");
    // The license is left.
    assert_eq!(sent, "\"listeners\" = {}\n\"mqtt\" = {\"max_inflight\":50}\n");
    let sent = told(json!({}), Core::Serves).0.expect("it is sent");
    assert_eq!(sent, "\"listeners\" = {}\n\"mqtt\" = {}\n");
}
