//! One client's connection, made again whenever it ends: at once, then less and less often, as devices do.

use super::{Plan, Story};
use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Packet, PubAck};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// No client has more messages in flight; the library reserves memory for each.
const IN_FLIGHT: u16 = 16;

/// What a client goes by.
pub(super) enum Happening {
    Connected {
        session_present: bool,
    },
    /// A message left under this number.
    Sent(u16),
    Subscribed,
    /// The payload of a message.
    Received(Bytes),
    Acknowledged(PubAck),
}

pub(super) struct Link {
    pub(super) client: AsyncClient,
    events: EventLoop,
    story: Arc<Mutex<Story>>,
    pause: Duration,
    online: bool,
}

impl Link {
    pub(super) fn new(plan: &Plan, name: &str, story: Arc<Mutex<Story>>) -> Link {
        let mut options = MqttOptions::new(name, &plan.host, plan.port);
        let expiry = u32::try_from(plan.session_expiry.as_secs()).unwrap_or(u32::MAX);
        options.set_clean_start(false).set_session_expiry_interval(Some(expiry)).set_keep_alive(plan.keep_alive);
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let (client, events) = AsyncClient::new(options, IN_FLIGHT.into());
        Link { client, events, story, pause: FIRST_PAUSE, online: false }
    }

    pub(super) fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().expect("no holder of this lock panics")
    }

    /// What happens next. Connects when there is no connection, for as long as that takes.
    pub(super) async fn next(&mut self) -> Happening {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                    (self.online, self.pause) = (true, FIRST_PAUSE);
                    self.story().connected(ack.session_present);
                    return Happening::Connected { session_present: ack.session_present };
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => return Happening::Subscribed,
                Ok(Event::Incoming(Packet::Publish(publish))) => return Happening::Received(publish.payload),
                Ok(Event::Incoming(Packet::PubAck(ack))) => return Happening::Acknowledged(ack),
                Ok(Event::Outgoing(Outgoing::Publish(id))) => return Happening::Sent(id),
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
                Err(error) => self.lost(&error).await,
            }
        }
    }

    /// The same until a moment; a client that is not connected has better things to do than to look at the clock.
    pub(super) async fn next_until(&mut self, deadline: Instant) -> Option<Happening> {
        if self.online { timeout_at(deadline, self.next()).await.ok() } else { Some(self.next().await) }
    }

    async fn lost(&mut self, error: &ConnectionError) {
        let was_online = std::mem::take(&mut self.online);
        self.story().disconnected(&reason(error), was_online);
        // Spread, so that the clients of a node that is gone do not come back as one.
        sleep(self.pause.mul_f64(0.5 + rand::random::<f64>())).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Words that stay few: they are counted.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => named(*reason_code),
        ConnectionError::ConnectionRefused(code) => format!("refused: {code:?}"),
        ConnectionError::MqttState(StateError::AwaitPingResp) => "no answer to a ping".to_owned(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => "closed without a word".to_owned(),
        ConnectionError::MqttState(StateError::Io(io)) | ConnectionError::Io(io) => format!("network: {}", io.kind()),
        ConnectionError::Timeout(_) => "no connection in time".to_owned(),
        // This is how the library reports that a connection broke in the middle of a packet.
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::v5::mqttbytes::Error::Io(_))) => {
            "network: connection broken".to_owned()
        }
        other => format!("client: {other}"),
    }
}

fn named(code: DisconnectReasonCode) -> String {
    format!("0x{:02X} {code:?}", code as u8)
}
