//! What breaks in the middle of a change, or all at once: it is named, nobody is removed on a guess, and the cluster comes
//! to what the spec says when the cause is gone.

use crate::rolling::{LIMIT, cluster, patch, pods, spec};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::{emqx, wait};
use emqx_sim::clients::Counts;
use emqx_sim::faults::Faults;
use k8s_openapi::api::core::v1::{Event, Pod, ResourceQuota};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OLD: &str = "emqx/emqx:5.10.4";
const NEW: &str = "emqx/emqx:5.10.5";

fn is_replicant(pod: &str) -> bool {
    pod.starts_with("iot-replicant-")
}

/// As when their machine is gone.
async fn kill(client: &Client, namespace: &str, names: &[&str]) {
    let (api, now) = (Api::<Pod>::namespaced(client.clone(), namespace), DeleteParams::default().grace_period(0));
    let killed = futures::future::join_all(names.iter().map(|name| api.delete(name, &now))).await;
    assert!(killed.iter().all(Result::is_ok), "{killed:?}");
}

async fn all_have(client: &Client, namespace: &str, count: usize, wanted: &str) {
    let pods = pods(client, namespace).await;
    assert_eq!(pods.len(), count, "{pods:?}");
    assert!(pods.values().all(|(_, image)| image == wanted), "{pods:?}");
}

/// Waits until the highest core has the new image while the last old one is kept.
async fn half_rolled(client: &Client, namespace: &str) {
    wait::until("the first core to be new, and the last one to be old", LIMIT, || async {
        let pods = pods(client, namespace).await;
        let image = |core: &str| pods.get(core).map_or("", |(_, image)| image.as_str());
        match (image("iot-core-0"), image("iot-core-1")) {
            (OLD, NEW) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn all_nodes_that_are_lost_at_once_come_back_without_help() {
    let (client, namespace) = cluster("all-lost", spec(3, 2)).await;
    let before = pods(&client, &namespace).await;
    kill(&client, &namespace, &before.keys().map(String::as_str).collect::<Vec<_>>()).await;
    let old: BTreeSet<String> = before.values().map(|(uid, _)| uid.clone()).collect();
    emqx::renewed(&client, &namespace, "iot", 5, &old, LIMIT).await;
    let after = pods(&client, &namespace).await;
    assert_eq!(after.len(), 5, "{after:?}");
    for core in ["iot-core-0", "iot-core-1", "iot-core-2"] {
        assert_ne!(before[core].0, after[core].0, "{core} is a new pod of the same name");
    }
}

/// In the middle of a rollout the same: the machines that had the pods are gone, half of them new, half of them old.
#[tokio::test]
async fn all_nodes_that_are_lost_in_the_middle_of_a_rollout_come_back_new() {
    let (client, namespace) = cluster("half-lost", slow(2, 1)).await;
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    half_rolled(&client, &namespace).await;
    let names: Vec<_> = pods(&client, &namespace).await.into_keys().collect();
    kill(&client, &namespace, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 3, NEW).await;
}

/// Draining takes so long that something can happen meanwhile.
fn slow(cores: i32, replicants: i32) -> Value {
    let mut spec = spec(cores, replicants);
    spec["updateStrategy"]["evacuationStrategy"] = json!({"waitHealthCheck": 4, "waitTakeover": 2});
    spec
}

/// A replicant lives on a core of its own version; without one it says that it runs and hangs.
#[tokio::test]
async fn a_replicant_that_has_lost_the_last_core_of_its_version_is_replaced() {
    let (client, namespace) = cluster("orphan", slow(2, 1)).await;
    let before = pods(&client, &namespace).await;
    let old = before.keys().find(|name| is_replicant(name)).unwrap();
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    half_rolled(&client, &namespace).await;
    assert!(pods(&client, &namespace).await.contains_key(old), "it is there as long as its core is");
    kill(&client, &namespace, &["iot-core-0"]).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 3, NEW).await;
}

/// EMQX takes half a minute for each list while a link is cut; what it does not say is not taken for "gone".
#[tokio::test]
async fn a_rollout_waits_while_a_core_is_cut_off() {
    let (client, namespace) = cluster("cut-off", spec(3, 0)).await;
    let fleet = crate::prepared().await.1;
    let before = pods(&client, &namespace).await;
    fleet.set_faults(&namespace, "iot-core-0", Faults { cut_off: true, ..Faults::default() });
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    let silent =
        emqx::condition(&client, &namespace, "iot", "EMQXAPIAvailable", LIMIT, |answers| answers.status == "False");
    let silent = silent.await;
    assert!(silent.message.contains("GET /nodes"), "{}", silent.message);
    assert_eq!(pods(&client, &namespace).await, before, "nobody was removed");
    fleet.set_faults(&namespace, "iot-core-0", Faults::default());
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 3, NEW).await;
}

fn second_core(namespace: &str) -> String {
    format!("emqx@iot-core-1.iot-headless.{namespace}.svc.cluster.local")
}

/// EMQX says why, and so does the status; when it is over, the rollout goes on.
#[tokio::test]
async fn what_emqx_goes_on_to_refuse_is_told() {
    let (client, namespace) = cluster("refused", spec(2, 0)).await;
    let fleet = crate::prepared().await.1;
    let busy = Faults { eviction_agent_busy: true, ..Faults::default() };
    fleet.set_faults(&namespace, "iot-core-1", busy);
    let before = pods(&client, &namespace).await;
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    let told = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "RequestRefused").await;
    let node = second_core(&namespace);
    assert!(told.message.contains("eviction_agent_busy") && told.message.contains(&node), "{}", told.message);
    assert_eq!(pods(&client, &namespace).await, before, "nobody was removed");
    fleet.set_faults(&namespace, "iot-core-1", Faults::default());
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 2, NEW).await;
}

/// It cannot be emptied, and is named; when the rebalance is over, the rollout goes on.
#[tokio::test]
async fn a_node_that_gives_clients_away_in_a_rebalance_is_waited_for() {
    let (client, namespace) = cluster("rebalanced", spec(2, 0)).await;
    let fleet = crate::prepared().await.1;
    fleet.set_clients(&namespace, "iot-core-1", Counts { connected: 5000, ..Counts::default() });
    let node = second_core(&namespace);
    let rebalance = format!("/api/v5/load_rebalance/{node}");
    fleet
        .post(&client, &namespace, "iot-core-1", &format!("{rebalance}/start"), json!({"wait_health_check": 600}))
        .await;
    let before = pods(&client, &namespace).await;
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    let named = |text: &str| {
        text.contains("iot-core-1 gives clients away in a rebalance") && text.contains("(not ready since ")
    };
    emqx::condition(&client, &namespace, "iot", "Ready", LIMIT, |c| named(&c.message)).await;
    assert_eq!(pods(&client, &namespace).await, before, "nobody was removed");
    fleet.post(&client, &namespace, "iot-core-1", &format!("{rebalance}/stop"), json!({})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 2, NEW).await;
}

/// It is named, with the time at which its pod stopped being ready, and is left alone until they open it.
#[tokio::test]
async fn a_node_that_somebody_empties_by_hand_is_left_alone() {
    let (client, namespace) = cluster("by-hand", spec(2, 0)).await;
    let fleet = crate::prepared().await.1;
    let before = pods(&client, &namespace).await;
    let node = second_core(&namespace);
    let evacuation = format!("/api/v5/load_rebalance/{node}/evacuation");
    fleet.post(&client, &namespace, "iot-core-1", &format!("{evacuation}/start"), json!({})).await;
    let named =
        |text: &str| text.contains("iot-core-1 is being emptied or is closed") && text.contains("(not ready since ");
    emqx::condition(&client, &namespace, "iot", "Ready", LIMIT, |c| named(&c.message)).await;
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    let waits = |text: &str| text.contains("iot-core-1 is being emptied");
    emqx::condition(&client, &namespace, "iot", "Ready", LIMIT, |c| {
        c.observed_generation == Some(2) && waits(&c.message)
    })
    .await;
    assert_eq!(pods(&client, &namespace).await, before, "nobody was removed");
    fleet.post(&client, &namespace, "iot-core-1", &format!("{evacuation}/stop"), json!({})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 2, NEW).await;
}

#[tokio::test]
async fn a_pod_that_no_machine_takes_holds_a_rollout_and_a_corrected_spec_goes_on() {
    let (client, namespace) = cluster("unplaced", spec(2, 1)).await;
    let before = pods(&client, &namespace).await;
    let bad = json!({"spec": {"image": NEW, "coreTemplate": {"spec": {"nodeSelector": {"disk": "golden"}}}}});
    patch(&client, &namespace, bad).await;
    let held = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "Unschedulable").await;
    assert!(held.message.contains("iot-core-1"), "{}", held.message);
    let during = pods(&client, &namespace).await;
    let others = |pods: &std::collections::BTreeMap<String, (String, String)>| {
        pods.iter().filter(|(name, _)| *name != "iot-core-1").map(|(_, pod)| pod.clone()).collect::<Vec<_>>()
    };
    assert_eq!(others(&before), others(&during), "the others serve as before");
    patch(&client, &namespace, json!({"spec": {"coreTemplate": {"spec": {"nodeSelector": null}}}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 3, NEW).await;
}

/// Replicants come and go as the spec says, of the template that serves, also while cores cannot be replaced.
#[tokio::test]
async fn replicants_are_scaled_while_a_rollout_is_held() {
    let (client, namespace) = cluster("held", spec(2, 2)).await;
    let bad = json!({"spec": {"image": NEW, "coreTemplate": {"spec": {"nodeSelector": {"disk": "golden"}}}}});
    patch(&client, &namespace, bad).await;
    emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "Unschedulable").await;
    for wanted in [4, 1] {
        patch(&client, &namespace, json!({"spec": {"replicantTemplate": {"spec": {"replicas": wanted}}}})).await;
        wait::until(&format!("{wanted} old replicants to serve"), LIMIT, || async {
            let pods = Api::<Pod>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await;
            let pods = pods.map_err(|error| error.to_string())?.items;
            let replicants = pods.iter().filter(|pod| pod.metadata.name.as_deref().is_some_and(is_replicant));
            let serving: Vec<_> = replicants.filter(|pod| emqx::is_ready(pod)).map(emqx::image).collect();
            if serving == vec![OLD; wanted] { Ok(()) } else { Err(format!("{serving:?}")) }
        })
        .await;
    }
    patch(&client, &namespace, json!({"spec": {"coreTemplate": {"spec": {"nodeSelector": null}}}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 3, NEW).await;
}

#[tokio::test]
async fn a_quota_that_leaves_no_room_holds_a_rollout_and_a_larger_one_lets_it_go_on() {
    let (client, namespace) = cluster("quota", spec(2, 0)).await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}},
    });
    apply(&client, Some(&namespace), &quota).await.unwrap();
    patch(&client, &namespace, json!({"spec": {"image": NEW}})).await;
    let refused = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| c.reason == "PodCreationRefused";
    let held = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, refused).await;
    assert!(held.message.contains("exceeded quota: small"), "{}", held.message);
    let quotas = Api::<ResourceQuota>::namespaced(client.clone(), &namespace);
    let larger = Patch::Merge(json!({"spec": {"hard": {"pods": "9"}}}));
    quotas.patch("small", &PatchParams::default(), &larger).await.unwrap();
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 2, NEW).await;
}

/// The first node that is new knows evacuations and the old ones do not: they go as they are.
#[tokio::test]
async fn the_open_source_edition_becomes_the_one_that_can_evacuate() {
    let mut open_source = spec(2, 0);
    open_source["image"] = json!("emqx/emqx:5.8.9");
    let (client, namespace) = cluster("becomes-one", open_source).await;
    let fleet = crate::prepared().await.1;
    fleet.set_clients(&namespace, "iot-core-0", Counts { connected: 17, ..Counts::default() });
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.10.3"}})).await;
    // In the middle, when one is new and one is not, people think again.
    wait::until("the first core to be new", LIMIT, || async {
        let pods = pods(&client, &namespace).await;
        let new = pods.get("iot-core-1").is_some_and(|(_, image)| image == "emqx/emqx:5.10.3");
        if new { Ok(()) } else { Err(format!("{pods:?}")) }
    })
    .await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.10.4"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    all_have(&client, &namespace, 2, "emqx/emqx:5.10.4").await;
    let events = Api::<Event>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap();
    let texts: Vec<_> = events.items.into_iter().filter_map(|event| event.message).collect();
    let said = |text: &String| text.starts_with("restart iot-core-0") && text.contains("disconnects 17 clients");
    assert!(texts.iter().any(said), "{texts:#?}");
}

/// The open source edition up to 5.8 cannot empty a node: the clients of one that goes are cut off, and the event says how
/// many.
#[tokio::test]
async fn an_edition_that_cannot_evacuate_says_whom_a_restart_disconnects() {
    let mut open_source = spec(2, 0);
    open_source["image"] = json!("emqx/emqx:5.8.9");
    open_source["config"]["roots"] = json!({});
    let (client, namespace) = cluster("open-source", open_source).await;
    let fleet = crate::prepared().await.1;
    fleet.set_clients(&namespace, "iot-core-1", Counts { connected: 17, ..Counts::default() });
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.8.10"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    let events = Api::<Event>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap();
    let texts: Vec<_> = events.items.into_iter().filter_map(|event| event.message).collect();
    let said = |core: &str| texts.iter().find(|text| text.starts_with(&format!("restart {core}")));
    assert!(said("iot-core-1").is_some_and(|text| text.contains("disconnects 17 clients")), "{texts:#?}");
    assert!(said("iot-core-0").is_some_and(|text| !text.contains("disconnects")), "{texts:#?}");
    all_have(&client, &namespace, 2, "emqx/emqx:5.8.10").await;
}
