//! Nodes with volumes that outlive them, and their API.

use emqx_sim::http::{self, Call, Reply};
use emqx_sim::local::{Network, Running, Spec};
use emqx_sim::rpc::Phase;
use emqx_sim::timings::Timings;
use emqx_sim::volume::Volume;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longer than cores need to find each other.
pub(crate) const SETTLED: Duration = Duration::from_secs(12);

/// One cluster; its nodes may run or not.
pub(crate) struct World {
    network: Arc<Network>,
    folder: TempDir,
    version: &'static str,
    settings: Vec<(&'static str, &'static str)>,
    running: BTreeMap<String, Running>,
}

impl World {
    /// Names that start with `r` are replicants.
    pub(crate) fn new(version: &'static str, cores: &[&str]) -> Self {
        Self {
            network: Network::new(cores),
            folder: tempfile::tempdir().unwrap(),
            version,
            settings: Vec::new(),
            running: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    pub(crate) async fn started(version: &'static str, cores: &[&str], replicants: &[&str]) -> Self {
        Self::new(version, cores).up(cores, replicants).await
    }

    pub(crate) async fn up(mut self, cores: &[&str], replicants: &[&str]) -> Self {
        for name in cores.iter().chain(replicants) {
            self.start(name);
            self.reaches(name, Phase::Running).await;
        }
        sleep(SETTLED).await;
        self
    }

    /// The process starts; a volume that was there before is there again.
    pub(crate) fn start(&mut self, name: &str) {
        let version = self.version;
        self.start_as(name, version);
    }

    pub(crate) fn start_as(&mut self, name: &str, version: &str) {
        let folder = self.volume(name);
        std::fs::create_dir_all(&folder).unwrap();
        let keys = self.folder.path().join("keys");
        std::fs::write(&keys, "op:secret\n").unwrap();
        let role = if name.starts_with('r') { "replicant" } else { "core" };
        let mut spec = Spec::new(version, name, folder)
            .unwrap()
            .env("EMQX_NODE__ROLE", role)
            .env("EMQX_CLUSTER__DISCOVERY_STRATEGY", "static")
            .env("EMQX_LICENSE__KEY", "evaluation")
            .env("EMQX_API_KEY__BOOTSTRAP_FILE", keys.to_str().unwrap());
        for (name, value) in &self.settings {
            spec = spec.env(name, value);
        }
        spec.timings = Timings { routes_missing: Duration::ZERO, ..Timings::default() };
        let running = self.network.start(spec).unwrap();
        self.running.insert(name.to_owned(), running);
    }

    /// The process is killed; the volume stays.
    pub(crate) fn kill(&mut self, name: &str) {
        self.running.remove(name).unwrap();
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The volume of a node that does not run is deleted.
    pub(crate) fn lose_volume(&self, name: &str) {
        assert!(!self.running.contains_key(name));
        Volume::new(self.volume(name)).lose().unwrap();
    }

    /// Phases last for a second at least, so none is missed.
    pub(crate) async fn reaches(&self, name: &str, phase: Phase) {
        let reached = timeout(Duration::from_secs(600), self.node(name).node.reaches(phase));
        reached.await.unwrap_or_else(|_| panic!("{name} is not {phase:?}"));
    }

    pub(crate) fn node(&self, name: &str) -> &Running {
        &self.running[name]
    }

    pub(crate) fn node_mut(&mut self, name: &str) -> &mut Running {
        self.running.get_mut(name).unwrap()
    }

    pub(crate) async fn call(&self, name: &str, method: &str, path: &str, body: Value) -> Option<Reply> {
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            accept: Some("application/json".to_owned()),
            content_type: (!body.is_null()).then(|| "application/json".to_owned()),
            authorization: Some("Basic b3A6c2VjcmV0".to_owned()),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            ..Call::default()
        };
        http::answer(&self.node(name).node, &call).await
    }

    pub(crate) async fn get(&self, name: &str, path: &str) -> Value {
        let reply = self.call(name, "GET", path, Value::Null).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    /// Nodes by their status, as this node sees them.
    pub(crate) async fn nodes(&self, name: &str) -> BTreeMap<String, String> {
        let rows = self.get(name, "/api/v5/nodes").await;
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(|row| (text(row, "node"), text(row, "node_status"))).collect()
    }

    pub(crate) async fn status(&self, name: &str, path: &str) -> u16 {
        self.call(name, "GET", path, Value::Null).await.unwrap().status
    }
}

/// For comparisons with [`World::nodes`].
pub(crate) fn rows(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}
