//! The MQTT listeners of a node, open while it runs.

use crate::config::{Listener, TlsFiles};
use crate::http;
use crate::mqtt::Broker;
use crate::node::Node;
use crate::rpc::Phase;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A change of the configuration reaches the listeners within this time.
const RELOAD: Duration = Duration::from_millis(200);
/// How often connected durable sessions look for records that they did not get.
const LOOK: Duration = Duration::from_secs(2);

/// Listens while the node runs; clients are disconnected when it stops or joins.
pub(crate) async fn serve(node: Arc<Node>, broker: Broker) {
    let expiry = broker.clone();
    let expire = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            expiry.expire();
        }
    };
    let listen = async {
        loop {
            node.reaches(Phase::Running).await;
            let mut open = node.port_open();
            tokio::select! {
                () = listen(&node, &broker) => {}
                _ = open.wait_for(|open| !*open) => {}
            }
            broker.shut_down();
            // The goodbyes go out before the node is back.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(expire, listen);
}

async fn listen(node: &Arc<Node>, broker: &Broker) {
    broker.open();
    let mut tasks = JoinSet::new();
    if node.config().durable_sessions() {
        let sync = broker.clone();
        tasks.spawn(async move { sync.catch_up_all().await });
        // Also where no replica is, on replicants.
        let looking = broker.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                looking.look_into_storage().await;
            }
        });
    }
    let mut open: BTreeMap<String, (Listener, Option<AbortHandle>)> = BTreeMap::new();
    loop {
        let listeners = node.config().listeners().into_iter().filter(|listener| listener.enable);
        let wanted: BTreeMap<_, _> = listeners.map(|listener| (listener.id(), listener)).collect();
        // Listeners that a change of the configuration touches are closed, with their connections, and opened again.
        open.retain(|id, (listener, task)| {
            let stays = wanted.get(id) == Some(listener);
            if let Some(task) = task.as_ref().filter(|_| !stays) {
                task.abort();
            }
            stays
        });
        for (id, listener) in wanted {
            open.entry(id).or_insert_with(|| {
                let task = match acceptor(node, &listener) {
                    Ok(Some(acceptor)) => Some(tasks.spawn(accept(broker.clone(), listener.clone(), acceptor))),
                    // WebSocket and QUIC are left out.
                    Ok(None) => None,
                    Err(error) => {
                        tracing::error!(listener = listener.id(), error, "the listener cannot start");
                        None
                    }
                };
                (listener, task)
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::time::sleep(RELOAD).await;
    }
}

enum Acceptor {
    Plain,
    Tls(TlsAcceptor),
}

fn acceptor(node: &Arc<Node>, listener: &Listener) -> Result<Option<Acceptor>, String> {
    match listener.kind.as_str() {
        "tcp" => Ok(Some(Acceptor::Plain)),
        "ssl" => {
            let option = |name: &str| listener.config.get("ssl_options")?.get(name)?.as_str().map(str::to_owned);
            let (Some(certificate), Some(key)) = (option("certfile"), option("keyfile")) else { return Ok(None) };
            // The shipped certificates are not in our image.
            if certificate.starts_with("${EMQX_ETC_DIR}/certs/") {
                return Ok(None);
            }
            let acceptor = http::acceptor(&node.etc, &TlsFiles { certificate, key, authority: None });
            acceptor.map(|acceptor| Some(Acceptor::Tls(acceptor))).map_err(|error| error.to_string())
        }
        _ => Ok(None),
    }
}

async fn accept(broker: Broker, listener: Listener, acceptor: Acceptor) {
    let socket = loop {
        match TcpListener::bind(listener.bind.socket()).await {
            Ok(socket) => break socket,
            // A listener that is being closed may still have the port.
            Err(error) => tracing::warn!(listener = listener.id(), %error, "failed to listen"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            // Out of file descriptors: a moment later there may be some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        // Packets are small, and a client waits for each.
        let _ = stream.set_nodelay(true);
        let broker = broker.clone();
        match &acceptor {
            Acceptor::Plain => {
                connections.spawn(async move { broker.serve(stream).await });
            }
            Acceptor::Tls(tls) => {
                let tls = tls.clone();
                connections.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        broker.serve(stream).await;
                    }
                });
            }
        }
    }
}
