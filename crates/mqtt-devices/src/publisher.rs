//! Publishes one numbered message after the other, to all addressees in turn, and waits for each acknowledgement.

use super::Plan;
use super::ledger::{Ledger, Message};
use super::link::{Happening, Link};
use super::subscriber::topic;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) struct Publisher {
    plan: Arc<Plan>,
    number: usize,
    link: Link,
    ledger: Arc<Ledger>,
    /// Numbers under which the message that is under way left.
    sent: Vec<u16>,
}

impl Publisher {
    pub(super) fn new(plan: &Arc<Plan>, number: usize, link: Link, ledger: Arc<Ledger>) -> Self {
        Self { plan: plan.clone(), number, link, ledger, sent: Vec::new() }
    }

    /// Until it is to be silent; a message that is under way is acknowledged before.
    pub(super) async fn live(mut self, silence: CancellationToken) {
        while !matches!(self.link.next().await, Happening::Connected { .. }) {}
        let pause = Duration::from_secs_f64(self.plan.publishers as f64 / self.plan.rate);
        // Publishers begin one after the other, so that the rate is even.
        let mut due = Instant::now() + pause.mul_f64(self.number as f64 / self.plan.publishers as f64);
        for number in 1.. {
            while self.link.next_until(due).await.is_some() {}
            if silence.is_cancelled() {
                return;
            }
            let turn = number as usize * self.plan.publishers + self.number;
            let message = Message { addressee: turn % self.plan.sessions, publisher: self.number, number };
            self.publish(message).await;
            due = Instant::now().max(due + pause);
        }
    }

    /// The library sends again what was not acknowledged, unless the broker has lost the session.
    async fn publish(&mut self, message: Message) {
        self.sent.clear();
        self.send(message).await;
        loop {
            match self.link.next().await {
                Happening::Sent(id) => self.sent.push(id),
                Happening::Connected { session_present: false } => self.send(message).await,
                Happening::Acknowledged(ack) if self.sent.contains(&ack.pkid) => match ack.reason {
                    PubAckReason::Success => return self.ledger.acknowledged(message, false),
                    PubAckReason::NoMatchingSubscribers => return self.ledger.acknowledged(message, true),
                    // Refused, and so not promised.
                    _ => return,
                },
                Happening::Connected { session_present: true } | Happening::Acknowledged(_) => {}
                Happening::Subscribed | Happening::Received(_) => {}
            }
        }
    }

    async fn send(&mut self, message: Message) {
        let (topic, payload) = (topic(&self.plan, message.addressee), message.payload());
        self.link.client.publish(topic, QoS::AtLeastOnce, false, payload).await.expect("the link lives");
    }
}
