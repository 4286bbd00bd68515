//! A device: one persistent session with one subscription.

use super::Plan;
use super::ledger::Ledger;
use super::link::{Happening, Link};
use rumqttc::v5::mqttbytes::QoS;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub(super) struct Subscriber {
    number: usize,
    filter: String,
    link: Link,
    ledger: Arc<Ledger>,
    ready: Option<oneshot::Sender<()>>,
    subscribed: bool,
}

pub(super) fn topic(plan: &Plan, addressee: usize) -> String {
    format!("{}/{addressee}", plan.name)
}

impl Subscriber {
    /// Returns the subscriber, and a signal that it is subscribed.
    pub(super) fn new(plan: &Plan, number: usize, link: Link, ledger: Arc<Ledger>) -> (Self, oneshot::Receiver<()>) {
        let (ready, subscribed) = oneshot::channel();
        (Self { number, filter: topic(plan, number), link, ledger, ready: Some(ready), subscribed: false }, subscribed)
    }

    /// For ever. Its first connection waits for a place at the gate.
    pub(super) async fn live(mut self, gate: Arc<Semaphore>) {
        let mut place: Option<OwnedSemaphorePermit> = gate.acquire_owned().await.ok();
        loop {
            match self.link.next().await {
                Happening::Connected { session_present } => {
                    self.subscribed &= session_present;
                    self.subscribe().await;
                }
                Happening::Subscribed => {
                    self.subscribed = true;
                    self.ready.take().map(|ready| ready.send(()));
                    drop(place.take());
                }
                Happening::Received(payload) => self.ledger.received(self.number, &payload),
                Happening::Sent(_) | Happening::Acknowledged(_) => {}
            }
        }
    }

    /// New, or forgotten by the broker: a device subscribes and continues.
    async fn subscribe(&mut self) {
        if !self.subscribed {
            self.link.client.subscribe(self.filter.as_str(), QoS::AtLeastOnce).await.expect("the link lives");
        }
    }
}
