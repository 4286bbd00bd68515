//! What an edit that brings a new image with it means for the nodes that still run the old one.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_core::Plan;
use emqx_operator_core::action::{Action, Call};
use emqx_operator_core::build::differences;
use emqx_operator_core::desired::{Desired, NodeName, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::status::{ConditionStatus, ConditionType};
use emqx_operator_core::world::{
    Broker, BrokerNode, ConfigRefused, Disagreement, Endpoint, Kind, KubernetesView, Reading, api_candidates,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use planning::{nobody, plan_for, world_for, written};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn desired(image: &str, roots: Value) -> Desired {
    with_core(image, roots, json!({"replicas": 1}))
}

fn with_core(image: &str, roots: Value, core: Value) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": image, "config": {"roots": roots}, "coreTemplate": {"spec": core}},
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// The core answers.
fn answering() -> Reading<Broker> {
    let core = BrokerNode { running: true, ..BrokerNode::default() };
    let name = NodeName("emqx@iot-core-0.iot-headless.default.svc.cluster.local".to_owned());
    let nodes = BTreeMap::from([(name, core)]);
    let disagreement = Disagreement::default();
    Reading::Fresh(Broker {
        nodes,
        disagreement,
        evacuations: Reading::Off,
        storage: Reading::Off,
        unknown_keys: Reading::Off,
    })
}

/// What a plan writes of a kind, as Kubernetes keeps it.
fn kept(plan: &Plan, kind: Kind) -> Value {
    let mut body = written(plan, kind).unwrap_or_else(|| panic!("the plan writes a {kind:?}"));
    body["metadata"]["uid"] = "one".into();
    body["metadata"]["resourceVersion"] = "1".into();
    body["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    body
}

/// The cluster that was made for this, with its only core.
fn cluster(desired: &Desired) -> KubernetesView {
    let first = plan_for(desired, &KubernetesView::default(), nobody());
    let mut set = kept(&first, Kind::StatefulSet);
    set["spec"]["replicas"] = 1.into();
    let mut pod = set["spec"]["template"].clone();
    pod["metadata"]["name"] = "iot-core-0".into();
    pod["metadata"]["namespace"] = "default".into();
    pod["metadata"]["uid"] = "pod".into();
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "iot-core", "uid": "one", "controller": true}]);
    pod["status"] = json!({
        "phase": "Running", "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}],
        "containerStatuses": [{
            "name": "emqx", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:30Z"}},
        }],
    });
    let set: StatefulSet = serde_json::from_value(set).expect("a set");
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    let files: ConfigMap = serde_json::from_value(kept(&first, Kind::ConfigMap)).expect("a ConfigMap");
    KubernetesView {
        stateful_sets: vec![Arc::new(set)],
        pods: vec![Arc::new(pod)],
        config_maps: vec![Arc::new(files)],
        ..KubernetesView::default()
    }
}

fn sends_config(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action, Action::Call(Call::PutConfig { .. })))
}

#[test]
fn configuration_alone_is_sent_at_once() {
    let view = cluster(&desired("emqx/emqx:5.10.4", json!({})));
    let changed = desired("emqx/emqx:5.10.4", json!({"mqtt": {"max_packet_size": "2MB"}}));
    assert!(sends_config(&plan_for(&changed, &view, answering())));
}

/// The old release may not know what the new one is told. The files have it, for the new nodes.
#[test]
fn configuration_that_comes_with_a_new_image_waits_for_it() {
    let view = cluster(&desired("emqx/emqx:5.10.4", json!({})));
    let changed = desired("emqx/emqx:6.0.0", json!({"mqtt": {"only_in_six": true}}));
    let plan = plan_for(&changed, &view, answering());
    assert!(!sends_config(&plan));
    assert!(
        kept(&plan, Kind::ConfigMap)["data"]["base.hocon"].as_str().is_some_and(|text| text.contains("only_in_six"))
    );
    let hold = plan.holds.iter().find(|hold| hold.reason == Reason::PendingAvailability);
    assert!(hold.is_some_and(|hold| hold.detail.contains("new image")), "{:?}", plan.holds);

    let mut done = cluster(&changed);
    done.config_maps = view.config_maps;
    assert!(sends_config(&plan_for(&changed, &done, answering())), "all nodes have the new image");
}

/// A node that starts reads what EMQX refuses: none that serves is restarted for it, and users are told.
#[test]
fn nobody_is_restarted_with_configuration_that_emqx_refuses() {
    let old = cluster(&desired("emqx/emqx:5.10.4", json!({})));
    // Everything is written, and the pod is the old one.
    let written = |desired: &Desired| KubernetesView { pods: old.pods.clone(), ..cluster(desired) };
    let both = json!({"mqtt": {"max_packet_size": "huge"}, "node": {"process_limit": 2_000_000}});
    let changed = desired("emqx/emqx:5.10.4", both);
    let view = KubernetesView { config_maps: old.config_maps.clone(), ..written(&changed) };
    let mut world = world_for(&changed, &view, answering());
    let removes = |plan: &Plan| plan.actions.iter().any(|action| matches!(action, Action::Remove(_)));
    let first = emqx_operator_core::plan(&changed, &world);
    assert!(sends_config(&first) && !removes(&first), "whether EMQX takes it is not known yet: {first}");

    world.config_refused =
        Some(ConfigRefused { text: "mqtt.max_packet_size: not a size".to_owned(), lacks_a_file: false });
    let second = emqx_operator_core::plan(&changed, &world);
    assert!(!sends_config(&second) && !removes(&second), "{second}");
    let hold = second.holds.iter().find(|hold| hold.reason == Reason::ConfigRejected);
    assert!(hold.is_some_and(|hold| hold.detail.contains("not a size")), "{second}");
    let told = |kind: ConditionType| {
        second.report.conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.reason)
    };
    assert_eq!(told(ConditionType::ConfigApplied), Some(Reason::ConfigRejected));
    assert_eq!(told(ConditionType::Degraded), Some(Reason::ConfigRejected));

    let corrected = desired("emqx/emqx:5.10.4", json!({"node": {"process_limit": 2_000_000}}));
    let third = plan_for(&corrected, &written(&corrected), answering());
    assert!(removes(&third), "a corrected spec goes on: {third}");
}

/// A certificate that comes with a mount of the wanted template: no node would ever have it without a restart. For one that
/// nothing brings a node that restarts would crash.
#[test]
fn nodes_restart_for_a_file_that_their_template_brings() {
    let refused =
        |text: &str| ConfigRefused { text: format!("listeners: a file does not exist {text}"), lacks_a_file: true };
    let certificate = |file: &str| json!({"listeners": {"ssl": {"default": {"ssl_options": {"certfile": file}}}}});
    let old = cluster(&desired("emqx/emqx:5.10.4", json!({})));
    let table = [
        ("/tls/tls.crt", "certfile /tls/tls.crt", true),
        ("/tls/tls.crt", "certfile", true),
        ("/nowhere/tls.crt", "certfile /nowhere/tls.crt", false),
        ("/nowhere/tls.crt", "certfile", false),
        ("/tlsx/tls.crt", "certfile /tlsx/tls.crt", false),
    ];
    let core = json!({
        "replicas": 1,
        "extraVolumes": [{"name": "mine", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "mine", "mountPath": "/tls"}],
    });
    for (file, said, restarts) in table {
        let changed = with_core("emqx/emqx:5.10.4", certificate(file), core.clone());
        let view = KubernetesView { pods: old.pods.clone(), config_maps: old.config_maps.clone(), ..cluster(&changed) };
        let mut world = world_for(&changed, &view, answering());
        world.config_refused = Some(refused(said));
        let plan = emqx_operator_core::plan(&changed, &world);
        let removes = plan.actions.iter().any(|action| matches!(action, Action::Remove(_)));
        assert_eq!(removes, restarts, "{file}, {said}: {plan}");
        let reason = if restarts { Reason::PendingAvailability } else { Reason::ConfigRejected };
        let hold = plan.holds.iter().find(|hold| hold.reason == reason);
        assert!(hold.is_some_and(|hold| hold.detail.contains(said)), "{file}, {said}: {plan}");
    }
}

#[test]
fn a_paused_cluster_is_told_of_and_left_alone() {
    let view = cluster(&desired("emqx/emqx:5.10.4", json!({})));
    let mut changed = desired("emqx/emqx:6.0.0", json!({}));
    assert!(!plan_for(&changed, &view, answering()).is_empty());
    changed.paused = true;
    let plan = plan_for(&changed, &view, answering());
    assert!(plan.is_empty(), "{plan}");
    assert!(
        plan.report
            .conditions
            .iter()
            .any(|condition| condition.kind == ConditionType::Paused && condition.status == ConditionStatus::True)
    );
}

/// Where the spec wants the dashboard is right for new pods only.
#[test]
fn a_pod_is_asked_where_it_listens() {
    let view = cluster(&desired("emqx/emqx:5.10.4", json!({})));
    let moved = desired("emqx/emqx:5.10.4", json!({"dashboard": {"listeners": {"http": {"bind": 18084}}}}));
    let core = Endpoint { pod: "iot-core-0".to_owned(), ip: "10.0.0.1".to_owned(), port: 18083, https: false };
    assert_eq!(api_candidates(&moved, &view), [core]);
}

/// A policy of the Kubernetes cluster has images come from a mirror. What the set was made to be is the image of the spec.
#[test]
fn an_image_of_a_mirror_is_no_other_image() {
    fn mirror<T: serde::Serialize + serde::de::DeserializeOwned>(objects: &[Arc<T>]) -> Vec<Arc<T>> {
        let text = |object: &Arc<T>| serde_json::to_string(&**object).expect("plain data");
        let named = |text: String| text.replace("\"emqx/emqx:", "\"mirror.example/emqx/emqx:");
        objects.iter().map(|one| Arc::new(serde_json::from_str(&named(text(one))).expect("the same type"))).collect()
    }
    let mirrored = |view: KubernetesView| KubernetesView {
        stateful_sets: mirror(&view.stateful_sets),
        pods: mirror(&view.pods),
        ..view
    };
    let old = mirrored(cluster(&desired("emqx/emqx:5.10.4", json!({}))));
    let both = json!({"mqtt": {"max_packet_size": "2MB"}, "node": {"process_limit": 2_000_000}});
    let changed = desired("emqx/emqx:5.10.4", both);
    let plan = plan_for(&changed, &KubernetesView::default(), nobody());
    let set = plan.actions.iter().filter_map(Action::manifest).find(|manifest| manifest.id.kind == Kind::StatefulSet);
    let set = set.cloned().expect("the plan makes the cores");
    let view = KubernetesView { pods: old.pods, config_maps: old.config_maps, ..mirrored(cluster(&changed)) };
    let mut world = world_for(&changed, &view, answering());
    let found = differences(&set, &world.objects[&set.id].body);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!sends_config(&emqx_operator_core::plan(&changed, &world)), "nobody knows what became of the image");
    world.admission_drift.insert(set.id, found);
    assert!(sends_config(&emqx_operator_core::plan(&changed, &world)));
}

/// What this version of the operator adds to pods waits for pods that are made anyway.
#[test]
fn an_upgrade_of_the_operator_restarts_nobody() {
    fn older<T: serde::Serialize + serde::de::DeserializeOwned>(object: &T, spec: &str) -> Arc<T> {
        let mut body = serde_json::to_value(object).expect("plain data");
        if let Some(annotations) = body["metadata"]["annotations"].as_object_mut() {
            annotations.insert("apps.emqx.io/applied".to_owned(), "by an older version".into());
        }
        let container = body.pointer_mut(spec).and_then(|spec| spec["containers"][0].as_object_mut()).expect("EMQX");
        assert!(
            container.remove("terminationMessagePolicy").is_some() && container.remove("securityContext").is_some()
        );
        Arc::new(serde_json::from_value(body).expect("the same type"))
    }
    let wanted = desired("emqx/emqx:5.10.4", json!({}));
    let now = cluster(&wanted);
    let before = KubernetesView {
        stateful_sets: now.stateful_sets.iter().map(|set| older(&**set, "/spec/template/spec")).collect(),
        pods: now.pods.iter().map(|pod| older(&**pod, "/spec")).collect(),
        ..now.clone()
    };
    let plan = plan_for(&wanted, &before, answering());
    let set = written(&plan, Kind::StatefulSet).expect("the set is applied again");
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    let then = KubernetesView { stateful_sets: now.stateful_sets, ..before };
    for plan in [plan, plan_for(&wanted, &then, answering())] {
        assert!(!plan.actions.iter().any(|action| matches!(action, Action::Remove(_))), "{plan}");
    }
}

/// What users ask for themselves is for the pods that there are, also where it is what they would get.
#[test]
fn the_rights_that_the_user_sets_are_part_of_the_revision() {
    let revision = |context: Value| {
        let resource = support::resource(json!({
            "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
            "spec": {
                "image": "emqx/emqx:5.10.4",
                "coreTemplate": {"spec": {"replicas": 1, "containerSecurityContext": context}},
            },
        }));
        let desired = Desired::resolve(&resource, &References::default()).expect("the spec is right");
        let set = written(&plan_for(&desired, &KubernetesView::default(), nobody()), Kind::StatefulSet).expect("a set");
        set["spec"]["template"]["metadata"]["annotations"]["apps.emqx.io/template-revision"].to_string()
    };
    let rows = [
        json!(null),
        json!({"allowPrivilegeEscalation": false}),
        json!({"capabilities": {"drop": ["ALL"]}}),
        json!({"seccompProfile": {"type": "RuntimeDefault"}}),
        json!({"privileged": true}),
    ];
    let revisions: std::collections::BTreeSet<_> = rows.iter().cloned().map(revision).collect();
    assert_eq!(revisions.len(), rows.len());
}
