//! An API server that refuses or fails: whatever the code, it is told on the resource, tried again less and less often, and
//! over when it is over.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::{audit, emqx, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);
const ADMISSION: &str = "admissionregistration.k8s.io";

async fn empty(prefix: &str) -> (Client, String) {
    let client = crate::environment().await;
    let namespace = namespace(&client, prefix).await.unwrap();
    (client, namespace)
}

async fn install(client: &Client, kind: &str, name: &str, body: Value) {
    let mut object = json!({"apiVersion": format!("{ADMISSION}/v1"), "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    apply(client, None, &object).await.unwrap();
}

async fn uninstall(client: &Client, kind: &str, name: &str) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(ADMISSION, "v1", kind));
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

/// Denies what the rule and the expression say, in one namespace.
async fn deny(client: &Client, namespace: &str, rule: Value, expression: &str) {
    let policy = json!({"spec": {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [rule, probes()],
        },
        "matchConditions": [{"name": "probes", "expression": PROBES_ONLY}],
        "validations": [{
            "expression": format!("request.resource.resource != 'configmaps' && ({expression})"),
            "message": "the security team says no",
        }],
    }});
    install(client, "ValidatingAdmissionPolicy", namespace, policy).await;
    let binding = json!({"spec": {"policyName": namespace, "validationActions": ["Deny"]}});
    install(client, "ValidatingAdmissionPolicyBinding", namespace, binding).await;
    in_force(client, namespace).await;
}

/// Of ConfigMaps only the one by which is found out whether a rule is in force.
const PROBES_ONLY: &str = "request.resource.resource != 'configmaps' || request.name == 'probe'";

fn probes() -> Value {
    json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]})
}

/// The API server takes rules up within some seconds, and does not say when.
async fn in_force(client: &Client, namespace: &str) {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let probe: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    wait::until("the rule to be in force", LIMIT, || async {
        match maps.create(&dry, &probe).await {
            Ok(_) => Err("a probe is let in".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
}

async fn allow(client: &Client, namespace: &str) {
    uninstall(client, "ValidatingAdmissionPolicyBinding", namespace).await;
    uninstall(client, "ValidatingAdmissionPolicy", namespace).await;
}

async fn told(client: &Client, namespace: &str, reason: &str, words: &str) {
    let degraded = emqx::condition(client, namespace, "iot", "Degraded", LIMIT, |c| c.reason == reason).await;
    assert!(degraded.message.contains(words), "{}", degraded.message);
    wait::until(&format!("an event {reason}"), LIMIT, || async {
        let events = Api::<Event>::namespaced(client.clone(), namespace).list(&ListParams::default()).await;
        let events = events.map_err(|error| error.to_string())?.items;
        let says = |event: &Event| {
            event.reason.as_deref() == Some(reason) && event.message.as_deref().is_some_and(|text| text.contains(words))
        };
        if events.iter().any(says) { Ok(()) } else { Err(format!("{} other events", events.len())) }
    })
    .await;
}

/// The API server answers 500: it cannot ask the webhook.
#[tokio::test]
async fn an_admission_webhook_that_is_down_is_told_and_survived() {
    let (client, namespace) = empty("webhook").await;
    let webhook = json!({"webhooks": [{
        "name": "down.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["statefulsets"]},
            probes(),
        ],
        "matchConditions": [{"name": "probes", "expression": PROBES_ONLY}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
    }]});
    install(&client, "ValidatingWebhookConfiguration", &namespace, webhook).await;
    in_force(&client, &namespace).await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    told(&client, &namespace, "KubernetesRequestFailed", "down.example.com").await;
    let before = audit::writes(&namespace).iter().filter(|write| write.code == 500).count();
    assert!((3..20).contains(&before), "{before} attempts until it was told");
    uninstall(&client, "ValidatingWebhookConfiguration", &namespace).await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
}

/// A denied scale is "unprocessable", like one whose assumption does not hold any more.
#[tokio::test]
async fn a_policy_that_denies_scaling_is_told_and_not_asked_all_the_time() {
    let (client, namespace) = empty("denied").await;
    let with = |cores: i32, replicants: i32| {
        let mut spec = emqx::cores(cores);
        spec["replicantTemplate"] = json!({"spec": {"replicas": replicants}});
        emqx::resource("iot", spec)
    };
    apply(&client, Some(&namespace), &with(2, 1)).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let sets = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
        "resources": ["statefulsets", "replicasets"]});
    deny(&client, &namespace, sets, "object.spec.replicas == oldObject.spec.replicas").await;
    apply(&client, Some(&namespace), &with(3, 2)).await.unwrap();
    told(&client, &namespace, "ApplyRejected", "the security team says no").await;
    let denied = || audit::writes(&namespace).iter().filter(|write| write.code == 422).count();
    let before = denied();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let after = denied();
    assert!(after - before <= 4, "{} requests in 20 s", after - before);
    allow(&client, &namespace).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let set = Api::<StatefulSet>::namespaced(client.clone(), &namespace).get("iot-core").await.unwrap();
    assert_eq!(set.spec.unwrap().replicas, Some(3));
}

/// A corrected spec is tried at once, however long the one before has failed.
#[tokio::test]
async fn a_corrected_spec_does_not_wait_for_what_was_refused() {
    let (client, namespace) = empty("corrected").await;
    let mut wrong = emqx::cores(1);
    wrong["coreTemplate"]["spec"]["tolerations"] = json!([{"key": "a", "operator": "Perhaps"}]);
    apply(&client, Some(&namespace), &emqx::resource("iot", wrong)).await.unwrap();
    told(&client, &namespace, "ApplyRejected", "tolerations[0].operator").await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    let took = emqx::settled(&client, &namespace, "iot", LIMIT).await;
    assert!(took < Duration::from_secs(60), "it took {took:?}");
}

/// A budget protects a cluster that serves all the same.
#[tokio::test]
async fn a_budget_that_is_refused_does_not_make_a_cluster_unready() {
    let (client, namespace) = empty("no-budget").await;
    let budgets = json!({"apiGroups": ["policy"], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["poddisruptionbudgets"]});
    deny(&client, &namespace, budgets, "false").await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    told(&client, &namespace, "ApplyRejected", "the security team says no").await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    allow(&client, &namespace).await;
}

/// The namespace goes, and something keeps the resource in it.
#[tokio::test]
async fn a_namespace_that_ends_is_left_alone() {
    let (client, namespace) = empty("ending").await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let resources =
        json!({"apiGroups": ["apps.emqx.io"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["emqxes"]});
    deny(&client, &namespace, resources, "false").await;
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.delete(&namespace, &DeleteParams::background()).await.unwrap();
    wait::until("the Services to be deleted", LIMIT, || async {
        let services = Api::<k8s_openapi::api::core::v1::Service>::namespaced(client.clone(), &namespace);
        let left = services.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} are there")) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = audit::writes(&namespace).len();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let later = audit::writes(&namespace).split_off(before);
    assert!(later.len() <= 12, "{later:#?}");
    allow(&client, &namespace).await;
}

/// Another controller, or a person, changes an object all the time.
#[tokio::test]
async fn an_object_that_is_changed_all_the_time_is_not_fought_for_all_the_time() {
    let (client, namespace) = empty("fought").await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let before = audit::writes(&namespace).len();
    for round in 0..100 {
        let patch = json!({"metadata": {"annotations": {"example.com/round": round.to_string()}},
            "spec": {"minReadySeconds": 1 + round % 2}});
        sets.patch("iot-core", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let written = audit::writes(&namespace).split_off(before);
    let own = written.iter().filter(|write| write.object.starts_with("statefulsets/")).count();
    assert!(own <= 120, "{own} writes in ten seconds");
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
}
