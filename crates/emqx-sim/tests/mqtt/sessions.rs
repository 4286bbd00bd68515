//! Sessions that travel between nodes.

use crate::clients::{Client, Event, VERSIONS, Version};
use crate::nodes::Listening;
use emqx_sim::mqtt::Counts;

#[tokio::test]
async fn messages_reach_subscribers_on_other_nodes() {
    for version in VERSIONS {
        let nodes = Listening::start().await;
        let (mut subscriber, _) = Client::connect(version, "subscriber", nodes.address("a")).await;
        subscriber.subscribe("t/+").await;
        let (mut publisher, _) = Client::connect(version, "publisher", nodes.address("b")).await;
        publisher.publish("t/1", "hello").await;
        publisher.publish("other", "not for it").await;
        publisher.publish("t/2", "again").await;
        assert_eq!(subscriber.message().await, "hello");
        assert_eq!(subscriber.message().await, "again");
    }
}

#[tokio::test]
async fn a_session_is_resumed_on_another_node_with_what_it_missed() {
    for version in VERSIONS {
        let nodes = Listening::start().await;
        let (mut subscriber, known) = Client::connect(version, "subscriber", nodes.address("a")).await;
        assert!(!known);
        subscriber.subscribe("t/#").await;
        drop(subscriber);
        offline(&nodes, "a", 1).await;
        let (mut publisher, _) = Client::connect(version, "publisher", nodes.address("c")).await;
        for number in 0..100 {
            publisher.publish("t", &number.to_string()).await;
        }
        let (mut subscriber, known) = Client::connect(version, "subscriber", nodes.address("b")).await;
        assert!(known);
        for number in 0..100 {
            assert_eq!(subscriber.message().await, number.to_string());
        }
        assert_eq!(nodes.broker("a").counts(), Counts::default());
    }
}

#[tokio::test]
async fn who_connects_elsewhere_takes_its_session_from_the_old_connection() {
    let nodes = Listening::start().await;
    let (mut old, _) = Client::connect(Version::V5, "client", nodes.address("a")).await;
    let (_new, known) = Client::connect(Version::V5, "client", nodes.address("b")).await;
    assert!(known);
    assert_eq!(old.next().await, Event::DisconnectReason(0x8E));
    assert!(matches!(old.next().await, Event::Over(_)));
}

#[tokio::test]
async fn clients_that_connect_everywhere_at_once_end_with_one_session() {
    let nodes = Listening::start().await;
    let (mut first, _) = Client::connect(Version::V5, "client", nodes.address("a")).await;
    first.subscribe("t").await;
    drop(first);
    let everywhere =
        ["a", "b", "c", "a", "b", "c"].map(|node| Client::connect(Version::V5, "client", nodes.address(node)));
    let connected = futures::future::join_all(everywhere).await;
    assert!(connected.iter().all(|(_, known)| *known), "one of them found no session");
    let sessions: usize = ["a", "b", "c"].iter().map(|node| nodes.broker(node).counts().sessions).sum();
    assert_eq!(sessions, 1);
}

#[tokio::test]
async fn a_node_that_stops_says_so() {
    let nodes = Listening::start().await;
    let (mut client, _) = Client::connect(Version::V5, "client", nodes.address("a")).await;
    nodes.broker("a").shut_down();
    assert_eq!(client.next().await, Event::DisconnectReason(0x8B));
}

/// Connections outlive a node of the same process for a moment, also when it sent clients elsewhere before.
#[tokio::test]
async fn a_killed_node_takes_no_session_along() {
    let nodes = Listening::start().await;
    drop(Client::connect(Version::V5, "client", nodes.address("b")).await);
    nodes.broker("a").refuse_connections(true);
    nodes.broker("a").kill();
    nodes.broker("a").refuse_connections(false);
    let mut client = Client::start(Version::V5, "client", nodes.address("a"));
    assert!(matches!(client.next().await, Event::Over(_)));
    assert_eq!(nodes.broker("a").counts(), Counts::default());
    assert_eq!(nodes.broker("b").counts().sessions, 1);
}

/// Waits until so many sessions of a node have no connection.
pub(crate) async fn offline(nodes: &Listening, node: &str, count: usize) {
    let seen = || {
        let Counts { sessions, connected } = nodes.broker(node).counts();
        sessions - connected == count
    };
    for _ in 0..1000 {
        if seen() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{node} has {:?}, expected {count} sessions without connection", nodes.broker(node).counts());
}
