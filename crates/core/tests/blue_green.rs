//! Which core set a cluster lives in, where that is not told by the one that there is.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_api::hub::EMQX;
use emqx_operator_core::Plan;
use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, NodeName, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{Broker, BrokerNode, Disagreement, Kind, KubernetesView, Reading};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use planning::{nobody, plan_for};
use serde_json::{Value, json};
use std::sync::Arc;

fn resource(name: &str, strategy: &str, image: &str) -> EMQX {
    support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": name},
        "spec": {
            "image": image, "config": {"roots": {"license": {"key": "evaluation"}}},
            "coreTemplate": {"spec": {"replicas": 2}}, "updateStrategy": {"type": strategy},
        },
    }))
}

fn desired(strategy: &str, image: &str) -> Desired {
    Desired::resolve(&resource("iot", strategy, image), &References::default()).expect("the spec is right")
}

/// The core set that a plan writes.
fn written(plan: &Plan) -> Option<Value> {
    planning::written(plan, Kind::StatefulSet)
}

/// A set as Kubernetes keeps what was written.
fn kept(mut body: Value, name: &str, day: u8) -> Arc<StatefulSet> {
    body["metadata"]["name"] = name.into();
    body["metadata"]["uid"] = name.into();
    body["metadata"]["resourceVersion"] = "1".into();
    body["metadata"]["creationTimestamp"] = format!("2026-01-0{day}T00:00:00Z").into();
    body["spec"]["replicas"] = 2.into();
    Arc::new(serde_json::from_value(body).expect("a manifest is a StatefulSet"))
}

/// A pod of a set; one that does not run has been gone from the cluster for long.
fn pod(set: &StatefulSet, number: u8, runs: bool) -> Arc<Pod> {
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.clone()).expect("a template has metadata");
    let set = set.metadata.name.as_deref().expect("a set has a name");
    let state = if runs { json!({"running": {}}) } else { json!({"waiting": {"reason": "ContainerCreating"}}) };
    let value = json!({
        "metadata": {
            "name": format!("{set}-{number}"), "namespace": "default", "uid": format!("{set}-{number}"),
            "labels": template.labels, "annotations": template.annotations,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": set, "controller": true}],
        },
        "spec": {"containers": [{"name": "emqx"}]},
        "status": {
            "phase": "Running", "podIP": format!("10.0.0.{number}"),
            "conditions": [{"type": "Ready", "status": if runs { "True" } else { "False" },
                "lastTransitionTime": "2026-01-01T12:00:00Z"}],
            "containerStatuses": [{"name": "emqx", "image": "", "imageID": "", "ready": runs, "restartCount": 0, "state": state}],
        },
    });
    Arc::new(serde_json::from_value(value).expect("a pod"))
}

fn claim(name: &str) -> Arc<PersistentVolumeClaim> {
    let value = json!({"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}});
    Arc::new(serde_json::from_value(value).expect("a claim"))
}

#[test]
fn a_change_grows_a_set_beside_the_one_that_serves() {
    let old = desired("BlueGreen", "emqx/emqx:6.0.0");
    let set = kept(written(&plan_for(&old, &KubernetesView::default(), nobody())).expect("a set"), "iot-core", 1);
    let view = KubernetesView {
        pods: vec![pod(&set, 0, true), pod(&set, 1, true)],
        stateful_sets: vec![set],
        ..KubernetesView::default()
    };
    let second = written(&plan_for(&desired("BlueGreen", "emqx/emqx:6.0.1"), &view, nobody())).expect("a second set");
    let revision = &second["spec"]["template"]["metadata"]["annotations"]["apps.emqx.io/template-revision"];
    assert_eq!(second["metadata"]["name"], format!("iot-core-{}", revision.as_str().expect("a revision")));
    assert_eq!(second["spec"]["selector"]["matchLabels"]["apps.emqx.io/pod-template-hash"], *revision);
    let rolled = written(&plan_for(&desired("RollingUpdate", "emqx/emqx:6.0.1"), &view, nobody())).expect("the set");
    assert_eq!(rolled["metadata"]["name"], "iot-core", "a rolling update changes it in place");
}

/// A set that was rolled in place keeps the name of a revision that it does not have any more.
#[test]
fn a_name_that_is_taken_is_not_taken_again() {
    let new = desired("BlueGreen", "emqx/emqx:6.0.1");
    let revision = {
        let body = written(&plan_for(&new, &KubernetesView::default(), nobody())).expect("a set");
        let value = &body["spec"]["template"]["metadata"]["annotations"]["apps.emqx.io/template-revision"];
        value.as_str().expect("a revision").to_owned()
    };
    let old = desired("BlueGreen", "emqx/emqx:6.0.0");
    let body = written(&plan_for(&old, &KubernetesView::default(), nobody())).expect("a set");
    let taken = format!("iot-core-{revision}");
    let set = kept(body, &taken, 1);
    let view = KubernetesView {
        pods: vec![pod(&set, 0, true), pod(&set, 1, true)],
        stateful_sets: vec![set],
        ..KubernetesView::default()
    };
    let name = written(&plan_for(&new, &view, nobody())).expect("a second set")["metadata"]["name"].clone();
    assert_ne!(name, taken);
    assert_eq!(name, written(&plan_for(&new, &view, nobody())).expect("a second set")["metadata"]["name"]);
}

#[test]
fn a_cluster_finds_the_volumes_of_its_last_set_again() {
    let volumes = |names: &[&str]| KubernetesView {
        claims: names.iter().map(|name| claim(&format!("iot-core-data-{name}"))).collect(),
        ..KubernetesView::default()
    };
    let name = |names: &[&str]| {
        let plan = plan_for(&desired("RollingUpdate", "emqx/emqx:6.0.0"), &volumes(names), nobody());
        written(&plan).expect("a set")["metadata"]["name"].clone()
    };
    assert_eq!(name(&["iot-core-abc-0", "iot-core-abc-1"]), "iot-core-abc");
    assert_eq!(name(&["iot-core-0", "iot-core-abc-0", "iot-core-abc-1"]), "iot-core-abc");
    assert_eq!(name(&["iot-core-0", "iot-core-abc-0"]), "iot-core");
    assert_eq!(name(&["another-0"]), "iot-core");
}

/// It was down while the new ones formed a cluster: what is on its volumes may be nowhere else.
#[test]
fn a_set_that_the_cluster_does_not_know_is_kept() {
    let old = desired("BlueGreen", "emqx/emqx:6.0.0");
    let first = kept(written(&plan_for(&old, &KubernetesView::default(), nobody())).expect("a set"), "iot-core", 1);
    let new = desired("BlueGreen", "emqx/emqx:6.0.1");
    let body = written(&plan_for(&new, &KubernetesView::default(), nobody())).expect("a set");
    let second = kept(body, "iot-core-new", 2);
    let view = KubernetesView {
        pods: vec![pod(&first, 0, false), pod(&first, 1, false), pod(&second, 0, true), pod(&second, 1, true)],
        stateful_sets: vec![first, second],
        claims: vec![claim("iot-core-data-iot-core-0"), claim("iot-core-data-iot-core-1")],
        ..KubernetesView::default()
    };
    let broker = |known: &[&str]| {
        let member = |pod: &&str| {
            let running = pod.starts_with("iot-core-new");
            let seen = BrokerNode { running, sessions: Some(0), connections: Some(0), ..BrokerNode::default() };
            (new.names.core_node(pod), seen)
        };
        let nodes: std::collections::BTreeMap<NodeName, BrokerNode> = known.iter().map(member).collect();
        Reading::Fresh(Broker {
            nodes,
            disagreement: Disagreement::default(),
            evacuations: Reading::Off,
            storage: Reading::Off,
            unknown_keys: Reading::Off,
        })
    };
    let stranger = plan_for(&new, &view, broker(&["iot-core-new-0", "iot-core-new-1"]));
    let harmless = |action: &Action| !matches!(action, Action::Remove(_) | Action::Annotate { .. });
    assert!(stranger.actions.iter().all(harmless), "{stranger}");
    assert!(stranger.holds.iter().any(|hold| hold.reason == Reason::VolumeLeft), "{stranger}");
    let known = plan_for(&new, &view, broker(&["iot-core-new-0", "iot-core-new-1", "iot-core-1"]));
    assert!(known.actions.iter().any(|action| matches!(action, Action::Annotate { .. })), "{known}");
}

/// Seed 30854 of the simulation: the old set has lost its last core when the image of the new one turns out not to exist. The
/// correction goes to the set that has cores, since without a core that answers the old one can never finish.
#[test]
fn a_correction_goes_to_the_set_that_has_cores() {
    let broken = desired("BlueGreen", "emqx/emqx:6.0.0");
    let body = || written(&plan_for(&broken, &KubernetesView::default(), nobody())).expect("a set");
    let (mut first, second) = (kept(body(), "iot-core", 1), kept(body(), "iot-core-new", 2));
    Arc::make_mut(&mut first).spec.as_mut().expect("a spec").replicas = Some(0);
    let view = KubernetesView {
        pods: vec![pod(&second, 0, false), pod(&second, 1, false)],
        stateful_sets: vec![first, second],
        ..KubernetesView::default()
    };
    let applied = written(&plan_for(&desired("BlueGreen", "emqx/emqx:6.0.1"), &view, nobody())).expect("a set");
    assert_eq!(applied["metadata"]["name"], "iot-core-new");
}

#[test]
fn names_too_long_for_blue_green_are_refused_with_it_only() {
    let name = "a".repeat(37);
    let resolve = |strategy| Desired::resolve(&resource(&name, strategy, "emqx/emqx:6.0.0"), &References::default());
    resolve("RollingUpdate").expect("a rolling update needs no second name");
    let mistakes = resolve("BlueGreen").expect_err("the pods of the second set could not be made").to_string();
    assert!(mistakes.contains("spec.updateStrategy.type"), "{mistakes}");
}
