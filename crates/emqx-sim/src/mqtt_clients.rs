//! The clients of a node that listens for MQTT: sessions that are counted, evicted and moved, and clients that only exist
//! as numbers beside the real ones.

use crate::clients::{Clients, Counts, Synthetic};
use crate::mqtt::{Broker, Limits, PeerRequest, PeerResponse, Peers};
use crate::node::Node;
use futures::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

/// After a node could not be reached it gets less time for so long, so that publishers do not wait for it each time.
const SUSPECTED: Duration = Duration::from_secs(2);
const LESS_TIME: Duration = Duration::from_millis(300);
/// Less than callers wait, or they would be gone before it is noted that the node is silent.
const TIME: Duration = Duration::from_millis(4500);

/// The clients of a node: real ones, and numbers set by a test.
pub(crate) struct MqttClients {
    pub(crate) broker: Broker,
    links: Arc<Links>,
    pub(crate) synthetic: Arc<Synthetic>,
}

/// The way to other nodes; it leads through the node that is made after its clients.
#[derive(Default)]
struct Links {
    node: OnceLock<Weak<Node>>,
    failed: Mutex<BTreeMap<String, Instant>>,
}

impl MqttClients {
    pub(crate) fn new(node: &str) -> Self {
        let links = Arc::new(Links::default());
        Self { broker: Broker::new(node, links.clone(), Limits::default()), links, synthetic: Arc::default() }
    }

    pub(crate) fn belong_to(&self, node: &Arc<Node>) {
        self.links.node.get_or_init(|| Arc::downgrade(node));
        if let Err(error) = self.broker.keep_in(node.volume.path()) {
            tracing::error!(node = node.name, "failed to open durable storage: {error}");
        }
    }
}

impl Links {
    fn node(&self) -> Option<Arc<Node>> {
        self.node.get()?.upgrade()
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Instant>> {
        self.failed.lock().expect("no code panics while it holds the list of nodes")
    }
}

impl Peers for Links {
    fn nodes(&self) -> Vec<String> {
        let members = self.node().map(|node| node.other_members()).unwrap_or_default();
        members.into_iter().map(|(name, _)| name).collect()
    }

    fn shards(&self) -> Option<Vec<Vec<String>>> {
        let node = self.node()?;
        // Two statements: the lock of the configuration must not be held while the state is locked.
        let durable = node.config().durable_sessions();
        durable.then(|| node.replica_nodes())
    }

    fn call(&self, node: &str, request: PeerRequest) -> BoxFuture<'_, Result<PeerResponse, String>> {
        let name = node.to_owned();
        async move {
            let node = self.node().ok_or("the node has ended")?;
            let suspected = self.failed().get(&name).is_some_and(|at| at.elapsed() < SUSPECTED);
            // The answer to a lock may take its time, and a session must not be lost on its way.
            let waits =
                matches!(request, PeerRequest::Lock { .. } | PeerRequest::TakeOver { .. } | PeerRequest::Import { .. });
            let limit = if suspected && !waits { LESS_TIME } else { TIME };
            let call = node.pass_on(&name, request);
            let answer = tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(format!("{name} is silent")));
            match &answer {
                Ok(_) => self.failed().remove(&name),
                Err(_) => self.failed().insert(name, Instant::now()),
            };
            answer
        }
        .boxed()
    }
}

impl Clients for MqttClients {
    fn counts(&self) -> Counts {
        let real = self.broker.counts();
        let mut counts = self.synthetic.counts();
        counts.connected += real.connected as u64;
        counts.disconnected += (real.sessions - real.connected) as u64;
        counts
    }

    fn durable_offline(&self) -> BoxFuture<'_, u64> {
        async move {
            let numbers = self.synthetic.counts().durable_offline;
            match self.links.node().filter(|node| node.config().durable_sessions()) {
                Some(node) => numbers + self.broker.durable_offline(&node.running().await).await,
                None => numbers,
            }
        }
        .boxed()
    }

    fn evict_connections(&self, limit: u64) {
        let evicted = self.broker.evict_connections(usize::try_from(limit).unwrap_or(usize::MAX));
        self.synthetic.evict_connections(limit - evicted as u64);
    }

    /// Real sessions are moved here, the number counts the synthetic sessions. A session that is on its way arrives, even when the
    /// evacuation is stopped meanwhile.
    fn evict_sessions(&self, limit: u64, to: &[String]) -> BoxFuture<'_, u64> {
        let (broker, to) = (self.broker.clone(), to.to_vec());
        let count = usize::try_from(limit).unwrap_or(usize::MAX);
        let moving = tokio::spawn(async move { broker.evict_sessions(count, &to).await });
        async move {
            let moved = moving.await.unwrap_or_default() as u64;
            self.synthetic.give_away(limit.saturating_sub(moved))
        }
        .boxed()
    }

    fn receive_sessions(&self, count: u64) {
        self.synthetic.receive_sessions(count);
    }

    fn refuse(&self, refuse: bool) {
        self.broker.refuse_connections(refuse);
    }

    fn lose_messages(&self, lose: bool) {
        self.broker.lose_messages(lose);
    }

    fn handle(&self, request: PeerRequest) -> BoxFuture<'_, PeerResponse> {
        self.broker.handle(request).boxed()
    }
}
