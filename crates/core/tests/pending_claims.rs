//! A core that waits for a volume says for which claim, and of which storage class.

#[path = "support/resource.rs"]
mod support;

use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{FreshSecrets, KubernetesView, Reading, World};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde_json::{Value, json};
use std::sync::Arc;

fn told(class: Value, phase: &str, scheduler: &str) -> (Reason, String) {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": "emqx/emqx:5.10.4"},
    }));
    let desired = Desired::resolve(&resource, &References::default()).expect("the spec is right");
    let claim = json!({
        "metadata": {"name": "iot-core-data-iot-core-0"},
        "spec": {"storageClassName": class}, "status": {"phase": phase},
    });
    let pod = json!({
        "metadata": {"name": "iot-core-0", "labels": {"apps.emqx.io/db-role": "core"}},
        "status": {"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": scheduler,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    let view = KubernetesView {
        pods: vec![Arc::new(serde_json::from_value::<Pod>(pod).expect("a pod"))],
        claims: vec![Arc::new(serde_json::from_value::<PersistentVolumeClaim>(claim).expect("a claim"))],
        ..KubernetesView::default()
    };
    let now = "2026-01-02T00:00:00Z".parse().expect("a time");
    let world = World::assemble(&desired, &view, Reading::Off, FreshSecrets::default(), now);
    let wait = world.cores.nodes[0].issue.clone().expect("it waits");
    (wait.reason, wait.text)
}

#[test]
fn a_core_names_the_claim_that_it_waits_for() {
    let unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: no.";
    let rows = [
        (
            json!("standard"),
            "Pending",
            unbound,
            ["iot-core-data-iot-core-0", "storage class standard", "unbound immediate"],
        ),
        (json!(null), "Pending", unbound, ["iot-core-data-iot-core-0", "default storage class", "unbound immediate"]),
        (
            json!("standard"),
            "Pending",
            "running PreBind: storageclass.storage.k8s.io \"standard\" not found",
            ["iot-core-data-iot-core-0", "storage class standard", "not found"],
        ),
        (
            json!("standard"),
            "Bound",
            "3 node(s) had volume node affinity conflict",
            ["3 node(s)", "conflict", "kubectl describe pod iot-core-0"],
        ),
    ];
    for (class, phase, scheduler, expected) in rows {
        let (reason, text) = told(class, phase, scheduler);
        assert_eq!(reason, Reason::VolumePending, "{text}");
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    }
    let (reason, text) = told(json!("standard"), "Pending", "0/3 nodes are available: 3 Insufficient cpu");
    assert!(reason == Reason::Unschedulable && !text.contains("claim"), "{text}");
}
