//! How many replicant sets of old templates are kept.

#[path = "support/living.rs"]
mod living;

#[path = "support/planning.rs"]
mod planning;

#[path = "support/resource.rs"]
mod support;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::world::{Kind, KubernetesView};
use living::Living;
use planning::{nobody, plan_for};
use serde_json::json;

fn desired(replicants: i32, limit: i32) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": "emqx/emqx:6.0.0", "revisionHistoryLimit": limit,
            "config": {"roots": {"license": {"key": "evaluation"}}},
            "coreTemplate": {"spec": {"replicas": 2}}, "replicantTemplate": {"spec": {"replicas": replicants}},
        },
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// The old sets that a plan deletes: the spec wants so many replicants and keeps so many sets, the set of its template is told
/// to have so many, and two older ones are empty.
fn deleted(wanted: i32, limit: i32, told: i32) -> Vec<String> {
    let first = plan_for(&desired(1, limit), &KubernetesView::default(), nobody());
    let mut living = Living::made_by(&first);
    living.pods.retain(|pod| pod["metadata"]["ownerReferences"][0]["kind"] != "ReplicaSet");
    let current = living.replica_sets.pop().expect("a set of replicants");
    for (name, created) in [("older", "2026-01-01T00:00:00Z"), ("old", "2026-01-01T01:00:00Z")] {
        let mut set = current.clone();
        set["metadata"]["name"] = name.into();
        set["metadata"]["uid"] = name.into();
        set["metadata"]["creationTimestamp"] = created.into();
        set["spec"]["replicas"] = 0.into();
        set["status"]["replicas"] = 0.into();
        living.replica_sets.push(set);
    }
    let mut current = current;
    current["metadata"]["creationTimestamp"] = "2026-01-01T02:00:00Z".into();
    current["spec"]["replicas"] = told.into();
    living.replica_sets.push(current);
    let plan = plan_for(&desired(wanted, limit), &living.view(), nobody());
    let deletions = plan.actions.iter().filter_map(|action| match action {
        Action::Delete { id, .. } if id.kind == Kind::ReplicaSet => Some(id.name.clone()),
        _ => None,
    });
    deletions.collect()
}

#[test]
fn as_many_old_sets_are_kept_as_the_spec_says() {
    let rows: [(i32, i32, i32, &[&str]); 7] = [
        (1, 2, 1, &[]),
        (1, 1, 1, &["older"]),
        (1, 0, 1, &["older", "old"]),
        // A rollout has made the set of the wanted template, and it has no pods yet.
        (1, 1, 0, &["older"]),
        (1, 2, 0, &[]),
        // No replicants are wanted: the last set is one of the empty ones.
        (0, 2, 0, &["older"]),
        (0, 1, 0, &["older", "old"]),
    ];
    for (wanted, limit, told, gone) in rows {
        assert_eq!(deleted(wanted, limit, told), gone, "{wanted} wanted, {limit} kept, {told} told");
    }
}
