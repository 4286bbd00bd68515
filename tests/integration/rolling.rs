//! A changed template reaches every node, one after the other, and nothing else does.

use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::reconciles::reconciles;
use emqx_operator_tests::{audit, emqx, wait};
use emqx_sim::faults::{Faults, HttpFault};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn spec(cores: i32, replicants: i32) -> Value {
    json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": cores}},
        "replicantTemplate": {"spec": {"replicas": replicants}},
        "updateStrategy": {"evacuationStrategy": {"waitHealthCheck": 0, "waitTakeover": 0}},
    })
}

pub(crate) async fn cluster(prefix: &str, spec: Value) -> (Client, String) {
    let client = crate::environment().await;
    let namespace = namespace(&client, prefix).await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    (client, namespace)
}

/// Uid and image of every pod.
pub(crate) async fn pods(client: &Client, namespace: &str) -> BTreeMap<String, (String, String)> {
    let list = Api::<Pod>::namespaced(client.clone(), namespace).list(&ListParams::default()).await.unwrap();
    let seen = list.items.into_iter().map(|pod| {
        let image = emqx::image(&pod).to_owned();
        (pod.name_any(), (pod.uid().unwrap_or_default(), image))
    });
    seen.collect()
}

pub(crate) async fn patch(client: &Client, namespace: &str, patch: Value) {
    let api = Api::<EMQX>::namespaced(client.clone(), namespace);
    api.patch("iot", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test]
async fn an_image_change_replaces_every_node_in_place() {
    let (client, namespace) = cluster("rolling", spec(3, 2)).await;
    let before = pods(&client, &namespace).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.10.5"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let after = pods(&client, &namespace).await;
    assert_eq!(after.len(), 5, "{after:?}");
    assert!(after.values().all(|(_, image)| image == "emqx/emqx:5.10.5"), "{after:?}");
    for core in ["iot-core-0", "iot-core-1", "iot-core-2"] {
        assert_ne!(before[core].0, after[core].0, "{core} is a new pod of the same name");
    }
    let status = Api::<EMQX>::namespaced(client.clone(), &namespace).get("iot").await.unwrap().status.unwrap();
    assert_eq!(status.version.as_deref(), Some("5.10.5"));
    assert!(status.node_evacuations.is_empty(), "every node is open: {:?}", status.node_evacuations);
    assert_eq!(restarts(&client, &namespace).await, 3, "one event for each core");
}

/// How often a core was restarted, by the events.
async fn restarts(client: &Client, namespace: &str) -> i32 {
    let events = Api::<Event>::namespaced(client.clone(), namespace).list(&ListParams::default()).await.unwrap();
    let about = events.items.iter().filter(|event| {
        event.reason.as_deref() == Some("RollingUpdate")
            && event.message.as_deref().is_some_and(|text| text.starts_with("restart iot-core-"))
    });
    about.map(|event| event.count.or(event.series.as_ref().and_then(|series| series.count)).unwrap_or(1)).sum()
}

#[tokio::test]
async fn a_change_that_kubernetes_does_not_see_rolls_too() {
    let (client, namespace) = cluster("dns", spec(2, 0)).await;
    let before = pods(&client, &namespace).await;
    let change =
        json!({"spec": {"coreTemplate": {"spec": {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}}}});
    patch(&client, &namespace, change).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let after = pods(&client, &namespace).await;
    assert!(before.iter().all(|(name, (uid, _))| after[name].0 != *uid), "{after:?}");
}

#[tokio::test]
async fn a_restart_on_request_replaces_every_node_once() {
    let (client, namespace) = cluster("restart", spec(2, 1)).await;
    let before = pods(&client, &namespace).await;
    let wish = json!({"metadata": {"annotations": {"apps.emqx.io/restart-requested-at": "2026-01-01T00:00:00Z"}}});
    patch(&client, &namespace, wish).await;
    // An annotation does not change the generation.
    emqx::condition(&client, &namespace, "iot", "Ready", LIMIT, |c| c.status != "True").await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let after = pods(&client, &namespace).await;
    assert_eq!(after.len(), 3);
    let kept = before.values().filter(|(uid, _)| after.values().any(|(other, _)| other == uid)).count();
    assert_eq!(kept, 0, "every pod is a new one");
}

/// What is about Services, status or the operator's pace concerns no pod.
#[tokio::test]
async fn a_change_that_concerns_no_pod_restarts_nobody() {
    let (client, namespace) = cluster("calm-change", spec(2, 1)).await;
    let before = pods(&client, &namespace).await;
    let change = json!({"spec": {
        "listenersServiceTemplate": {"spec": {"type": "NodePort"}},
        "updateStrategy": {"evacuationStrategy": {"connectionEvictionRate": 10}, "replicants": {"maxSurge": 1}},
        "revisionHistoryLimit": 1,
    }});
    patch(&client, &namespace, change).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    reconciles(&client, &namespace, 2).await;
    assert_eq!(pods(&client, &namespace).await, before);
}

/// Whatever is wrong with the API: nobody is removed on a guess, and the rollout goes on when it answers again.
#[tokio::test]
async fn a_rollout_waits_while_no_api_answers() {
    for (prefix, http) in [
        ("hangs", HttpFault::Hang),
        ("unauthorized", HttpFault::Unauthorized),
        ("fails", HttpFault::ServerError),
        ("empty", HttpFault::EmptyBody),
    ] {
        let (client, namespace) = cluster(prefix, spec(2, 1)).await;
        let fleet = crate::prepared().await.1;
        let set = |http| {
            for core in ["iot-core-0", "iot-core-1"] {
                fleet.set_faults(&namespace, core, Faults { http, ..Faults::default() });
            }
        };
        let before = pods(&client, &namespace).await;
        set(http);
        patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.10.5"}})).await;
        let unknown = |c: &Condition| c.status == "False";
        emqx::condition(&client, &namespace, "iot", "EMQXAPIAvailable", LIMIT, unknown).await;
        reconciles(&client, &namespace, 2).await;
        assert_eq!(pods(&client, &namespace).await, before, "{prefix}: nobody was removed");
        set(HttpFault::None);
        emqx::settled(&client, &namespace, "iot", LIMIT).await;
        let after = pods(&client, &namespace).await;
        assert!(after.values().all(|(_, image)| image == "emqx/emqx:5.10.5"), "{prefix}: {after:?}");
    }
}

/// Sets of old templates are kept for going back, as many as the spec says.
#[tokio::test]
async fn sets_of_old_templates_are_forgotten_beyond_the_limit() {
    let mut one = spec(2, 1);
    one["revisionHistoryLimit"] = json!(1);
    let (client, namespace) = cluster("history", one).await;
    for wish in ["first", "second", "third"] {
        let change = json!({"spec": {"replicantTemplate": {"spec": {"env": [{"name": "WISH", "value": wish}]}}}});
        patch(&client, &namespace, change).await;
        emqx::settled(&client, &namespace, "iot", LIMIT).await;
    }
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), &namespace);
    wait::until("one old set to be left", LIMIT, || async {
        let sets = sets.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        if sets == 2 { Ok(()) } else { Err(format!("there are {sets} sets")) }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_switched_off_goes() {
    let (client, namespace) = cluster("switched-off", spec(1, 0)).await;
    patch(&client, &namespace, json!({"spec": {"listenersServiceTemplate": {"enabled": false}}})).await;
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    wait::until("the Service to go", LIMIT, || async {
        match services.get_opt("iot-listeners").await.map_err(|error| error.to_string())? {
            Some(_) => Err("it is there".to_owned()),
            None => Ok(()),
        }
    })
    .await;
}

/// Images come from a mirror in this namespace, whatever is asked for, as policies of companies have it.
async fn images_come_from_a_mirror(client: &Client, namespace: &str) {
    let name = format!("mirror-{namespace}");
    let image = "object.spec.template.spec.containers[0].image";
    let replace = format!(
        "JSONPatch{{op: 'replace', path: '/spec/template/spec/containers/0/image', value: '{MIRROR}' + {image}}}"
    );
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["statefulsets", "replicasets"],
                }],
            },
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "JSONPatch",
                "jsonPatch": {"expression": format!("{image}.startsWith('{MIRROR}') ? [] : [{replace}]")},
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name},
    });
    apply(client, None, &policy).await.unwrap();
    apply(client, None, &binding).await.unwrap();
}

const MIRROR: &str = "mirror.example/";

/// What an admission policy makes of our sets is accepted: it would do so again, and a rollout that waited for it would never
/// end.
#[tokio::test]
async fn a_policy_that_rewrites_images_stops_no_rollout() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "mirrored").await.unwrap();
    images_come_from_a_mirror(&client, &namespace).await;
    // The API server heeds a policy some moments after it was made.
    tokio::time::sleep(Duration::from_secs(5)).await;
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(2, 2))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.10.5"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let pods = pods(&client, &namespace).await;
    let images: Vec<_> = pods.values().map(|(_, image)| image.as_str()).collect();
    assert_eq!(images, ["mirror.example/emqx/emqx:5.10.5"; 4]);
    let core_set =
        || audit::writes(&namespace).into_iter().filter(|write| write.object == "statefulsets/iot-core").count();
    // Whatever is still on its way arrives.
    reconciles(&client, &namespace, 1).await;
    let before = core_set();
    reconciles(&client, &namespace, 4).await;
    assert_eq!(core_set(), before, "the set is written again and again: {:#?}", audit::writes(&namespace));
}
