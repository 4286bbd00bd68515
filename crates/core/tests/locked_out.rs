//! EMQX refuses the operator's API key: when that is told, and when it is a node that boots or joins.

#[path = "support/resource.rs"]
mod support;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, NodeName, References, Role};
use emqx_operator_core::reason::{Reason, Severity};
use emqx_operator_core::status::{ConditionStatus, ConditionType};
use emqx_operator_core::world::{
    Broker, Disagreement, Evacuation, FreshSecrets, Identity, Kind, KubernetesView, Live, Memory, NodeState, ObjectId,
    Ownership, Reading, Refusal, Sensitive, Why, World,
};
use emqx_operator_core::{Plan, plan};
use jiff::SignedDuration;
use nodes::{joined, node, set, start};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn desired() -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": "emqx/emqx:6.0.0",
            "config": {"roots": {"license": {"key": "evaluation"}}},
            "coreTemplate": {"spec": {"replicas": 2}},
        },
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

fn refused(refusal: Refusal) -> Why {
    Why::LockedOut { refusal, text: "https://10.0.0.1:18084: no".to_owned() }
}

fn locked<T>() -> Reading<T> {
    Reading::Unavailable(refused(Refusal::KeyNotAccepted))
}

fn hears(evacuations: Reading<BTreeMap<NodeName, Evacuation>>) -> Reading<Broker> {
    Reading::Fresh(Broker {
        nodes: BTreeMap::new(),
        disagreement: Disagreement::default(),
        evacuations,
        storage: Reading::Off,
        unknown_keys: Reading::Off,
    })
}

/// Its second, how many of the two cores are ready, and what EMQX says.
type Pass = (i64, usize, Reading<Broker>);

/// What the last of these passes plans.
fn last(passes: &[Pass]) -> Plan {
    last_of(passes, ["r", "r"])
}

/// The same, of cores that were made from these revisions.
fn last_of(passes: &[Pass], revisions: [&str; 2]) -> Plan {
    let desired = desired();
    let (mut memory, mut planned) = (Memory::default(), None);
    for (second, ready, broker) in passes {
        let (view, fresh) = (KubernetesView::default(), FreshSecrets::default());
        let now = start() + SignedDuration::from_secs(*second);
        let mut world = World::assemble(&desired, &view, broker.clone(), fresh, now);
        world.memory = memory;
        let known = || Some(Sensitive("known".to_owned()));
        world.identity = Identity { cookie: known(), operator_secret: known() };
        world.objects = objects(&desired);
        world.cores.sets = vec![set("iot-core", 2)];
        world.cores.nodes = (0..2)
            .map(|number| {
                let mut node =
                    node(Role::Core, "iot-core", &format!("iot-core-{number}"), "emqx/emqx:6.0.0", revisions[number]);
                if number >= *ready {
                    (node.state, node.available) = (NodeState::Unready, false);
                }
                node
            })
            .collect();
        joined(&mut world);
        let plan = plan(&desired, &world);
        memory = plan.memory.clone();
        planned = Some(plan);
    }
    planned.expect("there are passes")
}

/// What the operator has made.
fn objects(desired: &Desired) -> BTreeMap<ObjectId, Live> {
    let nobody = Reading::Unavailable(Why::NobodyToAsk);
    let first = World::assemble(desired, &KubernetesView::default(), nobody, FreshSecrets::default(), start());
    let made = plan(desired, &first).actions.into_iter().filter_map(|action| action.manifest().cloned());
    let live = made.map(|manifest| {
        let mut body = Value::clone(&manifest.body);
        if manifest.id.kind == Kind::StatefulSet {
            body["spec"]["replicas"] = 2.into();
        }
        let (uid, body) = (manifest.id.name.clone(), Arc::new(body));
        let live = Live { uid, resource_version: "1".to_owned(), ownership: Ownership::Ours, body, terminating: false };
        (manifest.id, live)
    });
    live.collect()
}

fn reason(plan: &Plan, kind: ConditionType) -> Option<(ConditionStatus, Reason)> {
    plan.report
        .conditions
        .iter()
        .find(|condition| condition.kind == kind)
        .map(|condition| (condition.status, condition.reason))
}

#[test]
fn what_lasts_is_told_and_what_a_starting_node_says_is_not() {
    let told = |passes: &[Pass]| last(passes).holds.iter().any(|hold| hold.reason == Reason::LockedOut);
    let well = || hears(Reading::Off);
    let table: [(&str, Vec<Pass>, bool); 9] = [
        ("at first", vec![(0, 2, locked())], false),
        ("for a moment", vec![(0, 2, locked()), (4, 2, locked())], false),
        ("it lasts", vec![(0, 2, locked()), (2, 2, locked()), (5, 2, locked())], true),
        ("it goes on", vec![(0, 2, locked()), (5, 2, locked()), (15, 2, locked()), (75, 1, locked())], true),
        ("it was over", vec![(0, 2, locked()), (3, 2, well()), (6, 2, locked())], false),
        ("nobody looked", vec![(0, 2, locked()), (600, 2, locked())], false),
        ("no core is ready", vec![(0, 0, locked()), (5, 0, locked()), (15, 0, locked())], false),
        ("none was ready before", vec![(0, 0, locked()), (5, 0, locked()), (6, 1, locked())], false),
        ("a part of it", vec![(0, 2, hears(locked())), (6, 2, hears(locked()))], true),
    ];
    for (name, passes, expected) in table {
        assert_eq!(told(&passes), expected, "{name}");
    }
}

/// A starting cluster is never shown as one that somebody has to look at.
#[test]
fn before_it_lasts_nothing_is_trouble() {
    let plan = last(&[(0, 1, locked()), (2, 1, locked())]);
    assert!(plan.holds.iter().all(|hold| hold.reason.severity() < Severity::Trouble), "{plan}");
    assert_eq!(reason(&plan, ConditionType::Degraded), None);
    assert_eq!(reason(&plan, ConditionType::EMQXAPIAvailable), Some((ConditionStatus::False, Reason::NoRequester)));
}

#[test]
fn the_conditions_say_so_with_the_way_out() {
    for (refusal, told) in [(Refusal::KeyNotAccepted, "(401)"), (Refusal::KeyTooSmall, "(403)")] {
        let broker = || Reading::Unavailable(refused(refusal));
        let plan = last(&[(0, 2, broker()), (5, 2, broker())]);
        for kind in [ConditionType::Degraded, ConditionType::EMQXAPIAvailable] {
            let condition = plan.report.conditions.iter().find(|condition| condition.kind == kind).expect("it is told");
            assert_eq!(condition.reason, Reason::LockedOut, "{kind:?}");
            for part in [told, "iot-bootstrap-api-key", "delete the pod iot-core-1"] {
                assert!(condition.message.contains(part), "{kind:?}: {}", condition.message);
            }
        }
        assert_ne!(reason(&plan, ConditionType::Ready).map(|(status, _)| status), Some(ConditionStatus::True));
    }
    assert_eq!(reason(&last(&[(0, 0, Reading::Unavailable(Why::NobodyToAsk))]), ConditionType::Degraded), None);
}

/// The revision that the spec asks for.
fn wanted() -> String {
    let set = objects(&desired()).into_iter().find(|(id, _)| id.kind == Kind::StatefulSet);
    let annotations = &set.expect("the plan makes the cores").1.body["spec"]["template"]["metadata"]["annotations"];
    annotations["apps.emqx.io/template-revision"].as_str().expect("a template has a revision").to_owned()
}

/// Nothing can be asked of EMQX, so a corrected spec reaches one core without being asked. One is enough.
#[test]
fn a_corrected_spec_reaches_one_core() {
    let removed = |passes: &[Pass], revisions: [&str; 2]| {
        let pods = last_of(passes, revisions).actions.into_iter().filter_map(|action| match action {
            Action::Remove(permit) => permit.pod().map(|(pod, _)| pod.to_owned()),
            _ => None,
        });
        pods.collect::<Vec<_>>()
    };
    let passes = |until: i64| (0..=until).step_by(5).map(|second| (second, 2, locked())).collect::<Vec<_>>();
    let wanted = wanted();
    assert_eq!(removed(&passes(60), ["old", "old"]), Vec::<String>::new(), "it may end by itself");
    assert_eq!(removed(&passes(70), ["old", "old"]), ["iot-core-1"]);
    assert_eq!(removed(&passes(70), [&wanted, &wanted]), Vec::<String>::new(), "nothing was corrected");
    assert_eq!(removed(&passes(70), ["old", &wanted]), Vec::<String>::new(), "that was not the cure");
    let silent = (0..=70).step_by(5).map(|second| (second, 2, Reading::Unavailable(Why::NoAnswer("no".to_owned()))));
    assert_eq!(removed(&silent.collect::<Vec<_>>(), ["old", "old"]), Vec::<String>::new(), "it does not answer");
}
