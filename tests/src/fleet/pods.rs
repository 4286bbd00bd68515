//! Follows the pods of all EMQX clusters: a pod that runs has a node, a pod that is gone has none, and a pod is ready as
//! long as its node says so.

use super::Fleet;
use super::container;
use super::readiness::Readiness;
use emqx_operator_api::label;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// How often a pod is probed.
const PERIOD: Duration = Duration::from_millis(500);

pub(super) async fn follow(fleet: Fleet) {
    let selector = format!("{}={}", label::MANAGED_BY, label::MANAGED_BY_VALUE);
    let pods = Api::<Pod>::all(fleet.0.client.clone());
    let mut events = std::pin::pin!(watcher(pods, watcher::Config::default().labels(&selector)).default_backoff());
    // Nobody tells of a pod that is deleted before a list that follows a broken watch: it is missing there.
    let mut listed = HashSet::<String>::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod)) => seen(&fleet, pod),
            Ok(Event::Delete(pod)) => fleet.lose(&pod.uid().unwrap_or_default()),
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                listed.extend(pod.uid());
                seen(&fleet, pod);
            }
            Ok(Event::InitDone) => fleet.keep(&listed),
            Err(_) => {}
        }
    }
}

fn seen(fleet: &Fleet, pod: Pod) {
    let (name, uid) = (name(&pod), pod.uid().unwrap_or_default());
    if pod.metadata.deletion_timestamp.is_some() {
        return fleet.lose(&uid);
    }
    let status = pod.status.as_ref();
    let runs = status.is_some_and(|status| status.phase.as_deref() == Some("Running"));
    let address: Option<IpAddr> = status.and_then(|status| status.pod_ip.as_ref()?.parse().ok());
    let Some(address) = address.filter(|_| runs && fleet.is_new(&uid)) else { return };
    let fleet = fleet.clone();
    let mut readiness = Readiness::new(&fleet.0.client, &pod);
    tokio::spawn(async move {
        // As the kubelet: what a container needs is asked for again until it is there, and one that ends starts again.
        while fleet.seen().contains(&uid) {
            let booted = match container::of(&fleet.0.client, &pod, address).await {
                Ok(container) => fleet.boot(&name, &uid, address, container),
                Err(error) => Err(error),
            };
            if let Err(error) = booted {
                eprintln!("fleet: pod {name} has no node yet: {error:#}");
            }
            if fleet.runs(&uid) {
                readiness.starts().await;
                while fleet.runs(&uid) {
                    let yes = match readiness.question() {
                        Some(path) => fleet.passes_probe(&uid, path).await,
                        None => true,
                    };
                    readiness.answered(yes).await;
                    tokio::time::sleep(PERIOD).await;
                }
                readiness.ends().await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any())
}
