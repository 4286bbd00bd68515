//! A rollout that is held by a core that does not come up: who is restarted meanwhile, and what counts as getting on.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::plan;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{Kind, KubernetesView, Live, Memory, Node, Ownership, Wait, World};
use jiff::SignedDuration;
use nodes::{node, set, start};
use planning::{nobody, plan_for, world_for, written};
use serde_json::{Value, json};
use std::sync::Arc;

const OLD: &str = "emqx/emqx:6.0.0";
const NEW: &str = "emqx/emqx:6.0.1";

fn desired(replicants: i32) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": NEW,
            "config": {"roots": {"license": {"key": "evaluation"}}},
            "coreTemplate": {"spec": {"replicas": 2}},
            "replicantTemplate": {"spec": {"replicas": replicants}},
            "updateStrategy": {"progressDeadlineSeconds": 300},
        },
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

fn waits(reason: Reason) -> Option<Wait> {
    Some(Wait { reason, text: "says Kubernetes".to_owned(), since: None })
}

/// Of the wanted template.
fn revision(desired: &Desired) -> String {
    let core_set = written(&plan_for(desired, &KubernetesView::default(), nobody()), Kind::StatefulSet);
    let template = &core_set.expect("the plan makes the cores")["spec"]["template"];
    let revision = template["metadata"]["annotations"]["apps.emqx.io/template-revision"].as_str();
    revision.expect("a template has a revision").to_owned()
}

/// Has never come up.
fn failing(set: &str, pod: &str, revision: &str, reason: Reason) -> Node {
    let mut failing = node(Role::Core, set, pod, NEW, revision);
    (failing.ready, failing.available, failing.running, failing.never_ready) = (false, false, false, true);
    failing.wait = waits(reason);
    failing
}

/// It has served; its container ends again and again.
fn crash(node: &mut Node) {
    (node.ready, node.available, node.running) = (false, false, false);
    node.wait = waits(Reason::CrashLooping);
}

/// Its first core has the wanted template and does not come up; the other one and the replicants are old.
fn held(desired: &Desired, reason: Reason, replicants: &[&str]) -> World {
    let mut world = world_for(desired, &KubernetesView::default(), nobody());
    world.cores.sets = vec![set("iot-core", 2)];
    let failing = failing("iot-core", "iot-core-1", &revision(desired), reason);
    world.cores.nodes = vec![node(Role::Core, "iot-core", "iot-core-0", OLD, "old"), failing];
    let count = i32::try_from(replicants.len()).expect("a few");
    world.replicants.sets = vec![set("iot-replicant-old", count)];
    let replicant = |pod: &&str| node(Role::Replicant, "iot-replicant-old", pod, OLD, "old");
    world.replicants.nodes = replicants.iter().map(replicant).collect();
    world
}

/// What the operator writes is written.
fn written_down(world: &mut World, desired: &Desired) {
    let applied = plan(desired, world).actions.into_iter().filter_map(|action| action.manifest().cloned());
    for manifest in applied {
        let mut body = Value::clone(&manifest.body);
        if manifest.id.kind == Kind::StatefulSet {
            body["spec"]["replicas"] = 2.into();
        }
        let live = Live {
            uid: manifest.id.name.clone(),
            resource_version: "1".to_owned(),
            ownership: Ownership::Ours,
            terminating: false,
            body: Arc::new(body),
        };
        world.objects.insert(manifest.id, live);
    }
}

fn restarts(world: &World, desired: &Desired) -> Vec<String> {
    let plan = plan(desired, world);
    let removals = plan.actions.iter().filter_map(|action| match action {
        Action::Remove(permit) => permit.pod().map(|(pod, _)| pod.to_owned()),
        _ => None,
    });
    removals.collect()
}

/// The old core is in a crash loop. With the old template it may come back; with an image that nobody has it would not. Where
/// the new one crashes as well, it may be the one that waits for the old one.
#[test]
fn a_core_that_crashes_does_not_get_an_image_that_cannot_be_pulled() {
    let desired = desired(0);
    let restarted = |reason| {
        let mut world = held(&desired, reason, &[]);
        crash(&mut world.cores.nodes[0]);
        written_down(&mut world, &desired);
        restarts(&world, &desired)
    };
    assert_eq!(restarted(Reason::ImagePullFailed), Vec::<String>::new());
    assert_eq!(restarted(Reason::CrashLooping), ["iot-core-0"]);
}

/// A HorizontalPodAutoscaler goes on meanwhile; that leads the rollout nowhere.
#[test]
fn replicants_that_come_and_go_are_no_progress() {
    let desired = desired(2);
    let mut memory = Memory::default();
    let mut said = None;
    for minute in 0..=5 {
        let another = format!("iot-replicant-old-{minute}");
        let mut world = held(&desired, Reason::ImagePullFailed, &["iot-replicant-old-a", &another]);
        world.now = start() + SignedDuration::from_mins(minute);
        world.memory = std::mem::take(&mut memory);
        let plan = plan(&desired, &world);
        memory = plan.memory;
        said = plan.holds.into_iter().find(|hold| hold.reason == Reason::ProgressDeadlineExceeded);
    }
    assert!(said.is_some_and(|hold| hold.detail.contains("iot-core-1")));
}
