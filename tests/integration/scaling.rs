//! More nodes, and the end of a cluster.

use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::{emqx, wait};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);

fn spec(cores: i32, replicants: i32) -> Value {
    json!({
        "image": "emqx/emqx:6.0.0",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": cores}},
        "replicantTemplate": {"spec": {"replicas": replicants}},
        "updateStrategy": {"evacuationStrategy": {"waitHealthCheck": 0, "waitTakeover": 0}},
    })
}

async fn ready_nodes(client: &Client, namespace: &str, expected: &str) {
    let api = Api::<EMQX>::namespaced(client.clone(), namespace);
    wait::until(&format!("{expected} nodes"), LIMIT, || async {
        let status = api.get("iot").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        if ready && status.ready_nodes.as_deref() == Some(expected) {
            Ok(())
        } else {
            Err(format!("{:?}, Ready {ready}", status.ready_nodes))
        }
    })
    .await;
}

#[tokio::test]
async fn nodes_are_added_and_nobody_restarts() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "scaling").await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(2, 1))).await.unwrap();
    ready_nodes(&client, &namespace, "3/3").await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let before = pods.list(&ListParams::default()).await.unwrap();

    // As `kubectl scale emqx` and a HorizontalPodAutoscaler do it.
    let api = Api::<EMQX>::namespaced(client.clone(), &namespace);
    let scale = api.get_scale("iot").await.unwrap();
    assert_eq!(scale.status.unwrap().replicas, 1);
    let patch = json!({"spec": {"replicas": 3}});
    api.patch_scale("iot", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    ready_nodes(&client, &namespace, "5/5").await;

    apply(&client, Some(&namespace), &emqx::resource("iot", spec(3, 3))).await.unwrap();
    ready_nodes(&client, &namespace, "6/6").await;
    let after = pods.list(&ListParams::default()).await.unwrap();
    for pod in before {
        let kept = after.items.iter().any(|other| other.metadata.uid == pod.metadata.uid);
        assert!(kept, "{:?} was replaced", pod.metadata.name);
    }
}

/// The API server refuses to scale what has no number.
#[tokio::test]
async fn a_cluster_without_replicants_can_be_scaled() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "scale-none").await.unwrap();
    let mut cores = spec(2, 0);
    cores.as_object_mut().unwrap().remove("replicantTemplate");
    apply(&client, Some(&namespace), &emqx::resource("iot", cores)).await.unwrap();
    ready_nodes(&client, &namespace, "2/2").await;
    let api = Api::<EMQX>::namespaced(client.clone(), &namespace);
    let scale = api.get_scale("iot").await.unwrap();
    // Zero is left out.
    assert_eq!((scale.spec.unwrap().replicas.unwrap_or(0), scale.status.unwrap().replicas), (0, 0));
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), &namespace);
    assert_eq!(sets.list(&ListParams::default()).await.unwrap().items.len(), 0, "nobody asked for one");
    let one = Patch::Merge(json!({"spec": {"replicas": 1}}));
    api.patch_scale("iot", &PatchParams::default(), &one).await.unwrap();
    ready_nodes(&client, &namespace, "3/3").await;
}

#[tokio::test]
async fn nodes_are_taken_away_and_leave_nothing_behind() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "fewer").await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(3, 2))).await.unwrap();
    ready_nodes(&client, &namespace, "5/5").await;
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(2, 0))).await.unwrap();
    ready_nodes(&client, &namespace, "2/2").await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap();
    assert_eq!(pods.items.len(), 2, "{:?}", pods.items.iter().map(|pod| &pod.metadata.name).collect::<Vec<_>>());
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    assert_eq!(claims.list(&ListParams::default()).await.unwrap().items.len(), 2, "its volume is gone");
    let status = Api::<EMQX>::namespaced(client.clone(), &namespace).get("iot").await.unwrap().status.unwrap();
    assert_eq!(status.core_nodes.len(), 2, "EMQX has forgotten it: {:?}", status.core_nodes);

    // Its number is free again.
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(3, 1))).await.unwrap();
    ready_nodes(&client, &namespace, "4/4").await;
}

#[tokio::test]
async fn a_deleted_cluster_leaves_its_volumes() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "deleted").await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(2, 1))).await.unwrap();
    ready_nodes(&client, &namespace, "3/3").await;
    emqx::delete(&client, &namespace, "iot").await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    wait::until("everything but the volumes to go", LIMIT, || async {
        let pods = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        let services = services.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        if pods + services == 0 { Ok(()) } else { Err(format!("{pods} pods and {services} Services are left")) }
    })
    .await;
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    assert_eq!(claims.list(&ListParams::default()).await.unwrap().items.len(), 2);

    // A resource of the same name finds them again.
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(2, 1))).await.unwrap();
    ready_nodes(&client, &namespace, "3/3").await;
}

/// The real controller: without metrics it keeps to its bounds, and that is enough to see who moves what.
#[tokio::test]
async fn a_horizontal_pod_autoscaler_scales_the_replicants() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "autoscaled").await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(2, 1))).await.unwrap();
    ready_nodes(&client, &namespace, "3/3").await;
    let autoscaler = |least: i32, most: i32| {
        json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "iot"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "name": "iot"},
                "minReplicas": least,
                "maxReplicas": most,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50}}}],
            },
        })
    };
    apply(&client, Some(&namespace), &autoscaler(3, 5)).await.unwrap();
    ready_nodes(&client, &namespace, "5/5").await;
    apply(&client, Some(&namespace), &autoscaler(1, 2)).await.unwrap();
    ready_nodes(&client, &namespace, "4/4").await;
}

/// Cores with volumes of this size.
fn sized(cores: i32, size: &str) -> Value {
    let mut spec = spec(cores, 0);
    spec["coreTemplate"]["spec"]["persistentVolumeClaimSpec"] = json!({
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}},
    });
    emqx::resource("iot", spec)
}

#[tokio::test]
async fn volumes_grow_and_never_shrink() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "volumes").await.unwrap();
    let sized = |size: &str| sized(2, size);
    apply(&client, Some(&namespace), &sized("1Gi")).await.unwrap();
    ready_nodes(&client, &namespace, "2/2").await;
    apply(&client, Some(&namespace), &sized("3Gi")).await.unwrap();
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    wait::until("every claim to ask for 3Gi", LIMIT, || async {
        let claims = claims.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let asked: Vec<_> = claims.items.iter().map(|claim| serde_json::to_value(&claim.spec).unwrap()).collect();
        let all = asked.iter().all(|spec| spec["resources"]["requests"]["storage"] == "3Gi");
        if all && asked.len() == 2 { Ok(()) } else { Err(format!("{asked:?}")) }
    })
    .await;
    // While they grow, and nothing has failed, what they have been promised stays.
    apply(&client, Some(&namespace), &sized("2Gi")).await.unwrap();
    let held = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "VolumeImmutable").await;
    assert!(held.message.contains("asks for 2Gi") && held.message.contains("asks for 3Gi"), "{}", held.message);
}

/// What the storage says when it cannot is told, and a smaller wish is passed on.
#[tokio::test]
async fn a_volume_that_cannot_grow_so_far_is_told_of_and_may_grow_less() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "no-room").await.unwrap();
    let sized = |size: &str| sized(1, size);
    apply(&client, Some(&namespace), &sized("1Gi")).await.unwrap();
    ready_nodes(&client, &namespace, "1/1").await;
    apply(&client, Some(&namespace), &sized("9Ti")).await.unwrap();
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let asks_for = |size: &'static str| {
        let claims = claims.clone();
        async move {
            let claim = claims.get("iot-core-data-iot-core-0").await.map_err(|error| error.to_string())?;
            let asked = serde_json::to_value(&claim.spec).unwrap()["resources"]["requests"]["storage"].clone();
            if asked == size { Ok(()) } else { Err(asked.to_string()) }
        }
    };
    wait::until("the claim to ask for 9Ti", LIMIT, || asks_for("9Ti")).await;
    // No storage is behind the volumes of these tests, so what it would say is written for it.
    let says = json!({"status": {"conditions": [{
        "type": "ControllerResizeError", "status": "True", "message": "the pool has 3Gi left.",
    }]}});
    let (name, params) = ("iot-core-data-iot-core-0", PatchParams::default());
    claims.patch_status(name, &params, &Patch::Strategic(&says)).await.unwrap();
    let held = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "VolumeNotGrown").await;
    let told = "iot-core-data-iot-core-0: could not be made larger than 1Gi: the pool has 3Gi left; see ";
    assert!(held.message.starts_with(told), "{}", held.message);
    apply(&client, Some(&namespace), &sized("1Gi")).await.unwrap();
    let held =
        emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.message.contains("asks for 1Gi")).await;
    assert!(held.message.contains("only for more than 1Gi"), "{}", held.message);
    apply(&client, Some(&namespace), &sized("2Gi")).await.unwrap();
    wait::until("the claim to ask for 2Gi", LIMIT, || asks_for("2Gi")).await;
}
