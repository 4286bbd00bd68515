//! Three brokers, each with a listener on loopback.

use emqx_sim::mqtt::{Broker, Limits, PeerRequest, PeerResponse, Peers};
use futures::future::{BoxFuture, FutureExt as _};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];

type Brokers = BTreeMap<&'static str, Broker>;

/// Brokers that reach each other after a delay, which is drawn by the caller for each call.
pub(crate) struct Nodes {
    brokers: Arc<Brokers>,
}

struct Link {
    me: &'static str,
    brokers: Arc<OnceLock<Weak<Brokers>>>,
    delay: fn() -> Duration,
    durable: bool,
}

impl Nodes {
    /// Durable ones hold each shard on all nodes.
    pub(crate) fn new(delay: fn() -> Duration, durable: bool) -> Self {
        let shared = Arc::new(OnceLock::new());
        let broker = |me| {
            let link = Link { me, brokers: shared.clone(), delay, durable };
            (me, Broker::new(me, Arc::new(link), Limits::default()))
        };
        let brokers = Arc::new(NAMES.into_iter().map(broker).collect());
        shared.get_or_init(|| Arc::downgrade(&brokers));
        Self { brokers }
    }

    pub(crate) fn broker(&self, name: &str) -> &Broker {
        &self.brokers[name]
    }
}

impl Peers for Link {
    fn nodes(&self) -> Vec<String> {
        NAMES.into_iter().filter(|name| *name != self.me).map(str::to_owned).collect()
    }

    fn shards(&self) -> Option<Vec<Vec<String>>> {
        self.durable.then(|| vec![NAMES.map(str::to_owned).to_vec(); 4])
    }

    fn call(&self, node: &str, request: PeerRequest) -> BoxFuture<'_, Result<PeerResponse, String>> {
        let node = node.to_owned();
        async move {
            let brokers = self.brokers.get().and_then(Weak::upgrade).ok_or("the test has ended")?;
            self.take_time().await;
            let response = brokers[node.as_str()].handle(request).await;
            self.take_time().await;
            Ok(response)
        }
        .boxed()
    }
}

impl Link {
    /// Not even a moment where none is wanted: a busy machine makes seconds of it.
    async fn take_time(&self) {
        let delay = (self.delay)();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

/// The three brokers, listening.
pub(crate) struct Listening {
    pub(crate) nodes: Nodes,
    addresses: BTreeMap<&'static str, SocketAddr>,
    _accepting: JoinSet<()>,
}

impl Listening {
    pub(crate) async fn start() -> Self {
        Self::with_delay(|| Duration::ZERO).await
    }

    pub(crate) async fn with_delay(delay: fn() -> Duration) -> Self {
        let nodes = Nodes::new(delay, false);
        let (mut addresses, mut accepting) = (BTreeMap::new(), JoinSet::new());
        for name in NAMES {
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.insert(name, socket.local_addr().unwrap());
            accepting.spawn(accept(nodes.broker(name).clone(), socket));
        }
        Self { nodes, addresses, _accepting: accepting }
    }

    pub(crate) fn broker(&self, name: &str) -> &Broker {
        self.nodes.broker(name)
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }
}

async fn accept(broker: Broker, socket: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = socket.accept().await.unwrap();
        let broker = broker.clone();
        connections.spawn(async move { broker.serve(stream).await });
    }
}
