//! What sessions want to hear of. Who subscribes gets the retained messages at once.

use super::broker::{Broker, State};
use super::session::Message;
use super::topics;

impl Broker {
    /// Granted qualities; `None` where a filter is none.
    pub(super) fn subscribe(&self, client: &str, number: u64, filters: &[(String, u8)]) -> Vec<Option<u8>> {
        let window = self.window();
        let mut state = self.lock();
        let granted: Vec<_> =
            filters.iter().map(|(filter, qos)| topics::is_filter(filter).then_some((*qos).min(1))).collect();
        for ((filter, _), qos) in filters.iter().zip(&granted) {
            let Some(qos) = *qos else { continue };
            let retained = retained(&state, filter, qos);
            let Some(entry) = state.connected(client, number) else { break };
            entry.session.subscriptions.insert(filter.clone(), qos);
            retained.into_iter().for_each(|message| entry.push(message, window));
        }
        granted
    }

    pub(super) fn unsubscribe(&self, client: &str, number: u64, filters: &[String]) {
        if let Some(entry) = self.lock().connected(client, number) {
            entry.session.subscriptions.retain(|filter, _| !filters.contains(filter));
        }
    }
}

fn retained(state: &State, filter: &str, qos: u8) -> Vec<Message> {
    let matching = state.retained.values().filter(|message| topics::matches(filter, &message.topic));
    matching.map(|message| Message { qos: message.qos.min(qos), ..message.clone() }).collect()
}
