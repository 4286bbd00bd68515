//! A client comes, subscribes, and goes, and its durable session is the same wherever it connects.

use super::super::admission::Admitted;
use super::super::broker::Broker;
use super::super::codec::{Connect, DisconnectReason};
use super::super::session::{Durable, Message, Session, next_id};
use super::{Head, NoQuorum, Record};
use std::collections::BTreeSet;
use std::time::Duration;

/// A message that is under way for longer may never have reached the node of its client.
const OVERDUE: Duration = Duration::from_secs(2);

impl Broker {
    pub(in super::super) fn keeps_sessions(&self) -> bool {
        self.peers.shards().is_some()
    }

    /// Opens a session that outlives its connection; the lock of the client is held by the caller.
    pub(in super::super) async fn open_durable(&self, connect: &Connect) -> Result<Admitted, NoQuorum> {
        // From here on messages for it are remembered, so that none falls between reading and connecting.
        self.lock().opening.insert(connect.client.clone(), Vec::new());
        let opened = self.try_open_durable(connect).await;
        if opened.is_err() {
            self.lock().opening.remove(&connect.client);
        }
        opened
    }

    async fn try_open_durable(&self, connect: &Connect) -> Result<Admitted, NoQuorum> {
        let client = &connect.client;
        self.fetch_from_peers(client, true).await;
        if let Some(entry) = self.lock().sessions.remove(client) {
            entry.into_session(DisconnectReason::TakenOver);
        }
        let found = self.read(client).await?.filter(|record| !connect.clean && record.is_alive() && !record.is_over());
        let session_present = found.is_some();
        let version = next_id();
        let mut record = found.unwrap_or_default();
        if !session_present {
            record.head.born = version;
        }
        record.head.version = version;
        record.head.opened = version;
        record.head.expiry = u32::try_from(connect.expiry.as_secs()).unwrap_or(u32::MAX);
        record.head.connected = Some(self.node.to_string());
        record.tidy();
        self.write(client, record.head.clone()).await?;
        let window = self.window();
        let durable = Durable { born: record.head.born, opened: version };
        let mut session = Session::durable(connect.expiry, durable, record.head.subscriptions);
        let mut state = self.lock();
        let meanwhile = state.opening.remove(client).unwrap_or_default();
        let known: BTreeSet<_> = record.messages.iter().map(|message| message.id).collect();
        let later = meanwhile.into_iter().filter(|message| !known.contains(&message.id));
        let wanted: Vec<Message> =
            record.messages.into_iter().chain(later).filter_map(|one| session.wanted(&one)).collect();
        wanted.into_iter().for_each(|message| session.push(message, window));
        Ok(state.connect(connect, session, session_present))
    }

    /// Messages between nodes are only the fast path: a connected session also finds records that it did not get, because
    /// its node could not be reached at that moment.
    pub async fn look_into_storage(&self) {
        for client in self.overdue().await {
            self.find_untold(&client).await;
        }
    }

    /// Clients of this node for whom some replica keeps a message that should have been acknowledged long ago.
    async fn overdue(&self) -> BTreeSet<String> {
        let connected: BTreeSet<String> = {
            let state = self.lock();
            let durable = state.sessions.iter().filter(|(_, entry)| entry.session.durable.is_some());
            durable.map(|(client, _)| client.clone()).collect()
        };
        if connected.is_empty() {
            return connected;
        }
        let (now, process) = next_id();
        let before = (now.saturating_sub(OVERDUE.as_micros().try_into().unwrap_or(u64::MAX)), process);
        let waiting = self.waiting_before(before).await;
        connected.intersection(&waiting).cloned().collect()
    }

    async fn find_untold(&self, client: &str) {
        let Ok(Some(mut record)) = self.read(client).await else { return };
        record.tidy();
        let window = self.window();
        let mut state = self.lock();
        let Some(entry) = state.sessions.get_mut(client).filter(|entry| entry.session.durable.is_some()) else {
            return;
        };
        let wanted: Vec<Message> = record.messages.iter().filter_map(|one| entry.session.wanted(one)).collect();
        wanted.into_iter().for_each(|message| entry.push(message, window));
    }

    /// Keeps what the client has subscribed to; true if that is not needed or done. Who has taken the session over meanwhile
    /// may have read it without that.
    pub(in super::super) async fn persist(&self, client: &str, number: u64) -> bool {
        let head = self.lock().connected(client, number).map(|entry| head_of(&entry.session));
        let Some(head) = head else { return false };
        let Some(head) = head else { return true };
        let kept = self.write(client, Head { connected: Some(self.node.to_string()), ..head }).await.is_ok();
        kept && self.lock().connected(client, number).is_some()
    }

    /// The connection is gone; the session was never only here.
    pub(in super::super) async fn retire(&self, client: &str, session: &Session) {
        if let Some(head) = head_of(session) {
            // Without it the session counts as connected to a node that does not have it.
            let _ = self.write(client, head).await;
        }
    }

    /// Durable sessions of the whole cluster whose client is away.
    pub(crate) async fn durable_offline(&self, running: &[String]) -> u64 {
        let here = |node: &Option<String>| node.as_ref().is_some_and(|node| running.contains(node));
        let all = self.all_sessions().await;
        all.values().filter(|record| record.is_alive() && !record.is_over() && !here(&record.head.connected)).count()
            as u64
    }
}

/// None for sessions in memory.
fn head_of(session: &Session) -> Option<Head> {
    let Durable { born, opened } = session.durable?;
    Some(Head {
        opened,
        version: next_id(),
        born,
        subscriptions: session.subscriptions.clone(),
        expiry: u32::try_from(session.expiry.as_secs()).unwrap_or(u32::MAX),
        connected: None,
    })
}

impl Record {
    /// No client reconnected in time. A node that was lost did not say when its clients went: they keep their sessions.
    fn is_over(&self) -> bool {
        let since = Duration::from_micros(next_id().0.saturating_sub(self.head.version.0));
        self.head.connected.is_none() && since > Duration::from_secs(self.head.expiry.into())
    }
}
