//! Waiting until the operator has looked at a cluster: what must not happen has had its chance then, on a slow machine, too.

use crate::wait::until;
use k8s_openapi::api::core::v1::Service;
use kube::api::DeleteParams;
use kube::{Api, Client, ResourceExt as _};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// Waits until so many passes over the cluster `iot` have begun and ended. A pass that finds a Service missing makes it: only one
/// that began after the Service was deleted can have done that.
pub async fn reconciles(client: &Client, namespace: &str, count: usize) {
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    for _ in 0..count {
        let old = services.get("iot-dashboard").await.expect("the Service is there").uid();
        services.delete("iot-dashboard", &DeleteParams::default()).await.expect("the Service can be deleted");
        until("a pass of the operator", LIMIT, || async {
            let service = services.get_opt("iot-dashboard").await.map_err(|error| error.to_string())?;
            let new = service.and_then(|service| service.uid()).filter(|uid| Some(uid) != old.as_ref());
            new.map(drop).ok_or_else(|| "iot-dashboard was not made again".to_owned())
        })
        .await;
    }
}
