//! Two replicas as pods: the leader's pod is deleted, or evicted as a drain does it, and another one works at once.

use crate::programs::{chart, helm, kubectl};
use crate::{READY, SYSTEM, alone, installed};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::emqx;
use emqx_operator_tests::wait::until;
use k8s_openapi::api::core::v1::Pod;
use kube::api::EvictParams;
use kube::{Api, Client};
use serde_json::json;
use std::time::{Duration, Instant};

/// A lease that was given back is free, and others look every two seconds; one that was not ends after 13 s at least.
const SOON: Duration = Duration::from_secs(12);

/// The pod that leads; what follows its name in the lease is of one process alone.
fn holder() -> String {
    let lease = ["get", "lease", "19fd6fcc.emqx.io", "--output", "jsonpath={.spec.holderIdentity}"];
    let holder = kubectl(&[&["--namespace", SYSTEM], &lease[..]].concat());
    holder.split('/').next().unwrap_or_default().to_owned()
}

fn running() -> Vec<String> {
    let pods = ["get", "pods", "--field-selector", "status.phase=Running", "--output", "name"];
    let names = kubectl(&[&["--namespace", SYSTEM], &pods[..]].concat());
    names.lines().map(|name| name.trim_start_matches("pod/").to_owned()).collect()
}

/// Another one leads soon, and does what is asked for next.
async fn followed(client: &Client, how: &str, replicas: i32, go: impl AsyncFnOnce(&str)) {
    installed::becomes_ready();
    let first = until("a leader that runs", SOON * 3, || async {
        let holder = holder();
        if running().contains(&holder) { Ok(holder) } else { Err(holder) }
    })
    .await;
    let gone = Instant::now();
    go(&first).await;
    let next = until("another leader", SOON, || async {
        let holder = holder();
        if holder.is_empty() || holder == first { Err(holder) } else { Ok(holder) }
    })
    .await;
    println!("{how}: {next} led after {:.1} s", gone.elapsed().as_secs_f64());
    let mut resource = emqx::resource("emqx", json!({"image": "emqx/emqx:5.10.4"}));
    resource["metadata"]["annotations"] = json!({"apps.emqx.io/restart-requested-at": replicas.to_string()});
    apply(client, Some("default"), &resource).await.unwrap();
    emqx::settled(client, "default", "emqx", READY).await;
}

#[tokio::test]
async fn another_pod_takes_over() {
    let (client, _alone) = alone().await;
    installed::clear(&client).await;
    let arguments =
        ["--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "120s", "--set", "replicaCount=2"];
    helm(&[&["install", "emqx-operator", &chart()], &arguments[..]].concat());
    installed::manages_a_node(&client).await;
    followed(&client, "deleted", 1, async |pod| {
        kubectl(&["--namespace", SYSTEM, "delete", "pod", pod, "--wait=false"]);
    })
    .await;
    followed(&client, "evicted", 2, async |pod| {
        let pods = Api::<Pod>::namespaced(client.clone(), SYSTEM);
        pods.evict(pod, &EvictParams::default()).await.unwrap();
    })
    .await;
    helm(&["uninstall", "emqx-operator", "--namespace", SYSTEM, "--wait"]);
    installed::clear(&client).await;
}
