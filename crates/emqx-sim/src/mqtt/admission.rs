//! A client comes, and its session with it from wherever that is; a client goes, and its session stays as long as it may.

use super::broker::{Broker, Connection, Entry, Moved, PEER_DEADLINE, State};
use super::codec::{Connect, DisconnectReason, Refusal};
use super::durable::NoQuorum;
use super::mailbox::Mailbox;
use super::peers::{PeerRequest, PeerResponse};
use super::session::{Session, SessionState};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout;

/// A client that has been let in.
pub(super) struct Admitted {
    pub(super) number: u64,
    pub(super) session_present: bool,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Broker {
    /// Lets a client in, with its session, wherever that is.
    pub(super) async fn admit(&self, connect: &Connect) -> Result<Admitted, Refusal> {
        if !self.lock().is_welcoming() {
            return Err(Refusal::UseAnotherServer);
        }
        let lock = self.lock_client(&connect.client).await;
        let admitted = if self.keeps_sessions() && !connect.expiry.is_zero() {
            self.open_durable(connect).await.map_err(|NoQuorum| Refusal::Unavailable)
        } else {
            let given = self.fetch_from_peers(&connect.client, connect.clean).await;
            Ok(self.open_session(connect, given))
        };
        self.unlock_client(&connect.client, lock).await;
        admitted
    }

    fn open_session(&self, connect: &Connect, given: Vec<SessionState>) -> Admitted {
        let Connect { client, clean, expiry, receive_maximum: _, keep_alive: _, will: _, assigned: _ } = connect;
        let mut state = self.lock();
        state.moved.remove(client);
        let early = state.early.remove(client);
        let here = state.sessions.remove(client).map(|entry| entry.into_session(DisconnectReason::TakenOver));
        let here = here.filter(|session| !session.expiry.is_zero());
        let found = given.into_iter().fold(here, |found, given| Some(Session::united(found, given)));
        let found = found.filter(|_| !clean);
        let session_present = found.is_some();
        let mut session = found.unwrap_or_else(|| Session::new(*expiry));
        session.expiry = *expiry;
        session.disconnected = None;
        if session_present {
            let late = early.map(|early| early.messages).unwrap_or_default();
            late.into_iter().for_each(|message| session.push(message, self.window()));
        }
        state.connect(connect, session, session_present)
    }

    /// All that other nodes had: more than one session only if they lost sight of each other before.
    pub(super) async fn fetch_from_peers(&self, client: &str, discard: bool) -> Vec<SessionState> {
        let nodes = self.peers.nodes();
        let calls = nodes.iter().map(|node| {
            let request = PeerRequest::TakeOver { client: client.to_owned(), to: self.node.to_string(), discard };
            timeout(PEER_DEADLINE, self.peers.call(node, request))
        });
        let answers = join_all(calls).await.into_iter();
        let sessions = answers.filter_map(|answer| match answer {
            Ok(Ok(PeerResponse::Session(session))) => session,
            Ok(Ok(PeerResponse::Done | PeerResponse::Locked(_) | PeerResponse::Durable(_)) | Err(_)) | Err(_) => None,
        });
        sessions.collect()
    }

    /// Ends the session here. It is moving to the other node until [`Broker::arrived`].
    pub(super) fn give_away(&self, client: &str, to: &str, discard: bool) -> Option<SessionState> {
        let mut state = self.lock();
        let session = state.sessions.remove(client)?.into_session(DisconnectReason::TakenOver);
        if discard || session.expiry.is_zero() {
            return None;
        }
        let given = session.state(client);
        let moved = Moved { to: to.to_owned(), session, at: Instant::now(), on_its_way: true };
        state.moved.insert(client.to_owned(), moved);
        Some(given)
    }

    /// The other node has what was given to it.
    pub(super) fn arrived(&self, client: &str) {
        if let Some(moved) = self.lock().moved.get_mut(client) {
            moved.on_its_way = false;
        }
    }

    /// Has a session of another node from now on.
    pub(super) fn take_in(&self, given: SessionState) {
        let window = self.window();
        let client = given.client.clone();
        let mut state = self.lock();
        state.moved.remove(&client);
        let early = state.early.remove(&client);
        let entry = match state.sessions.remove(&client) {
            Some(Entry { session, connection }) => Entry { session: Session::united(Some(session), given), connection },
            None => Entry { session: Session::united(None, given), connection: None },
        };
        let entry = state.sessions.entry(client).or_insert(entry);
        let late = early.map(|early| early.messages).unwrap_or_default();
        late.into_iter().for_each(|message| entry.session.push(message, window));
        entry.wake();
    }

    /// The connection is gone; the session stays as long as it may. A durable one stays elsewhere, and is returned.
    pub(super) fn leave(&self, client: &str, number: u64) -> Option<Session> {
        let mut state = self.lock();
        let entry = state.connected(client, number)?;
        entry.connection = None;
        entry.session.disconnected = Some(Instant::now());
        if entry.session.durable.is_none() && !entry.session.expiry.is_zero() {
            return None;
        }
        state.sessions.remove(client).map(|entry| entry.session)
    }
}

impl State {
    /// Must follow in the same critical section on what took the session from where it was: between the two a message would
    /// find it nowhere.
    pub(super) fn connect(&mut self, connect: &Connect, session: Session, session_present: bool) -> Admitted {
        let number = self.next_number();
        let mailbox = Arc::new(Mailbox::default());
        let (again, receive_maximum) = (session.resend(), connect.receive_maximum.into());
        let connection = Connection { number, mailbox: mailbox.clone(), again, receive_maximum };
        let entry = Entry { session, connection: Some(connection) };
        entry.wake();
        if let Some(older) = self.sessions.insert(connect.client.clone(), entry) {
            older.into_session(DisconnectReason::TakenOver);
        }
        Admitted { number, session_present, mailbox }
    }
}
