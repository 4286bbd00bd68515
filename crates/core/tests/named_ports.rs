//! A port of the user with the number of the dashboard is the dashboard's, under the user's name.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::world::{Kind, KubernetesView, api_candidates};
use k8s_openapi::api::core::v1::Pod;
use planning::{nobody, plan_for, written};
use serde_json::{Value, json};
use std::sync::Arc;

fn desired(bind: &Value, ports: &Value) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": "emqx/emqx:5.10.4",
            "config": {"roots": {"dashboard": {"listeners": bind}}},
            "coreTemplate": {"spec": {"ports": ports}},
        },
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

/// The core set and the dashboard Service.
fn objects(desired: &Desired) -> (Value, Value) {
    let plan = plan_for(desired, &KubernetesView::default(), nobody());
    let mut manifests = plan.actions.iter().filter_map(emqx_operator_core::action::Action::manifest);
    let service = manifests.find(|manifest| manifest.id.name == "iot-dashboard").expect("a Service");
    (written(&plan, Kind::StatefulSet).expect("a set"), Value::clone(&service.body))
}

#[test]
fn one_port_of_a_number_has_one_name() {
    let http = json!({"http": {"bind": 18083}});
    let both = json!({"http": {"bind": 18083}, "https": {"bind": 18084}});
    let https = json!({"http": {"bind": 0}, "https": {"bind": 18084}});
    let port = |name: &str, number: u16| json!({"name": name, "containerPort": number});
    // Listeners, ports of the user, names of the container's ports by number, port of the probes, targets of the Service.
    let rows = [
        (&http, json!([]), json!({"18083": "dashboard"}), "dashboard", json!(["dashboard"])),
        (
            &http,
            json!([port("metrics", 9100)]),
            json!({"9100": "metrics", "18083": "dashboard"}),
            "dashboard",
            json!(["dashboard"]),
        ),
        (
            &http,
            json!([port("http-dashboard", 18083)]),
            json!({"18083": "http-dashboard"}),
            "http-dashboard",
            json!(["http-dashboard"]),
        ),
        (&http, json!([{"containerPort": 18083}]), json!({"18083": "dashboard"}), "dashboard", json!(["dashboard"])),
        (
            &both,
            json!([port("web", 18083), port("web-tls", 18084)]),
            json!({"18083": "web", "18084": "web-tls"}),
            "web",
            json!(["web", "web-tls"]),
        ),
        (
            &both,
            json!([port("web-tls", 18084)]),
            json!({"18083": "dashboard", "18084": "web-tls"}),
            "dashboard",
            json!(["dashboard", "web-tls"]),
        ),
        (&https, json!([port("web-tls", 18084)]), json!({"18084": "web-tls"}), "web-tls", json!(["web-tls"])),
    ];
    for (bind, ports, named, probed, targets) in rows {
        let (set, service) = objects(&desired(bind, &ports));
        let container = &set["spec"]["template"]["spec"]["containers"][0];
        let found = container["ports"].as_array().expect("ports");
        let by_number: serde_json::Map<_, _> =
            found.iter().map(|port| (port["containerPort"].to_string(), port["name"].clone())).collect();
        assert_eq!((found.len(), Value::from(by_number.clone())), (by_number.len(), named), "{ports}");
        for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], probed, "{ports}");
        }
        let found = service["spec"]["ports"].as_array().expect("ports").iter().map(|port| port["targetPort"].clone());
        assert_eq!(Value::from(found.collect::<Vec<_>>()), targets, "{ports}");
    }
}

/// Another protocol is another port.
#[test]
fn a_udp_port_of_the_same_number_is_another() {
    let (set, _) = objects(&desired(&json!({}), &json!([{"name": "udp", "containerPort": 18083, "protocol": "UDP"}])));
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["ports"].as_array().map(Vec::len), Some(2));
}

/// The number changes with the pod; where the old one listens is asked of the pod.
#[test]
fn a_pod_with_a_named_port_is_asked_where_it_listens() {
    let old = desired(&json!({"http": {"bind": 18083}}), &json!([{"name": "http-dashboard", "containerPort": 18083}]));
    let mut pod = objects(&old).0["spec"]["template"].clone();
    pod["metadata"]["name"] = "iot-core-0".into();
    pod["status"] = json!({"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]});
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    let view = KubernetesView { pods: vec![Arc::new(pod)], ..KubernetesView::default() };
    let moved = desired(&json!({"http": {"bind": 18090}}), &json!([]));
    assert_eq!(api_candidates(&moved, &view).iter().map(|core| core.port).collect::<Vec<_>>(), [18083]);
}
