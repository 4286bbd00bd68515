//! Secrets that give the cluster its identity and are lost, and budgets of users that select the same pods.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

#[path = "support/nodes.rs"]
mod nodes;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::status::ConditionType;
use emqx_operator_core::world::{Identity, Kind, KubernetesView, Node, NodeState, Sensitive, World};
use emqx_operator_core::{Plan, plan};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use nodes::{node, set};
use planning::{nobody, plan_for, world_for, world_without_identity, written};
use serde_json::{Value, json};
use std::sync::Arc;

const IMAGE: &str = "emqx/emqx:5.10.4";

fn desired(spec: Value) -> Desired {
    let mut all = json!({"image": IMAGE, "coreTemplate": {"spec": {"replicas": 2}}});
    all.as_object_mut().expect("an object").extend(spec.as_object().cloned().unwrap_or_default());
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"}, "spec": all,
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// Two cores of an old template, with no Secret.
fn world_of_old_cores(desired: &Desired, started: bool) -> World {
    let mut world = world_without_identity(desired, &KubernetesView::default(), nobody());
    world.cores.sets = vec![set("iot-core", 2)];
    let core = |pod: &str| Node {
        state: if started { NodeState::Ready } else { NodeState::Pending },
        ..node(Role::Core, "iot-core", pod, IMAGE, "old")
    };
    world.cores.nodes = vec![core("iot-core-0"), core("iot-core-1")];
    world
}

fn identity(text: &str) -> Identity {
    let secret = || Some(Sensitive(text.to_owned()));
    Identity { cookie: secret(), operator_secret: secret() }
}

fn created_secrets(plan: &Plan) -> Vec<String> {
    let created = plan.actions.iter().filter(|action| matches!(action, Action::Create { .. }));
    let manifests = created.filter_map(Action::manifest).filter(|manifest| manifest.id.kind == Kind::Secret);
    manifests.map(|manifest| manifest.body["data"].to_string()).collect()
}

fn removes(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action, Action::Remove(_)))
}

/// Another cookie splits the cluster, another key locks the operator out.
#[test]
fn an_identity_that_is_lost_is_not_replaced_while_nodes_live_by_it() {
    let desired = desired(json!({}));
    let plan = plan(&desired, &world_of_old_cores(&desired, true));
    assert_eq!(created_secrets(&plan), Vec::<String>::new());
    assert!(!removes(&plan), "a node that restarts would not come up");
    let found = plan.actions.iter().filter(|action| matches!(action, Action::Adopt { .. })).count();
    assert_eq!(found, 2, "those that users restore have no label");
    let told: Vec<_> = plan.holds.iter().filter(|hold| hold.reason == Reason::IdentityLost).collect();
    for (secret, command) in [
        ("iot-node-cookie", "printenv EMQX_NODE__COOKIE"),
        ("iot-bootstrap-api-key", "cat /opt/emqx/etc/bootstrap_api_keys"),
    ] {
        let about = |hold: &&&emqx_operator_core::lifecycle::Hold| hold.subject == format!("Secret/{secret}");
        let hold = told.iter().find(about).unwrap_or_else(|| panic!("nothing is told of {secret}: {told:?}"));
        assert!(hold.detail.contains(command) && hold.detail.contains("kubectl create secret"), "{hold}");
    }
    let degraded = plan.report.conditions.iter().find(|condition| condition.kind == ConditionType::Degraded);
    assert!(degraded.is_some_and(|condition| condition.reason == Reason::IdentityLost), "{degraded:?}");
}

#[test]
fn an_identity_that_was_seen_before_is_restored() {
    let desired = desired(json!({}));
    let mut world = world_of_old_cores(&desired, true);
    world.memory.identity = identity("what nodes know");
    let restored = created_secrets(&plan(&desired, &world));
    assert_eq!(restored.len(), 2);
    assert!(restored[0].contains("d2hhdCBub2RlcyBrbm93"), "{restored:?}");
}

/// Pods that have never started have read nothing, and a new cluster has no pods.
#[test]
fn an_identity_that_nobody_lives_by_is_made() {
    let desired = desired(json!({}));
    assert_eq!(created_secrets(&plan(&desired, &world_of_old_cores(&desired, false))).len(), 2);
    let none = world_without_identity(&desired, &KubernetesView::default(), nobody());
    assert_eq!(created_secrets(&plan(&desired, &none)).len(), 2);
}

#[test]
fn what_is_known_is_remembered_for_the_next_pass() {
    let desired = desired(json!({}));
    let mut world = world_of_old_cores(&desired, true);
    world.identity = identity("a");
    assert_eq!(plan(&desired, &world).memory.identity, identity("a"));
    assert!(!format!("{:?}", plan(&desired, &world).memory).contains("\"a\""), "it is secret");
}

fn budget(name: &str, selector: Value) -> Arc<PodDisruptionBudget> {
    let budget = json!({"metadata": {"name": name, "uid": name}, "spec": {"minAvailable": 1, "selector": selector}});
    Arc::new(serde_json::from_value(budget).expect("a budget"))
}

fn budgets_made(plan: &Plan) -> Vec<String> {
    let manifests = plan.actions.iter().filter_map(Action::manifest);
    let budgets = manifests.filter(|manifest| manifest.id.kind == Kind::PodDisruptionBudget);
    budgets.map(|manifest| manifest.id.name.clone()).collect()
}

/// Kubernetes evicts no pod that two budgets select.
#[test]
fn no_budget_is_made_for_pods_that_another_budget_selects() {
    let labels = |role: &str| json!({"apps.emqx.io/instance": "iot", "apps.emqx.io/db-role": role});
    let team = json!({"coreTemplate": {"metadata": {"labels": {"team": "iot"}}, "spec": {"replicas": 2}},
        "replicantTemplate": {"spec": {"replicas": 2}}});
    let both = ["iot-core", "iot-replicant"];
    let cases = [
        ("none", json!(null), &both[..]),
        ("other pods", json!({"matchLabels": {"app": "web"}}), &both[..]),
        ("cores", json!({"matchLabels": labels("core")}), &both[1..]),
        ("replicants", json!({"matchLabels": labels("replicant")}), &both[..1]),
        ("the whole cluster", json!({"matchLabels": {"apps.emqx.io/instance": "iot"}}), &[]),
        ("every pod", json!({}), &[]),
        ("a label of the user", json!({"matchLabels": {"team": "iot"}}), &both[1..]),
        (
            "an expression",
            json!({"matchExpressions": [{"key": "apps.emqx.io/db-role", "operator": "In", "values": ["core", "x"]}]}),
            &both[1..],
        ),
        (
            "an unknown operator",
            json!({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}),
            &both[..],
        ),
    ];
    let desired = desired(team);
    for (what, selector, expected) in cases {
        let view = KubernetesView { namespace_budgets: vec![budget("mine", selector)], ..KubernetesView::default() };
        assert_eq!(budgets_made(&plan_for(&desired, &view, nobody())), expected, "{what}");
    }
}

/// The user's budget came later, or the operator's was there first.
#[test]
fn a_budget_makes_way_for_one_of_the_user_and_comes_back_after_it() {
    let desired = desired(json!({}));
    let mut ours = written(&plan_for(&desired, &KubernetesView::default(), nobody()), Kind::PodDisruptionBudget)
        .expect("the plan makes a budget");
    ours["metadata"]["uid"] = "ours".into();
    ours["metadata"]["resourceVersion"] = "1".into();
    let ours: Arc<PodDisruptionBudget> = Arc::new(serde_json::from_value(ours).expect("a budget"));
    let view = |others: &[Arc<PodDisruptionBudget>]| KubernetesView {
        budgets: vec![ours.clone()],
        namespace_budgets: others.iter().cloned().chain([ours.clone()]).collect(),
        ..KubernetesView::default()
    };
    let alone = world_for(&desired, &view(&[]), nobody());
    assert_eq!(alone.other_budgets, []);
    let deletes = |plan: &Plan| {
        let deleted = plan.actions.iter().filter_map(|action| match action {
            Action::Delete { id, because, .. } => Some((id.name.clone(), *because)),
            _ => None,
        });
        deleted.collect::<Vec<_>>()
    };
    assert_eq!(deletes(&plan(&desired, &alone)), []);
    let users = view(&[budget("mine", json!({}))]);
    let both = plan_for(&desired, &users, nobody());
    assert_eq!(deletes(&both), [("iot-core".to_owned(), Reason::BudgetOfUser)]);
}
