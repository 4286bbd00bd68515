//! Brokers that say too much, the same twice, or nothing but no.

use super::bounds;
use super::broker::{Asker, look};
use crate::serve::server::{Limits, serve};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use emqx_client::{Client, Credentials, Endpoint, Trust};
use emqx_operator_core::desired::NodeName;
use emqx_operator_core::world::{Broker, Disagreement, Needs, Reading, Refusal, Why};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

const LONG: Duration = Duration::from_secs(30);
const ALL: Needs = Needs { evacuations: true, storage: true, api_keys: true };

/// What a broker answers; no answer is a 404.
#[derive(Clone, Default)]
struct Says {
    nodes: Value,
    status: Value,
    storages: Value,
    storage: Value,
    sites: Value,
    site: Value,
    /// Each detail takes so long.
    slow: Duration,
}

/// How a broker was asked about details.
#[derive(Default)]
struct Asked {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

/// A broker of three nodes with durable storage.
fn sane() -> Says {
    Says {
        nodes: json!([running("emqx@a"), running("emqx@b"), running("emqx@c")]),
        status: json!({"evacuations": [], "rebalances": []}),
        storages: json!(["messages"]),
        storage: json!({"name": "messages", "shards": [{"id": "0", "replicas": [{"site": "A", "status": "up"}]}]}),
        sites: json!(["A"]),
        site: json!({"node": "emqx@a", "up": true, "shards": []}),
        slow: Duration::ZERO,
    }
}

fn running(name: &str) -> Value {
    json!({"node": name, "node_status": "running", "connections": 3, "live_connections": 2})
}

fn router(says: Says, asked: Arc<Asked>) -> Router {
    let fixed = |answer: Value| get(async move || answer.to_string());
    let slow = says.slow;
    let detail = move |answer: Value| {
        let asked = asked.clone();
        get(async move || {
            asked.all.fetch_add(1, Ordering::SeqCst);
            asked.most.fetch_max(asked.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(slow).await;
            asked.now.fetch_sub(1, Ordering::SeqCst);
            answer.to_string()
        })
    };
    Router::new()
        .route("/api/v5/nodes", fixed(says.nodes))
        .route("/api/v5/load_rebalance/global_status", fixed(says.status))
        .route("/api/v5/ds/storages", fixed(says.storages))
        .route("/api/v5/ds/sites", fixed(says.sites))
        .route("/api/v5/ds/storages/{name}", detail(says.storage))
        .route("/api/v5/ds/sites/{id}", detail(says.site))
}

/// Refuses everything with this status.
fn refusing(status: u16) -> Router {
    let status = StatusCode::from_u16(status).expect("a status");
    Router::new().fallback(move || async move { (status, json!({"code": "NO", "message": "no"}).to_string()) })
}

async fn start(router: Router, tls: Option<TlsAcceptor>) -> (Endpoint, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (port, stop) = (listener.local_addr().expect("an address").port(), CancellationToken::new());
    let endpoint = Endpoint { https: tls.is_some(), host: "127.0.0.1".to_owned(), port };
    let guard = stop.clone().drop_guard();
    tokio::spawn(async move { serve(listener, tls, router, Limits::DEFAULT, &stop).await });
    (endpoint, guard)
}

fn asker(emqx: Client, endpoints: Vec<Endpoint>, deadline: Duration) -> Asker {
    let credentials = Credentials { key: "operator".to_owned(), secret: "s3cret".to_owned() };
    let cores = endpoints.into_iter().zip('a'..).map(|(core, name)| (NodeName(format!("emqx@{name}")), core));
    Asker::new(emqx, cores.collect(), credentials, deadline)
}

async fn looked(says: Says, deadline: Duration) -> (Reading<Broker>, Arc<Asked>) {
    let asked = Arc::<Asked>::default();
    let (endpoint, _guard) = start(router(says, asked.clone()), None).await;
    let emqx = Client::new().expect("a client");
    (look(asker(emqx, vec![endpoint], deadline), ALL, &[]).await, asked)
}

/// Why the reading, or the part of it that fails, is not known.
fn why(reading: &Reading<Broker>) -> Option<&Why> {
    fn of<T>(reading: &Reading<T>) -> Option<&Why> {
        match reading {
            Reading::Unavailable(why) => Some(why),
            Reading::Fresh(_) | Reading::Off => None,
        }
    }
    match reading {
        Reading::Fresh(broker) => of(&broker.evacuations).or_else(|| of(&broker.storage)),
        other => of(other),
    }
}

#[tokio::test]
async fn what_a_sane_broker_says_is_believed() {
    let (reading, asked) = looked(sane(), LONG).await;
    assert_eq!(why(&reading), None);
    assert_eq!(reading.fresh().map(|broker| broker.nodes.len()), Some(3));
    assert_eq!(asked.all.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_too_much_is_no_answer_and_is_not_asked_about() {
    let names = |count: usize| json!((0..count).map(|number| format!("n{number}")).collect::<Vec<_>>());
    let nodes = |count: usize| json!((0..count).map(|number| running(&format!("n@{number}"))).collect::<Vec<_>>());
    let shards = |count: usize| json!({"name": "m", "shards": vec![json!({"id": "0", "replicas": []}); count]});
    let evacuation = |node: &str, recipients: Value| json!({"evacuations": [{"node": node, "state": "prohibiting", "session_recipients": recipients}], "rebalances": []});
    let table = [
        ("nodes", Says { nodes: nodes(bounds::NODES + 1), ..sane() }, "EMQX lists 5001 nodes"),
        ("databases", Says { storages: names(100_000), ..sane() }, "EMQX lists 100000 databases"),
        ("sites", Says { sites: names(bounds::SITES + 1), ..sane() }, "EMQX lists 1001 sites"),
        ("entries", Says { storages: names(300_000), ..sane() }, "more than 200000 entries"),
        ("recipients", Says { status: evacuation("a", names(bounds::NODES + 1)), ..sane() }, "5001 recipients"),
        (
            "name of a node",
            Says { nodes: json!([running("a\u{1b}[0m")]), ..sane() },
            "a node under a name that is none",
        ),
        ("long name", Says { nodes: json!([running(&"x".repeat(1 << 20))]), ..sane() }, "under a name that is none"),
        ("name of a database", Says { storages: json!([".."]), ..sane() }, "a database under a name that is none"),
        ("name of a site", Says { sites: json!(["a\nb"]), ..sane() }, "a site under a name that is none"),
        (
            "evacuated node",
            Says { status: evacuation("\u{0}", json!([])), ..sane() },
            "a node under a name that is none",
        ),
    ];
    for (name, says, expected) in table {
        let (reading, asked) = looked(says, LONG).await;
        let Some(Why::NoAnswer(text)) = why(&reading) else { panic!("{name}: it is believed") };
        assert!(text.contains(expected), "{name}: {text}");
        assert!(text.chars().count() < 1_100 && !text.chars().any(char::is_control), "{name}: {text:?}");
        assert!(asked.all.load(Ordering::SeqCst) <= 2, "{name}: it was asked about all of them");
    }
    let (reading, _) = looked(Says { storage: shards(bounds::SHARDS + 1), ..sane() }, LONG).await;
    assert!(matches!(why(&reading), Some(Why::NoAnswer(text)) if text.contains("10001 shards")));
}

#[tokio::test]
async fn few_questions_are_asked_at_a_time() {
    let names: Vec<_> = (0..bounds::DATABASES).map(|number| format!("n{number}")).collect();
    let says = Says { storages: json!(names), sites: json!(names), slow: Duration::from_millis(5), ..sane() };
    let (reading, asked) = looked(says, LONG).await;
    assert_eq!((why(&reading), asked.all.load(Ordering::SeqCst)), (None, 2 * bounds::DATABASES));
    assert!(asked.most.load(Ordering::SeqCst) <= bounds::AT_A_TIME);
}

/// A broker that answers each of a thousand questions in the last moment holds one look up for minutes otherwise.
#[tokio::test]
async fn a_look_ends_however_many_questions_there_are() {
    let names: Vec<_> = (0..bounds::SITES).map(|number| format!("n{number}")).collect();
    let deadline = Duration::from_millis(400);
    let begun = Instant::now();
    let says = Says { sites: json!(names), slow: Duration::from_millis(300), ..sane() };
    let (reading, asked) = looked(says, deadline).await;
    assert!(matches!(why(&reading), Some(Why::NoAnswer(text)) if text.contains("no answer within")));
    assert!(asked.all.load(Ordering::SeqCst) < 100);
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn of_a_node_that_is_listed_twice_the_worse_is_believed() {
    let stopped = json!({"node": "emqx@a", "node_status": "stopped"});
    let busy = json!({"node": "emqx@a", "node_status": "running", "connections": 9, "live_connections": 0});
    let table = [
        ("the same", json!([running("emqx@a"), running("emqx@a")]), (true, Some(3), Some(2))),
        ("stopped, too", json!([stopped, running("emqx@a")]), (false, None, None)),
        ("the other way round", json!([running("emqx@a"), stopped]), (false, None, None)),
        ("other counts", json!([running("emqx@a"), busy]), (true, Some(9), Some(2))),
    ];
    for (name, nodes, expected) in table {
        let (reading, _) = looked(Says { nodes, ..sane() }, LONG).await;
        let nodes = &reading.fresh().expect("an answer").nodes;
        let node = nodes.values().next().expect("a node");
        assert_eq!((nodes.len(), (node.running, node.sessions, node.connections)), (1, expected), "{name}");
    }
}

/// Texts are made for terminals before they reach a status.
#[tokio::test]
async fn texts_are_one_short_line() {
    let mut node = running("emqx@a");
    for field in ["version", "edition", "role", "otp_release"] {
        node[field] = json!(format!("5.10\u{1b}[31m\n{}", "x".repeat(10_000)));
    }
    let status = json!({"evacuations": [{"node": "emqx@a", "state": "\u{7}".repeat(500)}], "rebalances": []});
    let (reading, _) = looked(Says { nodes: json!([node]), status, ..sane() }, LONG).await;
    let broker = reading.fresh().expect("an answer");
    let node = broker.nodes.values().next().expect("a node");
    let evacuation = broker.evacuations.fresh().and_then(|all| all.values().next()).expect("an evacuation");
    let texts = [&node.version, &node.edition, &node.role, &node.otp_release].map(|text| text.clone().expect("a text"));
    for text in texts.iter().chain([&evacuation.parameters.state]) {
        assert!(text.chars().count() <= 65 && !text.chars().any(char::is_control), "{text:?}");
    }
}

#[tokio::test]
async fn only_what_every_core_says_locks_the_operator_out() {
    let locked_out = |reading: &Reading<Broker>| match why(reading) {
        Some(Why::LockedOut { refusal, .. }) => Some(*refusal),
        _ => None,
    };
    let (first, _first) = start(refusing(401), None).await;
    let (second, _second) = start(refusing(401), None).await;
    let (small, _small) = start(refusing(403), None).await;
    let (well, _well) = start(router(sane(), Arc::default()), None).await;
    let (failing, _failing) = start(refusing(500), None).await;
    let table = [
        ("all", vec![&first, &second], Some(Refusal::KeyNotAccepted)),
        ("one of two", vec![&first, &well], None),
        ("one fails", vec![&first, &failing], None),
        ("the key is known", vec![&small], Some(Refusal::KeyTooSmall)),
    ];
    for (name, endpoints, expected) in table {
        let endpoints = endpoints.into_iter().cloned().collect();
        let reading = look(asker(Client::new().expect("a client"), endpoints, LONG), ALL, &[]).await;
        assert_eq!(locked_out(&reading), expected, "{name}");
    }
}

/// The core that answers first is not the cluster.
#[tokio::test]
async fn every_core_is_asked_who_the_cluster_is() {
    let says = |nodes: &[&str]| Says { nodes: nodes.iter().map(|name| running(name)).collect(), ..sane() };
    let (alone, _alone) = start(router(says(&["emqx@a"]), Arc::default()), None).await;
    let (second, _second) = start(router(says(&["emqx@b", "emqx@c", "emqx@d"]), Arc::default()), None).await;
    let (behind, _behind) = start(router(says(&["emqx@b", "emqx@c"]), Arc::default()), None).await;
    let (failing, _failing) = start(refusing(500), None).await;
    let endpoints = vec![alone, second, behind, failing];
    let reading = look(asker(Client::new().expect("a client"), endpoints, LONG), ALL, &[]).await;
    let broker = reading.fresh().expect("an answer");
    let names = |names: &[&str]| names.iter().map(|name| NodeName((*name).to_owned())).collect::<BTreeSet<_>>();
    assert_eq!(broker.nodes.keys().cloned().collect::<BTreeSet<_>>(), names(&["emqx@b", "emqx@c", "emqx@d"]));
    let Disagreement { apart, unseen } = &broker.disagreement;
    assert_eq!(apart.keys().cloned().collect::<BTreeSet<_>>(), names(&["emqx@a"]));
    assert_eq!(*unseen, BTreeMap::from([(NodeName("emqx@c".to_owned()), names(&["emqx@d"]))]));
}

#[tokio::test]
async fn a_broker_that_another_authority_vouches_for_is_not_asked() {
    let (known, other) = (authority(), authority());
    let (endpoint, _guard) = start(router(sane(), Arc::default()), Some(acceptor(&known))).await;
    let read = async |pem: String| {
        let emqx = Client::with_trust(&Trust::Roots(pem)).expect("a client");
        look(asker(emqx, vec![endpoint.clone()], LONG), ALL, &[]).await
    };
    assert_eq!(why(&read(known.pem()).await), None);
    let reading = read(other.pem()).await;
    let Some(Why::NoAnswer(text)) = why(&reading) else { panic!("it is believed") };
    assert!(text.contains("certificate") && text.contains("spec.apiTLS.caSecretRef"), "{text}");
}

type Authority = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn authority() -> Authority {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().expect("a key")).expect("a certificate")
}

/// For the name that MQTT clients use.
fn acceptor(authority: &Authority) -> TlsAcceptor {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["mqtt.example".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("they belong together");
    TlsAcceptor::from(Arc::new(config))
}
