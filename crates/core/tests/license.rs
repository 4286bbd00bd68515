//! EMQX 5.9 and later makes clusters with a license only. That is said before a pod is made or restarted.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_core::Plan;
use emqx_operator_core::action::Action;
use emqx_operator_core::desired::{Desired, NodeName, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::status::ConditionType;
use emqx_operator_core::world::{Broker, BrokerNode, Disagreement, Kind, KubernetesView, Reading};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use planning::{nobody, plan_for, written};
use serde_json::{Value, json};
use std::sync::Arc;

const OLD: &str = "emqx/emqx:5.8.5";
const NEW: &str = "emqx/emqx:5.10.4";

fn spec(image: &str, cores: i32) -> Value {
    json!({"image": image, "coreTemplate": {"spec": {"replicas": cores}}})
}

/// The spec with a field in place of what is there.
fn with(mut spec: Value, pointer: &str, value: Value) -> Value {
    let keys: Vec<_> = pointer.split('.').collect();
    let place = keys.iter().fold(&mut spec, |place, key| &mut place[*key]);
    *place = value;
    spec
}

fn licensed(spec: Value) -> Value {
    with(spec, "config.roots.license.key", json!("evaluation"))
}

fn desired(spec: &Value) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"}, "spec": spec,
    }));
    Desired::resolve(&resource, &References::default()).unwrap_or_else(|mistakes| panic!("{spec}: {mistakes}"))
}

/// The cluster that was made for this spec, with all of its cores, and those that never got ready among them.
fn cluster(spec: &Value, never_ready: &[usize]) -> KubernetesView {
    let cores = spec["coreTemplate"]["spec"]["replicas"].as_u64().expect("a number");
    let first = plan_for(&desired(&licensed(spec.clone())), &KubernetesView::default(), nobody());
    let mut set = written(&first, Kind::StatefulSet).expect("a set");
    set["metadata"]["uid"] = "one".into();
    set["spec"]["replicas"] = cores.into();
    let pods = (0..usize::try_from(cores).expect("few")).map(|number| {
        let ready = !never_ready.contains(&number);
        let mut pod = set["spec"]["template"].clone();
        pod["metadata"]["name"] = format!("iot-core-{number}").into();
        pod["metadata"]["uid"] = format!("pod-{number}").into();
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "iot-core", "uid": "one", "controller": true}]);
        pod["status"] = json!({
            "phase": "Running", "podIP": format!("10.0.0.{number}"), "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{
                "type": "Ready", "status": if ready { "True" } else { "False" },
                "lastTransitionTime": if ready { "2026-01-01T00:01:00Z" } else { "2026-01-01T00:00:00Z" },
            }],
            "containerStatuses": [{
                "name": "emqx", "image": "", "imageID": "", "ready": ready, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:30Z"}},
            }],
        });
        serde_json::from_value::<Pod>(pod).expect("a pod")
    });
    let pods = pods.map(Arc::new).collect();
    let set: StatefulSet = serde_json::from_value(set).expect("a set");
    KubernetesView { stateful_sets: vec![Arc::new(set)], pods, ..KubernetesView::default() }
}

/// What the cores answer that have these versions.
fn answering(versions: &[&str]) -> Reading<Broker> {
    let nodes = versions.iter().enumerate().map(|(number, version)| {
        let node = BrokerNode { running: true, version: Some((*version).to_owned()), ..BrokerNode::default() };
        (NodeName(format!("emqx@iot-core-{number}.iot-headless.default.svc.cluster.local")), node)
    });
    Reading::Fresh(Broker {
        nodes: nodes.collect(),
        disagreement: Disagreement::default(),
        evacuations: Reading::Off,
        storage: Reading::Off,
        unknown_keys: Reading::Off,
    })
}

#[derive(Debug, PartialEq)]
enum Outcome {
    /// As if there were no such rule.
    Goes,
    /// It is told, and no node is touched.
    KeepsNodes,
    /// It is told, and no second node is made.
    OneCore,
}

fn outcome(plan: &Plan) -> Outcome {
    let touches = |action: &Action| match action {
        Action::Create { manifest, .. } | Action::Apply { manifest, .. } => {
            matches!(manifest.id.kind, Kind::StatefulSet | Kind::ReplicaSet)
        }
        Action::Scale { .. }
        | Action::Delete { .. }
        | Action::Remove(_)
        | Action::GrowVolume { .. }
        | Action::RestoreTemplate { .. } => true,
        Action::Adopt { .. } | Action::Annotate { .. } | Action::Call(_) => false,
    };
    let told = plan.holds.iter().any(|hold| hold.reason == Reason::LicenseMissing);
    match (told, plan.actions.iter().any(touches)) {
        (false, _) => Outcome::Goes,
        (true, false) if plan.holds.iter().any(|hold| hold.detail.contains("no node is changed")) => {
            Outcome::KeepsNodes
        }
        (true, _) => Outcome::OneCore,
    }
}

fn replicas(plan: &Plan) -> Option<Value> {
    written(plan, Kind::StatefulSet).map(|set| set["spec"]["replicas"].clone())
}

/// What is set beside the image, and whether it is a license.
#[test]
fn a_license_may_come_from_several_places() {
    let variable = |name: &str, value: Value| json!([{"name": name, "value": value}]);
    let from = json!([{"name": "EMQX_LICENSE__KEY", "valueFrom": {"secretKeyRef": {"name": "license", "key": "key"}}}]);
    let rows = [
        ("config.roots.license.key", json!("evaluation"), true),
        ("config.roots.license.key", json!("default"), false),
        ("config.roots.license.connection_low_watermark", json!("75%"), false),
        ("coreTemplate.spec.env", variable("EMQX_LICENSE__KEY", json!("evaluation")), true),
        ("coreTemplate.spec.env", variable("EMQX_LICENSE__KEY", json!("default")), false),
        ("coreTemplate.spec.env", variable("EMQX_LOG__LEVEL", json!("debug")), false),
        ("coreTemplate.spec.env", from, true),
        ("coreTemplate.spec.envFrom", json!([{"secretRef": {"name": "any"}}]), true),
        ("coreTemplate.spec.envFrom", json!([{"prefix": "EMQX_", "secretRef": {"name": "any"}}]), true),
        ("coreTemplate.spec.envFrom", json!([{"prefix": "APP_", "secretRef": {"name": "any"}}]), false),
        ("replicantTemplate.spec", json!({"replicas": 0, "env": variable("EMQX_LICENSE__KEY", json!("x.y"))}), true),
    ];
    for (pointer, value, is_license) in rows {
        let wanted = with(spec(NEW, 3), pointer, value.clone());
        let plan = plan_for(&desired(&wanted), &KubernetesView::default(), nobody());
        let expected = if is_license { (Outcome::Goes, 3) } else { (Outcome::OneCore, 1) };
        assert_eq!((outcome(&plan), replicas(&plan)), (expected.0, Some(expected.1.into())), "{pointer} = {value}");
    }
}

#[test]
fn what_cannot_live_is_told_before_a_pod_goes() {
    use Outcome::{Goes, KeepsNodes, OneCore};
    let none = || KubernetesView::default();
    let blue_green = |spec: Value| with(spec, "updateStrategy.type", json!("BlueGreen"));
    let digest = format!("emqx/emqx@sha256:{}", "0".repeat(64));
    let rows = [
        // What there is, what EMQX says, and what is wanted then.
        ("a new cluster", none(), nobody(), spec(NEW, 3), OneCore),
        ("a new single core", none(), nobody(), spec(NEW, 1), Goes),
        ("a new cluster of before", none(), nobody(), spec(OLD, 3), Goes),
        ("a new cluster of nobody knows what", none(), nobody(), spec("emqx/emqx:latest", 3), Goes),
        ("a new cluster by digest", none(), nobody(), spec(&digest, 3), Goes),
        ("a tag and a digest", none(), nobody(), spec(&format!("{NEW}@sha256:{}", "0".repeat(64)), 3), OneCore),
        ("one core that was made", cluster(&spec(NEW, 1), &[]), nobody(), spec(NEW, 3), OneCore),
        ("one core that answers", cluster(&spec(NEW, 1), &[]), answering(&["5.10.4"]), spec(NEW, 3), OneCore),
        ("an image change", cluster(&spec(OLD, 3), &[]), nobody(), spec(NEW, 3), KeepsNodes),
        (
            "an image change, EMQX answers",
            cluster(&spec(OLD, 3), &[]),
            answering(&["5.8.5"; 3]),
            spec(NEW, 3),
            KeepsNodes,
        ),
        (
            "an image change with a license",
            cluster(&spec(OLD, 3), &[]),
            answering(&["5.8.5"; 3]),
            licensed(spec(NEW, 3)),
            Goes,
        ),
        ("set back", cluster(&spec(OLD, 3), &[]), answering(&["5.8.5"; 3]), spec(OLD, 3), Goes),
        (
            "an image change of a core that is down",
            cluster(&spec(OLD, 3), &[1]),
            answering(&["5.8.5"]),
            spec(NEW, 3),
            KeepsNodes,
        ),
        ("an image change of one core", cluster(&spec(OLD, 1), &[]), answering(&["5.8.5"]), spec(NEW, 1), Goes),
        ("beside it", cluster(&spec(OLD, 1), &[]), answering(&["5.8.5"]), blue_green(spec(NEW, 1)), KeepsNodes),
        (
            "beside a new one",
            cluster(&spec(NEW, 1), &[]),
            answering(&["5.10.4"]),
            blue_green(spec("emqx/emqx:5.10.5", 1)),
            KeepsNodes,
        ),
        (
            "an image change and fewer cores",
            cluster(&spec(OLD, 3), &[]),
            answering(&["5.8.5"; 3]),
            spec(NEW, 1),
            KeepsNodes,
        ),
        ("fewer cores, and then the image", cluster(&spec(OLD, 3), &[]), answering(&["5.8.5"; 3]), spec(OLD, 1), Goes),
        ("to a digest", cluster(&spec(OLD, 3), &[]), nobody(), spec(&digest, 3), Goes),
        (
            "from a digest that tells its version",
            cluster(&spec(&digest, 3), &[]),
            answering(&["5.8.5"; 3]),
            spec(NEW, 3),
            KeepsNodes,
        ),
        ("from a digest that does not", cluster(&spec(&digest, 3), &[]), nobody(), spec(NEW, 3), Goes),
        (
            "a cluster that runs",
            cluster(&spec(NEW, 3), &[]),
            answering(&["5.10.4"; 3]),
            spec("emqx/emqx:6.0.0", 3),
            Goes,
        ),
        ("a cluster that does not answer", cluster(&spec(NEW, 3), &[]), nobody(), spec("emqx/emqx:6.0.0", 3), Goes),
        ("a cluster that starts again", cluster(&spec(NEW, 3), &[0, 1, 2]), nobody(), spec(NEW, 3), Goes),
        ("a cluster that grows", cluster(&spec(NEW, 3), &[]), answering(&["5.10.4"; 3]), spec(NEW, 5), Goes),
        ("half a rollout", cluster(&spec(OLD, 3), &[]), answering(&["5.8.5", "5.10.4", "5.10.4"]), spec(NEW, 3), Goes),
    ];
    for (name, view, broker, wanted, expected) in rows {
        let plan = plan_for(&desired(&wanted), &view, broker);
        assert_eq!(outcome(&plan), expected, "{name}: {plan}");
        if expected == Outcome::OneCore {
            assert_eq!(replicas(&plan).unwrap_or(json!(1)), 1, "{name}: {plan}");
            assert!(!plan.actions.iter().any(|action| matches!(action, Action::Scale { .. })), "{name}: {plan}");
        }
    }
}

/// The resource itself says what to set.
#[test]
fn the_condition_names_the_field() {
    for (view, spec) in [(KubernetesView::default(), spec(NEW, 2)), (cluster(&spec(OLD, 3), &[]), spec(NEW, 3))] {
        let plan = plan_for(&desired(&spec), &view, nobody());
        for kind in [ConditionType::Ready, ConditionType::Degraded] {
            let condition = plan.report.conditions.iter().find(|condition| condition.kind == kind).expect("it is told");
            assert_eq!(condition.reason, Reason::LicenseMissing);
            assert!(condition.message.contains("spec.config.roots.license.key"), "{}", condition.message);
            assert!(condition.message.contains("`evaluation`"), "{}", condition.message);
        }
    }
}

/// A set whose pods are gone may have a license on the volumes that it left; a set that is made anew takes nobody away.
#[test]
fn what_was_a_cluster_is_one() {
    let claim = |number: i32| {
        let claim = json!({
            "metadata": {"name": format!("iot-core-data-iot-core-{number}")},
            "spec": {"volumeName": "pv"}, "status": {"phase": "Bound"},
        });
        Arc::new(serde_json::from_value::<PersistentVolumeClaim>(claim).expect("a claim"))
    };
    let volumes = KubernetesView { claims: (0..3).map(claim).collect(), ..KubernetesView::default() };
    let orphans = KubernetesView { stateful_sets: Vec::new(), ..cluster(&spec(NEW, 3), &[0, 1, 2]) };
    for view in [volumes, orphans] {
        let plan = plan_for(&desired(&spec(NEW, 3)), &view, nobody());
        assert_eq!((outcome(&plan), replicas(&plan)), (Outcome::Goes, Some(3.into())), "{plan}");
    }
}

/// The whole way, with a rollout that began, and the license that came later.
#[test]
fn a_license_that_comes_later_lets_the_rollout_go_on() {
    let view = cluster(&spec(OLD, 3), &[]);
    let held = plan_for(&desired(&spec(NEW, 3)), &view, answering(&["5.8.5"; 3]));
    assert!(held.memory.rollout.is_none(), "a rollout that has not begun is not late");
    assert_eq!(written(&held, Kind::ConfigMap), None, "a node that restarts reads what it has read before");
    let goes = plan_for(&desired(&licensed(spec(NEW, 3))), &view, answering(&["5.8.5"; 3]));
    let set = written(&goes, Kind::StatefulSet).expect("the set gets its template");
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["image"], NEW);
}
