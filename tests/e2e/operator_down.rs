//! With the operator down, pods that are lost come back by Kubernetes alone and serve.

use crate::{READY, environment};
use emqx_operator_tests::cluster::{apply, documents};
use emqx_operator_tests::operator::Operator;
use emqx_operator_tests::{audit, emqx, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use std::time::Duration;

#[tokio::test]
async fn lost_pods_come_back_without_the_operator() {
    let (client, namespace) = environment("down").await;
    let operator = Operator::start(&[&namespace]);
    for document in documents("examples/core-replicant.yaml").unwrap() {
        apply(&client, Some(&namespace), &document).await.unwrap();
    }
    emqx::ready(&client, &namespace, "emqx", READY).await;
    drop(operator);

    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let all = pods.list(&ListParams::default()).await.unwrap().items;
    let of_role = |role: &str| all.iter().find(|pod| pod.labels()["apps.emqx.io/db-role"] == role).unwrap();
    let lost = [of_role("core"), of_role("replicant")].map(|pod| pod.uid().unwrap());
    for pod in &all {
        if lost.contains(&pod.uid().unwrap()) {
            pods.delete(&pod.name_any(), &DeleteParams::default()).await.unwrap();
        }
    }
    wait::until("four ready pods without the lost ones", READY, || async {
        let now = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
        let new = now.iter().filter(|pod| !lost.contains(&pod.uid().unwrap_or_default()));
        let ready = new.filter(|pod| emqx::is_ready(pod)).count();
        if ready == 4 { Ok(()) } else { Err(format!("{ready} of 4 are ready")) }
    })
    .await;

    let before = audit::writes(&namespace).len();
    let _operator = Operator::start(&[&namespace]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let writes = audit::writes(&namespace);
    // A broker that does not answer for a moment is told in the status and by an event.
    let report = |object: &str| object == "emqxes/emqx/status" || object.starts_with("events/");
    let beyond_report: Vec<_> = writes[before..].iter().filter(|write| !report(&write.object)).collect();
    assert!(beyond_report.is_empty(), "an operator that comes back has nothing to write: {beyond_report:#?}");
    emqx::ready(&client, &namespace, "emqx", READY).await;
    emqx::delete(&client, &namespace, "emqx").await;
}
