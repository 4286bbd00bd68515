//! A real Prometheus, which scrapes the operator as the Prometheus operator would tell it to.

use crate::programs::{self, kubectl};
use crate::{SERVICE, SYSTEM};
use emqx_operator_tests::wait::until;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A fresh operator may not serve yet.
const SCRAPED: Duration = Duration::from_secs(90);

/// Whom a scrape shows itself as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scraper {
    /// Nobody.
    Anonymous,
    /// A ServiceAccount without the role.
    Stranger,
    /// A ServiceAccount that ClusterRole metrics-reader is bound to.
    Reader,
}

/// A Prometheus that runs until it is dropped.
pub struct Prometheus {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the metrics Service that is installed is scraped: by its ServiceMonitor when there is one, else by its port.
pub fn endpoint() -> Value {
    let monitors = kubectl(&["--namespace", SYSTEM, "get", "servicemonitors", "--output", "json"]);
    let monitors: Value = serde_json::from_str(&monitors).unwrap();
    if let Some(endpoint) = monitors.pointer("/items/0/spec/endpoints/0") {
        return endpoint.clone();
    }
    let service = kubectl(&["--namespace", SYSTEM, "get", "service", SERVICE, "--output", "json"]);
    let service: Value = serde_json::from_str(&service).unwrap();
    let port = &service["spec"]["ports"][0]["name"];
    let scheme = if port == "https" { "https" } else { "http" };
    json!({"port": port, "path": "/metrics", "scheme": scheme, "tlsConfig": {"insecureSkipVerify": true}})
}

impl Prometheus {
    pub async fn start(endpoint: &Value, scraper: Scraper) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let configuration = configuration(endpoint, scraper, &folder).await;
        std::fs::write(file("prometheus.yml"), configuration.to_string()).unwrap();
        // Inside the cluster's network a port that is free now is free in a moment, too.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(programs::prometheus().join("prometheus"));
        command.arg(format!("--config.file={}", file("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", file("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.stdout(Stdio::null()).stderr(std::fs::File::create(file("log")).unwrap());
        Prometheus { child: command.spawn().unwrap(), folder, port }
    }

    /// Waits for a scrape that goes well.
    pub async fn scrapes(&self) {
        until("Prometheus to scrape the operator", SCRAPED, || async {
            let error = self.last_error().await?;
            if error.is_empty() { Ok(()) } else { Err(error) }
        })
        .await;
    }

    /// Waits for a scrape that is let in or refused and gives its error, empty when it is let in.
    pub async fn answered(&self) -> String {
        until("the operator to answer a scrape", SCRAPED, || async {
            let error = self.last_error().await?;
            // 500 and 503 are said by who could not ask.
            if error.is_empty() || error.contains("HTTP status 4") { Ok(error) } else { Err(error) }
        })
        .await
    }

    /// The error of the last scrape, empty when it went well.
    async fn last_error(&self) -> Result<String, String> {
        let answer = self.get("/api/v1/targets?state=active").await?;
        let target = answer.pointer("/data/activeTargets/0").ok_or_else(|| format!("no target: {answer}"))?;
        match target["health"].as_str() {
            Some("up" | "down") => Ok(target["lastError"].as_str().unwrap_or_default().to_owned()),
            other => Err(format!("its health is {other:?}; the log: {}", self.log())),
        }
    }

    /// The results of a query.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let pairs = [("query", query)];
        let url = reqwest::Url::parse_with_params("http://x/api/v1/query", pairs).unwrap();
        let answer = self.get(&format!("{}?{}", url.path(), url.query().unwrap_or_default())).await?;
        answer.pointer("/data/result").and_then(Value::as_array).cloned().ok_or_else(|| answer.to_string())
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port)).await.map_err(|e| e.to_string())?;
        answer.json().await.map_err(|error| error.to_string())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// What the Prometheus operator makes of a ServiceMonitor's endpoint: JSON is YAML. The targets are looked up here, because
/// not every build of Prometheus can ask Kubernetes.
async fn configuration(endpoint: &Value, scraper: Scraper, folder: &TempDir) -> Value {
    let targets = targets(endpoint["port"].as_str().unwrap()).await;
    let mut scrape = json!({
        "job_name": SERVICE,
        // The first scrape comes at some moment of the first interval.
        "scrape_interval": "2s",
        "scrape_timeout": "2s",
        "scheme": endpoint["scheme"],
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"] == true,
        "static_configs": targets,
    });
    if endpoint["scheme"] == "https" {
        scrape["tls_config"] = tls(&endpoint["tlsConfig"], folder);
    }
    if let Some(token) = token(scraper) {
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        scrape["authorization"] = json!({"credentials_file": file});
    }
    json!({"scrape_configs": [scrape]})
}

/// The pods behind the Services that the ServiceMonitors select, at the port of this name. Endpoints follow pods a
/// moment later, and this Prometheus is told once.
async fn targets(port: &str) -> Vec<Value> {
    until("the endpoints to be the ready pods", Duration::from_secs(60), || async {
        let (endpoints, pods) = (endpoints(port), ready_pods());
        let same = !pods.is_empty() && endpoints.keys().eq(&pods);
        if same { Ok(endpoints) } else { Err(format!("{endpoints:?} are not {pods:?}")) }
    })
    .await
    .into_values()
    .collect()
}

/// The operator's objects of a kind: its pods, or the slices of their Services.
fn of_the_manager(kind: &str) -> Vec<Value> {
    let selected = ["--selector", "control-plane=controller-manager", "--output", "json"];
    let list = kubectl(&[&["--namespace", SYSTEM, "get", kind], &selected[..]].concat());
    let mut list: Value = serde_json::from_str(&list).unwrap();
    serde_json::from_value(list["items"].take()).unwrap()
}

/// The addresses of pods that are ready and stay.
fn ready_pods() -> BTreeSet<String> {
    let is_ready = |pod: &Value| {
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let stay = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null() && is_ready(pod);
    let pods = of_the_manager("pods");
    pods.iter().filter(stay).filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned)).collect()
}

/// A target for each address.
fn endpoints(port: &str) -> BTreeMap<String, Value> {
    let mut targets = BTreeMap::new();
    for slice in of_the_manager("endpointslices") {
        let number = slice["ports"].as_array().into_iter().flatten().find(|found| found["name"] == port);
        let Some(number) = number.map(|found| &found["port"]) else { continue };
        let pods = slice["endpoints"].as_array().into_iter().flatten();
        for pod in pods.filter(|pod| pod["conditions"]["ready"] == true) {
            let address = pod["addresses"][0].as_str().unwrap();
            let labels = json!({"namespace": SYSTEM, "job": SERVICE, "pod": pod["targetRef"]["name"]});
            let target = json!({"targets": [format!("{address}:{number}")], "labels": labels});
            targets.insert(address.to_owned(), target);
        }
    }
    targets
}

fn tls(config: &Value, folder: &TempDir) -> Value {
    if config["insecureSkipVerify"] == true {
        return json!({"insecure_skip_verify": true});
    }
    let file: PathBuf = folder.path().join("ca.crt");
    let name = config["ca"]["secret"]["name"].as_str().unwrap();
    let secret = kubectl(&["--namespace", SYSTEM, "get", "secret", name, "--output", "json"]);
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_str(&secret).unwrap();
    let key = config["ca"]["secret"]["key"].as_str().unwrap();
    std::fs::write(&file, &secret.data.unwrap()[key].0).unwrap();
    json!({"ca_file": file, "server_name": config["serverName"]})
}

/// A token of a ServiceAccount that is made for it.
fn token(scraper: Scraper) -> Option<String> {
    let account = match scraper {
        Scraper::Anonymous => return None,
        Scraper::Stranger => "stranger",
        Scraper::Reader => "reader",
    };
    let existing = kubectl(&["--namespace", SYSTEM, "get", "serviceaccounts", "--output", "name"]);
    if !existing.contains(&format!("serviceaccount/{account}\n")) {
        kubectl(&["--namespace", SYSTEM, "create", "serviceaccount", account]);
        if scraper == Scraper::Reader {
            let subject = format!("--serviceaccount={SYSTEM}:{account}");
            let role = "--clusterrole=emqx-operator-metrics-reader";
            kubectl(&["create", "clusterrolebinding", "emqx-operator-test-reader", role, &subject]);
        }
    }
    Some(kubectl(&["--namespace", SYSTEM, "create", "token", account]).trim().to_owned())
}
