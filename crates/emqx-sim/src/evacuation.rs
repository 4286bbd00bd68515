//! Evacuation of one node: `waiting_health_check`, `evicting_conns`, `waiting_takeover`, `evicting_sessions`, and
//! `prohibiting` until it is stopped. It is kept in the volume, so that a restarted node continues the eviction.

use crate::node::{Node, lock};
use crate::rpc::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::sleep;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub wait_health_check: u64,
    pub conn_evict_rate: u64,
    pub wait_takeover: u64,
    pub sess_evict_rate: u64,
    /// None: all other running nodes.
    pub migrate_to: Option<Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait_health_check: 60, conn_evict_rate: 500, wait_takeover: 60, sess_evict_rate: 500, migrate_to: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    WaitingHealthCheck,
    EvictingConns,
    WaitingTakeover,
    EvictingSessions,
    Prohibiting,
}

pub(crate) struct Machine {
    options: Options,
    state: State,
    initial: (u64, u64),
    connected: u64,
    sessions: u64,
    task: AbortHandle,
}

impl Node {
    pub(crate) fn start_evacuation(self: &Arc<Self>, options: Options) -> Result<(), &'static str> {
        if lock(&self.donor).is_some() || self.faults().eviction_agent_busy {
            return Err("eviction_agent_busy");
        }
        if lock(&self.evacuation).is_some() {
            return Err("already_started");
        }
        let Options { conn_evict_rate, wait_takeover, sess_evict_rate, .. } = &options;
        let kept = json!({
            "conn_evict_rate": conn_evict_rate, "sess_evict_rate": sess_evict_rate, "wait_takeover": wait_takeover,
            "server_reference": null,
        });
        self.volume.save_evacuation(Some(&kept.to_string())).map_err(|_| "eacces")?;
        self.begin(options, State::WaitingHealthCheck);
        Ok(())
    }

    /// After a restart: straight to evicting, without `wait_health_check` and `migrate_to`, which are not kept.
    pub(crate) fn restore_evacuation(self: &Arc<Self>) {
        let Some(text) = self.volume.evacuation() else { return };
        let kept: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let defaults = Options::default();
        let read = |field: &str, default: u64| kept.get(field).and_then(Value::as_u64).unwrap_or(default);
        let options = Options {
            wait_health_check: 0,
            conn_evict_rate: read("conn_evict_rate", defaults.conn_evict_rate),
            wait_takeover: read("wait_takeover", defaults.wait_takeover),
            sess_evict_rate: read("sess_evict_rate", defaults.sess_evict_rate),
            migrate_to: None,
        };
        self.begin(options, State::EvictingConns);
    }

    fn begin(self: &Arc<Self>, options: Options, state: State) {
        let counts = self.clients.counts();
        let initial = (counts.connected, counts.sessions() + counts.durable_offline);
        let node = self.clone();
        let mut evacuation = lock(&self.evacuation);
        let task = self.spawn({
            let options = options.clone();
            async move { node.evacuate(options, state).await }
        });
        *evacuation = Some(Machine { options, state, initial, connected: initial.0, sessions: initial.1, task });
    }

    /// Legal in every state; clients are welcome at once.
    pub(crate) fn stop_evacuation(&self) -> Result<(), &'static str> {
        let machine = lock(&self.evacuation).take().ok_or("not_started")?;
        machine.task.abort();
        self.clients.refuse(false);
        self.volume.save_evacuation(None).map_err(|_| "eacces")
    }

    /// The application stops; the file in the volume stays.
    pub(crate) fn stop_evacuation_task(&self) {
        if let Some(machine) = lock(&self.evacuation).take() {
            machine.task.abort();
            self.clients.refuse(false);
        }
    }

    async fn evacuate(self: Arc<Self>, options: Options, from: State) {
        if from == State::WaitingHealthCheck {
            sleep(Duration::from_secs(options.wait_health_check)).await;
        }
        self.clients.refuse(true);
        self.set_state(State::EvictingConns);
        self.evict_all_connections(options.conn_evict_rate).await;
        self.set_state(State::WaitingTakeover);
        sleep(Duration::from_secs(options.wait_takeover)).await;
        self.set_state(State::EvictingSessions);
        self.evict_all_sessions(&options).await;
        self.set_state(State::Prohibiting);
    }

    async fn evict_all_connections(&self, rate: u64) {
        loop {
            let connected = self.clients.counts().connected;
            self.update(|machine| machine.connected = connected);
            if connected == 0 {
                return;
            }
            if !self.faults().evacuation_frozen {
                self.clients.evict_connections(rate);
            }
            sleep(self.timings.tick).await;
        }
    }

    /// Durable sessions of clients that are away count too, although no eviction moves them.
    async fn evict_all_sessions(&self, options: &Options) {
        loop {
            let counts = self.clients.counts();
            let left = counts.sessions() + self.clients.durable_offline().await;
            self.update(|machine| machine.sessions = left);
            if left == 0 {
                return;
            }
            let recipients = self.recipients(options).await;
            if recipients.is_empty() {
                sleep(self.timings.no_recipient).await;
                continue;
            }
            if !self.faults().evacuation_frozen {
                // Who was being let in when the node closed is there only now.
                self.clients.evict_connections(options.conn_evict_rate);
                let moved = self.clients.evict_sessions(options.sess_evict_rate, &recipients).await;
                self.hand_over(moved, &recipients).await;
            }
            sleep(self.timings.tick).await;
        }
    }

    pub(crate) async fn hand_over(&self, sessions: u64, to: &[String]) {
        let each = sessions / to.len() as u64;
        for (index, recipient) in to.iter().enumerate() {
            let share = each + u64::from((index as u64) < sessions % to.len() as u64);
            // A recipient that just went down loses its share, as it would on brokers.
            let _ = self.call(recipient, Request::ReceiveSessions(share)).await;
        }
    }

    /// Running nodes that are not evacuating themselves. The status shows these nodes, not the requested nodes.
    async fn recipients(&self, options: &Options) -> Vec<String> {
        let answers = self.ask_members(Request::TakesSessions).await;
        let free = answers
            .into_iter()
            .filter(|(name, _, answer)| *name != self.name && matches!(answer, Ok(Response::Value(Value::Bool(true)))));
        let wanted = |name: &String| options.migrate_to.as_ref().is_none_or(|wanted| wanted.contains(name));
        free.map(|(name, _, _)| name).filter(wanted).collect()
    }

    fn set_state(&self, state: State) {
        self.update(|machine| machine.state = state);
    }

    fn update(&self, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = lock(&self.evacuation).as_mut() {
            change(machine);
        }
    }

    /// The status as both status calls show it, without node name.
    pub(crate) async fn evacuation_status(&self) -> Option<Value> {
        let options = lock(&self.evacuation).as_ref()?.options.clone();
        let recipients = self.recipients(&options).await;
        let evacuation = lock(&self.evacuation);
        let Machine { state, initial, connected, sessions, .. } = evacuation.as_ref()?;
        Some(json!({
            "state": state, "connection_eviction_rate": options.conn_evict_rate,
            "session_eviction_rate": options.sess_evict_rate, "connection_goal": 0, "session_goal": 0,
            "session_recipients": recipients,
            "stats": {
                "initial_connected": initial.0, "current_connected": connected,
                "initial_sessions": initial.1, "current_sessions": sessions,
            },
        }))
    }

    /// False from the first instant of an evacuation, and on donors of a rebalance.
    pub fn is_available(&self) -> bool {
        lock(&self.evacuation).is_none() && lock(&self.donor).is_none()
    }
}
