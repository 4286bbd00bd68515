//! Rebalance: one coordinator takes connections, then sessions, from donors until their averages meet. End and failure
//! look the same: it is gone.

use crate::clients::Counts;
use crate::node::{Node, lock};
use crate::rpc::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::sleep;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    pub wait_health_check: u64,
    pub conn_evict_rate: u64,
    pub sess_evict_rate: u64,
    pub wait_takeover: u64,
    pub abs_conn_threshold: u64,
    pub abs_sess_threshold: u64,
    pub rel_conn_threshold: f64,
    pub rel_sess_threshold: f64,
    pub nodes: Vec<String>,
    pub conn_evict_rpc_timeout: u64,
    pub sess_evict_rpc_timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    WaitHealthCheck,
    EvictingConns,
    WaitTakeover,
    EvictingSessions,
}

/// What a donor knows of the rebalance it is part of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Donor {
    pub coordinator: String,
    pub options: Options,
    pub state: State,
    pub recipients: Vec<String>,
    pub goal: f64,
    pub initial: Counts,
}

pub(crate) struct Rebalance {
    options: Options,
    state: State,
    donors: Vec<String>,
    recipients: Vec<String>,
    donor_average: f64,
    goal: f64,
    task: AbortHandle,
}

/// Counts of the participating nodes, or None once one of them does not answer.
type Load = Vec<(String, Counts)>;

fn average(load: &Load, value: impl Fn(&Counts) -> u64) -> f64 {
    load.iter().map(|(_, counts)| value(counts) as f64).sum::<f64>() / load.len().max(1) as f64
}

fn balanced(donors: f64, recipients: f64, absolute: u64, relative: f64) -> bool {
    donors <= recipients + absolute as f64 || donors <= recipients * relative
}

impl Node {
    pub(crate) async fn start_rebalance(self: &Arc<Self>, options: Options) -> Result<(), &'static str> {
        if lock(&self.rebalance).is_some() {
            return Err("already_started");
        }
        let load = self.load(&options.nodes).await.ok_or("nodes_unavailable")?;
        let mean = average(&load, |counts| counts.connected);
        let (donors, recipients): (Load, Load) =
            load.into_iter().partition(|(_, counts)| counts.connected as f64 >= mean);
        let conns = |counts: &Counts| counts.connected;
        let sessions = |counts: &Counts| counts.disconnected;
        let even = |value: fn(&Counts) -> u64, absolute, relative| {
            balanced(average(&donors, value), average(&recipients, value), absolute, relative)
        };
        let done = even(conns, options.abs_conn_threshold, options.rel_conn_threshold)
            && even(sessions, options.abs_sess_threshold, options.rel_sess_threshold);
        if recipients.is_empty() || done {
            return Err("nothing_to_balance");
        }
        self.begin_rebalance(options, &donors, &recipients, mean).await
    }

    async fn begin_rebalance(
        self: &Arc<Self>,
        options: Options,
        donors: &Load,
        recipients: &Load,
        goal: f64,
    ) -> Result<(), &'static str> {
        let names = |load: &Load| load.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let (donor_names, recipient_names) = (names(donors), names(recipients));
        for (name, initial) in donors {
            let donor = Donor {
                coordinator: self.name.clone(),
                options: options.clone(),
                state: State::WaitHealthCheck,
                recipients: recipient_names.clone(),
                goal,
                initial: *initial,
            };
            let request = Request::BeDonor { coordinator: self.name.clone(), donor };
            if !matches!(self.call(name, request).await, Ok(Response::Done)) {
                self.free_donors(&donor_names).await;
                return Err("eviction_agent_busy");
            }
        }
        let node = self.clone();
        let mut slot = lock(&self.rebalance);
        let task = self.spawn(async move { node.balance().await });
        let donor_average = average(donors, |counts| counts.connected);
        let (donors, recipients) = (donor_names, recipient_names);
        *slot =
            Some(Rebalance { options, state: State::WaitHealthCheck, donors, recipients, donor_average, goal, task });
        Ok(())
    }

    async fn balance(self: Arc<Self>) {
        // Failure and success end alike.
        let _ = self.balance_steps().await;
        let donors = lock(&self.rebalance).as_ref().map(|one| one.donors.clone()).unwrap_or_default();
        self.free_donors(&donors).await;
        lock(&self.rebalance).take();
    }

    async fn balance_steps(&self) -> Option<()> {
        let (options, donors, recipients, goal) = {
            let slot = lock(&self.rebalance);
            let Rebalance { options, donors, recipients, goal, .. } = slot.as_ref()?;
            (options.clone(), donors.clone(), recipients.clone(), *goal)
        };
        sleep(Duration::from_secs(options.wait_health_check)).await;
        self.enter_rebalance(State::EvictingConns);
        loop {
            let load = self.load(&donors).await?;
            let mean = average(&load, |counts| counts.connected);
            if let Some(one) = lock(&self.rebalance).as_mut() {
                one.donor_average = mean;
            }
            if mean <= goal {
                break;
            }
            for donor in &donors {
                self.call(donor, Request::EvictConnections(options.conn_evict_rate)).await.ok()?;
            }
            sleep(self.timings.tick).await;
        }
        self.enter_rebalance(State::WaitTakeover);
        sleep(Duration::from_secs(options.wait_takeover)).await;
        self.enter_rebalance(State::EvictingSessions);
        self.balance_sessions(&options, &donors, &recipients).await
    }

    async fn balance_sessions(&self, options: &Options, donors: &[String], recipients: &[String]) -> Option<()> {
        loop {
            let value = |counts: &Counts| counts.disconnected;
            let here = average(&self.load(donors).await?, value);
            let there = average(&self.load(recipients).await?, value);
            if balanced(here, there, options.abs_sess_threshold, options.rel_sess_threshold) {
                return Some(());
            }
            for donor in donors {
                let request = Request::EvictSessions { limit: options.sess_evict_rate, to: recipients.to_vec() };
                if let Response::Number(moved) = self.call(donor, request).await.ok()? {
                    self.hand_over(moved, recipients).await;
                }
            }
            sleep(self.timings.tick).await;
        }
    }

    fn enter_rebalance(&self, state: State) {
        if let Some(one) = lock(&self.rebalance).as_mut() {
            one.state = state;
        }
        if let Some(donor) = lock(&self.donor).as_mut() {
            donor.state = state;
        }
    }

    async fn load(&self, nodes: &[String]) -> Option<Load> {
        let mut load = Vec::new();
        for node in nodes {
            match self.call(node, Request::Counts).await {
                Ok(Response::Counts(counts)) => load.push((node.clone(), counts)),
                Ok(_) | Err(_) => return None,
            }
        }
        Some(load)
    }

    async fn free_donors(&self, donors: &[String]) {
        for donor in donors {
            let _ = self.call(donor, Request::FreeDonor { coordinator: self.name.clone() }).await;
        }
    }

    /// Must hit the coordinator.
    pub(crate) async fn stop_rebalance(&self) -> Result<(), &'static str> {
        let rebalance = lock(&self.rebalance).take().ok_or("not_started")?;
        rebalance.task.abort();
        self.free_donors(&rebalance.donors).await;
        Ok(())
    }

    pub(crate) fn be_donor(&self, coordinator: &str, donor: Donor) -> Result<(), &'static str> {
        if lock(&self.evacuation).is_some() {
            return Err("eviction_agent_busy");
        }
        let mut slot = lock(&self.donor);
        if slot.as_ref().is_some_and(|taken| taken.coordinator != coordinator) {
            return Err("eviction_agent_busy");
        }
        *slot = Some(donor);
        Ok(())
    }

    pub(crate) fn free_donor(&self, coordinator: &str) {
        let mut slot = lock(&self.donor);
        if slot.as_ref().is_some_and(|donor| donor.coordinator == coordinator) {
            *slot = None;
        }
    }

    /// The coordinator's view, for the global status.
    pub(crate) fn rebalance_status(&self) -> Option<Value> {
        let slot = lock(&self.rebalance);
        let one = slot.as_ref()?;
        let mut shown = rates(self, &one.options);
        shown["coordinator_node"] = json!(self.name);
        shown["state"] = json!(one.state);
        shown["donors"] = json!(one.donors);
        shown["recipients"] = json!(one.recipients);
        if one.state != State::WaitHealthCheck {
            shown["connection_goal"] = json!(one.goal);
            shown["donor_conn_avg"] = json!(one.donor_average);
        }
        Some(shown)
    }

    /// The donor's view, for the local status.
    pub(crate) fn donor_status(&self) -> Option<Value> {
        let slot = lock(&self.donor);
        let donor = slot.as_ref()?;
        let counts = self.clients.counts();
        let mut shown = rates(self, &donor.options);
        shown["process"] = json!("rebalance");
        shown["state"] = json!(donor.state);
        shown["coordinator_node"] = json!(donor.coordinator);
        shown["recipients"] = json!(donor.recipients);
        shown["connection_goal"] = json!(donor.goal);
        shown["stats"] = json!({
            "initial_connected": donor.initial.connected, "current_connected": counts.connected,
            "initial_sessions": donor.initial.sessions(), "current_sessions": counts.sessions(),
            "current_disconnected_sessions": counts.disconnected,
        });
        Some(shown)
    }
}

fn rates(node: &Node, options: &Options) -> Value {
    let mut shown = json!({
        "connection_eviction_rate": options.conn_evict_rate, "session_eviction_rate": options.sess_evict_rate,
    });
    if node.profile.since(5, 9) {
        shown["connection_eviction_rpc_timeout"] = json!(options.conn_evict_rpc_timeout);
        shown["session_eviction_rpc_timeout"] = json!(options.sess_evict_rpc_timeout);
    }
    shown
}
