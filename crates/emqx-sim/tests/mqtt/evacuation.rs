//! What clients live through while a node is emptied.

use crate::clients::{Client, Event, VERSIONS, Version};
use crate::nodes::Listening;
use crate::sessions::offline;
use emqx_sim::mqtt::Counts;
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn an_evacuated_node_sends_clients_elsewhere() {
    let nodes = Listening::start().await;
    nodes.broker("a").refuse_connections(true);
    for (version, refusal) in [(Version::V4, "ServiceUnavailable"), (Version::V5, "UseAnotherServer")] {
        let Event::Over(reason) = Client::start(version, "client", nodes.address("a")).next().await else {
            panic!("{version:?} was let in")
        };
        assert!(reason.contains(refusal), "{version:?}: {reason}");
    }
    nodes.broker("a").refuse_connections(false);
    Client::connect(Version::V4, "client", nodes.address("a")).await;
}

#[tokio::test]
async fn evicted_clients_are_told_why() {
    let nodes = Listening::start().await;
    let (mut client, _) = Client::connect(Version::V5, "client", nodes.address("a")).await;
    assert_eq!(nodes.broker("a").evict_connections(10), 1);
    assert_eq!(nodes.broker("a").evict_connections(10), 0, "it is closing already");
    assert_eq!(client.next().await, Event::DisconnectReason(0x9C));
}

#[tokio::test]
async fn sessions_that_nobody_fetches_are_carried_to_other_nodes() {
    for version in VERSIONS {
        let nodes = Listening::start().await;
        for name in ["one", "two"] {
            let (mut client, _) = Client::connect(version, name, nodes.address("a")).await;
            client.subscribe("t").await;
        }
        offline(&nodes, "a", 2).await;
        let (mut publisher, _) = Client::connect(version, "publisher", nodes.address("b")).await;
        publisher.publish("t", "queued").await;
        let targets = ["b".to_owned(), "c".to_owned()];
        assert_eq!(nodes.broker("a").evict_sessions(1, &targets).await, 1);
        assert_eq!(nodes.broker("a").counts().sessions, 1);
        assert_eq!(nodes.broker("a").evict_sessions(10, &targets).await, 1);
        assert_eq!(nodes.broker("a").counts(), Counts::default());
        for name in ["one", "two"] {
            let (mut client, known) = Client::connect(version, name, nodes.address("c")).await;
            assert!(known, "{name} lost its session");
            assert_eq!(client.message().await, "queued");
        }
    }
}

/// Whoever stops a node that has no session left must not take one along.
#[tokio::test]
async fn a_session_counts_where_it_was_until_it_has_arrived() {
    let nodes = Listening::with_delay(|| Duration::from_millis(50)).await;
    drop(Client::connect(Version::V5, "client", nodes.address("a")).await);
    offline(&nodes, "a", 1).await;
    let evicting = nodes.broker("a").clone();
    let evicted = tokio::spawn(async move { evicting.evict_sessions(1, &["b".to_owned()]).await });
    while nodes.broker("b").counts().sessions == 0 {
        assert_eq!(nodes.broker("a").counts().sessions, 1);
        tokio::task::yield_now().await;
    }
    assert_eq!(evicted.await.unwrap(), 1);
    assert_eq!(nodes.broker("a").counts(), Counts::default());
}

/// Fifty subscribers on a node that is emptied in ten steps while somebody publishes, acknowledged, on another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_lose_nothing_when_their_node_is_evacuated() {
    let nodes = Arc::new(Listening::start().await);
    let subscribers = (0..50).map(|number| Subscriber::start(&nodes, number));
    let subscribers = join_all(subscribers).await;
    assert_eq!(nodes.broker("a").counts(), Counts { sessions: 50, connected: 50 });

    let done = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish_until(nodes.clone(), done.clone()));
    let living: Vec<_> = subscribers.into_iter().map(|s| tokio::spawn(s.live(nodes.clone()))).collect();

    nodes.broker("a").refuse_connections(true);
    while nodes.broker("a").counts().connected > 0 {
        nodes.broker("a").evict_connections(5);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    nodes.broker("a").evict_sessions(100, &["b".to_owned(), "c".to_owned()]).await;
    done.store(true, Ordering::Release);
    let acknowledged = publishing.await.unwrap();

    for received in join_all(living).await {
        let received = received.unwrap();
        assert_eq!(received.lost_sessions, 0);
        let lost: Vec<_> = acknowledged.difference(&received.messages).collect();
        assert!(lost.is_empty(), "lost {lost:?} of {}", acknowledged.len());
    }
    assert_eq!(nodes.broker("a").counts(), Counts::default());
}

const LAST: &str = "last";

/// Everything that was acknowledged; the last message says that it is the last.
async fn publish_until(nodes: Arc<Listening>, done: Arc<AtomicBool>) -> BTreeSet<String> {
    let (mut publisher, _) = Client::connect(Version::V5, "publisher", nodes.address("b")).await;
    let mut acknowledged = BTreeSet::new();
    while !done.load(Ordering::Acquire) {
        let text = acknowledged.len().to_string();
        publisher.publish("t", &text).await;
        acknowledged.insert(text);
    }
    publisher.publish("t", LAST).await;
    acknowledged
}

struct Subscriber {
    version: Version,
    name: String,
    client: Client,
    received: Received,
}

#[derive(Default)]
struct Received {
    messages: BTreeSet<String>,
    lost_sessions: usize,
}

impl Subscriber {
    async fn start(nodes: &Listening, number: usize) -> Self {
        let (version, name) = (VERSIONS[number % 2], format!("subscriber-{number}"));
        let (mut client, _) = Client::connect(version, &name, nodes.address("a")).await;
        client.subscribe("t").await;
        Self { version, name, client, received: Received::default() }
    }

    /// Receives until the last message; connects to the next node whenever the connection ends.
    async fn live(mut self, nodes: Arc<Listening>) -> Received {
        let mut addresses = ["a", "b", "c"].map(|node| nodes.address(node)).into_iter().cycle();
        loop {
            match self.client.next().await {
                Event::Message(text) if text == LAST => return self.received,
                Event::Message(text) => _ = self.received.messages.insert(text),
                Event::Over(_) => {
                    let address = addresses.next().expect("they go round");
                    self.client = Client::start(self.version, &self.name, address);
                }
                Event::Connected { session_present } => self.received.lost_sessions += usize::from(!session_present),
                Event::Subscribed | Event::Acknowledged | Event::DisconnectReason(_) => {}
            }
        }
    }
}
