//! What somebody deletes or changes is put right; what somebody adds is left alone; nothing else is touched.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::reconciles::reconciles;
use emqx_operator_tests::{emqx, wait};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

async fn cluster(prefix: &str, replicants: i32) -> (Client, String) {
    let client = crate::environment().await;
    let namespace = namespace(&client, prefix).await.unwrap();
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": 2}},
        "replicantTemplate": {"spec": {"replicas": replicants}},
    });
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    (client, namespace)
}

async fn uid<K>(api: &Api<K>, name: &str) -> Result<String, String>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let object = api.get(name).await.map_err(|error| error.to_string())?;
    if object.meta().deletion_timestamp.is_some() {
        return Err("it is being deleted".to_owned());
    }
    Ok(object.meta().uid.clone().unwrap_or_default())
}

async fn comes_back<K>(client: &Client, namespace: &str, name: &str)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let before = uid(&api, name).await.unwrap();
    api.delete(name, &DeleteParams::background()).await.unwrap();
    wait::until(&format!("{} {name} to come back", K::kind(&())), LIMIT, || async {
        let after = uid(&api, name).await?;
        if after == before { Err("it is still the old one".to_owned()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn deleted_objects_come_back() {
    let (client, namespace) = cluster("deleted", 2).await;
    for service in ["iot-headless", "iot-dashboard", "iot-listeners"] {
        comes_back::<Service>(&client, &namespace, service).await;
    }
    comes_back::<ConfigMap>(&client, &namespace, "iot-configs").await;
    comes_back::<PodDisruptionBudget>(&client, &namespace, "iot-core").await;
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), &namespace);
    let set = sets.list(&ListParams::default()).await.unwrap().items[0].name_any();
    comes_back::<ReplicaSet>(&client, &namespace, &set).await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
}

#[tokio::test]
async fn a_deleted_core_set_comes_back_with_its_volumes() {
    let (client, namespace) = cluster("cores", 2).await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap().items;
    let cores = pods.iter().filter(|pod| pod.name_any().starts_with("iot-core-"));
    let old: BTreeSet<String> = cores.filter_map(ResourceExt::uid).collect();
    comes_back::<StatefulSet>(&client, &namespace, "iot-core").await;
    emqx::renewed(&client, &namespace, "iot", 4, &old, LIMIT).await;
}

#[tokio::test]
async fn changed_fields_are_put_right_and_foreign_ones_stay() {
    let (client, namespace) = cluster("changed", 2).await;
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    let somebody = PatchParams::default();
    let patch = json!({
        "metadata": {"labels": {"team": "iot"}, "annotations": {"example.com/note": "ours"}},
        "spec": {"selector": {"apps.emqx.io/db-role": "nobody"}},
    });
    services.patch("iot-listeners", &somebody, &Patch::Merge(&patch)).await.unwrap();
    wait::until("the selector to be put right", LIMIT, || async {
        let service = services.get("iot-listeners").await.map_err(|error| error.to_string())?;
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        match selector.get("apps.emqx.io/db-role").map(String::as_str) {
            Some("replicant") => Ok(()),
            other => Err(format!("it is {other:?}")),
        }
    })
    .await;
    let service = services.get("iot-listeners").await.unwrap();
    assert_eq!(service.labels().get("team").map(String::as_str), Some("iot"));
    assert_eq!(service.annotations().get("example.com/note").map(String::as_str), Some("ours"));

    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let patch = json!({"data": {"base.hocon": "broken", "theirs": "kept"}});
    maps.patch("iot-configs", &somebody, &Patch::Merge(&patch)).await.unwrap();
    wait::until("the file to be put right", LIMIT, || async {
        let data = maps.get("iot-configs").await.map_err(|error| error.to_string())?.data.unwrap_or_default();
        if data["base.hocon"] == "broken" { Err("it is still broken".to_owned()) } else { Ok(data) }
    })
    .await;
}

/// `kubectl rollout restart`, controllers that reload, and people with an editor: no pod restarts by it, and the resource says
/// what to do instead.
#[tokio::test]
async fn an_edit_of_a_pod_template_is_taken_back_and_told() {
    let (client, namespace) = cluster("edited", 1).await;
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let replicas = Api::<ReplicaSet>::namespaced(client.clone(), &namespace);
    let replicants = replicas.list(&ListParams::default()).await.unwrap().items[0].name_any();
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let uids = async || {
        let all = pods.list(&ListParams::default()).await.unwrap().items;
        all.iter().filter_map(ResourceExt::uid).collect::<BTreeSet<_>>()
    };
    let before = uids().await;
    let by = |manager: &str| PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}}});
    let reload = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "emqx", "env": [{"name": "STAKATER_TLS_SECRET", "value": "a"}]}]}}}});
    sets.patch("iot-core", &by("kubectl-rollout"), &Patch::Merge(&restart)).await.unwrap();
    let untouched = |template: serde_json::Value| {
        let text = template.to_string();
        if text.contains("restartedAt") || text.contains("STAKATER") { Err(text) } else { Ok(()) }
    };
    let template = async |of_cores: bool| {
        let found = if of_cores {
            serde_json::to_value(sets.get("iot-core").await.map_err(|error| error.to_string())?.spec)
        } else {
            serde_json::to_value(replicas.get(&replicants).await.map_err(|error| error.to_string())?.spec)
        };
        Ok::<_, String>(found.unwrap()["template"].clone())
    };
    wait::until("the template of the cores to be taken back", LIMIT, || async { untouched(template(true).await?) })
        .await;
    replicas.patch(&replicants, &by("Reloader"), &Patch::Strategic(&reload)).await.unwrap();
    wait::until("the template of the replicants to be taken back", LIMIT, || async {
        untouched(template(false).await?)
    })
    .await;
    let events = Api::<k8s_openapi::api::core::v1::Event>::namespaced(client.clone(), &namespace);
    wait::until("events about both edits", LIMIT, || async {
        let all = events.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
        let texts: Vec<_> = all.into_iter().filter_map(|event| event.message).collect();
        let told = |by: &str| texts.iter().any(|text| text.contains(by) && text.contains("restart-requested-at"));
        if told("kubectl-rollout") && told("Reloader") { Ok(()) } else { Err(format!("{texts:#?}")) }
    })
    .await;
    assert_eq!(before, uids().await, "no pod was made again");
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
}

#[tokio::test]
async fn healing_one_object_touches_no_other() {
    let (client, namespace) = cluster("calm", 2).await;
    let before = versions(&client, &namespace).await;
    reconciles(&client, &namespace, 3).await;
    let mut after = versions(&client, &namespace).await;
    let mut expected = before;
    expected.remove("Service/iot-dashboard");
    after.remove("Service/iot-dashboard");
    assert_eq!(expected, after);
}

/// Resource versions of what only the operator writes.
async fn versions(client: &Client, namespace: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect::<Service>(client, namespace, &mut found).await;
    collect::<ConfigMap>(client, namespace, &mut found).await;
    collect::<Secret>(client, namespace, &mut found).await;
    found
}

async fn collect<K>(client: &Client, namespace: &str, found: &mut BTreeMap<String, String>)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let list = Api::<K>::namespaced(client.clone(), namespace).list(&ListParams::default()).await.unwrap();
    for object in list {
        let name = format!("{}/{}", K::kind(&()), object.name_any());
        found.insert(name, object.resource_version().unwrap_or_default());
    }
}

/// It is made once and changed after that, as everything that the operator makes.
#[tokio::test]
async fn a_budget_follows_the_spec() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "budget").await.unwrap();
    let mut spec = emqx::cores(2);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec.clone())).await.unwrap();
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    spec["coreTemplate"]["spec"]["podDisruptionBudget"] = json!({"minAvailable": 1});
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), &namespace);
    wait::until("the budget of the spec", Duration::from_secs(30), || async {
        let found = budgets.get("iot-core").await.map_err(|error| error.to_string())?.spec.unwrap_or_default();
        if found.min_available == Some(IntOrString::Int(1)) && found.max_unavailable.is_none() {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}
