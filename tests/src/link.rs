//! A network between the operator and the API server that can fail: connections stay open and lead nowhere.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A port that leads to the API server.
pub struct Link {
    pub address: SocketAddr,
    /// Connections that were made before this generation are dead.
    dead: Arc<watch::Sender<u64>>,
}

impl Link {
    /// Leads to this address, until the process ends.
    pub async fn to(target: String) -> std::io::Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, dead) = (listener.local_addr()?, Arc::new(watch::Sender::new(0)));
        tokio::spawn(accept(listener, target, dead.clone()));
        Ok(Link { address, dead })
    }

    /// Every connection that there is leads nowhere from now on, without a word. New ones work.
    pub fn lose_connections(&self) {
        self.dead.send_modify(|generation| *generation += 1);
    }
}

async fn accept(listener: TcpListener, target: String, dead: Arc<watch::Sender<u64>>) {
    while let Ok((mut from, _)) = listener.accept().await {
        let (target, mut dead) = (target.clone(), dead.subscribe());
        tokio::spawn(async move {
            let Ok(mut to) = TcpStream::connect(&target).await else { return };
            dead.mark_unchanged();
            tokio::select! {
                _ = copy_bidirectional(&mut from, &mut to) => {}
                _ = dead.changed() => {
                    // Kept open: whoever waits for an answer is not told.
                    std::future::pending::<()>().await;
                }
            }
        });
    }
}
