//! Durable sessions: what survives the sudden loss of nodes, and what happens when too many are lost.

use crate::clients::{Client, Event, Version};
use crate::cluster::Cluster;
use emqx_sim::faults::Faults;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const NAMES: [&str; 3] = ["a@h", "b@h", "c@h"];
const DURABLE: [(&str, &str); 3] = [
    ("EMQX_DURABLE_SESSIONS__ENABLE", "true"),
    ("EMQX_DURABLE_STORAGE__MESSAGES__N_SITES", "3"),
    ("EMQX_DURABLE_STORAGE__MESSAGES__N_SHARDS", "4"),
];

async fn start(settings: &[(&'static str, &'static str)]) -> Cluster {
    let cluster = Cluster::start(&NAMES, settings).await;
    holders(&cluster, |count| count > 0).await;
    cluster
}

/// Waits until every shard has as many replicas as wanted and none is on the move.
async fn holders(cluster: &Cluster, wanted: impl Fn(usize) -> bool) {
    let since = Instant::now();
    loop {
        let storage = cluster.call("a@h", "GET", "ds/storages/messages", Value::Null).await;
        let shards = storage["shards"].as_array().cloned().unwrap_or_default();
        let replicas = |shard: &Value| shard["replicas"].as_array().map_or(0, Vec::len);
        let settled = |shard: &Value| shard["transitions"].is_null() && wanted(replicas(shard));
        if !shards.is_empty() && shards.iter().all(settled) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{storage}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Ten clients that have subscribed and gone.
async fn ten_subscribers(cluster: &Cluster, node: &str) {
    for number in 0..10 {
        let name = format!("client-{number}");
        let (mut client, known) = Client::connect(Version::V5, &name, cluster.address(node)).await;
        assert!(!known);
        client.subscribe("t").await;
    }
}

async fn ten_find(cluster: &Cluster, node: &str, messages: &[&str]) {
    for number in 0..10 {
        let (mut client, known) =
            Client::connect(Version::V5, &format!("client-{number}"), cluster.address(node)).await;
        assert!(known, "client-{number} lost its session");
        for message in messages {
            assert_eq!(client.message().await, *message, "client-{number}");
        }
    }
}

async fn publish(cluster: &Cluster, node: &str, text: &str) {
    let (mut publisher, _) = Client::connect(Version::V5, "publisher", cluster.address(node)).await;
    publisher.publish("t", text).await;
}

#[tokio::test]
async fn sessions_and_messages_survive_the_loss_of_any_node() {
    for lost in NAMES {
        let mut cluster = start(&DURABLE).await;
        let rest: Vec<&str> = NAMES.into_iter().filter(|name| *name != lost).collect();
        ten_subscribers(&cluster, lost).await;
        publish(&cluster, lost, "before").await;
        cluster.kill(lost);
        publish(&cluster, rest[0], "after").await;
        ten_find(&cluster, rest[1], &["before", "after"]).await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_not_sent_again() {
    let mut cluster = start(&DURABLE).await;
    let (mut client, _) = Client::connect(Version::V5, "client", cluster.address("a@h")).await;
    client.subscribe("t").await;
    publish(&cluster, "b@h", "first").await;
    assert_eq!(client.message().await, "first");
    // The acknowledgement is on its way to the replicas.
    sleep(Duration::from_secs(2)).await;
    cluster.kill("a@h");
    publish(&cluster, "b@h", "second").await;
    let (mut client, known) = Client::connect(Version::V5, "client", cluster.address("c@h")).await;
    assert!(known);
    assert_eq!(client.message().await, "second");
}

/// As on a machine that is too busy to answer in time.
#[tokio::test]
async fn a_connected_session_finds_what_its_node_was_not_told_of() {
    let cluster = start(&DURABLE).await;
    let (mut client, _) = Client::connect(Version::V5, "client", cluster.address("b@h")).await;
    client.subscribe("t").await;
    let (mut publisher, _) = Client::connect(Version::V5, "publisher", cluster.address("a@h")).await;
    cluster.node("b@h").node.set_faults(Faults { silent: true, ..Faults::default() });
    publisher.publish("t", "untold").await;
    cluster.node("b@h").node.set_faults(Faults::default());
    assert_eq!(client.message().await, "untold");
}

/// A client gives up a connection, for which its node has no time, and comes to another node.
#[tokio::test]
async fn a_connection_that_ends_late_changes_nothing_for_the_one_after_it() {
    let cluster = start(&DURABLE).await;
    let (given_up, _) = Client::connect(Version::V5, "client", cluster.address("b@h")).await;
    cluster.node("b@h").node.set_faults(Faults { silent: true, ..Faults::default() });
    let (mut client, known) = Client::connect(Version::V5, "client", cluster.address("a@h")).await;
    assert!(known);
    client.subscribe("t").await;
    cluster.node("b@h").node.set_faults(Faults::default());
    drop(given_up);
    // What its node has to say about it is on its way to the replicas.
    sleep(Duration::from_secs(1)).await;
    drop(client);
    publish(&cluster, "c@h", "for who came later").await;
    let (mut client, known) = Client::connect(Version::V5, "client", cluster.address("c@h")).await;
    assert!(known);
    assert_eq!(client.message().await, "for who came later");
}

#[tokio::test]
async fn without_most_replicas_nothing_is_served_and_with_them_all_is_there_again() {
    let mut cluster = start(&DURABLE).await;
    ten_subscribers(&cluster, "a@h").await;
    publish(&cluster, "a@h", "kept").await;
    cluster.kill("b@h");
    cluster.kill("c@h");
    let Event::Over(reason) = Client::start(Version::V5, "client-0", cluster.address("a@h")).next().await else {
        panic!("a session was opened without its replicas")
    };
    assert!(reason.contains("ServerUnavailable"), "{reason}");
    cluster.boot("c@h");
    cluster.until("c@h", |_, nodes| nodes.len() == 2).await;
    cluster.listens("c@h").await;
    ten_find(&cluster, "c@h", &["kept"]).await;
}

#[tokio::test]
async fn all_nodes_may_be_lost_at_once_but_not_their_volumes() {
    let mut cluster = start(&DURABLE).await;
    ten_subscribers(&cluster, "a@h").await;
    publish(&cluster, "b@h", "kept").await;
    NAMES.iter().for_each(|name| cluster.kill(name));
    NAMES.iter().rev().for_each(|name| cluster.boot(name));
    for name in NAMES {
        cluster.until(name, |_, nodes| nodes.len() == 3).await;
        cluster.listens(name).await;
    }
    ten_find(&cluster, "c@h", &["kept"]).await;
}

#[tokio::test]
async fn what_only_one_node_holds_is_away_with_it_until_replicas_were_moved() {
    let only_first = [("EMQX_DURABLE_SESSIONS__ENABLE", "true"), ("EMQX_DURABLE_STORAGE__MESSAGES__N_SHARDS", "4")];
    let mut cluster = start(&only_first).await;
    holders(&cluster, |count| count == 1).await;
    ten_subscribers(&cluster, "b@h").await;
    publish(&cluster, "b@h", "kept").await;
    let sites = cluster.call("a@h", "GET", "ds/sites", Value::Null).await;
    assert_eq!(sites.as_array().map(Vec::len), Some(3));
    cluster.call("a@h", "PUT", "ds/storages/messages/replicas", sites).await;
    holders(&cluster, |count| count == 3).await;
    cluster.kill("a@h");
    ten_find(&cluster, "c@h", &["kept"]).await;
}

#[tokio::test]
async fn durable_sessions_of_clients_that_are_away_keep_an_evacuation_from_its_end() {
    let cluster = start(&DURABLE).await;
    ten_subscribers(&cluster, "a@h").await;
    let options = json!({"wait_health_check": 0, "wait_takeover": 0});
    cluster.call("b@h", "POST", "load_rebalance/b@h/evacuation/start", options).await;
    let status = async || cluster.call("b@h", "GET", "load_rebalance/status", Value::Null).await;
    let kept = |status: &Value| status["state"] == "evicting_sessions" && status["stats"]["current_sessions"] == 10;
    let since = Instant::now();
    loop {
        let status = status().await;
        if kept(&status) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{status}");
        sleep(Duration::from_millis(50)).await;
    }
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        let status = status().await;
        assert!(kept(&status), "{status}");
        sleep(Duration::from_millis(50)).await;
    }
}
