//! What the kubelet writes of a pod whose containers run: whether they have started up, and whether they are ready.

use k8s_openapi::api::core::v1::{Container, Pod, Probe};
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
    /// What the probes ask; a container without such a probe has passed it.
    startup: Option<String>,
    readiness: Option<String>,
    since: Option<Timestamp>,
    restarts: i32,
    told: Option<Seen>,
}

impl Readiness {
    pub(super) fn new(client: &Client, pod: &Pod) -> Self {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let path = |probe: fn(&Container) -> Option<&Probe>| {
            let mut asked = containers.clone().filter_map(|container| probe(container)?.http_get.as_ref());
            asked.next().and_then(|asked| asked.path.clone())
        };
        let startup = path(|container| container.startup_probe.as_ref());
        let readiness = path(|container| container.readiness_probe.as_ref());
        Self {
            api: Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default()),
            pod: pod.name_any(),
            uid: pod.uid(),
            containers: containers
                .map(|container| (container.name.clone(), container.image.clone().unwrap_or_default()))
                .collect(),
            startup,
            readiness,
            since: None,
            restarts: 0,
            told: None,
        }
    }

    /// The container runs from now on.
    pub(super) async fn starts(&mut self) {
        self.restarts += i32::from(self.since.is_some());
        self.since = Some(Timestamp::now());
        self.follow(Seen { running: true, ..Seen::default() }).await;
    }

    /// What is to be asked next: nobody asks for readiness before the container has started up.
    pub(super) fn question(&self) -> Option<&str> {
        if self.has_started() { self.readiness.as_deref() } else { self.startup.as_deref() }
    }

    pub(super) async fn answered(&mut self, yes: bool) {
        let seen = if self.has_started() {
            Seen { running: true, started: true, ready: yes }
        } else {
            Seen { running: true, started: yes, ready: false }
        };
        self.follow(seen).await;
    }

    pub(super) async fn ends(&mut self) {
        self.follow(Seen::default()).await;
    }

    fn has_started(&self) -> bool {
        self.told.is_some_and(|told| told.started)
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
                "name": name, "image": image, "imageID": "", "ready": seen.ready, "started": seen.started,
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
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    running: bool,
    started: bool,
    ready: bool,
}
