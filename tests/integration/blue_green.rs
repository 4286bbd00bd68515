//! New nodes grow beside the old ones and take over when they are complete; then nothing of the old ones is left.

use crate::rolling::{LIMIT, cluster, patch, pods, spec};
use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::{emqx, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

fn blue_green(cores: i32, replicants: i32) -> Value {
    let mut spec = spec(cores, replicants);
    // Sites are forgotten through the API.
    spec["image"] = json!("emqx/emqx:6.0.0");
    spec["updateStrategy"]["type"] = json!("BlueGreen");
    spec
}

async fn sets(client: &Client, namespace: &str) -> Vec<String> {
    let list = Api::<StatefulSet>::namespaced(client.clone(), namespace).list(&ListParams::default()).await.unwrap();
    list.items.iter().map(ResourceExt::name_any).collect()
}

async fn claims(client: &Client, namespace: &str) -> Vec<String> {
    let api = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    api.list(&ListParams::default()).await.unwrap().items.iter().map(ResourceExt::name_any).collect()
}

/// Waits until there is one core set, and tells its name.
async fn one_set(client: &Client, namespace: &str) -> String {
    wait::until("one core set to be left", LIMIT, || async {
        let sets = sets(client, namespace).await;
        if let [one] = sets.as_slice() { Ok(one.clone()) } else { Err(format!("{sets:?}")) }
    })
    .await
}

async fn selector(client: &Client, namespace: &str) -> Value {
    let service = Api::<Service>::namespaced(client.clone(), namespace).get("iot-listeners").await.unwrap();
    json!(service.spec.unwrap().selector)
}

#[tokio::test]
async fn a_second_set_takes_over_and_nothing_is_left_of_the_first() {
    let (client, namespace) = cluster("blue-green", blue_green(2, 2)).await;
    let before = pods(&client, &namespace).await;
    let leads_to = selector(&client, &namespace).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.1"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let set = one_set(&client, &namespace).await;
    assert!(set.starts_with("iot-core-"), "{set} has the revision in its name");
    let after = pods(&client, &namespace).await;
    assert_eq!(after.len(), 4, "{after:?}");
    assert!(after.values().all(|(_, image)| image == "emqx/emqx:6.0.1"), "{after:?}");
    assert!(before.keys().all(|pod| !after.contains_key(pod)), "every pod is another one: {after:?}");
    let expected = [format!("iot-core-data-{set}-0"), format!("iot-core-data-{set}-1")];
    assert_eq!(claims(&client, &namespace).await, expected, "the old volumes are gone");
    assert_eq!(selector(&client, &namespace).await, leads_to, "at rest the Service leads to all");
    let status = Api::<EMQX>::namespaced(client.clone(), &namespace).get("iot").await.unwrap().status.unwrap();
    assert_eq!((status.core_replicas, status.replicant_replicas), (2, 2));
    assert!(status.node_evacuations.is_empty(), "every node is open: {:?}", status.node_evacuations);

    // From now on that is the set of this cluster, also when the strategy is another one.
    let change = json!({"spec": {"image": "emqx/emqx:6.0.0", "updateStrategy": {"type": "RollingUpdate"}}});
    patch(&client, &namespace, change).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    assert_eq!(one_set(&client, &namespace).await, set);
    let rolled = pods(&client, &namespace).await;
    for core in [format!("{set}-0"), format!("{set}-1")] {
        assert_ne!(rolled[&core].0, after[&core].0, "{core} is a new pod of the same name");
    }
}

#[tokio::test]
async fn a_change_that_is_taken_back_leaves_the_old_nodes_as_they_are() {
    let (client, namespace) = cluster("taken-back", blue_green(2, 1)).await;
    let before = pods(&client, &namespace).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.1"}})).await;
    wait::until("a second core set", LIMIT, || async {
        let sets = sets(&client, &namespace).await;
        if sets.len() == 2 { Ok(()) } else { Err(format!("{sets:?}")) }
    })
    .await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.0"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    assert_eq!(one_set(&client, &namespace).await, "iot-core");
    assert_eq!(pods(&client, &namespace).await, before, "nobody was restarted");
    assert_eq!(claims(&client, &namespace).await, ["iot-core-data-iot-core-0", "iot-core-data-iot-core-1"]);
}

/// Whoever deletes the set that a cluster lives in by now does not lose the data on its volumes.
#[tokio::test]
async fn a_set_with_a_revision_in_its_name_comes_back_with_its_volumes() {
    let (client, namespace) = cluster("set-back", blue_green(2, 0)).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.1"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let set = one_set(&client, &namespace).await;
    let volumes = claims(&client, &namespace).await;
    let api = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let uid = api.get(&set).await.unwrap().uid();
    api.delete(&set, &kube::api::DeleteParams::background()).await.unwrap();
    wait::until("the set to come back", LIMIT, || async {
        let again = api.get(&set).await.map_err(|error| error.to_string())?.uid();
        if again == uid { Err("it is the old one".to_owned()) } else { Ok(()) }
    })
    .await;
    emqx::ready(&client, &namespace, "iot", LIMIT).await;
    assert_eq!(sets(&client, &namespace).await, [set]);
    assert_eq!(claims(&client, &namespace).await, volumes);
}
