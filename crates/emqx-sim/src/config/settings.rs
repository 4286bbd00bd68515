//! Typed views of what the node layer needs to boot: name, cluster, licence, API listeners, durable storage.

use super::Config;
use super::listeners::Bind;
use super::value::at;
use serde_json::Value;

/// An HTTP listener of the API; `tls` is set for https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardListener {
    pub bind: Bind,
    pub tls: Option<TlsFiles>,
}

/// Paths as written; `${EMQX_ETC_DIR}` in them is for the node layer to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: String,
    pub key: String,
    pub authority: Option<String>,
}

impl Config {
    /// Any effective value by its dotted path.
    pub fn value(&self, path: &str) -> Option<&Value> {
        at(&self.effective, path)
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str()
    }

    pub fn number(&self, path: &str) -> Option<u64> {
        self.value(path)?.as_u64()
    }

    pub fn flag(&self, path: &str) -> bool {
        self.value(path) == Some(&Value::Bool(true))
    }

    pub fn node_name(&self) -> Option<&str> {
        self.text("node.name")
    }

    pub fn cookie(&self) -> Option<&str> {
        self.text("node.cookie")
    }

    pub fn data_dir(&self) -> &str {
        self.text("node.data_dir").unwrap_or("data")
    }

    pub fn is_replicant(&self) -> bool {
        self.text("node.role") == Some("replicant")
    }

    pub fn cluster_name(&self) -> &str {
        self.text("cluster.name").unwrap_or("emqxcl")
    }

    /// `manual`, `singleton`, `static`, `dns`, `etcd` or `k8s`
    pub fn discovery_strategy(&self) -> &str {
        self.text("cluster.discovery_strategy").unwrap_or("manual")
    }

    pub fn dns_name(&self) -> Option<&str> {
        self.text("cluster.dns.name")
    }

    /// `a`, `aaaa` or `srv`
    pub fn dns_record_type(&self) -> &str {
        self.text("cluster.dns.record_type").unwrap_or("a")
    }

    /// Node names of the static strategy, from a list or a comma separated text.
    pub fn static_seeds(&self) -> Vec<String> {
        match self.value("cluster.static.seeds") {
            Some(Value::Array(seeds)) => seeds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(seeds)) => seeds.split(',').map(|seed| seed.trim().to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    pub fn bootstrap_file(&self) -> Option<&str> {
        self.text("api_key.bootstrap_file").filter(|path| !path.is_empty())
    }

    /// None in the open source edition.
    pub fn license_key(&self) -> Option<&str> {
        self.text("license.key")
    }

    /// User and password that a new cluster starts with.
    pub fn default_user(&self) -> (&str, &str) {
        let user = self.text("dashboard.default_username").unwrap_or("admin");
        (user, self.text("dashboard.default_password").unwrap_or("public"))
    }

    pub fn durable_sessions(&self) -> bool {
        self.flag("durable_sessions.enable")
    }

    pub fn n_sites(&self) -> u64 {
        self.storage("n_sites", 1)
    }

    pub fn n_shards(&self) -> u64 {
        self.storage("n_shards", 16)
    }

    pub fn replication_factor(&self) -> u64 {
        self.storage("replication_factor", 3)
    }

    /// Below `durable_storage` from 6.0 on, below its `messages` before.
    fn storage(&self, field: &str, default: u64) -> u64 {
        let group =
            if self.profile.since(6, 0) && field == "n_sites" { "durable_storage" } else { "durable_storage.messages" };
        let value = self.value(&format!("{group}.{field}"));
        value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(default)
    }

    /// Plain HTTP first; a bind with port 0 means off.
    pub fn dashboard_listeners(&self) -> Vec<DashboardListener> {
        let http = self.dashboard_bind("http").map(|bind| DashboardListener { bind, tls: None });
        let https = self.dashboard_bind("https").map(|bind| DashboardListener { bind, tls: Some(self.tls_files()) });
        http.into_iter().chain(https).collect()
    }

    fn dashboard_bind(&self, kind: &str) -> Option<Bind> {
        let bind = Bind::read(self.value(&format!("dashboard.listeners.{kind}.bind"))?)?;
        (bind.port != 0).then_some(bind)
    }

    fn tls_files(&self) -> TlsFiles {
        let file =
            |field: &str| self.text(&format!("dashboard.listeners.https.ssl_options.{field}")).map(str::to_owned);
        TlsFiles {
            certificate: file("certfile").unwrap_or_default(),
            key: file("keyfile").unwrap_or_default(),
            authority: file("cacertfile"),
        }
    }
}
