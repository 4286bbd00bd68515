//! What the kubelet writes of the readiness of a pod.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

pub(super) struct Readiness {
    api: Api<Pod>,
    pod: String,
    uid: Option<String>,
    /// Names and images.
    containers: Vec<(String, String)>,
    /// What the probe asks.
    pub(super) path: String,
    since: Option<Timestamp>,
    restarts: i32,
    told: Option<Seen>,
}

impl Readiness {
    pub(super) fn new(client: &Client, pod: &Pod) -> Self {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let probe = containers.clone().find_map(|container| container.readiness_probe.as_ref()?.http_get.as_ref());
        Self {
            api: Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default()),
            pod: pod.name_any(),
            uid: pod.uid(),
            containers: containers
                .map(|container| (container.name.clone(), container.image.clone().unwrap_or_default()))
                .collect(),
            path: probe.and_then(|probe| probe.path.clone()).unwrap_or_default(),
            since: None,
            restarts: 0,
            told: None,
        }
    }

    /// The container runs from now on.
    pub(super) async fn starts(&mut self) {
        self.restarts += i32::from(self.since.is_some());
        self.since = Some(Timestamp::now());
        self.follow(Seen { running: true, ready: false }).await;
    }

    pub(super) async fn probed(&mut self, ready: bool) {
        self.follow(Seen { running: true, ready }).await;
    }

    pub(super) async fn ends(&mut self) {
        self.follow(Seen { running: false, ready: false }).await;
    }

    /// Writes it when it has changed. A pod that is gone has none.
    async fn follow(&mut self, seen: Seen) {
        if self.told == Some(seen) {
            return;
        }
        let (status, now) = (if seen.ready { "True" } else { "False" }, Timestamp::now());
        let condition = |kind: &str| json!({"type": kind, "status": status, "lastTransitionTime": now});
        // The time of a condition is that of its last change.
        let changes = self.told.is_some_and(|told| told.ready) != seen.ready;
        let conditions = if changes { vec![condition("Ready"), condition("ContainersReady")] } else { Vec::new() };
        let state = match self.since.filter(|_| seen.running) {
            Some(since) => json!({"running": {"startedAt": since}}),
            None => json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": now}}),
        };
        // Lists of containers are not merged: what is left out here would be gone.
        let statuses = self.containers.iter().map(|(name, image)| {
            json!({
                "name": name, "image": image, "imageID": "", "ready": seen.ready, "started": seen.running,
                "restartCount": self.restarts, "state": state,
            })
        });
        let patch = json!({
            // Another pod of the same name is not meant.
            "metadata": {"uid": self.uid},
            "status": {"conditions": conditions, "containerStatuses": statuses.collect::<Vec<_>>()},
        });
        if self.api.patch_status(&self.pod, &PatchParams::default(), &Patch::Strategic(patch)).await.is_ok() {
            self.told = Some(seen);
        }
    }
}

/// What the kubelet would say of the containers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    running: bool,
    ready: bool,
}
