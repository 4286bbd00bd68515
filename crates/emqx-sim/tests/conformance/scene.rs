//! The situations: single node, two cores with a replicant and its clients, three cores with durable storage.

use crate::recording::Recording;
use emqx_sim::clients::Counts;
use emqx_sim::http::{self, Reply};
use emqx_sim::local::{Network, Running, Spec};
use emqx_sim::rpc::Phase;
use emqx_sim::volume::Volume;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

pub(crate) struct Scene {
    nodes: Vec<Running>,
    _folders: Vec<TempDir>,
}

/// Sites of the recorded durable clusters by the number of their node.
fn sites(version: &str) -> Vec<(String, String)> {
    let known = |name: &str| {
        let found = Recording::of(version, "durable", "ds").into_iter().find(|one| one.name.ends_with(name));
        found.map(|one| one.response["body"].clone()).unwrap()
    };
    let all: Vec<String> =
        known("001-sites").as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let shown = [(all[0].clone(), known("002-site")), (all[1].clone(), known("003-site"))];
    let mut sites: Vec<(String, String)> =
        shown.into_iter().map(|(id, site)| (site["node"].as_str().unwrap().to_owned(), id)).collect();
    let names = ["emqx1@127.0.0.1", "emqx2@127.0.0.1", "emqx3@127.0.0.1"];
    let last = names.into_iter().find(|name| sites.iter().all(|(node, _)| node != name)).unwrap();
    sites.push((last.to_owned(), all[2].clone()));
    sites
}

impl Scene {
    pub(crate) async fn new(version: &str, situation: &str) -> Self {
        let names: &[&str] = match situation {
            "single" => &["emqx@127.0.0.1"],
            _ => &["emqx1@127.0.0.1", "emqx2@127.0.0.1", "emqx3@127.0.0.1"],
        };
        let cores = if situation == "cluster" { 2 } else { names.len() };
        let network = Network::new(&names[..cores]);
        let (mut nodes, mut folders) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            if situation == "durable" {
                let (_, site) = sites(version).into_iter().find(|(node, _)| node == name).unwrap();
                Volume::new(folder.path()).set_site(&site).unwrap();
            }
            let role = if index < cores { "core" } else { "replicant" };
            let spec = spec(version, situation, name, role, folder.path());
            let running = network.start(spec).unwrap();
            running.node.reaches(Phase::Running).await;
            nodes.push(running);
            folders.push(folder);
            sleep(Duration::from_secs(8)).await;
        }
        Self { nodes, _folders: folders }
    }

    pub(crate) async fn play(&mut self, recording: &Recording) -> Reply {
        self.prepare(recording).await;
        http::answer(&self.first(), &recording.call()).await.unwrap()
    }

    fn first(&self) -> Arc<emqx_sim::node::Node> {
        self.nodes[0].node.clone()
    }

    /// What happened between the recorded calls: clients came, a node was stopped, a state was waited for.
    async fn prepare(&mut self, recording: &Recording) {
        if recording.name == "evacuate-001-start" && self.nodes.len() == 3 {
            self.nodes[2].clients.set(Counts { connected: 19, ..Counts::default() });
        }
        if recording.name.starts_with("stopped-001") {
            let stopped = self.nodes.remove(1);
            stopped.node.stop().await;
        }
        if recording.name.ends_with("-storage-moved") {
            sleep(Duration::from_secs(30)).await;
        }
        if recording.name.starts_with("evacuate-") && recording.name.contains("-global-") {
            self.wait_for_state(&recording.response["body"]["evacuations"][0]["state"]).await;
        }
    }

    async fn wait_for_state(&self, state: &Value) {
        let mut call = emqx_sim::http::Call { method: "GET".to_owned(), ..Default::default() };
        call.path = "/api/v5/load_rebalance/global_status".to_owned();
        call.authorization = Some("Basic b3A6c2VjcmV0".to_owned());
        for _ in 0..600 {
            let reply = http::answer(&self.first(), &call).await.unwrap();
            let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            if body["evacuations"][0]["state"] == *state {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn spec(version: &str, situation: &str, name: &str, role: &str, folder: &std::path::Path) -> Spec {
    let keys = folder.join("keys");
    std::fs::write(&keys, "op:secret\nview:secret:viewer\n").unwrap();
    let spec = Spec::new(version, name, folder)
        .unwrap()
        .env("EMQX_NODE__ROLE", role)
        .env("EMQX_API_KEY__BOOTSTRAP_FILE", keys.to_str().unwrap());
    // The recorded brokers listened on one port only; the open source one had its API elsewhere.
    let spec =
        ["SSL", "WS", "WSS"].iter().fold(spec.env("EMQX_LISTENERS__TCP__DEFAULT__BIND", "1881"), |spec, kind| {
            spec.env(&format!("EMQX_LISTENERS__{kind}__DEFAULT__ENABLE"), "false")
        });
    let api = if version == "5.8.9-ce" { "18093" } else { "18083" };
    let spec = spec.env("EMQX_DASHBOARD__LISTENERS__HTTP__BIND", api);
    let spec = match situation {
        "single" => return spec,
        _ => spec.env("EMQX_CLUSTER__DISCOVERY_STRATEGY", "static"),
    };
    let spec = if version == "5.10.4" { spec.env("EMQX_LICENSE__KEY", "evaluation") } else { spec };
    match situation {
        "durable" => spec
            .env("EMQX_DURABLE_SESSIONS__ENABLE", "true")
            .env("EMQX_DURABLE_STORAGE__MESSAGES__N_SITES", "3")
            .env("EMQX_DURABLE_STORAGE__MESSAGES__N_SHARDS", "4"),
        _ => spec,
    }
}
