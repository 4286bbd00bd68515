//! Every recorded answer of a real broker, through the whole client: the request must be the recorded one, byte for byte
//! where it matters, and the answer must be read, or become the error that the table names.

use crate::server::{self, Act, Received, Server, credentials};
use emqx_client::api::*;
use emqx_client::{Client, Credentials, Error, Missing, NoCredentials, Secret, Token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

const COUNT: usize = 593;

/// What real brokers were asked, but the operator does not ask. Their errors are checked, their answers are not read.
const NOT_ASKED: [&str; 13] = [
    "GET /clients",
    "GET /cluster/core/invitation",
    "GET /configs as JSON",
    "GET /configs of a node",
    "GET /configs/global_zone",
    "GET /listeners_status",
    "GET /mt/ns_list",
    "GET /no/such",
    "GET /nodes/:node/stats",
    "GET /plugins",
    "GET /sessions_count",
    "GET /stats",
    "GET /users",
];
const NOT_ASKED_CHANGES: [&str; 4] = [
    "DELETE /listeners/:id",
    "GET /api_key/:name",
    "PUT /configs in a mode that does not exist",
    "PUT /configs/sysmon",
];

struct Recording {
    file: PathBuf,
    method: String,
    path: String,
    accept: String,
    sent: Value,
    status: u16,
    content_type: Option<String>,
    body: Value,
}

impl Recording {
    fn load(file: PathBuf) -> Recording {
        let value: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let (request, response) = (&value["request"], &value["response"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Recording {
            method: text(&request["method"]),
            path: text(&request["path"]),
            accept: text(&request["accept"]),
            sent: request["body"].clone(),
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            content_type: response["content_type"].as_str().map(str::to_owned),
            body: response["body"].clone(),
            file,
        }
    }

    /// Bodies that are JSON are stored as JSON, whatever their content type says.
    fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        }
    }

    fn segments(&self) -> Vec<&str> {
        let path = self.path.split('?').next().unwrap();
        path.trim_start_matches("/api/v5").split('/').skip(1).collect()
    }

    fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

fn recordings() -> Vec<Recording> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    let mut files = Vec::new();
    for version in folders(&root) {
        for situation in folders(&version) {
            files.extend(entries(&situation));
        }
    }
    files.sort();
    files.into_iter().map(Recording::load).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir()).collect()
}

/// A server that gives the recorded answer.
async fn serve(recording: &Recording) -> Server {
    let (status, content_type, body) = (recording.status, recording.content_type.clone(), recording.bytes());
    server::serve(move |_, _| Act::Answer { status, content_type: content_type.clone(), body: body.clone() }).await
}

/// What became of a recording.
struct Outcome {
    /// The operation, for the table of counts.
    operation: String,
    /// Debug text of the answer.
    answer: Result<String, Error>,
    received: Option<Received>,
}

/// A request made of the recorded one, sent to a server that gives the recorded answer.
struct Replay<'a> {
    client: &'a Client,
    recording: &'a Recording,
}

impl Replay<'_> {
    async fn ask<R: Request<As = Credentials>>(&self, request: R) -> Outcome
    where
        R::Answer: Debug,
    {
        self.ask_as(&credentials(), request).await
    }

    async fn ask_as<R: Request>(&self, who: &R::As, request: R) -> Outcome
    where
        R::Answer: Debug,
    {
        let server = serve(self.recording).await;
        let answer = self.client.ask(&server.endpoint, who, &request, Duration::from_secs(10)).await;
        Outcome {
            operation: R::OPERATION.to_owned(),
            answer: answer.map(|answer| format!("{answer:?}")),
            received: server.received().pop(),
        }
    }
}

/// What the operator never asks: only errors are of interest.
struct NotAsked<'a>(&'a Recording);

impl Request for NotAsked<'_> {
    type Answer = ();
    type As = Credentials;
    const OPERATION: &'static str = "not asked";

    fn parts(&self) -> Parts {
        let method = self.0.method.parse().unwrap();
        Parts { path: self.0.path.clone(), ..Parts::new(method, &[]) }
    }

    fn read(&self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

async fn replay(client: &Client, recording: &Recording) -> Outcome {
    let replay = Replay { client, recording };
    let token = Token(Secret::from("token"));
    let segments = recording.segments();
    let own = |text: &str| text.to_owned();
    match (recording.method.as_str(), segments.as_slice()) {
        ("GET", ["status"]) => replay.ask_as(&NoCredentials, GetStatus).await,
        ("GET", ["nodes"]) => replay.ask(GetNodes).await,
        ("GET", ["nodes", node]) => replay.ask(GetNode { node: own(node) }).await,
        ("GET", ["cluster"]) => replay.ask(GetCluster).await,
        ("GET", ["cluster", "topology"]) => replay.ask(GetTopology).await,
        ("DELETE", ["cluster", node, "force_leave"]) => replay.ask(ForceLeave { node: own(node) }).await,
        ("GET", ["load_rebalance", "availability_check"]) => replay.ask_as(&NoCredentials, GetAvailability).await,
        ("GET", ["load_rebalance", "status"]) => replay.ask(GetLocalStatus).await,
        ("GET", ["load_rebalance", "global_status"]) => replay.ask(GetGlobalStatus).await,
        ("POST", ["load_rebalance", node, "evacuation", "start"]) => {
            replay.ask(evacuation(node, &recording.sent)).await
        }
        ("POST", ["load_rebalance", node, "evacuation", "stop"]) => {
            replay.ask(StopEvacuation { node: own(node) }).await
        }
        ("POST", ["load_rebalance", node, "start"]) => replay.ask(rebalance(node, &recording.sent)).await,
        ("POST", ["load_rebalance", node, "stop"]) => replay.ask(StopRebalance { coordinator: own(node) }).await,
        ("GET", ["configs"]) if recording.accept == "text/plain" => {
            replay.ask(GetConfigs { root: recording.query("key").map(own) }).await
        }
        ("PUT", ["configs"]) if recording.query("mode") != Some("banana") => put_configs(&replay).await,
        ("GET", ["listeners"]) => replay.ask(GetListeners).await,
        ("GET", ["listeners", id]) => replay.ask(GetListener { id: own(id) }).await,
        ("GET", ["gateways"]) => replay.ask(GetGateways).await,
        ("GET", ["gateways", gateway, "listeners"]) => replay.ask(GetGatewayListeners { gateway: own(gateway) }).await,
        ("GET", ["ds", "sites"]) => replay.ask(GetSites).await,
        ("GET", ["ds", "sites", site]) => replay.ask(GetSite { site: own(site) }).await,
        ("PUT", ["ds", "sites", site, "forget"]) => replay.ask(ForgetSite { site: own(site) }).await,
        ("GET", ["ds", "storages"]) => replay.ask(GetStorages).await,
        ("GET", ["ds", "storages", storage]) => replay.ask(GetStorage { storage: own(storage) }).await,
        ("GET", ["ds", "storages", storage, "replicas"]) => replay.ask(GetReplicas { storage: own(storage) }).await,
        ("PUT", ["ds", "storages", storage, "replicas"]) => {
            let sites = serde_json::from_value(recording.sent.clone()).unwrap();
            replay.ask(PutReplicas { storage: own(storage), sites }).await
        }
        ("GET", ["license"]) => replay.ask(GetLicense).await,
        ("POST", ["license"]) => replay.ask(PostLicense { key: recording.sent["key"].as_str().unwrap().into() }).await,
        ("GET", ["license", "setting"]) => replay.ask(GetLicenseSetting).await,
        ("GET", ["alarms"]) => replay.ask(GetAlarms).await,
        ("GET", ["prometheus", "stats"]) => replay.ask(GetPrometheusStats::default()).await,
        ("GET", ["api_key"]) => replay.ask_as(&token, ListApiKeys).await,
        ("POST", ["api_key"]) => replay.ask_as(&token, api_key(recording, "")).await,
        ("PUT", ["api_key", name]) => replay.ask_as(&token, UpdateApiKey(api_key(recording, name))).await,
        ("DELETE", ["api_key", name]) => replay.ask_as(&token, DeleteApiKey { name: own(name) }).await,
        _ => Outcome { operation: not_asked(recording), ..replay.ask(NotAsked(recording)).await },
    }
}

fn not_asked(recording: &Recording) -> String {
    let segments = recording.segments();
    match (recording.method.as_str(), segments.as_slice()) {
        ("GET", ["configs"]) if recording.query("node").is_some() => "GET /configs of a node".to_owned(),
        ("GET", ["configs"]) => "GET /configs as JSON".to_owned(),
        ("PUT", ["configs"]) => "PUT /configs in a mode that does not exist".to_owned(),
        (method, ["nodes", _, "stats"]) => format!("{method} /nodes/:node/stats"),
        (method, ["listeners", _]) => format!("{method} /listeners/:id"),
        (method, ["api_key", _]) => format!("{method} /api_key/:name"),
        (method, segments) => format!("{method} /{}", segments.join("/")),
    }
}

fn number(sent: &Value, name: &str) -> Option<u32> {
    sent[name].as_u64().map(|number| u32::try_from(number).unwrap())
}

fn texts(sent: &Value) -> Vec<String> {
    serde_json::from_value(sent.clone()).unwrap_or_default()
}

fn evacuation(node: &str, sent: &Value) -> StartEvacuation {
    StartEvacuation {
        node: node.to_owned(),
        wait_health_check: number(sent, "wait_health_check"),
        conn_evict_rate: number(sent, "conn_evict_rate"),
        wait_takeover: number(sent, "wait_takeover"),
        sess_evict_rate: number(sent, "sess_evict_rate"),
        migrate_to: texts(&sent["migrate_to"]),
    }
}

fn rebalance(coordinator: &str, sent: &Value) -> StartRebalance {
    StartRebalance {
        coordinator: coordinator.to_owned(),
        nodes: texts(&sent["nodes"]),
        conn_evict_rate: number(sent, "conn_evict_rate"),
        // It was recorded as a text, which EMQX takes too.
        rel_conn_threshold: sent["rel_conn_threshold"].as_str().map(|text| text.parse().unwrap()),
        ..StartRebalance::default()
    }
}

async fn put_configs(replay: &Replay<'_>) -> Outcome {
    let recording = replay.recording;
    let mode = match recording.query("mode") {
        Some("merge") => UpdateMode::Merge,
        Some("replace") => UpdateMode::Replace,
        mode => panic!("{}: a new mode {mode:?}", recording.file.display()),
    };
    let request = PutConfigs { text: recording.sent.as_str().unwrap().to_owned(), mode };
    match recording.query("ignore_readonly") {
        Some("true") => replay.ask(IgnoringReadOnly(request)).await,
        _ => replay.ask(request).await,
    }
}

fn api_key(recording: &Recording, name: &str) -> CreateApiKey {
    let sent = &recording.sent;
    CreateApiKey {
        name: sent["name"].as_str().unwrap_or(name).to_owned(),
        desc: sent["desc"].as_str().unwrap_or_default().to_owned(),
        enable: sent["enable"].as_bool().unwrap_or_default(),
        expires: sent["expired_at"].as_str().map_or(Expiry::Never, |time| Expiry::At(time.to_owned())),
        role: None,
    }
}

/// What must come of an answer, by what the broker said. Names are those of the variants.
fn expected(recording: &Recording) -> &'static str {
    let message = recording.body["message"].as_str().unwrap_or_default();
    let reason = message.rsplit(": ").next().unwrap_or_default();
    match (recording.status, reason) {
        (200..300, _) => "answer",
        (400, "already_started" | "not_started" | "nothing_to_balance" | "node_not_in_cluster") => "answer",
        (503, _) if recording.path.ends_with("availability_check") => "answer",
        (401, _) => "Unauthorized",
        (403, _) => "Forbidden",
        (404, "Request Path Not Found") => "NotFound(Path)",
        (404, _) => "NotFound(Object)",
        (400, _) => "Rejected",
        (500, _) if message.contains("unknown_fields") => "Rejected",
        (500, _) => "Broker",
        (status, _) => panic!("{}: nobody said what {status} means here", recording.file.display()),
    }
}

fn name(outcome: &Result<String, Error>) -> &'static str {
    match outcome {
        Ok(_) => "answer",
        Err(Error::Unauthorized { .. }) => "Unauthorized",
        Err(Error::Forbidden { .. }) => "Forbidden",
        Err(Error::NotFound { missing: Missing::Path, .. }) => "NotFound(Path)",
        Err(Error::NotFound { missing: Missing::Object, .. }) => "NotFound(Object)",
        Err(Error::Rejected { .. }) => "Rejected",
        Err(Error::Broker { .. }) => "Broker",
        Err(_) => "something else",
    }
}

#[tokio::test]
async fn every_recording_is_read_or_becomes_the_expected_error() {
    let client = Client::new().unwrap();
    let recordings = recordings();
    assert_eq!(recordings.len(), COUNT, "a recording came or went: change the count");
    let mut counts = BTreeMap::<String, usize>::new();
    for recording in &recordings {
        let Outcome { operation, answer, received } = replay(&client, recording).await;
        assert_eq!(name(&answer), expected(recording), "{}: {answer:?}", recording.file.display());
        same_request(recording, &received.expect("the server was asked"));
        *counts.entry(operation).or_default() += 1;
    }
    for (operation, count) in &counts {
        println!("{count:4} {operation}");
    }
    println!("{:4} recordings", counts.values().sum::<usize>());
    not_asked_is_known(&counts);
}

/// Method, path and content are what a real broker was asked.
fn same_request(recording: &Recording, received: &Received) {
    let file = recording.file.display();
    assert_eq!(received.method, recording.method, "{file}");
    let path = recording.path.replace("/api/v5/status", "/status").replace("/status?format=json", "/status");
    assert_eq!(received.path.replace("/status?format=json", "/status"), path, "{file}");
    if path.contains("/configs") && recording.sent.is_string() && recording.query("mode") != Some("banana") {
        assert_eq!(received.header("content-type"), Some("text/plain"), "{file}");
        assert_eq!(Some(received.body.as_str()), recording.sent.as_str(), "{file}");
    }
    if path.ends_with("/evacuation/start") || path.ends_with("/replicas") && recording.method == "PUT" {
        assert_eq!(received.header("content-type"), Some("application/json"), "{file}");
        assert_eq!(serde_json::from_str::<Value>(&received.body).unwrap(), recording.sent, "{file}");
    }
}

/// Nothing falls through unnoticed: a new path needs a request type or a line in the list.
fn not_asked_is_known(counts: &BTreeMap<String, usize>) {
    let known = || NOT_ASKED.iter().chain(&NOT_ASKED_CHANGES);
    for entry in known() {
        assert!(counts.contains_key(*entry), "{entry} is not recorded any more");
    }
    let asked = counts.keys().filter(|operation| !known().any(|entry| entry == operation)).count();
    assert_eq!(asked, 36, "operations that the operator asks and that are recorded: {counts:?}");
}

#[tokio::test]
async fn what_is_read_is_what_was_said() {
    let client = Client::new().unwrap();
    let mut seen = 0;
    for recording in recordings().iter().filter(|recording| recording.status == 200) {
        let said = &recording.body;
        let segments = recording.segments();
        match segments.as_slice() {
            ["nodes"] => {
                let nodes = ask(&client, recording, &credentials(), &GetNodes).await;
                let read: Vec<_> = nodes.into_iter().map(|node| serde_json::to_value(node).unwrap()).collect();
                assert_eq!(read.len(), said.as_array().unwrap().len());
                read.iter().zip(said.as_array().unwrap()).for_each(|(read, said)| is_part_of(read, said));
            }
            ["ds", "storages", _] => {
                let request = GetStorage { storage: "messages".to_owned() };
                let storage = ask(&client, recording, &credentials(), &request).await;
                let replicas = storage.shards.iter().map(|shard| shard.replicas.len()).sum::<usize>();
                let said = said["shards"].as_array().unwrap();
                assert_eq!(
                    replicas,
                    said.iter().map(|shard| shard["replicas"].as_array().unwrap().len()).sum::<usize>()
                );
            }
            ["load_rebalance", "global_status"] => {
                let status = ask(&client, recording, &credentials(), &GetGlobalStatus).await;
                for (read, said) in status.evacuations.iter().zip(said["evacuations"].as_array().unwrap()) {
                    assert!(!matches!(read.state, EvacuationState::Unknown(_)), "{read:?}");
                    let stats = read.stats.as_ref().unwrap();
                    assert_eq!(stats.current_sessions, said["stats"]["current_sessions"].as_i64());
                    assert_eq!(stats.current_connected, said["stats"]["current_connected"].as_i64());
                }
            }
            ["listeners"] if recording.method == "GET" => {
                let listeners = ask(&client, recording, &credentials(), &GetListeners).await;
                for (read, said) in listeners.iter().zip(said.as_array().unwrap()) {
                    assert_eq!(read.bind, said["bind"].as_str().unwrap());
                    assert_eq!(read.node_status.as_ref().unwrap().len(), said["node_status"].as_array().unwrap().len());
                    assert_ne!(read.status.as_ref().unwrap().max_connections, None);
                }
            }
            _ => continue,
        }
        seen += 1;
    }
    assert!(seen > 70, "only {seen} recordings were compared");
}

async fn ask<R: Request>(client: &Client, recording: &Recording, who: &R::As, request: &R) -> R::Answer {
    let server = serve(recording).await;
    client.ask(&server.endpoint, who, request, Duration::from_secs(10)).await.unwrap()
}

/// Every value that was read stands in what was said; what was read as absent was not said.
fn is_part_of(read: &Value, said: &Value) {
    for (name, value) in read.as_object().unwrap() {
        assert_eq!(value, &said[name], "{name}");
    }
}
