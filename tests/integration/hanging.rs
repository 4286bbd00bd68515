//! A broker API that hangs takes nobody out of service, removes nothing, and delays no other cluster.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::emqx;
use emqx_sim::faults::{Faults, HttpFault};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn unknown_is_not_zero() {
    let (client, fleet) = crate::prepared().await;
    let namespace = namespace(&client, "hanging").await.unwrap();
    let spec = json!({"image": "emqx/emqx:5.10.4"});
    apply(&client, Some(&namespace), &emqx::resource("stuck", spec.clone())).await.unwrap();
    emqx::ready(&client, &namespace, "stuck", LIMIT).await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let of_stuck = ListParams::default().labels("apps.emqx.io/instance=stuck");
    let uids = || async {
        pods.list(&of_stuck).await.unwrap().items.iter().filter_map(ResourceExt::uid).collect::<BTreeSet<_>>()
    };
    let before = uids().await;

    for (fault, reason, words) in [
        (HttpFault::Hang, "RequestFailed", "GET /nodes"),
        (HttpFault::Unauthorized, "LockedOut", "(401)"),
        (HttpFault::ServerError, "RequestFailed", "GET /nodes"),
        (HttpFault::EmptyBody, "RequestFailed", "GET /nodes"),
        (HttpFault::MalformedBody, "RequestFailed", "GET /nodes"),
    ] {
        fleet.set_faults(&namespace, "stuck-core-0", Faults { http: fault, ..Faults::default() });
        // A harmless change makes the operator look.
        let note = format!("{fault:?}");
        let mut touched = emqx::resource("stuck", spec.clone());
        touched["metadata"]["annotations"] = json!({"example.com/fault": note});
        apply(&client, Some(&namespace), &touched).await.unwrap();
        let unknown =
            |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| c.status == "Unknown" && c.reason == reason;
        let unknown = emqx::condition(&client, &namespace, "stuck", "Ready", LIMIT, unknown).await;
        assert!(unknown.message.contains(words), "{note}: {}", unknown.message);
        assert_eq!(before, uids().await, "{note}: a pod was removed");

        fleet.set_faults(&namespace, "stuck-core-0", Faults::default());
        emqx::ready(&client, &namespace, "stuck", LIMIT).await;
    }
}

#[tokio::test]
async fn others_do_not_wait() {
    let (client, fleet) = crate::prepared().await;
    let namespace = namespace(&client, "others").await.unwrap();
    let spec = json!({"image": "emqx/emqx:5.10.4"});
    apply(&client, Some(&namespace), &emqx::resource("stuck", spec.clone())).await.unwrap();
    emqx::ready(&client, &namespace, "stuck", LIMIT).await;
    fleet.set_faults(&namespace, "stuck-core-0", Faults { http: HttpFault::Hang, ..Faults::default() });

    let started = Instant::now();
    for number in 0..5 {
        apply(&client, Some(&namespace), &emqx::resource(&format!("fine-{number}"), spec.clone())).await.unwrap();
    }
    for number in 0..5 {
        emqx::ready(&client, &namespace, &format!("fine-{number}"), LIMIT).await;
    }
    println!("five clusters beside one that hangs were Ready after {:?}", started.elapsed());
    fleet.set_faults(&namespace, "stuck-core-0", Faults::default());
}
