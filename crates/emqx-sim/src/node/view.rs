//! What a node sees of its cluster: asked when needed, so that a hanging peer is silent and a stopped peer is down.

use super::{Node, lock};
use crate::cluster_state::{Change, Role};
use crate::mqtt::{PeerRequest, PeerResponse};
use crate::rpc::{CallError, Phase, Pong, Request, Response};
use futures::future::{FutureExt, join_all};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// One member as seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Running,
    /// In the cluster, but not answering for itself: booting, joining or hung.
    Silent,
    Stopped,
}

/// What became of a short question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    Up,
    /// Its host says that nothing listens, or that it is not for us.
    Down,
    /// No answer, and it still counts as running.
    Silent,
    /// No answer for so long that it counts as stopped.
    Lost,
}

/// How long a node is asked that did not answer for so long that it counts as stopped.
const PROBE: Duration = Duration::from_millis(50);
/// Pings are answered by every phase at once; only a broken link takes longer.
const PING: Duration = Duration::from_millis(900);

impl Node {
    pub fn other_members(&self) -> Vec<(String, Role)> {
        let members = self.cluster_state().members.clone();
        members.into_iter().filter(|(name, _)| *name != self.name).collect()
    }

    pub(super) async fn discover(&self) -> Vec<String> {
        self.peers.discover().await
    }

    pub async fn ping(&self, to: &str) -> Option<Pong> {
        match timeout(PING, self.reach(to, Request::Ping)).await {
            Ok(Ok(Response::Pong(pong))) => Some(pong),
            Ok(_) | Err(_) => None,
        }
    }

    /// Whether a member is there: at once if it or its absence answers, after the net tick if nothing does.
    pub(super) async fn contact(&self, to: &str) -> Contact {
        match timeout(PING, self.reach(to, Request::Ping)).await {
            Ok(answer) => {
                lock(&self.silent_since).remove(to);
                if answer.is_ok() { Contact::Up } else { Contact::Down }
            }
            Err(_) => {
                let mut silent = lock(&self.silent_since);
                let since = silent.entry(to.to_owned()).or_insert_with(|| Instant::now() - PING);
                if since.elapsed() > self.timings.net_tick { Contact::Lost } else { Contact::Silent }
            }
        }
    }

    /// One call over the network, if there is one. Nodes that are in no cluster with us are down for us.
    pub(super) async fn reach(&self, to: &str, request: Request) -> Result<Response, CallError> {
        if to != self.name && self.faults().cut_off {
            return std::future::pending().await;
        }
        match self.peers.call(to, request).await {
            Ok(Response::Stranger) => Err(CallError::Down),
            answer => answer,
        }
    }

    /// Calls a node, this one included. A node that stays silent is called down after a while.
    pub fn call<'a>(
        &'a self,
        to: &'a str,
        request: Request,
    ) -> futures::future::BoxFuture<'a, Result<Response, CallError>> {
        async move {
            let since = lock(&self.silent_since).get(to).copied();
            let lost = since.is_some_and(|since| since.elapsed() > self.timings.net_tick);
            let limit = if lost { PROBE } else { self.timings.call };
            let answer = timeout(limit, self.reach(to, request)).await;
            let mut silent = lock(&self.silent_since);
            match answer {
                Ok(answer) => {
                    silent.remove(to);
                    answer
                }
                Err(_) if lost => Err(CallError::Down),
                Err(_) => {
                    silent.entry(to.to_owned()).or_insert_with(|| Instant::now() - limit);
                    Err(CallError::Silent)
                }
            }
        }
        .boxed()
    }

    /// Asks all members at once; cores that are down stay in the list, replicants do not.
    pub async fn ask_members(&self, request: Request) -> Vec<(String, Role, Result<Response, CallError>)> {
        let members = self.cluster_state().members.clone();
        let asked = members.into_iter().map(|(name, role)| {
            let request = request.clone();
            async move {
                let answer = self.call(&name, request).await;
                (name, role, answer)
            }
        });
        join_all(asked).await
    }

    /// Hands something to the MQTT side of another node.
    pub async fn pass_on(&self, to: &str, request: PeerRequest) -> Result<PeerResponse, String> {
        match self.reach(to, Request::Mqtt(request)).await {
            Ok(Response::Mqtt(answer)) => Ok(answer),
            Ok(_) => Err(format!("{to} is not ready")),
            Err(error) => Err(format!("{to}: {error}")),
        }
    }

    pub async fn seen(&self, name: &str) -> Seen {
        match self.call(name, Request::Ping).await {
            Ok(Response::Pong(pong)) if pong.phase == Phase::Stopped || self.is_stranger(&pong) => Seen::Stopped,
            Ok(Response::Pong(pong)) if pong.phase == Phase::Running => Seen::Running,
            Err(CallError::Down | CallError::WrongCookie) => Seen::Stopped,
            Ok(_) | Err(CallError::Silent) => Seen::Silent,
        }
    }

    /// Names of the members that run, this one included.
    pub async fn running(&self) -> Vec<String> {
        let pongs = self.ask_members(Request::Ping).await;
        let runs = |answer: &Result<Response, CallError>| match answer {
            Ok(Response::Pong(pong)) => pong.phase == Phase::Running && !self.is_stranger(pong),
            Ok(_) | Err(_) => false,
        };
        pongs.into_iter().filter(|(_, _, answer)| runs(answer)).map(|(name, _, _)| name).collect()
    }

    /// It runs under the name of a member, but in a cluster of its own: its volume was lost.
    fn is_stranger(&self, pong: &Pong) -> bool {
        pong.phase == Phase::Running && !pong.members.contains(&self.name)
    }

    pub async fn is_running_member(&self, name: &str) -> bool {
        self.cluster_state().members.contains_key(name) && self.seen(name).await == Seen::Running
    }

    /// Changes the shared state here and on every member that can be reached.
    pub async fn change(&self, change: Change) {
        self.cluster_state().apply(change.clone());
        self.remember();
        let told = self.other_members().into_iter().map(|(name, _)| {
            let change = change.clone();
            async move {
                // A member that is down copies the state when it boots.
                let _ = timeout(PING, self.reach(&name, Request::Apply(change))).await;
            }
        });
        join_all(told).await;
    }

    pub(crate) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        tokio::spawn(work).abort_handle()
    }
}
