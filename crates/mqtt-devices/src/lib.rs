//! MQTT clients as devices are: hundreds of persistent sessions that stay subscribed while messages are published to them
//! with QoS 1, that connect again when they are sent away, and that notice what they lost.
//!
//! Every message has one addressee and a number, and is lost if the broker acknowledged it and its addressee never gets
//! it. A session is lost if EMQX answers a reconnecting client that it has no session. Both are read off the wire, not
//! asked of the broker.

pub mod command;
mod ledger;
mod link;
mod publisher;
mod report;
mod subscriber;
#[cfg(test)]
mod tests;

pub use ledger::Message;
pub use report::{Report, Story};

use anyhow::bail;
use futures::future::join_all;
use ledger::Ledger;
use link::Link;
use publisher::Publisher;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use subscriber::Subscriber;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// So many connect at the same time: as many as a broker with two cores accepts without refusing.
const AT_ONCE: usize = 50;

/// What the clients do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where they connect, every time: the address of a Service, of a balancer, or of a node.
    pub host: String,
    pub port: u16,
    /// Client names and topics begin with it; a new prefix finds no sessions of earlier runs.
    pub name: String,
    /// Persistent sessions, each with a subscription and a connection.
    pub sessions: usize,
    /// Clients that publish; their sessions are persistent, too.
    pub publishers: usize,
    /// Messages per second, of all publishers together. A publisher that waits for an acknowledgement is late.
    pub rate: f64,
    /// How long the broker keeps a session without connection.
    pub session_expiry: Duration,
    /// At least five seconds.
    pub keep_alive: Duration,
}

impl Plan {
    /// 200 sessions and 10 publishers with 100 messages per second.
    pub fn new(host: &str, port: u16, name: &str) -> Plan {
        Plan {
            host: host.to_owned(),
            port,
            name: name.to_owned(),
            sessions: 200,
            publishers: 10,
            rate: 100.0,
            session_expiry: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(10),
        }
    }
}

/// Clients that run until they are finished; dropping them ends them.
pub struct Clients {
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    stories: Vec<Arc<Mutex<Story>>>,
    /// Ends the publishers.
    silence: CancellationToken,
    publishing: JoinSet<()>,
    _listening: JoinSet<()>,
}

impl Clients {
    /// Returns when all clients are connected and subscribed, and the publishers have begun; fails after `patience`.
    pub async fn start(plan: Plan, patience: Duration) -> anyhow::Result<Clients> {
        let plan = Arc::new(plan);
        let mut clients = Clients {
            ledger: Arc::default(),
            stories: Vec::new(),
            silence: CancellationToken::new(),
            publishing: JoinSet::new(),
            _listening: JoinSet::new(),
            plan: plan.clone(),
        };
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let mut ready = Vec::new();
        for addressee in 0..plan.sessions {
            let link = clients.link(&format!("{}-{addressee}", plan.name));
            let (subscriber, subscribed) = Subscriber::new(&plan, addressee, link, clients.ledger.clone());
            clients._listening.spawn(subscriber.live(gate.clone()));
            ready.push(subscribed);
        }
        if tokio::time::timeout(patience, join_all(ready)).await.is_err() {
            bail!("not everybody was subscribed after {patience:?}:\n{}", clients.report());
        }
        for number in 0..plan.publishers {
            let link = clients.link(&format!("{}-publisher-{number}", plan.name));
            let publisher = Publisher::new(&plan, number, link, clients.ledger.clone());
            clients.publishing.spawn(publisher.live(clients.silence.clone()));
        }
        Ok(clients)
    }

    fn link(&mut self, name: &str) -> Link {
        let story = Arc::new(Mutex::new(Story::new(name)));
        self.stories.push(story.clone());
        Link::new(&self.plan, name, story)
    }

    /// What has happened so far. Messages that are under way count as lost: see [`Clients::finish`].
    pub fn report(&self) -> Report {
        let lives = self.stories.iter().map(|story| story.lock().expect("no holder of this lock panics").clone());
        Report::new(lives.collect(), &self.ledger)
    }

    /// Publishes no more, waits until all clients are connected and every acknowledged message has arrived, but not longer
    /// than `patience`, and reports.
    pub async fn finish(mut self, patience: Duration) -> Report {
        let deadline = Instant::now() + patience;
        self.silence.cancel();
        let ended = async { while self.publishing.join_next().await.is_some() {} };
        // A publisher that gets no acknowledgement does not end by itself.
        let _ = tokio::time::timeout(patience, ended).await;
        while Instant::now() < deadline && !(self.ledger.is_settled() && self.report().offline_now == 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.report()
    }
}
