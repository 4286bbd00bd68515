//! Volumes grow when more is asked for, however much that is and however it is written.

#[path = "support/resource.rs"]
mod support;

#[path = "support/living.rs"]
mod living;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::KubernetesView;
use living::{Living, name};
use planning::{nobody, plan_for, written};
use serde_json::json;

fn desired(storage: &str) -> Desired {
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}});
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": "emqx/emqx:5.10.4", "coreTemplate": {"spec": {"replicas": 1, "persistentVolumeClaimSpec": claim}}},
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// What becomes of a volume that was asked for like this, when this is wanted.
fn outcome(has: &str, wanted: &str) -> &'static str {
    let first = plan_for(&desired(has), &KubernetesView::default(), nobody());
    let mut living = Living::made_by(&first);
    assert_eq!(living.claims.iter().map(name).collect::<Vec<_>>(), ["iot-core-data-iot-core-0"]);
    // Kubernetes rounds sizes of volumes, and writes them in its own way.
    living.claims[0]["spec"]["resources"]["requests"]["storage"] = has.into();
    let plan = plan_for(&desired(wanted), &living.view(), nobody());
    assert!(written(&plan, emqx_operator_core::world::Kind::PersistentVolumeClaim).is_none());
    let grows = plan.actions.iter().any(|action| matches!(action, Action::GrowVolume { .. }));
    let smaller = plan.holds.iter().any(|hold| hold.reason == Reason::VolumeImmutable);
    match (grows, smaller) {
        (true, false) => "grows",
        (false, true) => "is never made smaller",
        (false, false) => "stays",
        (true, true) => "grows and does not",
    }
}

#[test]
fn a_volume_grows_when_more_is_asked_for_and_only_then() {
    let cases = [
        ("3000000000000", "3T", "stays"),
        ("3T", "3000000000000", "stays"),
        ("107374182400", "100Gi", "stays"),
        ("1024Mi", "1Gi", "stays"),
        ("1Ei", "1152921504606846976", "stays"),
        ("107374182399", "100Gi", "grows"),
        ("3T", "3Ti", "grows"),
        ("1Ti", "1Ei", "grows"),
        ("9Ei", "10000000000000000P", "grows"),
        ("3Ti", "3T", "is never made smaller"),
        ("100Gi", "107374182399", "is never made smaller"),
        ("10000000000000000P", "1Gi", "is never made smaller"),
    ];
    for (has, wanted, expected) in cases {
        assert_eq!(outcome(has, wanted), expected, "{has} -> {wanted}");
    }
}
