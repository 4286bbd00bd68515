//! The clients against the stand-in: they report what was lost, and nothing when nothing was.

mod cluster;

use super::{Clients, Report};
use cluster::{Cluster, NODES, PATIENCE};
use emqx_sim::faults::Faults;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Waits until the report is as it should be; it is read while messages are under way.
async fn until(clients: &Clients, what: &str, limit: Duration, holds: impl Fn(&Report) -> bool) {
    let started = Instant::now();
    loop {
        let report = clients.report();
        if holds(&report) {
            return;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} for {what}: {report}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn some_traffic(clients: &Clients) {
    let before = clients.report().acknowledged;
    until(clients, "messages", PATIENCE, |report| report.acknowledged >= before + 60).await;
}

/// Waits until connections have ended, so many in all, and nobody is without one.
async fn everybody_back(clients: &Clients, disconnects: usize, limit: Duration) {
    let back = |report: &Report| report.disconnects >= disconnects && report.offline_now == 0;
    until(clients, "everybody to be back", limit, back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_node_costs_one_connection_and_nothing_else() {
    let mut cluster = Cluster::start(&[]).await;
    let clients = cluster.clients(100).await;
    some_traffic(&clients).await;
    cluster.evacuate("b@h").await;
    cluster.running.remove("b@h");
    some_traffic(&clients).await;
    everybody_back(&clients, 25, PATIENCE).await;
    let report = clients.finish(PATIENCE).await;
    println!("{report}");
    assert!(report.nothing_lost(), "{report}");
    assert!(report.acknowledged > 50, "{report}");
    assert_eq!(report.disconnects_per_client_max, 1, "{report}");
    assert_eq!(report.disconnect_reasons.keys().collect::<Vec<_>>(), ["0x9C UseAnotherServer"], "{report}");
    assert!(report.disconnects >= 25, "a third of the clients were there: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_died_with_their_node_are_reported() {
    let mut cluster = Cluster::start(&[]).await;
    let clients = cluster.clients(50).await;
    some_traffic(&clients).await;
    // A publisher that comes later would not be counted.
    everybody_back(&clients, 0, PATIENCE).await;
    let there = cluster.running["b@h"].node.clients.counts().connected as usize;
    cluster.running.remove("b@h");
    everybody_back(&clients, there, PATIENCE).await;
    some_traffic(&clients).await;
    let report = clients.finish(Duration::from_secs(3)).await;
    assert!(there > 0);
    assert_eq!(report.sessions_lost.len(), there, "{report}");
    assert!(!report.nothing_lost());
    assert_eq!(report.disconnects, there, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_that_never_arrive_are_reported() {
    let cluster = Cluster::start(&[]).await;
    let clients = cluster.clients(50).await;
    some_traffic(&clients).await;
    cluster.running["a@h"].node.set_faults(Faults { lose_messages: true, ..Faults::default() });
    // Far more than are under way.
    until(&clients, "lost messages", PATIENCE, |report| report.messages_lost.len() > 30).await;
    cluster.running["a@h"].node.set_faults(Faults::default());
    some_traffic(&clients).await;
    let report: Report = clients.finish(Duration::from_secs(2)).await;
    let lost = report.messages_lost.len();
    // One or two of four publishers are there, some of the time.
    assert!(lost > 5 && lost < report.acknowledged / 2, "{report}");
    assert_eq!((report.sessions_lost.len(), report.disconnects), (0, 0), "{report}");
}

const DURABLE: &[(&str, &str)] = &[
    ("EMQX_DURABLE_SESSIONS__ENABLE", "true"),
    ("EMQX_DURABLE_STORAGE__MESSAGES__N_SITES", "3"),
    ("EMQX_DURABLE_STORAGE__MESSAGES__N_SHARDS", "4"),
];

/// As nodes of Kubernetes do that take their pods along, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durable_sessions_live_through_the_sudden_loss_of_every_node() {
    let mut cluster = Cluster::start(DURABLE).await;
    let clients = cluster.clients(100).await;
    for name in NODES {
        some_traffic(&clients).await;
        cluster.running.remove(name);
        sleep(Duration::from_millis(500)).await;
        cluster.boot(name);
        cluster.complete(name).await;
    }
    some_traffic(&clients).await;
    let report = clients.finish(PATIENCE).await;
    println!("{report}");
    assert!(report.nothing_lost(), "{report}");
    assert!(report.acknowledged > 100 && report.disconnects >= 50, "{report}");
    assert!(report.disconnects_per_client_max <= NODES.len(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_most_of_the_nodes_durable_sessions_wait_and_lose_nothing_but_messages() {
    let mut cluster = Cluster::start(DURABLE).await;
    let clients = cluster.clients(50).await;
    some_traffic(&clients).await;
    cluster.running.remove("b@h");
    cluster.running.remove("c@h");
    let refused = |report: &Report| report.failed_attempts.contains_key("refused: ServerUnavailable");
    until(&clients, "a refusal", PATIENCE, refused).await;
    sleep(Duration::from_secs(2)).await;
    let meanwhile = clients.report();
    assert!(meanwhile.offline_now >= 25, "who lost a node finds no other one: {meanwhile}");
    cluster.boot("b@h");
    cluster.boot("c@h");
    cluster.complete("a@h").await;
    everybody_back(&clients, 0, Duration::from_secs(60)).await;
    let report = clients.finish(Duration::from_secs(10)).await;
    println!("{report}");
    assert_eq!((report.offline_now, report.sessions_lost.len()), (0, 0), "{report}");
    // What the remaining node acknowledged meanwhile was said to be for nobody.
    assert!(report.messages_lost.len() <= report.acknowledged_for_nobody, "{report}");
}
