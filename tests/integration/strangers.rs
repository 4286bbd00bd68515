//! Objects of other people: a name that the operator needs may be taken, an identity may have been made beforehand, a budget may
//! select the same pods, and labels may change. What is not the operator's is neither changed nor deleted with the resource.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::{audit, emqx, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

async fn empty(prefix: &str) -> (Client, String) {
    let client = crate::environment().await;
    let namespace = namespace(&client, prefix).await.unwrap();
    (client, namespace)
}

async fn cluster(prefix: &str, cores: i32) -> (Client, String) {
    let (client, namespace) = empty(prefix).await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(cores))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    (client, namespace)
}

fn dynamic(client: &Client, namespace: &str, group: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// The object but for what controllers of Kubernetes write.
fn content(object: DynamicObject) -> Value {
    let mut all = serde_json::to_value(&object).unwrap();
    all.as_object_mut().unwrap().remove("status");
    for key in ["managedFields", "resourceVersion", "generation"] {
        all["metadata"].as_object_mut().unwrap().remove(key);
    }
    all
}

/// Of each kind that the operator makes, under a name that it needs.
fn taken() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let pod =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}});
    let selector = json!({"matchLabels": {"app": "web"}});
    vec![
        ("", "ConfigMap", "iot-configs", json!({"data": {"theirs": "kept"}})),
        ("", "Secret", "iot-node-cookie", json!({"stringData": {"password": "theirs"}})),
        ("", "Secret", "iot-bootstrap-api-key", json!({"stringData": {"password": "theirs"}})),
        ("", "Service", "iot-headless", json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}})),
        ("", "Service", "iot-dashboard", json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}})),
        ("", "Service", "iot-listeners", json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}})),
        (
            "apps",
            "StatefulSet",
            "iot-core",
            json!({"spec": {"serviceName": "web", "replicas": 0, "selector": selector, "template": pod}}),
        ),
        ("policy", "PodDisruptionBudget", "iot-core", json!({"spec": {"maxUnavailable": 1, "selector": selector}})),
    ]
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_and_the_object_is_left_alone() {
    let client = crate::environment().await;
    let mut namespaces = Vec::new();
    for (group, kind, name, body) in taken() {
        let namespace = namespace(&client, "taken").await.unwrap();
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let mut object =
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"team": "web"}}});
        object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let api = dynamic(&client, &namespace, group, kind);
        let before = content(api.create(&PostParams::default(), &object).await.unwrap());
        apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
        namespaces.push((namespace, api, kind, name, before));
    }
    for (namespace, api, kind, name, before) in namespaces {
        let taken = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| c.reason == "NameTaken";
        let told = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, taken).await;
        assert!(told.message.contains(&format!("{kind}/{name}")), "{}", told.message);
        emqx::delete(&client, &namespace, "iot").await;
        let after = content(api.get(name).await.unwrap());
        assert_eq!(after, before, "{kind} {name} is as the user made it");
        wait::until("what belongs to the deleted resource to be collected", LIMIT, || async {
            let ours = ListParams::default().labels("apps.emqx.io/managed-by=emqx-operator");
            let secrets = Api::<Secret>::namespaced(client.clone(), &namespace).list(&ours).await;
            let services = Api::<Service>::namespaced(client.clone(), &namespace).list(&ours).await;
            let left = secrets.map_err(|error| error.to_string())?.items.len()
                + services.map_err(|error| error.to_string())?.items.len();
            if left == 0 { Ok(()) } else { Err(format!("{left} objects are there")) }
        })
        .await;
        assert!(
            api.get(name).await.unwrap().metadata.deletion_timestamp.is_none(),
            "{kind} {name} outlives the resource"
        );
    }
}

/// It says so itself: the operator takes it over.
#[tokio::test]
async fn an_object_that_the_user_hands_over_is_taken_over() {
    let (client, namespace) = empty("handed-over").await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "iot-dashboard", "annotations": {"apps.emqx.io/adopt": "iot"}},
        "spec": {"ports": [{"name": "dashboard", "port": 18083}], "selector": {"app": "old"}},
    });
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let before = services.get("iot-dashboard").await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let after = services.get("iot-dashboard").await.unwrap();
    assert_eq!(before.uid(), after.uid());
    assert_eq!(after.owner_references().len(), 1, "{:?}", after.metadata);
    assert_eq!(after.spec.unwrap().selector.unwrap()["apps.emqx.io/db-role"], "core");
}

/// As GitOps and backups do. They may be older than the operator, and newer than it.
#[tokio::test]
async fn identities_that_were_made_beforehand_are_the_clusters() {
    let (client, namespace) = empty("restored").await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let key = "emqx-operator-controller:from-a-backup-of-long-ago";
    for (name, entry, text) in [
        ("iot-node-cookie", "node_cookie", "cookie-from-a-backup"),
        ("iot-bootstrap-api-key", "bootstrap_api_key", key),
    ] {
        let secret = json!({"metadata": {"name": name}, "stringData": {entry: text}});
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }
    // Something newer than these Secrets has been told by every watch.
    let (_, other) = cluster("restored-other", 1).await;
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let cookie = secrets.get("iot-node-cookie").await.unwrap();
    assert_eq!(cookie.data.as_ref().unwrap()["node_cookie"].0, b"cookie-from-a-backup");
    assert_eq!(cookie.owner_references().len(), 1);
    let keys = secrets.get("iot-bootstrap-api-key").await.unwrap().data.unwrap();
    assert!(keys["bootstrap_api_key"].0.starts_with(key.as_bytes()));
    let conflicts = audit::writes(&namespace).iter().filter(|write| write.code == 409).count();
    assert!(conflicts < 10, "{conflicts} conflicts");
    emqx::delete(&client, &other, "iot").await;
}

/// A node that restarts must find the others, and EMQX must let the operator in.
#[tokio::test]
async fn identities_that_are_deleted_come_back_as_they_were() {
    let (client, namespace) = cluster("identity", 2).await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    for name in ["iot-node-cookie", "iot-bootstrap-api-key"] {
        let before = secrets.get(name).await.unwrap();
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
        let after = wait::until(&format!("{name} to come back"), LIMIT, || async {
            let now = secrets.get(name).await.map_err(|error| error.to_string())?;
            if now.uid() == before.uid() { Err("it is the old one".to_owned()) } else { Ok(now) }
        })
        .await;
        assert_eq!(before.data, after.data, "{name}");
    }
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
}

/// Somebody takes the label away by which the operator finds it. No pod goes for that, whatever the spec says meanwhile.
#[tokio::test]
async fn a_set_that_loses_its_label_keeps_its_pods() {
    let (client, namespace) = cluster("unlabeled", 3).await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let uids = async || {
        let all = pods.list(&ListParams::default()).await.unwrap().items;
        all.iter().filter_map(kube::ResourceExt::uid).collect::<BTreeSet<_>>()
    };
    let before = uids().await;
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let unlabel = json!({"metadata": {"labels": {"apps.emqx.io/managed-by": null, "apps.emqx.io/instance": null}}});
    sets.patch("iot-core", &PatchParams::default(), &Patch::Merge(&unlabel)).await.unwrap();
    wait::until("the label to come back", LIMIT, || async {
        let set = sets.get("iot-core").await.map_err(|error| error.to_string())?;
        let labeled = set.labels().contains_key("apps.emqx.io/managed-by");
        if labeled { Ok(()) } else { Err("it is not there".to_owned()) }
    })
    .await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    assert_eq!(before, uids().await);
    assert_eq!(sets.get("iot-core").await.unwrap().spec.unwrap().replicas, Some(3));
}

async fn evicts(client: &Client, namespace: &str, pod: &str) -> Result<(), String> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let dry =
        EvictParams { post_options: PostParams { dry_run: true, ..PostParams::default() }, ..EvictParams::default() };
    pods.evict(pod, &dry).await.map(drop).map_err(|error| error.to_string())
}

/// A user's own budgets, as the Go operator's documentation tells them to make. Two budgets that select one pod make every
/// eviction fail.
#[tokio::test]
async fn a_budget_of_the_user_replaces_the_operators() {
    let client = crate::environment().await;
    let labels = json!({"apps.emqx.io/instance": "iot", "apps.emqx.io/managed-by": "emqx-operator",
        "apps.emqx.io/db-role": "core"});
    let cases = [("iot-core", "minAvailable"), ("iot-mine", "minAvailable"), ("iot-core", "maxUnavailable")];
    for (name, field) in cases {
        let namespace = namespace(&client, "budget").await.unwrap();
        let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), &namespace);
        let budget = json!({"metadata": {"name": name}, "spec": {field: 1, "selector": {"matchLabels": labels}}});
        let before = budgets.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.unwrap();
        apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
        emqx::ready(&client, &namespace, "iot", LIMIT).await;
        assert_eq!(budgets.list(&ListParams::default()).await.unwrap().items.len(), 1, "{name} {field}");
        wait::until("an eviction to be allowed", LIMIT, || evicts(&client, &namespace, "iot-core-1")).await;
        emqx::delete(&client, &namespace, "iot").await;
        let after = budgets.get(name).await.unwrap();
        assert_eq!((before.spec, before.metadata.uid), (after.spec, after.metadata.uid), "{name} {field}");
        assert!(after.metadata.owner_references.is_none(), "{name} {field}");
    }
}

#[tokio::test]
async fn a_budget_of_the_user_may_come_and_go() {
    let (client, namespace) = cluster("budgets", 2).await;
    let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), &namespace);
    let mine = json!({"metadata": {"name": "mine"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"apps.emqx.io/instance": "iot"}}}});
    budgets.create(&PostParams::default(), &serde_json::from_value(mine).unwrap()).await.unwrap();
    wait::until("the operator's budget to go", LIMIT, || async {
        let gone = budgets.get_opt("iot-core").await.map_err(|error| error.to_string())?.is_none();
        if gone { Ok(()) } else { Err("it is there".to_owned()) }
    })
    .await;
    wait::until("an eviction to be allowed", LIMIT, || evicts(&client, &namespace, "iot-core-1")).await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let events = Api::<Event>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap();
    let told = |event: &Event| {
        event.reason.as_deref() == Some("BudgetOfUser")
            && event.message.as_deref().is_some_and(|text| text.contains("mine"))
    };
    assert!(events.items.iter().any(told), "{events:#?}");
    budgets.delete("mine", &DeleteParams::default()).await.unwrap();
    wait::until("the operator's budget to come back", LIMIT, || async {
        budgets.get("iot-core").await.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

/// An object that was created, and not applied yet, drops what the spec drops.
#[tokio::test]
async fn what_the_spec_drops_vanishes_and_what_others_set_stays() {
    let (client, namespace) = empty("dropped").await;
    let mut with = emqx::cores(1);
    with["dashboardServiceTemplate"] = json!({
        "metadata": {"annotations": {"example.com/by-spec": "yes"}, "labels": {"by-spec": "yes"}},
        "spec": {"type": "ClusterIP", "sessionAffinity": "ClientIP"},
    });
    apply(&client, Some(&namespace), &emqx::resource("iot", with)).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    let theirs = json!({"metadata": {"annotations": {"example.com/by-a-controller": "yes"}}});
    services.patch("iot-dashboard", &PatchParams::default(), &Patch::Merge(&theirs)).await.unwrap();
    let before = services.get("iot-dashboard").await.unwrap();
    assert_eq!(before.annotations()["example.com/by-spec"], "yes");
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    let after = wait::until("the fields to vanish", LIMIT, || async {
        let now = services.get("iot-dashboard").await.map_err(|error| error.to_string())?;
        let there = now.annotations().contains_key("example.com/by-spec") || now.labels().contains_key("by-spec");
        if there { Err(format!("{:?}", now.metadata)) } else { Ok(now) }
    })
    .await;
    assert_eq!(after.annotations()["example.com/by-a-controller"], "yes");
    let (before, after) = (before.spec.unwrap(), after.spec.unwrap());
    assert_eq!(after.session_affinity.as_deref(), Some("None"));
    assert_eq!((before.cluster_ip, before.ports.map(|p| p.len())), (after.cluster_ip, after.ports.map(|p| p.len())));
}
