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
    containers: Vec<String>,
    /// What the probe asks.
    pub(super) path: String,
    ready: bool,
}

impl Readiness {
    pub(super) fn new(client: &Client, pod: &Pod) -> Self {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let probe = containers.clone().find_map(|container| container.readiness_probe.as_ref()?.http_get.as_ref());
        Self {
            api: Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default()),
            pod: pod.name_any(),
            uid: pod.uid(),
            containers: containers.map(|container| container.name.clone()).collect(),
            path: probe.and_then(|probe| probe.path.clone()).unwrap_or_default(),
            ready: false,
        }
    }

    /// Writes it when it has changed. A pod that is gone has none.
    pub(super) async fn follow(&mut self, ready: bool) {
        if self.ready == ready {
            return;
        }
        let (status, now) = (if ready { "True" } else { "False" }, Timestamp::now());
        let condition = |kind: &str| json!({"type": kind, "status": status, "lastTransitionTime": now});
        let statuses = self.containers.iter().map(|name| json!({"name": name, "ready": ready}));
        let patch = json!({
            // Another pod of the same name is not meant.
            "metadata": {"uid": self.uid},
            "status": {
                "conditions": [condition("Ready"), condition("ContainersReady")],
                "containerStatuses": statuses.collect::<Vec<_>>(),
            },
        });
        if self.api.patch_status(&self.pod, &PatchParams::default(), &Patch::Strategic(patch)).await.is_ok() {
            self.ready = ready;
        }
    }
}
