//! The deadline of a rollout: what counts as getting on, and who was there to see.

#[path = "support/resource.rs"]
mod support;

use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::plan;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{FreshSecrets, KubernetesView, Memory, Reading, Why, World};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::sync::Arc;

fn desired(strategy: &Value) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": "emqx/emqx:6.0.0", "updateStrategy": strategy},
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// A core that waits for its image.
fn pod(uid: &str) -> Arc<Pod> {
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}});
    let value = json!({
        "metadata": {"name": "iot-core-0", "namespace": "default", "uid": uid, "labels": {"apps.emqx.io/db-role": "core"}},
        "spec": {"containers": [{"name": "emqx"}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "emqx", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": waiting}],
        },
    });
    Arc::new(serde_json::from_value(value).expect("a pod"))
}

/// Passes at these seconds; whether the last one says that the deadline is over, and why.
fn late(passes: &[(i64, &str)]) -> Option<String> {
    late_with(&json!({"progressDeadlineSeconds": 300}), passes)
}

fn late_with(strategy: &Value, passes: &[(i64, &str)]) -> Option<String> {
    let desired = desired(strategy);
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let mut memory = Memory::default();
    let mut said = None;
    for (second, uid) in passes {
        let view = KubernetesView { pods: vec![pod(uid)], ..KubernetesView::default() };
        let now = start + SignedDuration::from_secs(*second);
        let broker = Reading::Unavailable(Why::NobodyToAsk);
        let mut world = World::assemble(&desired, &view, broker, FreshSecrets::default(), now);
        world.memory = memory;
        let plan = plan(&desired, &world);
        memory = plan.memory.clone();
        let hold = plan.holds.iter().find(|hold| hold.reason == Reason::ProgressDeadlineExceeded);
        said = hold.map(|hold| hold.detail.clone());
    }
    said
}

#[test]
fn a_rollout_that_does_not_get_on_says_what_is_awaited() {
    let every_minute: Vec<_> = (0..=5).map(|minute| (minute * 60, "the pod")).collect();
    assert_eq!(late(&every_minute[..5]), None);
    let said = late(&every_minute).expect("five minutes are over");
    assert!(said.contains("300 s") && said.contains("iot-core-0"), "{said}");
}

#[test]
fn another_pod_is_progress() {
    let mut passes: Vec<_> = (0..=5).map(|minute| (minute * 60, "the pod")).collect();
    passes[3].1 = "another pod";
    assert_eq!(late(&passes), None);
}

#[test]
fn what_the_spec_itself_makes_nodes_wait_is_no_delay() {
    let strategy = json!({"progressDeadlineSeconds": 300, "evacuationStrategy": {"waitTakeover": 600}});
    let every_minute: Vec<_> = (0..=11).map(|minute| (minute * 60, "the pod")).collect();
    assert_eq!(late_with(&strategy, &every_minute[..11]), None);
    assert!(late_with(&strategy, &every_minute).is_some_and(|said| said.contains("660 s")));
    let shorter = json!({"progressDeadlineSeconds": 300, "evacuationStrategy": {"waitTakeover": 299}});
    assert!(
        late_with(&shorter, &every_minute[..6]).is_some_and(|said| said.contains("300 s")),
        "it is as the user says"
    );
}

/// The operator was stopped, or had no connection: that is not held against the nodes.
#[test]
fn time_without_passes_does_not_count() {
    assert_eq!(late(&[(0, "the pod"), (100_000, "the pod")]), None);
}

#[test]
fn a_clock_that_goes_back_is_no_progress_and_no_delay() {
    let passes =
        [(0, "the pod"), (80, "the pod"), (160, "the pod"), (10, "the pod"), (90, "the pod"), (170, "the pod")];
    assert!(late(&passes).is_some());
}
