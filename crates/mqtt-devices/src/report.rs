//! What the clients lived through, in figures.

use super::ledger::{Balance, Ledger, Message};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// The life of one client.
#[derive(Clone, Debug)]
pub struct Story {
    pub name: String,
    /// How often EMQX had no session when the client reconnected.
    pub sessions_lost: u32,
    /// Why connections ended that had been accepted.
    pub disconnects: Vec<String>,
    /// Why attempts to connect failed.
    pub failed_attempts: Vec<String>,
    /// Each time without a connection after the first one.
    pub offline: Vec<Duration>,
    connected_before: bool,
    offline_since: Option<Instant>,
}

impl Story {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sessions_lost: 0,
            disconnects: Vec::new(),
            failed_attempts: Vec::new(),
            offline: Vec::new(),
            connected_before: false,
            offline_since: Some(Instant::now()),
        }
    }

    pub(super) fn connected(&mut self, session_present: bool) {
        let away = self.offline_since.take();
        if self.connected_before {
            self.offline.extend(away.map(|since| since.elapsed()));
            self.sessions_lost += u32::from(!session_present);
        }
        self.connected_before = true;
    }

    pub(super) fn disconnected(&mut self, reason: &str, was_online: bool) {
        let list = if was_online { &mut self.disconnects } else { &mut self.failed_attempts };
        list.push(reason.to_owned());
        self.offline_since.get_or_insert_with(Instant::now);
    }
}

/// What all clients together lived through.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub clients: usize,
    /// Clients without a connection when the report was made.
    pub offline_now: usize,
    /// Clients that lost their session, one entry per loss.
    pub sessions_lost: Vec<String>,
    /// QoS 1 messages that the broker acknowledged.
    pub acknowledged: usize,
    /// Of these, acknowledged with the remark that there is no subscriber.
    pub acknowledged_for_nobody: usize,
    /// Acknowledged messages that never arrived.
    pub messages_lost: Vec<Message>,
    /// Messages that arrived more than once count once for each further time; QoS 1 allows them.
    pub duplicates: u64,
    /// Messages that arrived at the wrong client.
    pub astray: u64,
    pub disconnects: usize,
    pub disconnects_per_client_max: usize,
    pub disconnects_per_client_mean: f64,
    /// How often each reason was given; codes are from MQTT 5.
    pub disconnect_reasons: BTreeMap<String, usize>,
    /// Attempts to connect that failed, by reason.
    pub failed_attempts: BTreeMap<String, usize>,
    /// From the end of a connection to the next one, in seconds.
    pub offline_seconds_max: f64,
    pub offline_seconds_mean: f64,
}

impl Report {
    pub(super) fn new(stories: Vec<Story>, ledger: &Ledger) -> Report {
        let Balance { acknowledged, nobody, lost, duplicates, astray } = ledger.balance();
        let disconnects: Vec<usize> = stories.iter().map(|story| story.disconnects.len()).collect();
        let offline: Vec<f64> = stories.iter().flat_map(|story| &story.offline).map(Duration::as_secs_f64).collect();
        let lost_by = |story: &Story| std::iter::repeat_n(story.name.clone(), story.sessions_lost as usize);
        Report {
            clients: stories.len(),
            offline_now: stories.iter().filter(|story| story.offline_since.is_some()).count(),
            sessions_lost: stories.iter().flat_map(lost_by).collect(),
            acknowledged,
            acknowledged_for_nobody: nobody,
            messages_lost: lost,
            duplicates,
            astray,
            disconnects: disconnects.iter().sum(),
            disconnects_per_client_max: disconnects.iter().copied().max().unwrap_or(0),
            disconnects_per_client_mean: mean(disconnects.iter().map(|count| *count as f64)),
            disconnect_reasons: counted(stories.iter().flat_map(|story| &story.disconnects)),
            failed_attempts: counted(stories.iter().flat_map(|story| &story.failed_attempts)),
            offline_seconds_max: offline.iter().copied().fold(0.0, f64::max),
            offline_seconds_mean: mean(offline.iter().copied()),
        }
    }

    /// All clients are connected, and no session and no acknowledged message was lost.
    pub fn nothing_lost(&self) -> bool {
        self.offline_now == 0 && self.sessions_lost.is_empty() && self.messages_lost.is_empty() && self.astray == 0
    }
}

fn counted<'a>(words: impl Iterator<Item = &'a String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word.clone()).or_default() += 1);
    counts
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

/// The last line has all figures that a promise is made about.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, count) in &self.disconnect_reasons {
            writeln!(f, "disconnected {count} times: {reason}")?;
        }
        for (reason, count) in &self.failed_attempts {
            writeln!(f, "failed to connect {count} times: {reason}")?;
        }
        for client in self.sessions_lost.iter().take(10) {
            writeln!(f, "session lost: {client}")?;
        }
        for message in self.messages_lost.iter().take(10) {
            writeln!(f, "message lost: {message:?}")?;
        }
        write!(
            f,
            "{} clients, {} offline now; {} sessions lost; {} messages acknowledged ({} for nobody), {} lost, {} duplicates, \
             {} astray; disconnects per client: at most {}, mean {:.2}; offline: at most {:.2} s, mean {:.2} s",
            self.clients,
            self.offline_now,
            self.sessions_lost.len(),
            self.acknowledged,
            self.acknowledged_for_nobody,
            self.messages_lost.len(),
            self.duplicates,
            self.astray,
            self.disconnects_per_client_max,
            self.disconnects_per_client_mean,
            self.offline_seconds_max,
            self.offline_seconds_mean,
        )
    }
}
